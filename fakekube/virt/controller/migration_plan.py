"""The phases of a live migration as virt-controller walks through them: one step per look, so that all are seen. Pure.

Origin: kubevirt: pkg/virt-controller/watch/migration/migration.go (updateStatus)
"""

from dataclasses import dataclass, field
from typing import Any

from fakekube.machinery.objects import Obj, dig, is_terminating, name, uid
from fakekube.machinery.wire import Object
from fakekube.virt.controller import conditions, instance, live_update, names, persistent_state, pods

PENDING, SCHEDULING, SCHEDULED = "Pending", "Scheduling", "Scheduled"
SYNCHRONIZING, WAITING = "Synchronizing", names.WAITING_FOR_SYNC  # with another cluster, or namespace
PREPARING, TARGET_READY, RUNNING = "PreparingTarget", "TargetReady", "Running"
SUCCEEDED, FAILED = "Succeeded", "Failed"
FINAL = frozenset((SUCCEEDED, FAILED))
_REJECTED, _ABORTED = "migrationRejectedByResourceQuota", "migrationAbortRequested"
_PRIORITIES = {"system-critical": 0, "user-triggered": 1, "system-maintenance": 2}
_CANCELED = "Migration failed due to being canceled"

Event = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a pass saw."""

    migration: Object
    vmi: Object | None
    target: Object | None  # the migration's pod
    source_pod: str
    now: str
    refusal: str = ""  # why the target could not be made
    claims: tuple[str, str] = ("", "")  # of `persistent_state`: what the guest leaves, what it finds
    taken: bool = False  # the nodes are at another migration of the VMI


@dataclass(slots=True)
class Next:
    """The status to write and what to tell."""

    status: Object
    events: list[Event] = field(default_factory=list)


def phase_of(migration: Obj) -> str:
    return str(dig(migration, "status", "phase", default=""))


def urgency(migration: Obj) -> int:
    """Its place in the queue: the smaller, the sooner."""
    return _PRIORITIES.get(dig(migration, "spec", "priority", default=""), _PRIORITIES["user-triggered"])


def is_final(migration: Obj) -> bool:
    return phase_of(migration) in FINAL


def is_under_way(migration: Obj) -> bool:
    """Whether it has a target, and has not ended."""
    return phase_of(migration) not in ("", PENDING, SYNCHRONIZING, WAITING, *FINAL)


def state_of(seen: Seen) -> dict[str, Any]:
    """The VMI's migration state, if it is about this migration."""
    state = dig(seen.vmi, "status", "migrationState", default={})
    return dict(state) if state.get("migrationUid") == uid(seen.migration) else {}


def target_is_down(seen: Seen) -> bool:
    """Whether the launcher the guest is to move to is gone or finished."""
    return seen.target is None or pods.is_finished(seen.target)


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
    handed_over = was in (PREPARING, TARGET_READY, RUNNING)
    if vmi is None:
        return _failed("Migration failed because vmi does not exist.")
    if instance.is_final(vmi):
        return _failed("Migration failed vmi shutdown during migration.")
    if is_terminating(seen.migration) and not (state or handed_over):
        return _failed(_CANCELED)
    if target is not None and pods.is_finished(target) and not state.get("completed"):
        return _failed("Migration failed because target pod shutdown during migration")
    if was not in ("", PENDING, SYNCHRONIZING, WAITING) and target is None and not state.get("completed"):
        return _failed("Migration target pod was removed during active migration.")
    if handed_over and not dig(vmi, "status", "migrationState"):
        return _failed("VMI's migration state was cleared during the active migration.")
    if handed_over and not state:
        return _failed(
            "VMI's migration state was taken over by another migration job during active migration."
        )
    if state.get("failed"):
        return _failed("source node reported migration failed")
    if was == "" and seen.taken:
        return _failed("VMI is not eligible for migration because another migration job is in progress.")
    return None


def _failed(message: str) -> tuple[str, list[Event]]:
    return FAILED, [("Warning", "FailedMigration", message)]


def _step(seen: Seen, was: str, state: dict[str, Any]) -> tuple[str, list[Event]]:
    target = seen.target
    if was == "":
        return _first(seen.migration), []
    if was == PENDING:
        return (SCHEDULING if target is not None else was), []
    if was == SCHEDULING and target is not None:
        if pods.is_ready_for_hand_over(target):
            return SCHEDULED, []
        return was, _unschedulable(seen, target)
    if was == SCHEDULED and state:
        message = "Migration target pod is ready for preparation by virt-handler."
        return PREPARING, [("Normal", "SuccessfulHandOver", message)]
    if was == PREPARING and state.get("targetNode") and state.get("targetNodeAddress"):
        return TARGET_READY, []
    if was == TARGET_READY and state.get("startTimestamp"):
        return RUNNING, []
    if was == RUNNING and state.get("completed") and not live_update.awaits_migration(seen.vmi or {}):
        return SUCCEEDED, [("Normal", "SuccessfulMigration", "Source node reported migration succeeded")]
    return was, []


def _first(migration: Obj) -> str:
    """One whose guest leaves for elsewhere, or comes from there, waits for the other side."""
    spec = migration.get("spec") or {}
    return WAITING if "receive" in spec else SYNCHRONIZING if "sendTo" in spec else PENDING


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
    return made


class NoHostModelError(Exception):
    """The source node does not say which CPU model its guests see."""


def target_selector(vmi: Obj, source: Obj | None, added: dict[str, str]) -> dict[str, str]:
    """What the target node must offer, so that the guest finds there what it has. Raises NoHostModelError."""
    chosen = dict(added)
    marks = dig(source, "metadata", "labels", default={})
    if machine := dig(vmi, "status", "machine", "type"):
        chosen[f"machine-type.node.kubevirt.io/{machine}"] = "true"
    chosen |= {key: value for key, value in marks.items() if key.startswith("cpu-vendor.node.kubevirt.io/")}
    if dig(vmi, "spec", "domain", "cpu", "model") == "host-model":
        prefix = "host-model-cpu.node.kubevirt.io/"
        models = [key.removeprefix(prefix) for key in marks if key.startswith(prefix)]
        if not models:
            text = f'unable to locate host cpu model, does not contain label "{prefix}" with information'
            raise NoHostModelError(text)
        chosen[f"cpu-model-migration.node.kubevirt.io/{models[0]}"] = "true"
        features = "host-model-required-features.node.kubevirt.io/"
        for key, value in marks.items():
            if key.startswith(features):
                chosen[f"cpu-feature.node.kubevirt.io/{key.removeprefix(features)}"] = value
    chosen.pop(names.SCHEDULABLE, None)
    return chosen
