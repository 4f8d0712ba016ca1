"""What a replica set has to do, what its instances look like, and what its status says. Pure, but for a word in the log.

Origin: kubevirt: pkg/virt-controller/watch/replicaset/replicaset.go
"""

import logging
from collections.abc import Iterable, Sequence

from msgspec import Struct

from fakekube.machinery import selectors
from fakekube.machinery.objects import (
    condition_is,
    dig,
    is_final,
    is_terminating,
    key,
    labels,
    name,
    namespace,
    owner_reference,
)
from fakekube.machinery.selectors import Selector, SelectorError
from fakekube.machinery.wire import Object
from fakekube.virt.controller import conditions

BURST = 250
_log = logging.getLogger(__name__)


def wanted(replica_set: Object) -> int:
    return int(dig(replica_set, "spec", "replicas", default=1))


def is_paused(replica_set: Object) -> bool:
    return bool(dig(replica_set, "spec", "paused", default=False))


class Plan(Struct, frozen=True):
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
    return is_final(vmi) or loses_its_pod


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


def status(
    replica_set: Object, selector: Selector, owned: Sequence[Object], failure: str | None, now: str
) -> Object:
    """Conditions are only ever added and taken away: what a failure said first stays while it lasts."""
    old = replica_set.get("status") or {}
    running = [vmi for vmi in owned if is_active(vmi)]
    listed = list(old.get("conditions") or ())
    if not is_paused(replica_set):
        listed = conditions.drop(listed, "ReplicaPaused")
    elif conditions.find(listed, "ReplicaPaused") is None:
        listed.append(_condition("ReplicaPaused", "Paused", "Controller got paused", now))
    if failure is None:
        listed = conditions.drop(listed, "ReplicaFailure")
    elif conditions.find(listed, "ReplicaFailure") is None:
        reason = "FailedCreate" if len(running) < wanted(replica_set) else "FailedDelete"
        listed.append(_condition("ReplicaFailure", reason, failure, now))
    new: Object = {
        **old,
        "labelSelector": str(selector),
        "replicas": len(running),
        "readyReplicas": sum(1 for vmi in running if condition_is(vmi, "Ready")),
        "conditions": listed,
    }
    return {member: value for member, value in new.items() if value not in (0, [])}


def _condition(type_: str, reason: str, message: str, now: str) -> Object:
    return {**conditions.make(type_, "True", reason, message), "lastTransitionTime": now}


def selector_of(replica_set: Object) -> Selector | None:
    """The selector, if it can be followed; what is wrong with it is only logged, as upstream does."""
    template = dig(replica_set, "spec", "template", "metadata", "labels", default={})
    try:
        selector = selectors.from_object(dig(replica_set, "spec", "selector", default={}))
    except SelectorError as error:
        _log.error("%s: Invalid selector on replicaset, will not re-enqueue: %s", key(replica_set), error)
        return None
    if not template:
        _log.error("%s: Invalid controller spec, will not re-enqueue.", key(replica_set))
        return None
    if not selector.matches(template):
        _log.error("%s: Selector does not match template labels, will not re-enqueue.", key(replica_set))
        return None
    return selector


def selects(replica_set: Object, vmi: Object) -> bool:
    if not labels(vmi):
        return False
    try:
        selector = selectors.from_object(dig(replica_set, "spec", "selector", default={}))
    except SelectorError:
        return False
    return selector.matches(labels(vmi))
