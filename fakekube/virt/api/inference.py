"""`inferFromVolume`: a machine's instancetype or preference named by the labels of what its volume is made from; and its
architecture, which they tell unasked.

Origin: kubevirt: pkg/instancetype/infer, pkg/defaults
"""

from fakekube.client.client import Client
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import BadRequest, NotFound
from fakekube.machinery.objects import dig, is_terminating, labels
from fakekube.machinery.resources import DATA_SOURCES, DATA_VOLUMES, PERSISTENT_VOLUME_CLAIMS
from fakekube.machinery.wire import Object
from fakekube.virt import data_sources

_LABEL = "instancetype.kubevirt.io/default-"
_ARCHITECTURE = "template.kubevirt.io/architecture"
_ARCHITECTURES = ("amd64", "arm64", "s390x")


class Ignorable(Exception):
    """Nothing can be inferred from what there is; whoever has asked in vain may live with that."""


class Inference:
    """Follows a volume to the object that carries the labels."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def resolve(self, vm: Object, namespace: str) -> Object:
        """The machine with its matchers named. Raises BadRequest where that fails, unless it is nothing and may be."""
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
            await self._name(vm, member, namespace)
        return vm

    async def architecture(self, vm: Object, namespace: str) -> str:
        """What the DataSources of its templates are built for, or empty. Those that are missing, or say nonsense, are passed over."""
        for template in dig(vm, "spec", "dataVolumeTemplates", default=()):
            reference = dig(template, "spec", "sourceRef", default={})
            if str(reference.get("kind", "")).lower() != "datasource":
                continue
            space = reference.get("namespace") or namespace
            source = await self._source(reference.get("name", ""), space)
            if source is not None and (other := data_sources.pointed(source)):
                space, _, own = other.partition("/")
                source = await self._source(own, space)
            told = labels(source or {}).get(_ARCHITECTURE, "")
            if told in _ARCHITECTURES:
                return told
        return ""

    async def _source(self, own: str, space: str) -> Object | None:
        """A DataSource, if there is one; there is none of a name that nothing can have."""
        try:
            return await self._client.find(DATA_SOURCES, own, space)
        except BadRequest:
            return None

    async def _name(self, vm: Object, member: str, namespace: str) -> None:
        matcher = vm["spec"][member]
        optional = matcher.get("inferFromVolumeFailurePolicy") == "Ignore"
        try:
            found = await self._of_volume(vm, matcher["inferFromVolume"], namespace, _LABEL + member)
        except Ignorable as error:
            if not optional:
                raise BadRequest(str(error)) from None
            del vm["spec"][member]
            return
        except NotFound as error:
            raise BadRequest(error.message) from None
        if optional and member == "instancetype":
            vm["spec"]["template"]["spec"].get("domain", {}).pop("memory", None)  # was meant for a failure
        vm["spec"][member] = found

    async def _of_volume(self, vm: Object, own: str, namespace: str, label: str) -> Object:
        """What a machine's volume says. Raises Ignorable, NotFound and BadRequest."""
        volumes = dig(vm, "spec", "template", "spec", "volumes") or ()
        volume = next((one for one in volumes if one["name"] == own), None)
        if volume is None:
            raise BadRequest(f"unable to find volume {own} to infer defaults")
        if claim := dig(volume, "persistentVolumeClaim", "claimName"):
            return await self._of_claim(claim, namespace, label)
        if not (name := dig(volume, "dataVolume", "name")):
            raise Ignorable(f"unable to infer defaults from volume {own} as type is not supported")
        templates = dig(vm, "spec", "dataVolumeTemplates") or ()
        template = next((one for one in templates if dig(one, "metadata", "name") == name), None)
        if template is not None:
            return await self._of_spec(template.get("spec") or {}, namespace, label)
        data_volume = await self._client.find(DATA_VOLUMES, name, namespace)
        if data_volume is None:  # collected as garbage: its claim bears its name
            return await self._of_claim(name, namespace, label)
        return _said(data_volume, label) or await self._of_spec(data_volume["spec"], namespace, label)

    async def _of_spec(self, spec: Object, namespace: str, label: str) -> Object:
        """What the source of a DataVolume says."""
        if claim := dig(spec, "source", "pvc"):
            return await self._of_claim(claim["name"], claim.get("namespace") or namespace, label)
        reference = spec.get("sourceRef")
        if reference is None:
            raise Ignorable(
                "unable to infer defaults from DataVolumeSpec as DataVolumeSource is not supported"
            )
        if reference.get("kind") != "DataSource":
            raise Ignorable(
                f"unable to infer defaults from DataVolumeSourceRef as Kind {reference.get('kind')} is not supported"
            )
        space = reference.get("namespace") or namespace
        source = await self._client.get(DATA_SOURCES, reference["name"], space)
        if found := _said(source, label):
            return found
        if claim := dig(source, "spec", "source", "pvc"):
            return await self._of_claim(claim["name"], claim.get("namespace") or space, label)
        raise Ignorable("unable to infer defaults from DataSource that doesn't provide DataVolumeSourcePVC")

    async def _of_claim(self, own: str, namespace: str, label: str) -> Object:
        if found := _said(await self._client.get(PERSISTENT_VOLUME_CLAIMS, own, namespace), label):
            return found
        raise Ignorable(f"unable to find required {label} label on the volume")


def _said(obj: Object, label: str) -> Object | None:
    """The name, and the kind where it is told, by an object's labels."""
    told = labels(obj)
    if label not in told:
        return None
    kind = told.get(f"{label}-kind")
    return {"name": told[label], **({"kind": kind} if kind else {})}
