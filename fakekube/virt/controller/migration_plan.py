"""The phases of a live migration as virt-controller walks through them: one step per look, so that all are seen. Pure.

Origin: kubevirt: pkg/virt-controller/watch/migration/migration.go (updateStatus)
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from fakekube.machinery.objects import FINAL, Obj, condition_is, dig, is_final, is_terminating, name, uid
from fakekube.machinery.wire import Object
from fakekube.virt import quantities, sides
from fakekube.virt.controller import (
    conditions,
    instance,
    live_update,
    migration_sides,
    names,
    persistent_state,
    pods,
)
from fakekube.virt.controller.migration_phases import (
    FAILED,
    PENDING,
    PREPARING,
    RUNNING,
    SCHEDULED,
    SCHEDULING,
    SUCCEEDED,
    SYNCHRONIZING,
    TARGET_READY,
    WAITING,
)

_REJECTED, _ABORTED = "migrationRejectedByResourceQuota", "migrationAbortRequested"
_PRIORITIES = {"system-critical": 0, "user-triggered": 1, "system-maintenance": 2}
_CANCELED = "Migration failed due to being canceled"

Event = tuple[str, str, str]


class Seen(Struct, frozen=True):
    """What a pass saw."""

    migration: Object
    vmi: Object | None
    target: Object | None  # the migration's pod
    source_pod: str
    now: str
    refusal: str = ""  # why the target could not be made
    claims: tuple[str, str] = ("", "")  # of `persistent_state`: what the guest leaves, what it finds
    taken: bool = False  # the nodes are at another migration of the VMI
    plugs: bool = False  # something is plugged into the guest
    attachment: Object | None = None  # the pod that brings it to the target
    addresses: tuple[str, ...] = ()  # where other sides reach this one


class Next(Struct):
    """The status to write and what to tell."""

    status: Object
    events: list[Event] = field(default_factory=list)


def phase_of(migration: Obj) -> str:
    return str(dig(migration, "status", "phase", default=""))


def urgency(migration: Obj) -> int:
    """Its place in the queue: the smaller, the sooner. Those that say nothing of it come last."""
    return _PRIORITIES.get(dig(migration, "spec", "priority", default=""), len(_PRIORITIES))


def is_under_way(migration: Obj) -> bool:
    """Whether it has a target, and has not ended."""
    waits = ("", PENDING, SYNCHRONIZING, WAITING, *((SCHEDULING,) if sides.leaves(migration) else ()))
    return phase_of(migration) not in (*waits, *FINAL)


def is_handed_over(phase: str) -> bool:
    """Whether the nodes have it in hand."""
    return phase in (PREPARING, TARGET_READY, RUNNING)


def is_rejected(migration: Obj) -> bool:
    """Whether a quota keeps it from having a target."""
    return conditions.find(dig(migration, "status", "conditions", default=()), _REJECTED) is not None


def state_of(seen: Seen) -> dict[str, Any]:
    """The VMI's migration state, if it is about this migration."""
    state = dig(seen.vmi, "status", "migrationState", default={})
    return dict(state) if state.get("migrationUid") == uid(seen.migration) else {}


def target_is_down(seen: Seen) -> bool:
    """Whether the launcher the guest is to move to is gone or finished; on the other side that is for others to tell."""
    if sides.leaves(seen.migration):
        return False
    return seen.target is None or is_final(seen.target)


def lacks_attachment(seen: Seen) -> bool:
    """Whether the target runs, and what is plugged in is not on its way to it."""
    ready = seen.target is not None and pods.is_ready_for_hand_over(seen.target)
    return ready and seen.plugs and seen.attachment is None


def _is_attached(seen: Seen) -> bool:
    return not seen.plugs or (seen.attachment is not None and pods.is_ready_for_hand_over(seen.attachment))


def plan(seen: Seen) -> Next:
    """The status after this pass."""
    status: Object = dict(seen.migration.get("status") or {})
    result = Next(status)
    was = str(status.get("phase") or "")
    state = state_of(seen)
    if was in FINAL:
        if state:
            status["migrationState"] = state
        return result
    listed = status.get("conditions") or []
    asked = is_terminating(seen.migration) and conditions.find(listed, _ABORTED) is None
    if failed := _failure(seen, was, state):
        phase, told = failed
        asked = asked and told == _failed(_CANCELED)[1]
    else:
        phase, told = (was, []) if asked else _step(seen, was, state)
    result.events += told
    if asked:
        aborted = {**conditions.make(_ABORTED, "True"), "lastProbeTime": seen.now}
        status["conditions"] = conditions.put(listed, aborted)
    _tell_of_quota(seen, status, phase)
    if seen.addresses:
        status["synchronizationAddresses"] = list(seen.addresses)
    if phase == PENDING and seen.source_pod:
        state_now = status.get("migrationState") or {}
        status["migrationState"] = {**state_now, "sourcePod": seen.source_pod}
    if said := persistent_state.told(seen.claims):
        status["migrationState"] = {**(status.get("migrationState") or {}), **said}
    if phase != was:
        status["phase"] = phase
        status["phaseTransitionTimestamps"] = instance.with_transition({"status": status}, phase, seen.now)
    return result


def _tell_of_quota(seen: Seen, status: Object, phase: str) -> None:
    """A quota keeps the target from being made; the condition goes once there is one."""
    listed = status.get("conditions") or []
    if phase == PENDING and "exceeded quota" in seen.refusal:
        if conditions.find(listed, _REJECTED) is None:
            told = conditions.make(_REJECTED, "True")
            status["conditions"] = conditions.put(listed, {**told, "lastProbeTime": seen.now})
    elif phase != PENDING and conditions.find(listed, _REJECTED) is not None:
        status["conditions"] = conditions.drop(listed, _REJECTED)
        if not status["conditions"]:
            del status["conditions"]


def _failure(seen: Seen, was: str, state: dict[str, Any]) -> tuple[str, list[Event]] | None:
    """In upstream's order: the first reason counts."""
    vmi, target = seen.vmi, seen.target
    handed_over = is_handed_over(was)
    if vmi is None:
        return _failed("Migration failed because vmi does not exist.")
    if is_final(vmi) and not sides.sends(vmi):
        return _failed("Migration failed vmi shutdown during migration.")
    known_there = state and not sides.leaves(seen.migration)
    if is_terminating(seen.migration) and not (known_there or handed_over):
        return _failed(_CANCELED)
    if target is not None and is_final(target) and not state.get("completed"):
        return _failed("Migration failed because target pod shutdown during migration")
    made = was not in ("", PENDING, SYNCHRONIZING, WAITING) and not sides.leaves(seen.migration)
    if made and target is None and not state.get("completed"):
        return _failed("Migration target pod was removed during active migration.")
    if handed_over and not dig(vmi, "status", "migrationState"):
        return _failed("VMI's migration state was cleared during the active migration.")
    if handed_over and not state:
        return _failed(
            "VMI's migration state was taken over by another migration job during active migration."
        )
    if state.get("failed"):
        return _failed("source node reported migration failed")
    if seen.attachment is not None and is_final(seen.attachment) and not state.get("completed"):
        return _failed("Migration failed because target attachment pod shutdown during migration")
    if was == "" and seen.taken:
        return _failed("VMI is not eligible for migration because another migration job is in progress.")
    return None


def _failed(message: str) -> tuple[str, list[Event]]:
    return FAILED, [("Warning", "FailedMigration", message)]


def _step(seen: Seen, was: str, state: dict[str, Any]) -> tuple[str, list[Event]]:
    target = seen.target
    if was == "":
        return migration_sides.first(seen.migration), []
    if sides.id_of(seen.migration) and seen.vmi is not None:
        after = migration_sides.next_phase(seen.migration, seen.vmi, was)
        if after != was or (sides.leaves(seen.migration) and was not in (TARGET_READY, RUNNING)):
            return after, _handed_over() if was == SCHEDULED and sides.arrives(seen.migration) else []
    if was == PENDING:
        if target is not None and _is_attached(seen):
            return SCHEDULING, []
        return was, _unschedulable(seen, target) if target is not None else []
    if was == SCHEDULING and target is not None:
        if pods.is_ready_for_hand_over(target) and _is_attached(seen):
            return SCHEDULED, []
        return was, _unschedulable(seen, target)
    if was == SCHEDULED and state:
        return PREPARING, _handed_over()
    if was == PREPARING and state.get("targetNode") and state.get("targetNodeAddress"):
        return TARGET_READY, []
    if was == TARGET_READY and state.get("startTimestamp"):
        return RUNNING, []
    if was == RUNNING and state.get("completed") and not live_update.awaits_migration(seen.vmi or {}):
        return SUCCEEDED, [("Normal", "SuccessfulMigration", "Source node reported migration succeeded")]
    return was, []


def _handed_over() -> list[Event]:
    message = "Migration target pod is ready for preparation by virt-handler."
    return [("Normal", "SuccessfulHandOver", message)]


def _unschedulable(seen: Seen, target: Obj) -> list[Event]:
    listed = dig(target, "status", "conditions", default=())
    why = conditions.find(listed, "PodScheduled")
    if why is None or why.get("status") != "False" or why.get("reason") != "Unschedulable":
        return []
    where = f"{seen.migration['metadata']['namespace']}/{dig(seen.migration, 'spec', 'vmiName', default='')}"
    message = f"Migration target pod for VMI [{where}] is currently unschedulable."
    return [("Warning", "migrationTargetPodUnschedulable", message)]


def hand_over_state(seen: Seen, overhead: str, configuration: dict[str, Any], policy: str = "") -> Object:
    """`status.migrationState` of the VMI, from which on the nodes do the work."""
    made: Object = {
        "migrationUid": uid(seen.migration),
        "sourceNode": dig(seen.vmi, "status", "nodeName", default=""),
        "sourcePod": seen.source_pod,
        "targetNode": dig(seen.target, "spec", "nodeName", default=""),
        "targetPod": name(seen.target) if seen.target is not None else "",
        "migrationConfiguration": configuration,
        **persistent_state.told(seen.claims),
    }
    if policy:
        made["migrationPolicyName"] = policy
    if overhead:
        made["targetMemoryOverhead"] = overhead
    if seen.attachment is not None:
        made["targetAttachmentPodUID"] = uid(seen.attachment)
    if sides.arrives(seen.migration) and seen.vmi is not None:
        return migration_sides.received(made, seen.migration, seen.vmi)
    return made


def size_labels(vmi: Obj, target: Obj) -> dict[str, str]:
    """What the target's launcher has for a guest that is about to grow: the node goes by that."""
    made: dict[str, str] = {}
    compute = next(one for one in target["spec"]["containers"] if one["name"] == "compute")
    given = compute.get("resources") or {}
    if condition_is(vmi, live_update.CPU_CHANGE) and instance.has_dedicated_cpus(vmi):
        made[names.CPU_LIMITS] = str(quantities.whole(dig(given, "limits", "cpu")))
    if condition_is(vmi, live_update.MEMORY_CHANGE):
        asked = given.get("requests") or {}
        pages = [amount for resource, amount in asked.items() if resource.startswith("hugepages-")]
        memory = sum(map(quantities.whole, (asked.get("memory"), *pages)))
        made[names.MEMORY_REQUESTS] = quantities.binary(memory)
    return made


class NoHostModelError(Exception):
    """The source node does not say which CPU model its guests see."""


def target_selector(
    vmi: Obj, source: Obj | None, added: dict[str, str], launcher: Obj | None = None
) -> dict[str, str]:
    """What the target node must offer, so that the guest finds there what it has. Raises NoHostModelError.

    A guest that has moved before has the CPU of the node it began on: its launcher says which, its node may be another one's.
    """
    chosen = dict(added)
    marks = dig(source, "metadata", "labels", default={})
    if machine := dig(vmi, "status", "machine", "type"):
        chosen[f"machine-type.node.kubevirt.io/{machine}"] = "true"
    chosen |= {key: value for key, value in marks.items() if key.startswith("cpu-vendor.node.kubevirt.io/")}
    if dig(vmi, "spec", "domain", "cpu", "model") == "host-model":
        has = dig(launcher, "spec", "nodeSelector", default={})
        kept = {key: value for key, value in has.items() if key.startswith((_MODEL, _FEATURE))}
        chosen |= kept or _host_model(marks or sides.of(vmi, sides.SOURCE).get("nodeSelectors", {}))
    chosen.pop(names.SCHEDULABLE, None)
    return chosen


_MODEL, _FEATURE = "cpu-model-migration.node.kubevirt.io/", "cpu-feature.node.kubevirt.io/"
_HOST_MODEL, _HOST_FEATURE = (
    "host-model-cpu.node.kubevirt.io/",
    "host-model-required-features.node.kubevirt.io/",
)


def _host_model(marks: Mapping[str, str]) -> dict[str, str]:
    """What other nodes must offer to guests that have the CPU of a node with these labels. Raises NoHostModelError."""
    models = [key.removeprefix(_HOST_MODEL) for key in marks if key.startswith(_HOST_MODEL)]
    if not models:
        text = f'unable to locate host cpu model, does not contain label "{_HOST_MODEL}" with information'
        raise NoHostModelError(text)
    features = {
        f"{_FEATURE}{key.removeprefix(_HOST_FEATURE)}": value
        for key, value in marks.items()
        if key.startswith(_HOST_FEATURE)
    }
    return {f"{_MODEL}{models[0]}": "true", **features}
