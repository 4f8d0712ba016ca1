"""The VirtualMachineInstanceReplicaSet controller: as many running VMIs as wanted, finished ones replaced.

Origin: kubevirt: pkg/virt-controller/watch/replicaset/replicaset.go
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fakekube.client.controller import Result
from fakekube.client.expectations import Expectations
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.machinery import selectors
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.objects import (
    annotations,
    condition_is,
    controller_of,
    dig,
    is_terminating,
    key,
    labels,
    name,
    namespace,
    owner_reference,
    uid,
)
from fakekube.machinery.resources import VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.wire import Object
from fakekube.virt.controller import conditions, instance, names
from fakekube.virt.controller.conditions import Failure
from fakekube.virt.controller.informers import BY_OWNER
from fakekube.virt.controller.wiring import Wiring

BURST = 250


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass has to do: VMIs to make, surplus ones to delete, and those that are no use any more."""

    create: int
    surplus: tuple[Object, ...]
    finished: tuple[Object, ...]


def is_active(vmi: Object) -> bool:
    """Whether it counts: one whose pod is being deleted will end, so it is replaced at once."""
    return not is_terminating(vmi) and not _is_of_no_use(vmi)


def _is_of_no_use(vmi: Object) -> bool:
    ready = conditions.find(dig(vmi, "status", "conditions", default=()), "Ready") or {}
    loses_its_pod = (ready.get("status"), ready.get("reason")) == ("False", "PodTerminating")
    return instance.is_final(vmi) or loses_its_pod


def plan(replicas: int, owned: Iterable[Object]) -> Plan:
    """Pure. Terminating VMIs count for nothing; surplus ones go in the order in which they are listed."""
    alive = [vmi for vmi in owned if not is_terminating(vmi)]
    finished = tuple(vmi for vmi in alive if _is_of_no_use(vmi))
    running = [vmi for vmi in alive if is_active(vmi)]
    missing = replicas - len(running)
    surplus = tuple(running[: min(BURST, -missing)]) if missing < 0 else ()
    return Plan(max(0, min(BURST, missing)), surplus, finished[:BURST])


def build(replica_set: Object) -> Object:
    """One VMI of the set. Nothing stands between the generated name's base and its suffix."""
    template = dig(replica_set, "spec", "template", default={})
    meta = template.get("metadata") or {}
    made: Object = {
        "generateName": meta.get("name") or meta.get("generateName") or name(replica_set),
        "namespace": namespace(replica_set),
        "ownerReferences": [owner_reference(replica_set)],
    }
    for member in ("labels", "annotations"):
        if meta.get(member):
            made[member] = dict(meta[member])
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": made,
        "spec": template.get("spec") or {},
    }


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
                if _selects(one, vmi)
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
        replica_set = await self._mark(found)
        if is_terminating(replica_set):
            return None
        owned = self._informers.vmis.by_index(BY_OWNER, uid(replica_set))
        if not self._expected.satisfied(own):
            return Result(requeue_after=self._expected.remaining(own))
        owned += await self._adopt(replica_set)
        failure, error = None, None
        if not dig(replica_set, "spec", "paused", default=False):
            failure, error = await self._scale(own, replica_set, owned)
        await self._write_status(replica_set, owned, failure)
        if error is not None:
            raise error
        return None

    async def _mark(self, replica_set: Object) -> Object:
        if names.OBSERVED_VERSIONS.items() <= annotations(replica_set).items():
            return replica_set
        meta = {
            **replica_set["metadata"],
            "annotations": {**annotations(replica_set), **names.OBSERVED_VERSIONS},
        }
        return await self._writer.update({**replica_set, "metadata": meta})

    async def _adopt(self, replica_set: Object) -> list[Object]:
        return [
            await self._vmis.adopt(vmi, owner_reference(replica_set))
            for vmi in self._informers.vmis.by_index(BY_OWNER, "")
            if namespace(vmi) == namespace(replica_set)
            and _selects(replica_set, vmi)
            and not is_terminating(vmi)
        ]

    async def _scale(
        self, own: str, replica_set: Object, owned: list[Object]
    ) -> tuple[Failure | None, ApiError | None]:
        """Delete what is too much, make what is missing, then clear away what is of no use, unless something failed."""
        wanted = plan(int(dig(replica_set, "spec", "replicas", default=1)), owned)
        failed: tuple[Failure | None, ApiError | None] = (None, None)
        for vmi in wanted.surplus:
            text = "Stopped the virtual machine by deleting the virtual machine instance"
            error = await self._delete(own, replica_set, vmi, text)
            failed = (Failure("FailedDelete", str(error)), error) if error else failed
        for _ in range(wanted.create):
            try:
                made = await self._client.create(VIRTUAL_MACHINE_INSTANCES, build(replica_set))
            except ApiError as refused:
                message = f"Error creating virtual machine instance: {refused}"
                self._recorder.event(replica_set, WARNING, "FailedCreate", message)
                failed = (Failure("FailedCreate", str(refused)), refused)
                break
            if key(made) not in self._informers.vmis:
                self._expected.expect_creations(own, [name(made)])
            message = f"Started the virtual machine by creating the new virtual machine instance {name(made)}"
            self._recorder.event(replica_set, NORMAL, "SuccessfulCreate", message)
        for vmi in wanted.finished if failed[1] is None else ():
            error = await self._delete(own, replica_set, vmi, "Deleted finished virtual machine:")
            failed = (Failure("FailedDelete", str(error)), error) if error else failed
        return failed

    async def _delete(self, own: str, replica_set: Object, vmi: Object, text: str) -> ApiError | None:
        """Delete an instance and say so; what was refused."""
        self._expected.expect_deletions(own, [uid(vmi)])
        try:
            await self._client.delete(VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi))
        except ApiError as refused:
            self._expected.deletion_observed(own, uid(vmi))
            if isinstance(refused, NotFound):
                return None
            message = f"Error deleting virtual machine instance {name(vmi)}: {refused}"
            self._recorder.event(replica_set, WARNING, "FailedDelete", message)
            return refused
        self._recorder.event(replica_set, NORMAL, "SuccessfulDelete", f"{text} {uid(vmi)}")
        return None

    async def _write_status(self, replica_set: Object, owned: list[Object], failure: Failure | None) -> None:
        old = replica_set.get("status") or {}
        now = self._wiring.now()
        running = [vmi for vmi in owned if is_active(vmi)]
        ready = [vmi for vmi in running if condition_is(vmi, "Ready")]
        new: Object = {
            **old,
            "labelSelector": str(selectors.from_object(dig(replica_set, "spec", "selector"))),
            "replicas": len(running),
            "readyReplicas": len(ready),
        }
        listed = list(old.get("conditions") or ())
        paused = bool(dig(replica_set, "spec", "paused", default=False))
        was_paused = conditions.find(listed, "ReplicaPaused") is not None
        if paused and not was_paused:
            made = conditions.make("ReplicaPaused", "True", "Paused", "Controller got paused", now=now)
            listed = conditions.put(listed, made)
            self._recorder.event(replica_set, NORMAL, "SuccessfulPaused", "Paused")
        elif was_paused and not paused:
            listed = conditions.drop(listed, "ReplicaPaused")
            self._recorder.event(replica_set, NORMAL, "SuccessfulResumed", "Resumed")
        if failure is None:
            listed = conditions.drop(listed, "ReplicaFailure")
        else:
            made = conditions.make("ReplicaFailure", "True", failure.reason, failure.message, now=now)
            if not conditions.says_the_same(conditions.find(listed, "ReplicaFailure"), made):
                listed = conditions.put(listed, made)
        new["conditions"] = listed
        new = {member: value for member, value in new.items() if value not in (0, [])}
        if new != old:
            body = {**replica_set, "status": new}
            await self._writer.update(body, subresource="status")


def _selects(replica_set: Object, vmi: Object) -> bool:
    if not labels(vmi):
        return False
    return selectors.from_object(dig(replica_set, "spec", "selector")).matches(labels(vmi))
