"""The DataVolumes of a VM's templates: made where missing, adopted where nobody's, waited for before a start.

What they say is read by `data_volumes`.
Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (handleDataVolumes)
"""

from fakekube.client.client import Client
from fakekube.client.recorder import NORMAL, WARNING, Recorder
from fakekube.machinery.errors import ApiError, BadRequest
from fakekube.machinery.objects import controller_of, dig, name, namespace, owner_reference
from fakekube.machinery.resources import DATA_SOURCES
from fakekube.machinery.wire import Object
from fakekube.virt import access, clone_access, data_sources
from fakekube.virt.controller import data_volumes, instance
from fakekube.virt.controller.informers import Informers
from fakekube.virt.controller.vm_pass import Pass
from fakekube.virt.controller.writer import Writer


class DataVolumes:
    """See the module text."""

    def __init__(self, client: Client, informers: Informers, recorder: Recorder, writer: Writer) -> None:
        self._client = client
        self._informers = informers
        self._recorder = recorder
        self._writer = writer

    def look(self, seen: Pass) -> None:
        """The volumes and claims the VM's template names, as far as they are there."""
        space = namespace(seen.vm)
        template_volumes = instance.template_volumes(seen.vm)
        for volume in data_volumes.named_by(template_volumes):
            if (found := self._informers.data_volumes.get(f"{space}/{volume}")) is not None:
                seen.volumes.append(found)
        for claim in data_volumes.claims_of(template_volumes):
            if (found := self._informers.claims.get(f"{space}/{claim}")) is not None:
                seen.claims[claim] = found

    async def provide(self, seen: Pass, *, halted: bool) -> bool:
        """Make missing DataVolumes; whether all of them let a VMI start."""
        vm, ready = seen.vm, True
        if not data_volumes.wanted_now(vm, halted=halted):
            return True
        for template in data_volumes.templates(vm):
            key = f"{namespace(vm)}/{name(template)}"
            volume = self._informers.data_volumes.get(key)
            if volume is None and data_volumes.was_collected(self._informers.claims.get(key)):
                continue
            if volume is None:
                ready = False
                if not self._writer.behind(key) and not await self._create(seen, template):
                    return False
                continue
            if controller_of(volume) is None:
                volume = await self._writer.adopt(volume, owner_reference(vm))
            ready = self._judge(seen, volume) and ready
            if seen.error is not None:
                return False
        return ready

    async def _create(self, seen: Pass, template: Object) -> bool:
        """Returns whether it could be made."""
        told = "Error encountered while creating DataVolumes:"
        try:
            template = await self._resolved(seen.vm, template)
        except ApiError as error:
            text = f"{told} unable to create DataVolume manifest: {error}"
            seen.failed("FailedCreate", text, error)
            return False
        self._warn_of_missing_source(seen, template)
        try:
            why = await self._unauthorized(seen.vm, template)
        except ApiError as error:
            why = str(error)
        if why:
            message = f"Not authorized to create DataVolume {name(template)}: {why}"
            self._recorder.event(seen.vm, WARNING, "UnauthorizedDataVolumeCreate", message)
            text = f"not authorized to create DataVolume: {why}"
            seen.failed("FailedCreate", f"{told} {text}", RuntimeError(text))
            return False
        try:
            await self._writer.create(data_volumes.build(seen.vm, template))
        except ApiError as error:
            message = f"Error creating DataVolume {name(template)}: {error}"
            self._recorder.event(seen.vm, WARNING, "FailedDataVolumeCreate", message)
            seen.failed("FailedCreate", f"{told} failed to create DataVolume: {error}", error)
            return False
        message = f"Created DataVolume {name(template)}"
        self._recorder.event(seen.vm, NORMAL, "SuccessfulDataVolumeCreate", message)
        return True

    async def _resolved(self, vm: Object, template: Object) -> Object:
        """The template with the source its DataSource stands for. Raises what the server refuses with."""
        reference, source = dig(template, "spec", "sourceRef", default={}), None
        if reference.get("kind") == "DataSource":
            space = reference.get("namespace") or namespace(vm)
            source = await self._client.get(DATA_SOURCES, reference.get("name", ""), space)
            if own := data_sources.pointed(source):
                source = await self._followed(source, own)
        return data_volumes.resolved(template, source, namespace(vm))

    async def _followed(self, source: Object, own: str) -> Object:
        """A DataSource that points to another one, as if it stood itself for what that one stands for."""
        other = await self._client.find(DATA_SOURCES, own.partition("/")[2], namespace(source))
        try:
            return {**source, "spec": {"source": data_sources.resolved(source, lambda _: other)}}
        except data_sources.UnresolvedError as error:
            raise BadRequest(str(error)) from None

    async def _unauthorized(self, vm: Object, template: Object) -> str:
        """Why the machine's service account may not clone what the template is to be a clone of."""
        clone = clone_access.cloned(dig(template, "spec", "source"), namespace(vm))
        if clone is None:
            return ""
        if clone.space not in self._informers.namespaces:
            return f"namespace {clone.space} does not exist"
        user = access.service_account(namespace(vm), data_volumes.account_of(vm))
        return await clone_access.refusal(self._client, user, clone, namespace(vm))

    def _warn_of_missing_source(self, seen: Pass, template: Object) -> None:
        source = dig(template, "spec", "source", "pvc")
        if source is None:
            return
        space = source.get("namespace") or namespace(seen.vm)
        if f"{space}/{source.get('name')}" not in self._informers.claims:
            message = (
                f"Source PVC {source.get('name')} not available: "
                f"Target PVC {name(template)} will remain unpopulated until source is created"
            )
            self._recorder.event(seen.vm, WARNING, "SourcePVCNotAvailabe", message)  # sic

    def _judge(self, seen: Pass, volume: Object) -> bool:
        if dig(volume, "status", "phase") == "Failed":
            message = f"DataVolume {name(volume)} failed to import disk image"
            self._recorder.event(seen.vm, WARNING, "FailedDataVolumeImport", message)
        elif why := data_volumes.quota_error(volume):
            message = f"DataVolume {name(volume)} exceeds quota limits"
            self._recorder.event(seen.vm, WARNING, "FailedDataVolumeImport", message)
            text = f"Error encountered while creating DataVolumes: {why}"
            seen.failed("FailedCreate", text, RuntimeError(why))
        return data_volumes.is_ready(volume)
