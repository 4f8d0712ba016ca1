"""The VirtualMachineInstanceReplicaSet controller: as many running VMIs as wanted, finished ones replaced.

Origin: kubevirt: pkg/virt-controller/watch/replicaset/replicaset.go
"""

from collections.abc import Iterable

from fakekube.client.controller import Result
from fakekube.client.expectations import Expectations
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import (
    controller_of,
    is_terminating,
    key,
    labels,
    name,
    namespace,
    owner_reference,
    uid,
)
from fakekube.machinery.resources import VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.selectors import Selector
from fakekube.machinery.wire import Object
from fakekube.virt.controller import conditions, replicaset_plan
from fakekube.virt.controller.informers import BY_OWNER
from fakekube.virt.controller.wiring import Wiring


class ReplicaSetController:
    """See the module text. `controller` is what runs."""

    def __init__(self, wiring: Wiring) -> None:
        informers = wiring.informers
        self._wiring = wiring
        self._client = wiring.client
        self._informers = informers
        self._recorder = wiring.recorder
        self._writer = wiring.writer(informers.replica_sets)
        self._vmis = wiring.writer(informers.vmis)
        self._expected = Expectations(wiring.clock)
        self.controller = wiring.controller(
            "virtualmachineinstancereplicaset",
            self._reconcile,
            informers.replica_sets,
            (informers.vmis, self._of_vmi),
        )

    def _of_vmi(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """The set a VMI belongs to, or for an orphan every set that would have it; also what was expected is seen."""
        vmi = new or old
        if vmi is None:
            return ()
        owner = controller_of(vmi)
        if owner is None:
            return [
                key(one)
                for one in self._informers.replica_sets.in_namespace(namespace(vmi))
                if replicaset_plan.selects(one, vmi)
            ]
        if owner.get("kind") != "VirtualMachineInstanceReplicaSet":
            return ()
        own = f"{namespace(vmi)}/{owner['name']}"
        if old is None:
            self._expected.creation_observed(own, name(vmi))
        if new is None or is_terminating(vmi):
            self._expected.deletion_observed(own, uid(vmi))
        return (own,)

    async def _reconcile(self, own: str) -> Result | None:
        found = self._informers.replica_sets.get(own)
        if found is None:
            self._expected.forget(own)
            return None
        if self._writer.behind(own):
            return None
        replica_set = await self._writer.mark(found)
        selector = replicaset_plan.selector_of(replica_set)
        if selector is None:
            return None
        owned = await self._claim(replica_set, selector)
        failure, waits = None, not self._expected.satisfied(own)
        if not (waits or is_terminating(replica_set) or replicaset_plan.is_paused(replica_set)):
            failure = await self._scale(own, replica_set, owned)
        await self._write_status(replica_set, selector, owned, failure)
        if failure is not None:
            raise failure
        return Result(requeue_after=self._expected.remaining(own)) if waits else None

    async def _claim(self, replica_set: Object, selector: Selector) -> list[Object]:
        """Those that are its own. Strays that match become so, those that match no more are let go."""
        owned = self._informers.vmis.by_index(BY_OWNER, uid(replica_set))
        claimed = [vmi for vmi in owned if selector.matches(labels(vmi))]
        if is_terminating(replica_set):
            return claimed
        for vmi in owned:
            if vmi not in claimed:
                await self._vmis.release(vmi)
        for vmi in self._informers.vmis.by_index(BY_OWNER, ""):
            strays = namespace(vmi) == namespace(replica_set) and not is_terminating(vmi)
            if strays and selector.matches(labels(vmi)):
                claimed.append(await self._vmis.adopt(vmi, owner_reference(replica_set)))
        return claimed

    async def _scale(self, own: str, replica_set: Object, owned: list[Object]) -> ApiError | None:
        """Delete what is too much, make what is missing, then clear away what is of no use, unless something failed.
        Returns the first thing that was refused; the others are tried all the same."""
        wanted = replicaset_plan.plan(replicaset_plan.wanted(replica_set), owned)
        failures = [await self._stop(own, replica_set, vmi) for vmi in wanted.surplus]
        failures += [await self._start(own, replica_set) for _ in range(wanted.create)]
        if not any(failures):
            failures = [await self._clear(own, replica_set, vmi) for vmi in wanted.finished]
        return next((one for one in failures if one is not None), None)

    async def _start(self, own: str, replica_set: Object) -> ApiError | None:
        try:
            made = await self._client.create(VIRTUAL_MACHINE_INSTANCES, replicaset_plan.build(replica_set))
        except ApiError as refused:
            message = f"Error creating virtual machine instance: {refused}"
            self._recorder.event(replica_set, WARNING, "FailedCreate", message)
            return refused
        if key(made) not in self._informers.vmis:
            self._expected.expect_creations(own, [name(made)])
        message = f"Started the virtual machine by creating the new virtual machine instance {name(made)}"
        self._recorder.event(replica_set, NORMAL, "SuccessfulCreate", message)
        return None

    async def _stop(self, own: str, replica_set: Object, vmi: Object) -> ApiError | None:
        told = f"Stopped the virtual machine by deleting the virtual machine instance {uid(vmi)}"
        failed = f"Error deleting virtual machine instance {name(vmi)}:"
        return await self._delete(own, replica_set, vmi, told, failed)

    async def _clear(self, own: str, replica_set: Object, vmi: Object) -> ApiError | None:
        told = f"Deleted finished virtual machine: {uid(vmi)}"
        failed = f"Error deleting finished virtual machine {name(vmi)}:"
        return await self._delete(own, replica_set, vmi, told, failed)

    async def _delete(
        self, own: str, replica_set: Object, vmi: Object, told: str, failed: str
    ) -> ApiError | None:
        self._expected.expect_deletions(own, [uid(vmi)])
        try:
            await self._client.delete(VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi))
        except ApiError as refused:
            self._expected.deletion_observed(own, uid(vmi))
            self._recorder.event(replica_set, WARNING, "FailedDelete", f"{failed} {refused}")
            return refused
        self._recorder.event(replica_set, NORMAL, "SuccessfulDelete", told)
        return None

    async def _write_status(
        self, replica_set: Object, selector: Selector, owned: list[Object], failure: ApiError | None
    ) -> None:
        old = replica_set.get("status") or {}
        told = None if failure is None else str(failure)
        new = replicaset_plan.status(replica_set, selector, owned, told, self._wiring.now())
        if new == old:
            return
        await self._writer.update({**replica_set, "status": new}, subresource="status")
        paused = replicaset_plan.is_paused(replica_set)
        if paused != (conditions.find(old.get("conditions") or (), "ReplicaPaused") is not None):
            reason, text = ("SuccessfulPaused", "Paused") if paused else ("SuccessfulResumed", "Resumed")
            self._recorder.event(replica_set, NORMAL, reason, text)
