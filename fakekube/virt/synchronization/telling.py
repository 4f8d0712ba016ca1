"""What one side of a migration is told of the other. Pure.

Origin: kubevirt: pkg/synchronization-controller/synchronization-controller.go
"""

from collections.abc import Iterable
from typing import Any

from fakekube.machinery.objects import Obj, condition, conditions, dig, uid
from fakekube.machinery.wire import Object
from fakekube.virt import sides

FAILURE = "DecentralizedLiveMigrationFailure"
_REASON = "DecentralizedNotLiveMigratable"
AWAITED = "waiting for incoming synchronization, unable to proceed"

_OF_SOURCE = ("sourceNode", "sourcePod", "startTimestamp", "mode")
_OF_INSTANCE = ("migrationMethod", "migrationTransport")
_OF_TARGET = (
    "targetNode",
    "targetPod",
    "targetNodeAddress",
    "targetDirectMigrationNodePorts",
    "targetAttachmentPodUID",
    "targetNodeDomainDetected",
    "targetNodeDomainReadyTimestamp",
)
_OF_END = ("endTimestamp", "failed", "failureReason", "completed")


def unknown(identity: str) -> str:
    """What the source is told while nobody receives."""
    return f"rpc error: code = Unknown desc = source: unable to locate VMI for migrationID {identity}"


def unreachable(address: str) -> str:
    """What the source is told, where nobody answers at all."""
    dialed = f"dial tcp {address}: connect: connection refused"
    return f'rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: {dialed}"'


def of_source(target: Object, receiving: Obj, source: Obj, sending: Obj, address: str) -> Object:
    """The instance that receives, with what the other one tells."""
    own, other = _state(target), _state(source)
    there = other.get(sides.SOURCE) or {}
    if not _is_about(own, sides.TARGET, receiving) or not _is_about(other, sides.SOURCE, sending):
        return target
    own |= _picked(other, _OF_SOURCE)
    own[sides.SOURCE] = {**there, "syncAddress": address}
    status = {**target["status"], **_picked(source.get("status") or {}, _OF_INSTANCE), "migrationState": own}
    return {**target, "status": status}


def of_target(source: Object, sending: Obj, target: Obj, receiving: Obj) -> Object:
    """The instance whose guest leaves, with what the other one tells."""
    own, other = _state(source), _state(target)
    there = other.get(sides.TARGET) or {}
    if not _is_about(own, sides.SOURCE, sending) or not _is_about(other, sides.TARGET, receiving):
        return source
    own[sides.TARGET] = {**(own.get(sides.TARGET) or {}), **there}
    if own.get("migrationUid") == uid(sending) and not own.get("completed"):
        own |= _picked(other, _OF_TARGET)
        if other.get("completed"):
            own |= _picked(other, _OF_END)
    return {**source, "status": {**source["status"], "migrationState": own}}


def addressed(target: Object, receiving: Obj, address: str) -> Object:
    """The instance that receives, with where it is told."""
    own = _state(target)
    if not _is_about(own, sides.TARGET, receiving):
        return target
    own[sides.TARGET] = {**own[sides.TARGET], "syncAddress": address}
    return {**target, "status": {**target["status"], "migrationState": own}}


def warned(vmi: Object, text: str, now: str) -> Object:
    """The instance with what keeps its sides from each other, or without any of that."""
    known = condition(vmi, FAILURE)
    if known is None and not text:
        return vmi
    if known is not None and text and known.get("message") == text:
        return vmi
    listed = [one for one in conditions(vmi) if one["type"] != FAILURE]
    if text:
        told = {"type": FAILURE, "status": "True", "reason": _REASON, "message": text}
        listed.append({**told, "lastProbeTime": now, "lastTransitionTime": now})
    return {**vmi, "status": {**vmi["status"], "conditions": listed}}


def _state(vmi: Obj) -> dict[str, Any]:
    return dict(dig(vmi, "status", "migrationState", default={}))


def _is_about(state: Obj, side: str, migration: Obj) -> bool:
    """Whether a migration state tells of that migration, on that side."""
    return bool(dig(state, side, "migrationUID") == uid(migration))


def _picked(given: Obj, members: Iterable[str]) -> dict[str, Any]:
    return {one: given[one] for one in members if one in given}
