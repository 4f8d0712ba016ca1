"""What a VirtualMachineSnapshot says of itself, as a function of what is there. Pure.

Origin: kubevirt: pkg/storage/snapshot/snapshot.go (updateSnapshotStatus)
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from fakekube.clock import parse_rfc3339
from fakekube.machinery.durations import given as seconds
from fakekube.machinery.objects import Obj, annotations, condition_is, dig, is_final, is_terminating, uid
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance

DEADLINE_EXCEEDED = "snapshot deadline exceeded"
_FATE = "fakekube.io/fate"
_DEADLINE = 300.0

Said = tuple[str, bool, str]  # type, status, reason


def content_name(snapshot: Obj) -> str:
    return f"vmsnapshot-content-{uid(snapshot)}"


def never_ready(snapshot: Obj) -> bool:
    """Whether somebody wants it so (`fakekube.io/fate: never-ready`)."""
    return "never-ready" in annotations(snapshot).get(_FATE, "")


def left(snapshot: Obj, now: datetime) -> float:
    """Seconds until it counts as failed."""
    limit = seconds(dig(snapshot, "spec", "failureDeadline"), _DEADLINE)
    end = parse_rfc3339(snapshot["metadata"]["creationTimestamp"]) + timedelta(seconds=limit)
    return (end - now).total_seconds()


def is_late(snapshot: Obj, now: datetime) -> bool:
    phase = dig(snapshot, "status", "phase")
    return phase == "Failed" or (phase == "InProgress" and left(snapshot, now) <= 0)


def is_ending(snapshot: Obj, now: datetime) -> bool:
    return is_terminating(snapshot) or is_late(snapshot, now)


def is_progressing(snapshot: Obj) -> bool:
    """Whether it is still being taken: neither done, nor failed, nor stuck."""
    status = snapshot.get("status") or {}
    done = status.get("creationTime") or is_final(snapshot)
    return not done and not status.get("error")


def loses_content(snapshot: Obj, content: Obj) -> bool:
    """Whether the content goes with the snapshot: by policy, or for it is of no use."""
    by_policy = dig(snapshot, "spec", "deletionPolicy", default="Delete") != "Retain"
    return by_policy or not dig(content, "status", "readyToUse")


def volumes(content: Obj) -> dict[str, list[str]]:
    """`status.snapshotVolumes`: which volumes of the VM are in the content, and which are not."""
    kept = {one["volumeName"] for one in dig(content, "spec", "volumeBackups", default=())}
    named = [
        one["name"] for one in instance.template_volumes(dig(content, "spec", "source", "virtualMachine"))
    ]
    included, excluded = [one for one in named if one in kept], [one for one in named if one not in kept]
    return {"includedVolumes": included, "excludedVolumes": excluded}


def indications(vmi: Obj | None) -> list[dict[str, str]]:
    """What to know about how it is taken."""
    if vmi is None:
        return []
    found = [{"indication": "Online", "message": "Snapshot taken while the VM was running"}]
    if condition_is(vmi, "Paused"):
        found.append({"indication": "Paused", "message": "Snapshot taken while the VM was paused"})
    elif condition_is(vmi, "AgentConnected"):
        found.append(
            {"indication": "GuestAgent", "message": "Guest agent was active, file systems were frozen"}
        )
    else:
        found.append({"indication": "NoGuestAgent", "message": "Guest agent was not active"})
    return found


def partial(content: Obj) -> Iterable[dict[str, str]]:
    """What to know when some claims are not in it."""
    split = volumes(content)
    if split["includedVolumes"] and split["excludedVolumes"]:
        yield {"indication": "PartialSnapshot", "message": "Some volumes could not be snapshotted"}


def said(snapshot: Obj, status: Obj, *, source: bool, locked: bool, obstacle: str, late: bool) -> list[Said]:
    """The conditions of a snapshot whose status is otherwise `status`."""
    unready: Said = ("Ready", False, "Not ready")
    if late:
        told: list[Said] = [("Progressing", False, "Operation failed"), unready]
        return [*told, ("Failure", True, DEADLINE_EXCEEDED)]
    if status.get("error"):
        return [("Progressing", False, "In error state"), unready]
    if status.get("creationTime"):
        ready: Said = ("Ready", True, "Ready") if status.get("readyToUse") else unready
        return [("Progressing", False, "Operation complete"), ready]
    if is_terminating(snapshot):
        return [("Progressing", False, "VM snapshot is deleting"), unready]
    if not source:
        return [("Progressing", False, "Source does not exist"), unready]
    if locked:
        return [("Progressing", True, "Source locked and operation in progress"), unready]
    return [("Progressing", False, f"Source not locked {obstacle}".strip()), unready]


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
    if status.get("creationTime") and not status.get("error"):
        return "Succeeded"
    if is_terminating(snapshot) and not status.get("error"):
        return "Deleting"
    return str(dig(snapshot, "status", "phase") or "InProgress")
