"""The VirtualMachine controller: observe a VM and what belongs to it, decide, act, write the status.

Deciding is left to the pure modules beside this one, acting to `vm_run`, `vm_data_volumes` and `vm_updates`. A pass writes
the VM at most twice, the object and its status, and nothing that has not changed.
Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go
"""

import logging
from collections.abc import Iterable

from fakekube.client.controller import Result
from fakekube.client.recorder import WARNING
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import (
    annotations,
    controller_of,
    dig,
    finalizers,
    is_final,
    is_terminating,
    key,
    labels,
    name,
    namespace,
    owner_reference,
    split_key,
    uid,
    without,
)
from fakekube.machinery.wire import Object
from fakekube.virt import config
from fakekube.virt.controller import (
    instance,
    instancetypes,
    names,
    patches,
    run_strategy,
    tracking,
    vm_status,
)
from fakekube.virt.controller.informers import BY_CLAIM
from fakekube.virt.controller.vm_data_volumes import DataVolumes
from fakekube.virt.controller.vm_pass import Pass, Writers
from fakekube.virt.controller.vm_revisions import Revisions
from fakekube.virt.controller.vm_run import Runner
from fakekube.virt.controller.vm_updates import Updates
from fakekube.virt.controller.wiring import Wiring

_WORKERS = 3
_log = logging.getLogger(__name__)


class VirtualMachineController:
    """See the module text. `controller` is what runs."""

    def __init__(self, wiring: Wiring) -> None:
        informers, recorder, client = wiring.informers, wiring.recorder, wiring.client
        self._informers = informers
        self._recorder = recorder
        self._clock = wiring.clock
        self._ids = wiring.ids
        self._writers = Writers(wiring)
        self._instancetypes = instancetypes.Instancetypes(client)
        self._revisions = Revisions(client, informers.revisions)
        self._volumes = DataVolumes(client, informers, recorder, self._writers.volumes)
        self._updates = Updates(self._writers, self._revisions, self._instancetypes, informers, wiring.clock)
        self._runner = Runner(client, recorder, self._writers, self._revisions)
        self.controller = wiring.controller(
            "virtualmachine",
            self._reconcile,
            informers.vms,
            informers.vmis,  # a VMI has its VM's key
            (informers.data_volumes, self._owners_and_users),
            (informers.claims, self._users),
            (informers.volume_snapshot_classes, self._with_claims),
            (informers.kubevirts, self._chosen_anew),
            (informers.namespaces, self._labelled_anew),
            reads=(informers.revisions, informers.storage_classes),
            workers=_WORKERS,
        )

    def _users(self, old: Object | None, new: Object | None) -> Iterable[str]:
        obj = new or old
        return [key(vm) for vm in self._informers.vms.by_index(BY_CLAIM, key(obj))] if obj else ()

    def _with_claims(self, _old: Object | None, _new: Object | None) -> Iterable[str]:
        return [
            key(vm) for vm in self._informers.vms.objects() if dig(vm, "status", "volumeSnapshotStatuses")
        ]

    def _chosen_anew(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """All, when it is said anew of which of them changed blocks are recorded."""
        before, after = (tracking.said(config.from_object(one)) for one in (old, new))
        return () if before == after else map(key, self._informers.vms.objects())

    def _labelled_anew(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """Those of a namespace that has got other labels, where these choose whose changed blocks are recorded."""
        if old is None or new is None or labels(old) == labels(new):
            return ()
        if not tracking.by_namespace(self._informers.config()):
            return ()
        return map(key, self._informers.vms.in_namespace(name(new)))

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
            self._revisions.forget(key)
            self._instancetypes.forget(*split_key(key))
            return None
        if self._writers.vms.behind(key) or self._writers.vmis.behind(key):
            return None
        space = self._informers.namespaces.get(namespace(vm))
        tracked = tracking.wish(vm, space, self._informers.config())
        seen = Pass(key, vm, self._informers.vmis.get(key), tracked)
        await self._claim_instance(seen)
        self._volumes.look(seen)
        if not dig(vm, "status") and seen.vmi is None and not is_terminating(vm):
            await self._write_status(seen, vm_status.first(self._seen(seen), self._ids.random))
        try:
            await self._sync(seen)
        except run_strategy.InvalidRunStrategyError as error:
            _log.error("%s: %s", key, error)  # nothing more, as upstream
            return None
        await self._update_status(seen)
        await self._let_go_of_instance(seen)
        if seen.error is not None:
            raise seen.error
        return Result(requeue_after=seen.wait) if seen.wait > 0 else None

    async def _claim_instance(self, seen: Pass) -> None:
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
            seen.vmi = await self._writers.vmis.adopt(vmi, owner_reference(seen.vm))

    # What has to be done.

    async def _sync(self, seen: Pass) -> None:
        if is_terminating(seen.vm):
            await self._finish(seen)
            return
        await self._mark(seen)
        halted = run_strategy.of(seen.vm) == run_strategy.HALTED
        await self._keep_instancetypes(seen)
        if seen.error is not None:
            return
        await self._updates.plug(seen)
        await self._updates.dump(seen)
        await self._updates.mark(seen)
        await self._updates.move(seen)
        await self._updates.compare(seen)
        ready = await self._volumes.provide(seen, halted=halted)
        if seen.error is not None or (not ready and not halted):
            return
        decision = run_strategy.decide(seen.vm, seen.vmi, self._clock.now())
        seen.wait = decision.wait
        if decision.failure is not None:
            if decision.run_always:  # upstream loses the race for telling it to its own change of the spec
                _log.error("%s: %s", seen.key, decision.failure.message)
            else:
                seen.failure, seen.error = decision.failure, RuntimeError(decision.failure.message)
        await self._runner.carry_out(seen, decision)

    async def _mark(self, seen: Pass) -> None:
        """The observed versions and the finalizer, in one write."""
        vm = seen.vm
        has_marks = names.OBSERVED_VERSIONS.items() <= annotations(vm).items()
        if has_marks and names.VM_FINALIZER in finalizers(vm):
            return
        meta = dict(vm["metadata"])
        meta["annotations"] = {**annotations(vm), **names.OBSERVED_VERSIONS}
        meta["finalizers"] = [*without(finalizers(vm), names.VM_FINALIZER), names.VM_FINALIZER]
        seen.vm = await self._writers.vms.update({**vm, "metadata": meta})

    async def _keep_instancetypes(self, seen: Pass) -> None:
        """Keep what the VM's matchers stand for, and tell in the status where; or write it out for good."""
        sizes = self._instancetypes
        try:
            if seen.vm["spec"].keys() & {"instancetype", "preference"} and instancetypes.is_to_expand(
                seen.vm, self._reference_policy()
            ):
                await self._write_out(seen, await sizes.written_out(seen.vm))
                return
            seen.sizes = await sizes.of(seen.vm)
        except instancetypes.FailedError as error:
            seen.failure, seen.error = error.failure, error
            self._recorder.event(seen.vm, WARNING, error.failure.reason, error.failure.message)
            return
        refs = seen.sizes.refs or {}
        if any(dig(seen.vm, "status", member) != ref for member, ref in refs.items()):
            await self._write_status(seen, {**(seen.vm.get("status") or {}), **refs})
        await sizes.discard(seen.vm, *seen.sizes.outdated)

    def _reference_policy(self) -> str:
        kubevirt = self._informers.kubevirt
        return str(dig(kubevirt, "spec", "configuration", "instancetype", "referencePolicy") or "reference")

    async def _write_out(self, seen: Pass, whole: Object) -> None:
        refs = [dig(seen.vm, "status", f"{one}Ref", default={}) for one in ("instancetype", "preference")]
        kept = [one for ref in refs if (one := dig(ref, "controllerRevisionRef", "name"))]
        seen.vm = await self._writers.vms.update({**seen.vm, "spec": whole["spec"]})
        if any(refs):
            status = {
                k: v for k, v in seen.vm["status"].items() if k not in ("instancetypeRef", "preferenceRef")
            }
            await self._write_status(seen, status)
        await self._instancetypes.discard(seen.vm, *kept)

    async def _finish(self, seen: Pass) -> None:
        """The VM is being deleted: first its VMI goes, then the finalizer."""
        if seen.vmi is not None and "orphan" not in finalizers(seen.vm):
            await self._runner.stop(seen)
        elif names.VM_FINALIZER in finalizers(seen.vm):
            patch = patches.without_finalizer(seen.vm, names.VM_FINALIZER)
            seen.vm = await self._writers.vms.patch(seen.vm, patch)

    # What is told.

    def _seen(self, seen: Pass) -> vm_status.Seen:
        return vm_status.Seen(
            vm=seen.vm,
            now=self._clock.now(),
            vmi=seen.vmi,
            volumes=seen.volumes,
            claims=seen.claims,
            snapshot_classes=self._informers.snapshot_classes(),
            failure=seen.failure,
            tracked=seen.tracked,
            creating=seen.creating,
            deleting=seen.deleting,
            restart=seen.restart,
        )

    async def _update_status(self, seen: Pass) -> None:
        if is_terminating(seen.vm) and not finalizers(seen.vm):
            return
        old = seen.vm.get("status") or {}
        new = vm_status.compute(self._seen(seen), self._ids.random)
        if new == old or (seen.creating and _only_the_word_differs(old, new)):
            return
        await self._write_status(seen, new)

    async def _write_status(self, seen: Pass, status: Object) -> None:
        seen.vm = await self._writers.vms.update({**seen.vm, "status": status}, subresource="status")

    async def _let_go_of_instance(self, seen: Pass) -> None:
        """A final VMI is no longer held for the VM's sake."""
        vmi = seen.vmi
        if vmi is None or names.VM_FINALIZER not in finalizers(vmi):
            return
        waiting = instance.phase(vmi) == names.WAITING_FOR_SYNC and is_terminating(vmi)
        if not is_final(vmi) and not waiting:
            return
        try:
            await self._writers.vmis.patch(vmi, patches.without_finalizer(vmi, names.VM_FINALIZER))
        except NotFound:
            return


def _only_the_word_differs(old: Object, new: Object) -> bool:
    """Whether a status would be written for `Starting` alone: the pass that sees the new VMI tells it with the rest."""
    return {**old, "printableStatus": ""} == {**new, "printableStatus": ""}
