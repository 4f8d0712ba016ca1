"""`inferFromVolume`: a machine's instancetype or preference named by the labels of what its volume is made from.

Origin: kubevirt: pkg/instancetype/infer
"""

from fakekube.client.client import Client
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import BadRequest, NotFound
from fakekube.machinery.objects import dig, is_terminating, labels
from fakekube.machinery.resources import DATA_SOURCES, DATA_VOLUMES, PERSISTENT_VOLUME_CLAIMS
from fakekube.machinery.wire import Object

_LABEL = "instancetype.kubevirt.io/default-"


class Inference:
    """Follows a volume to the object that carries the labels."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def resolve(self, vm: Object, namespace: str) -> Object:
        """The machine with its matchers named. Raises NotFound where the failure policy is Reject."""
        spec = vm.get("spec") or {}
        wanted = [
            member
            for member in ("instancetype", "preference")
            if dig(spec, member, "inferFromVolume") and not dig(spec, member, "name")
        ]
        if not wanted or is_terminating(vm):
            return vm
        vm = copy_of(vm)
        for member in wanted:
            matcher = vm["spec"][member]
            try:
                found = await self._labels(vm, matcher["inferFromVolume"], namespace)
                if _LABEL + member not in found:
                    raise NotFound(
                        f"unable to find required {_LABEL}{member} label on the volume "
                        f"{matcher['inferFromVolume']}"
                    )
            except (NotFound, BadRequest) as error:
                if matcher.get("inferFromVolumeFailurePolicy") == "Ignore":
                    del vm["spec"][member]
                    continue
                raise NotFound(error.message, code=400) from None
            vm["spec"][member] = {"name": found[_LABEL + member]}
            kind = found.get(f"{_LABEL}{member}-kind")
            if kind:
                vm["spec"][member]["kind"] = kind
        return vm

    async def _labels(self, vm: Object, volume_name: str, namespace: str) -> dict[str, str]:
        volumes = dig(vm, "spec", "template", "spec", "volumes") or ()
        volume = next((one for one in volumes if one["name"] == volume_name), None)
        if volume is None:
            raise NotFound(f"unable to find volume {volume_name} to infer defaults")
        claim = dig(volume, "persistentVolumeClaim", "claimName")
        if claim:
            return dict(labels(await self._client.get(PERSISTENT_VOLUME_CLAIMS, claim, namespace)))
        name = dig(volume, "dataVolume", "name")
        if not name:
            raise BadRequest(f"unable to infer defaults from volume {volume_name} as type is not supported")
        templates = dig(vm, "spec", "dataVolumeTemplates") or ()
        template = next((one for one in templates if dig(one, "metadata", "name") == name), None)
        data_volume = template or await self._client.get(DATA_VOLUMES, name, namespace)
        return await self._labels_of(data_volume, namespace)

    async def _labels_of(self, data_volume: Object, namespace: str) -> dict[str, str]:
        own = labels(data_volume)
        if any(key.startswith(_LABEL) for key in own):
            return dict(own)
        reference = dig(data_volume, "spec", "sourceRef")
        if reference is not None:
            space = reference.get("namespace") or namespace
            source = await self._client.get(DATA_SOURCES, reference["name"], space)
            if any(key.startswith(_LABEL) for key in labels(source)):
                return dict(labels(source))
            claim = dig(source, "spec", "source", "pvc")
        else:
            claim = dig(data_volume, "spec", "source", "pvc")
        if claim is None:
            raise BadRequest("unable to infer defaults from DataVolume as its source is not supported")
        found = await self._client.get(
            PERSISTENT_VOLUME_CLAIMS, claim["name"], claim.get("namespace") or namespace
        )
        return dict(labels(found))
