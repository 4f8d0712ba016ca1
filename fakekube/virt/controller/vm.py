"""The VirtualMachine controller: observe a VM and what belongs to it, decide, act, write the status.

Deciding is left to the pure modules beside this one. A pass writes the VM at most twice, the object and its status, and
nothing that has not changed.
Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.recorder import NORMAL, WARNING, Recorder
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery.errors import AlreadyExists, ApiError, NotFound
from fakekube.machinery.objects import (
    annotations,
    controller_of,
    dig,
    finalizers,
    generation,
    is_terminating,
    key,
    name,
    namespace,
    owner_reference,
    split_key,
    uid,
    without,
)
from fakekube.machinery.resources import (
    CONTROLLER_REVISIONS,
    DATA_VOLUMES,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
    Resource,
)
from fakekube.machinery.wire import Object
from fakekube.virt.controller import (
    data_volumes,
    hotplug,
    instance,
    instancetypes,
    live_update,
    names,
    patches,
    restart_required,
    run_strategy,
    vm_status,
    vmi_template,
)
from fakekube.virt.controller.conditions import Failure
from fakekube.virt.controller.freshness import Freshness
from fakekube.virt.controller.informers import BY_CLAIM, BY_OWNER, Informers


@dataclass(slots=True)
class _Pass:
    """One look at one VM, and what has come of it so far."""

    key: str
    vm: Object
    vmi: Object | None
    volumes: list[Object] = field(default_factory=list)
    claims: dict[str, Object] = field(default_factory=dict)
    creating: bool = False
    deleting: bool = False
    restart: str | None = None
    sizes: instancetypes.Found = instancetypes.NONE
    failure: Failure | None = None
    error: Exception | None = None
    wait: float = 0.0

    def failed(self, reason: str, message: str, error: Exception) -> None:
        self.failure, self.error = Failure(reason, message), error


class VirtualMachineController:
    """See the module text. `controller` is what runs."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        *,
        clock: Clock,
        ids: Ids,
        workers: int = 3,
    ) -> None:
        self._client = client
        self._informers = informers
        self._recorder = recorder
        self._clock = clock
        self._ids = ids
        self._fresh = Freshness(informers.vms, clock)
        self._fresh_vmis = Freshness(informers.vmis, clock)
        self._fresh_volumes = Freshness(informers.data_volumes, clock)
        self._instancetypes = instancetypes.Instancetypes(client)
        self._started: dict[str, tuple[str, Object]] = {}  # VM key → revision name and the VM spec it holds
        self.controller = Controller("virtualmachine", self._reconcile, clock=clock, workers=workers)
        self.controller.source(informers.vms)
        self.controller.source(informers.vmis)  # a VMI has its VM's key
        self.controller.source(informers.data_volumes, self._owners_and_users)
        self.controller.source(informers.claims, self._users)
        self.controller.source(informers.revisions, lambda _old, _new: ())

    def _users(self, old: Object | None, new: Object | None) -> Iterable[str]:
        obj = new or old
        return [key(vm) for vm in self._informers.vms.by_index(BY_CLAIM, key(obj))] if obj else ()

    def _owners_and_users(self, old: Object | None, new: Object | None) -> Iterable[str]:
        keys = set(self._users(old, new))
        for obj in (old, new):
            owner = controller_of(obj) if obj else None
            if obj and owner and owner["kind"] == "VirtualMachine":
                keys.add(f"{namespace(obj)}/{owner['name']}")
        return keys

    async def _reconcile(self, key: str) -> Result | None:
        vm = self._informers.vms.get(key)
        if vm is None:
            self._started.pop(key, None)
            self._instancetypes.forget(*split_key(key))
            return None
        if self._fresh.behind(key) or self._fresh_vmis.behind(key):
            return None
        seen = _Pass(key, vm, self._informers.vmis.get(key))
        await self._claim_instance(seen)
        self._look_at_volumes(seen)
        if not dig(vm, "status") and seen.vmi is None and not is_terminating(vm):
            await self._write_status(seen, vm_status.first(self._seen(seen), self._ids.random))
        try:
            await self._sync(seen)
        except run_strategy.InvalidRunStrategyError as error:
            seen.failed("FailedCreate", str(error), error)
            raise
        await self._update_status(seen)
        await self._let_go_of_instance(seen)
        if seen.error is not None:
            raise seen.error
        return Result(requeue_after=seen.wait) if seen.wait > 0 else None

    # What is there.

    async def _claim_instance(self, seen: _Pass) -> None:
        """Only a VMI this VM controls counts. One that nobody controls is adopted."""
        vmi = seen.vmi
        if vmi is None:
            return
        owner = controller_of(vmi)
        if owner is not None:
            if owner.get("uid") != uid(seen.vm):
                seen.vmi = None
        elif is_terminating(seen.vm):
            seen.vmi = None
        else:
            seen.vmi = self._fresh_vmis.wrote(await self._adopt(VIRTUAL_MACHINE_INSTANCES, seen.vm, vmi))

    async def _adopt(self, resource: Resource, vm: Object, orphan: Object) -> Object:
        meta = {"ownerReferences": [owner_reference(vm)], "uid": uid(orphan)}
        return await self._client.patch(
            resource, name(orphan), namespace(orphan), {"metadata": meta}, type="merge"
        )

    def _look_at_volumes(self, seen: _Pass) -> None:
        space = namespace(seen.vm)
        template_volumes = dig(seen.vm, "spec", "template", "spec", "volumes", default=())
        for volume in data_volumes.named_by(template_volumes):
            if (found := self._informers.data_volumes.get(f"{space}/{volume}")) is not None:
                seen.volumes.append(found)
        for claim in data_volumes.claims_of(template_volumes):
            if (found := self._informers.claims.get(f"{space}/{claim}")) is not None:
                seen.claims[claim] = found

    # What has to be done.

    async def _sync(self, seen: _Pass) -> None:
        vm = seen.vm
        if is_terminating(vm):
            await self._finish(seen)
            return
        await self._mark(seen)
        await self._keep_instancetypes(seen)
        if seen.error is not None:
            return
        await self._plug(seen)
        await self._bump_generation(seen)
        strategy = run_strategy.of(vm)
        ready = await self._provide_volumes(seen, strategy)
        if seen.error is not None or (not ready and strategy != run_strategy.HALTED):
            return
        decision = run_strategy.decide(seen.vm, seen.vmi, self._clock.now())
        seen.wait, seen.failure = decision.wait, decision.failure
        if decision.failure is not None and not decision.run_always:
            seen.error = RuntimeError(decision.failure.message)
        if decision.request_start:
            await self._request_start(seen)
        if decision.stop:
            await self._stop(seen)
        elif decision.start:
            await self._start(seen, receiver=decision.receiver)
        elif decision.run_always or decision.restore:
            await self._change_strategy(seen, decision.restore or run_strategy.ALWAYS)

    async def _mark(self, seen: _Pass) -> None:
        """The observed versions and the finalizer, in one write."""
        vm = seen.vm
        has_marks = names.OBSERVED_VERSIONS.items() <= annotations(vm).items()
        if has_marks and names.VM_FINALIZER in finalizers(vm):
            return
        meta = dict(vm["metadata"])
        meta["annotations"] = {**annotations(vm), **names.OBSERVED_VERSIONS}
        meta["finalizers"] = [*without(finalizers(vm), names.VM_FINALIZER), names.VM_FINALIZER]
        seen.vm = self._fresh.wrote(await self._client.update(VIRTUAL_MACHINES, {**vm, "metadata": meta}))

    async def _keep_instancetypes(self, seen: _Pass) -> None:
        """Keep what the VM's matchers stand for, and tell in the status where."""
        try:
            seen.sizes = await self._instancetypes.of(seen.vm)
        except instancetypes.NotFoundError as error:
            seen.failure, seen.error = error.failure, error
            self._recorder.event(seen.vm, WARNING, error.failure.reason, error.failure.message)
            return
        refs = seen.sizes.refs or {}
        if any(dig(seen.vm, "status", member) != ref for member, ref in refs.items()):
            await self._write_status(seen, {**(seen.vm.get("status") or {}), **refs})

    async def _plug(self, seen: _Pass) -> None:
        """Volumes: from queued requests to the template, and from the template to the running VMI."""
        if dig(seen.vm, "status", "volumeRequests"):
            operations, fulfilled = hotplug.requests_applied(seen.vm)
            space, own = split_key(seen.key)
            if operations:
                seen.vm = self._fresh.wrote(
                    await self._client.patch(VIRTUAL_MACHINES, own, space, operations, type="json")
                )
            if fulfilled:
                left = {k: v for k, v in seen.vm["status"].items() if k != "volumeRequests"}
                await self._write_status(seen, left)
        vmi = seen.vmi
        if vmi is None or is_terminating(vmi) or instance.is_final(vmi):
            return
        if operations := hotplug.template_changes(seen.vm, vmi):
            seen.vmi = self._fresh_vmis.wrote(
                await self._client.patch(
                    VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi), operations, type="json"
                )
            )

    async def _finish(self, seen: _Pass) -> None:
        """The VM is being deleted: first its VMI goes, then the finalizer."""
        held = names.VM_FINALIZER in finalizers(seen.vm)
        if seen.vmi is not None and "orphan" not in finalizers(seen.vm):
            await self._stop(seen)
        elif held:
            patch = patches.without_finalizer(seen.vm, names.VM_FINALIZER)
            seen.vm = self._fresh.wrote(
                await self._client.patch(
                    VIRTUAL_MACHINES, name(seen.vm), namespace(seen.vm), patch, type="json"
                )
            )

    async def _provide_volumes(self, seen: _Pass, strategy: str) -> bool:
        """Make missing DataVolumes; whether all of them let a VMI start."""
        vm, ready = seen.vm, True
        if not data_volumes.wanted_now(vm, halted=strategy == run_strategy.HALTED):
            return True
        for template in data_volumes.templates(vm):
            key = f"{namespace(vm)}/{name(template)}"
            volume = self._informers.data_volumes.get(key)
            if volume is None:
                ready = False
                if not self._fresh_volumes.behind(key):
                    await self._create_volume(seen, template)
                continue
            if controller_of(volume) is None:
                volume = self._fresh_volumes.wrote(await self._adopt(DATA_VOLUMES, vm, volume))
            ready = self._judge_volume(seen, volume) and ready
        return ready

    async def _create_volume(self, seen: _Pass, template: Object) -> None:
        await self._warn_of_missing_source(seen, template)
        try:
            made = await self._client.create(DATA_VOLUMES, data_volumes.build(seen.vm, template))
        except ApiError as error:
            self._recorder.event(
                seen.vm,
                WARNING,
                "FailedDataVolumeCreate",
                f"Error creating DataVolume {name(template)}: {error}",
            )
            seen.failed("FailedCreate", f"Error encountered while creating DataVolumes: {error}", error)
        else:
            self._fresh_volumes.wrote(made)
            self._recorder.event(
                seen.vm, NORMAL, "SuccessfulDataVolumeCreate", f"Created DataVolume {name(template)}"
            )

    async def _warn_of_missing_source(self, seen: _Pass, template: Object) -> None:
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

    def _judge_volume(self, seen: _Pass, volume: Object) -> bool:
        if dig(volume, "status", "phase") == "Failed":
            message = f"DataVolume {name(volume)} failed to import disk image"
            self._recorder.event(seen.vm, WARNING, "FailedDataVolumeImport", message)
        elif data_volumes.exceeds_quota(volume):
            message = f"DataVolume {name(volume)} exceeds quota limits"
            self._recorder.event(seen.vm, WARNING, "FailedDataVolumeImport", message)
            seen.failed("FailedCreate", message, RuntimeError(message))
        return data_volumes.is_ready(volume)

    async def _start(self, seen: _Pass, *, receiver: bool) -> None:
        vm = seen.vm
        try:
            await self._remember_revision(vm)
            paused = run_strategy.wants_paused_start(vm)
            whole = instancetypes.expanded(vm, seen.sizes)
            vmi = vmi_template.build(whole, paused=paused, receiver=receiver)
            made = await self._client.create(VIRTUAL_MACHINE_INSTANCES, vmi)
        except (ApiError, instancetypes.ConflictError) as error:
            message = f"Error creating virtual machine instance: {error}"
            self._recorder.event(vm, WARNING, "FailedCreate", message)
            seen.failed("FailedCreate", f"Failure while starting VMI: {error}", error)
            return
        seen.creating = True
        seen.restart = ""
        self._fresh_vmis.wrote(made)
        self._started[seen.key] = (vmi_template.revision_name(vm), vm["spec"])
        message = f"Started the virtual machine by creating the new virtual machine instance {name(made)}"
        self._recorder.event(vm, NORMAL, "SuccessfulCreate", message)
        await self._keep_firmware(seen)

    async def _remember_revision(self, vm: Object) -> None:
        """Store the spec this start is made from; older ones are of no use any more."""
        wanted = vmi_template.revision_name(vm)
        kept = [name(one) for one in self._informers.revisions.by_index(BY_OWNER, uid(vm))]
        for old in kept:
            if old != wanted and old.startswith("revision-start-vm-"):
                try:
                    await self._client.delete(CONTROLLER_REVISIONS, old, namespace(vm))
                except NotFound:
                    continue
        if wanted not in kept:
            try:
                await self._client.create(CONTROLLER_REVISIONS, vmi_template.revision(vm))
            except AlreadyExists:
                return

    async def _keep_firmware(self, seen: _Pass) -> None:
        """Write the firmware UUID derived from the name into the template, so that it survives a renaming copy."""
        firmware = dig(seen.vm, "spec", "template", "spec", "domain", "firmware")
        if (firmware or {}).get("uuid"):
            return
        path = "/spec/template/spec/domain/firmware"
        derived = {**(firmware or {}), "uuid": vmi_template.firmware_uuid(name(seen.vm))}
        patch = patches.guarded(path, firmware, derived) if firmware else patches.added(path, derived)
        seen.vm = self._fresh.wrote(
            await self._client.patch(VIRTUAL_MACHINES, name(seen.vm), namespace(seen.vm), patch, type="json")
        )

    async def _stop(self, seen: _Pass) -> None:
        vmi = seen.vmi
        if vmi is None or is_terminating(vmi):
            return
        try:
            answer = await self._client.delete(VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi))
        except NotFound:
            return
        except ApiError as error:
            message = f"Error deleting virtual machine instance {name(vmi)}: {error}"
            self._recorder.event(seen.vm, WARNING, "FailedDelete", message)
            seen.failed("FailedDelete", f"Failure while stopping VMI: {error}", error)
            return
        if answer.get("kind") == "VirtualMachineInstance":
            self._fresh_vmis.wrote(answer)
        seen.deleting = True
        message = f"Stopped the virtual machine by deleting the virtual machine instance {uid(vmi)}"
        self._recorder.event(seen.vm, NORMAL, "SuccessfulDelete", message)

    async def _request_start(self, seen: _Pass) -> None:
        requests = dig(seen.vm, "status", "stateChangeRequests", default=[])
        path, wanted = "/status/stateChangeRequests", [*requests, {"action": "Start"}]
        patch = patches.guarded(path, requests, wanted) if requests else patches.added(path, wanted)
        seen.vm = self._fresh.wrote(
            await self._client.patch(
                VIRTUAL_MACHINES, name(seen.vm), namespace(seen.vm), patch, type="json", subresource="status"
            )
        )

    async def _change_strategy(self, seen: _Pass, strategy: str) -> None:
        spec = dict(seen.vm["spec"])
        if "running" in spec:
            spec["running"] = strategy == run_strategy.ALWAYS
        else:
            spec["runStrategy"] = strategy
        seen.vm = self._fresh.wrote(await self._client.update(VIRTUAL_MACHINES, {**seen.vm, "spec": spec}))

    async def _bump_generation(self, seen: _Pass) -> None:
        """Compare the spec with the one the VMI was started from: an equal template makes the VMI of this generation."""
        vmi = seen.vmi
        seen.restart = ""
        if vmi is None or is_terminating(vmi) or instance.is_final(vmi):
            seen.restart = None
            return
        if annotations(vmi).get(names.VM_GENERATION) == str(generation(seen.vm)):
            return
        started = await self._started_from(seen.key, vmi)
        if started is None:
            return
        same = restart_required.same_template(started, seen.vm["spec"])
        if not same:
            seen.restart = restart_required.message(started, seen.vm["spec"], vmi)
        if not seen.restart and (operations := live_update.changes(started, seen.vm["spec"], vmi)):
            seen.vmi = vmi = self._fresh_vmis.wrote(
                await self._client.patch(
                    VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi), operations, type="json"
                )
            )
        if not same:
            return
        marked = {**annotations(vmi), names.VM_GENERATION: str(generation(seen.vm))}
        patch = patches.guarded("/metadata/annotations", annotations(vmi), marked)
        seen.vmi = self._fresh_vmis.wrote(
            await self._client.patch(VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi), patch, type="json")
        )

    async def _started_from(self, key: str, vmi: Object) -> Object | None:
        """The VM spec a VMI was made from, read once per start."""
        revision = dig(vmi, "status", "virtualMachineRevisionName", default="")
        known = self._started.get(key)
        if known is not None and known[0] == revision:
            return known[1]
        try:
            stored = await self._client.get(CONTROLLER_REVISIONS, revision, namespace(vmi))
        except NotFound:
            return None
        spec: Object = dig(stored, "data", "spec", default={})
        self._started[key] = (revision, spec)
        return spec

    # What is told.

    def _seen(self, seen: _Pass) -> vm_status.Seen:
        return vm_status.Seen(
            vm=seen.vm,
            now=self._clock.now(),
            vmi=seen.vmi,
            volumes=seen.volumes,
            claims=seen.claims,
            failure=seen.failure,
            creating=seen.creating,
            deleting=seen.deleting,
            restart=seen.restart,
        )

    async def _update_status(self, seen: _Pass) -> None:
        if is_terminating(seen.vm) and not finalizers(seen.vm):
            return
        old = seen.vm.get("status") or {}
        new = vm_status.compute(self._seen(seen), self._ids.random)
        if new == old or (seen.creating and _only_the_word_differs(old, new)):
            return
        await self._write_status(seen, new)

    async def _write_status(self, seen: _Pass, status: Object) -> None:
        body = {**seen.vm, "status": status}
        seen.vm = self._fresh.wrote(await self._client.update(VIRTUAL_MACHINES, body, subresource="status"))

    async def _let_go_of_instance(self, seen: _Pass) -> None:
        """A final VMI is no longer held for the VM's sake."""
        vmi = seen.vmi
        if vmi is None or names.VM_FINALIZER not in finalizers(vmi):
            return
        waiting = instance.phase(vmi) == names.WAITING_FOR_SYNC and is_terminating(vmi)
        if not instance.is_final(vmi) and not waiting:
            return
        patch = patches.without_finalizer(vmi, names.VM_FINALIZER)
        space, own = split_key(seen.key)
        try:
            answer = await self._client.patch(VIRTUAL_MACHINE_INSTANCES, own, space, patch, type="json")
        except NotFound:
            return
        if finalizers(answer):
            self._fresh_vmis.wrote(answer)


def _only_the_word_differs(old: Object, new: Object) -> bool:
    """Whether a status would be written for `Starting` alone: the pass that sees the new VMI tells it with the rest."""
    return {**old, "printableStatus": ""} == {**new, "printableStatus": ""}
