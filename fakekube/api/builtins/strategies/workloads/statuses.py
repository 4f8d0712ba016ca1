"""Counts in the status of a workload: never negative, and no part larger than the whole.

Origin: k8s: pkg/apis/apps/validation/validation.go (Validate…Status)
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes, not_negative
from fakekube.machinery.field_errors import invalid

Status = Mapping[str, Any]


def counts(status: Status, members: Iterable[str]) -> Causes:
    """None of these is negative."""
    return [
        error
        for member in members
        if (status.get(member) or 0) < 0
        for error in not_negative(status[member], f"status.{member}")
    ]


def parts(status: Status, members: Iterable[str], *, ready: str = "readyReplicas") -> Causes:
    """None of these is more than `status.replicas`, and no more are available than ready (called `ready`)."""
    whole = status.get("replicas") or 0
    found = [
        invalid(f"status.{member}", status.get(member) or 0, "cannot be greater than status.replicas")
        for member in members
        if (status.get(member) or 0) > whole
    ]
    available = status.get("availableReplicas") or 0
    if available > (status.get("readyReplicas") or 0):
        found.append(invalid("status.availableReplicas", available, f"cannot be greater than {ready}"))
    return found


def collisions(new: Status, old: Status) -> Causes:
    """`collisionCount` only grows."""
    now, before = new.get("collisionCount"), old.get("collisionCount")
    if before is None or (now is not None and now >= before):
        return []
    return [invalid("status.collisionCount", now or 0, "cannot be decremented")]
