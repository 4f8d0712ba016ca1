"""The node side of a live migration: five writes on the VMI, one after the other, or one that tells of a failure. Pure.

Origin: kubevirt: pkg/virt-handler/migration-source.go, migration-target.go
"""

from typing import Any

from msgspec import Struct

from fakekube.machinery.objects import Obj, conditions, dig, labels
from fakekube.machinery.wire import Object
from fakekube.virt.handler import commands, copying, domain

TARGET_NODE = "kubevirt.io/migrationTargetNodeName"
_NODE = "kubevirt.io/nodeName"
_OUTDATED = "kubevirt.io/outdatedLauncherImage"
# What a virt-controller writes while a guest is to get more CPUs, memory or other volumes; a guest that has come has them.
_WRITTEN = frozenset(
    (
        "kubevirt.io/vmi-pod-cpu-resource-limits",
        "kubevirt.io/vmi-pod-memory-resource-requests",
        "kubevirt.io/memory-hotplug-overhead-ratio",
    )
)
_MEMORY_CHANGE = "HotMemoryChange"
_CHANGES = ("HotVCPUChange", _MEMORY_CHANGE, "VolumesChange")
_NO_MEMORY = {
    "type": _MEMORY_CHANGE,
    "status": "False",
    "lastProbeTime": None,
    "lastTransitionTime": None,
    "reason": "Memory Hotplug Failed",
    "message": "memory hotplug failed, the VM configuration is not supported",
}
ABORTED = "Live migration has been aborted"
PORTS = {"41111": 0, "42222": 49152}
BY_MONITOR = "PausedByMigrationMonitor"

Event = tuple[str, str, str]  # type, reason, message
_TOLD_OF_MEMORY: Event = (
    "Warning",
    f'server error. command SyncVirtualMachineMemory failed: "{domain.NO_MORE_MEMORY}"',
    "failed to update guest memory",
)


class Step(Struct, frozen=True):
    """One thing to do next: the VMI as it is to be stored, and what to tell."""

    name: str
    vmi: Object
    events: tuple[Event, ...] = ()
    copies: bool = False  # comes after the copying of the memory


def next_step(
    vmi: Object, now: str, *, address: str, fails: str, stuck: bool = False, takes: float | None = None
) -> Step | None:
    """What follows in the migration the VMI's state tells of, or None when there is nothing to do.

    `address` is that of the target node; `fails`: what goes wrong with the copying; `stuck`: it never gets on; `takes`: so many
    seconds, whatever the settings say.
    """
    state = dig(vmi, "status", "migrationState", default={})
    if not state.get("migrationUid"):
        return None
    uid = state["migrationUid"]
    if state.get("completed"):
        return _clean(vmi)
    if state.get("abortRequested"):
        aborting = ("Normal", "Migrating", "VirtualMachineInstance is aborting migration.")
        return failed(vmi, uid, now, ABORTED, {"abortStatus": "Succeeded"}, aborting)
    if not state.get("targetNodeAddress"):
        return prepared(vmi, address)
    if not state.get("startTimestamp"):
        told: Event = ("Normal", "Migrating", "VirtualMachineInstance is migrating.")
        return Step("start", with_state(vmi, startTimestamp=now, mode="PreCopy"), (told,))
    if not state.get("endTimestamp"):
        if stuck:
            text = f"Live migration stuck for {copying.patience(vmi)} seconds and has been aborted"
            return failed(vmi, uid, now, text, {"abortStatus": "Succeeded"}, copies=True)
        if fails:
            return failed(vmi, uid, now, fails, {}, copies=True)
        return _slow(vmi, uid, now, takes) or _arrived(vmi, state, now)
    return _completed(vmi)


def prepared(vmi: Object, address: str) -> Step:
    """The node of the target listens."""
    listening = f"Migration Target is listening at {address}, on ports: {','.join(PORTS)}"
    cpus = domain.own_cpus(vmi)
    placed = {"targetCPUSet": cpus} if cpus else {}
    return Step(
        "prepare",
        with_state(vmi, targetNodeAddress=address, targetDirectMigrationNodePorts=PORTS, **placed),
        (
            ("Normal", "PreparingTarget", "VirtualMachineInstance Migration Target Prepared."),
            ("Normal", "PreparingTarget", listening),
        ),
    )


def migrated(node: str) -> Event:
    """What is told of a guest that has come."""
    return ("Normal", "Migrated", f"The VirtualMachineInstance migrated to node {node}.")


def _slow(vmi: Object, uid: str, now: str, takes: float | None) -> Step | None:
    """What is done about copying that takes too long."""
    end = copying.too_long(vmi, takes)
    if end == "abort":
        text = f"Live migration is not completed after {copying.acceptable(vmi)} seconds and has been aborted"
        return failed(vmi, uid, now, text, {"abortStatus": "Succeeded"}, copies=True)
    if not end:
        return None
    changed = with_state(vmi, mode=end)
    if end == "Paused":
        text = "VMI was paused by the migration monitor"
        changed = commands.with_condition(changed, commands.paused(BY_MONITOR, text, now))
    return Step("hasten", changed, copies=True)


def _arrived(vmi: Object, state: Obj, now: str) -> Step:
    node = state.get("targetNode", "")
    moved = with_state(
        vmi, endTimestamp=now, targetNodeDomainDetected=True, targetNodeDomainReadyTimestamp=now
    )
    status = {
        key: value
        for key, value in moved["status"].items()
        if key not in ("launcherContainerImageVersion", "evacuationNodeName")
    }
    status |= {"nodeName": node, "migrationTransport": "Unix"}
    if overhead := state.get("targetMemoryOverhead"):
        status["memory"] = {**(status.get("memory") or {}), "memoryOverhead": overhead}
    if any(one.get("reason") == BY_MONITOR for one in conditions(vmi)):
        status["conditions"] = [one for one in conditions(vmi) if one.get("reason") != BY_MONITOR]
    kept = {key: value for key, value in labels(vmi).items() if key != _OUTDATED}
    meta = {**vmi["metadata"], "labels": {**kept, _NODE: node}}
    return Step("arrive", {**vmi, "metadata": meta, "status": status}, (migrated(node),), copies=True)


def _completed(vmi: Object) -> Step:
    """The guest has what it came for: nothing of the changes it waited for is left, but that it could not be given its memory."""
    changed = with_state(vmi, completed=True)
    listed = conditions(vmi)
    fails = domain.takes_no_memory(vmi) and any(one.get("type") == _MEMORY_CHANGE for one in listed)
    if any(one.get("type") in _CHANGES for one in listed):
        left = [one for one in listed if one.get("type") not in _CHANGES]
        changed["status"]["conditions"] = [*left, _NO_MEMORY] if fails else left
    if not _WRITTEN.isdisjoint(labels(vmi)):
        kept = {key: value for key, value in labels(vmi).items() if key not in _WRITTEN}
        changed["metadata"] = {**vmi["metadata"], "labels": kept}
    return Step("complete", changed, (_TOLD_OF_MEMORY,) if fails else ())


def _clean(vmi: Object) -> Step | None:
    """Take the target's label off."""
    if TARGET_NODE not in labels(vmi):
        return None
    kept = {key: value for key, value in labels(vmi).items() if key != TARGET_NODE}
    return Step("clean", {**vmi, "metadata": {**vmi["metadata"], "labels": kept}})


def failed(
    vmi: Object, uid: str, now: str, reason: str, more: dict[str, Any], *before: Event, copies: bool = False
) -> Step:
    """The migration is over, and the guest is where it was."""
    told: Event = (
        "Warning",
        "Migrated",
        f"VirtualMachineInstance migration uid {uid} failed. reason:{reason}",
    )
    changed = with_state(vmi, failed=True, completed=True, endTimestamp=now, failureReason=reason, **more)
    return Step("fail", changed, (*before, told), copies=copies)


def with_state(vmi: Object, **members: Any) -> Object:
    """The instance with these members in its migration state."""
    state = {**dig(vmi, "status", "migrationState", default={}), **members}
    return {**vmi, "status": {**vmi["status"], "migrationState": state}}
