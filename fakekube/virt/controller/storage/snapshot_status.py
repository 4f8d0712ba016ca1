"""What a VirtualMachineSnapshot says of itself, as a function of what is there. Pure.

Origin: kubevirt: pkg/storage/snapshot/snapshot.go (updateSnapshotStatus)
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import inf
from typing import Any

from fakekube.clock import parse_rfc3339
from fakekube.machinery.durations import given as seconds
from fakekube.machinery.objects import (
    Obj,
    annotations,
    condition_is,
    dig,
    is_final,
    is_terminating,
    name,
    uid,
)
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance, persistent_state

DEADLINE_EXCEEDED = "snapshot deadline exceeded"
_FATE = "fakekube.io/fate"
_DEADLINE = 300.0
_PARTIAL = "PartialSnapshot"
_SNAPSHOTTABLE = frozenset(("persistentVolumeClaim", "dataVolume", "memoryDump"))
_CRASH = "Snapshot is crash-consistent and may not be application-consistent."
_MESSAGES = {
    "Online": "Snapshot taken while the VM was running. Consistency depends on guest-agent quiescing.",
    "GuestAgent": "Guest agent was active and attempted to quiesce the filesystem for application consistency.",
    "NoGuestAgent": f"Guest agent was not available. {_CRASH}",
    "Paused": f"Snapshot taken while the VM was paused. {_CRASH}",
    _PARTIAL: "Not all snapshotable volumes were included in the snapshot. Check status.snapshotVolumes for "
    "excluded volumes and VM VolumeSnapshotStatus for details.",
}

Said = tuple[str, bool, str]  # type, status, reason


def content_name(snapshot: Obj) -> str:
    return f"vmsnapshot-content-{uid(snapshot)}"


def never_ready(snapshot: Obj) -> bool:
    """Whether somebody wants it so (`fakekube.io/fate: never-ready`)."""
    return "never-ready" in annotations(snapshot).get(_FATE, "")


def left(snapshot: Obj, now: datetime) -> float:
    """Seconds until it counts as failed: no number where the deadline is 0."""
    limit = seconds(dig(snapshot, "spec", "failureDeadline"), _DEADLINE)
    end = parse_rfc3339(snapshot["metadata"]["creationTimestamp"]) + timedelta(seconds=limit)
    return (end - now).total_seconds() if limit else inf


def is_late(snapshot: Obj, now: datetime) -> bool:
    phase = dig(snapshot, "status", "phase")
    return phase == "Failed" or (phase != "Succeeded" and left(snapshot, now) <= 0)


def is_ending(snapshot: Obj, now: datetime) -> bool:
    return is_terminating(snapshot) or is_late(snapshot, now)


def is_progressing(snapshot: Obj) -> bool:
    """Whether it is still being taken: neither done nor failed. An error may pass until the deadline."""
    return not is_final(snapshot)


def loses_content(snapshot: Obj, content: Obj) -> bool:
    """Whether the content goes with the snapshot: by policy, or for it is of no use."""
    by_policy = dig(snapshot, "spec", "deletionPolicy", default="Delete") != "Retain"
    return by_policy or not dig(content, "status", "readyToUse")


def volumes(content: Obj) -> dict[str, list[str]]:
    """`status.snapshotVolumes`: which volumes of the VM are in the content, and which are not."""
    kept = _backed_up(content)
    named = [one["name"] for one in _volumes(content)]
    split = {
        "includedVolumes": [one for one in named if one in kept],
        "excludedVolumes": [one for one in named if one not in kept],
    }
    return {member: listed for member, listed in split.items() if listed}


def _backed_up(content: Obj) -> list[str]:
    return [one["volumeName"] for one in dig(content, "spec", "volumeBackups", default=())]


def _volumes(content: Obj) -> list[Object]:
    """The volumes of the kept VM, with the one of its persistent state, which no spec names."""
    vm = dig(content, "spec", "source", "virtualMachine", default={})
    listed = list(instance.template_volumes(vm))
    state = persistent_state.volume_name(name(vm))
    if persistent_state.is_needed(vm) or state in _backed_up(content):
        listed.append({"name": state, "persistentVolumeClaim": {}})
    return listed


def indications(before: Iterable[str], vmi: Obj | None) -> list[str]:
    """How it is taken: what was so once stays, as long as the VM runs."""
    if vmi is None:
        return []
    agent = "GuestAgent" if condition_is(vmi, "AgentConnected") else "NoGuestAgent"
    return sorted({*before, "Online", "Paused" if condition_is(vmi, "Paused") else agent})


def with_partial(listed: list[str], content: Obj) -> list[str]:
    """The indications of a snapshot that is done: whether a volume is missing that could have been in it."""
    kept = _backed_up(content)
    lacks = any(one["name"] not in kept and not _SNAPSHOTTABLE.isdisjoint(one) for one in _volumes(content))
    return [*listed, _PARTIAL] if lacks and _PARTIAL not in listed else listed


def explained(listed: Iterable[str]) -> list[dict[str, str]]:
    """`status.sourceIndications`. Others may have written some that nobody knows."""
    return [{"indication": one, "message": _MESSAGES.get(one, "")} for one in listed]


def said(snapshot: Obj, status: Obj, *, source: bool, locked: bool, obstacle: str, late: bool) -> list[Said]:
    """The conditions of a snapshot whose status is otherwise `status`."""
    failure: list[Said] = [("Failure", True, DEADLINE_EXCEEDED)] if late else []
    ready = bool(status.get("readyToUse"))
    return [
        *failure,
        (
            "Progressing",
            *_progress(snapshot, status, source=source, locked=locked, obstacle=obstacle, late=late),
        ),
        ("Ready", ready, "Ready" if ready else "Not ready"),
    ]


def _progress(
    snapshot: Obj, status: Obj, *, source: bool, locked: bool, obstacle: str, late: bool
) -> tuple[bool, str]:
    if status.get("error"):
        return False, "In error state"
    if late:
        return False, "Operation failed"
    if _is_done(snapshot, status):
        return False, "Operation complete"
    if is_terminating(snapshot):
        return False, "VM snapshot is deleting"
    if not source:
        return False, "Source does not exist"
    if locked:
        return True, "Source locked and operation in progress"
    return False, f"Source not locked {obstacle}".strip()


def _is_done(snapshot: Obj, status: Obj) -> bool:
    return bool(status.get("creationTime")) or dig(snapshot, "status", "phase") == "Succeeded"


def members(content: Obj | None) -> dict[str, Any]:
    """What is copied from a content that has been looked at."""
    known = (content or {}).get("status")
    if content is None or not known:
        return {}
    copied = {member: known.get(member) for member in ("creationTime", "readyToUse", "error")}
    return {**copied, "virtualMachineSnapshotContentName": content["metadata"]["name"]}


def phase(snapshot: Obj, status: Object, *, late: bool) -> str:
    if late:
        return "Failed"
    if _is_done(snapshot, status):
        return "Succeeded"
    return "Deleting" if is_terminating(snapshot) else "InProgress"
