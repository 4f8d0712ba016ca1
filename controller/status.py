"""The pool's status: what was counted, whether it is paused, whether the last work failed.

Conditions exist while true and not otherwise. `ReplicaFailure` keeps its first text until a reconcile without failure.
Upstream: kubevirt: pkg/virt-controller/watch/pool/pool.go
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from controller import spec
from fakekube.clock import rfc3339
from fakekube.machinery import objects
from fakekube.machinery.selectors import Selector
from fakekube.machinery.wire import Object

REPLICA_FAILURE, REPLICA_PAUSED = "ReplicaFailure", "ReplicaPaused"


class Note(Struct, frozen=True):
    """An event about the pool."""

    type: str
    reason: str
    message: str


class Report(Struct, frozen=True):
    """The status as it should be, and what to tell once it is written."""

    status: Object
    notes: list[Note] = field(default_factory=list)


def report(
    pool: Object,
    owned: Sequence[Object],
    selector: Selector,
    now: datetime,
    failure: tuple[str, str] | None = None,
) -> Report:
    """What the pool's status should say; `failure` is reason and message of work that failed."""
    status: Object = dict(pool.get("status") or {})
    _set(status, "replicas", len(owned))
    _set(status, "readyReplicas", sum(objects.condition_is(vm, "Ready") for vm in owned))
    _set(status, "labelSelector", str(selector))
    notes: list[Note] = []
    conditions = objects.conditions(pool)
    conditions = _paused(conditions, spec.paused(pool), now, notes)
    conditions = _failed(conditions, failure, now, notes)
    _set(status, "conditions", conditions)
    return Report(status, notes)


def complaint(pool: Object, now: datetime, failure: tuple[str, str]) -> Report:
    """The status of a pool whose spec cannot be followed: as it was, and why nothing happens."""
    status: Object = dict(pool.get("status") or {})
    notes: list[Note] = []
    _set(status, "conditions", _failed(objects.conditions(pool), failure, now, notes))
    return Report(status, notes)


def _paused(conditions: list[Object], paused: bool, now: datetime, notes: list[Note]) -> list[Object]:
    present = any(one.get("type") == REPLICA_PAUSED for one in conditions)
    if paused and not present:
        notes.append(Note("Normal", "SuccessfulPaused", "Pool is paused"))
        return [*conditions, _condition(REPLICA_PAUSED, "SuccessfulPaused", "Pool controller is paused", now)]
    if present and not paused:
        notes.append(Note("Normal", "SuccessfulResume", "Pool is unpaused"))
        return _without(conditions, REPLICA_PAUSED)
    return conditions


def _failed(
    conditions: list[Object], failure: tuple[str, str] | None, now: datetime, notes: list[Note]
) -> list[Object]:
    if failure is None:
        return _without(conditions, REPLICA_FAILURE)
    if any(one.get("type") == REPLICA_FAILURE for one in conditions):
        return conditions
    notes.append(Note("Warning", *failure))
    return [*conditions, _condition(REPLICA_FAILURE, *failure, now)]


def _condition(kind: str, reason: str, message: str, now: datetime) -> Object:
    return {
        "type": kind,
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": rfc3339(now),
        "reason": reason,
        "message": message,
    }


def _without(conditions: list[Object], kind: str) -> list[Object]:
    return [one for one in conditions if one.get("type") != kind]


def _set(status: Object, name: str, value: Any) -> None:
    """Zero and empty values are absent, as in upstream's JSON."""
    if value:
        status[name] = value
    else:
        status.pop(name, None)
