"""Conditions of workloads: a list in which a type occurs once. Pure: every function returns a new list."""

from collections.abc import Iterable
from typing import Any

from fakekube.machinery.wire import Object

Conditions = list[dict[str, Any]]


def find(conditions: Iterable[dict[str, Any]], type_: str) -> dict[str, Any] | None:
    return next((one for one in conditions if one.get("type") == type_), None)


def without(conditions: Iterable[dict[str, Any]], type_: str) -> Conditions:
    return [one for one in conditions if one.get("type") != type_]


def put(conditions: Iterable[dict[str, Any]], new: Object) -> Conditions:
    """`new` at the end, unless the condition of its type says the same; the moment of transition stays with the status."""
    listed = list(conditions)
    before = find(listed, new["type"])
    if before is not None:
        same = before.get("status") == new["status"]
        if same and (before.get("reason") or "") == (new.get("reason") or ""):
            return listed
        if same:
            new = {**new, "lastTransitionTime": before.get("lastTransitionTime")}
    return [*without(listed, new["type"]), new]


def make(
    type_: str, status: str, reason: str, message: str, now: str, *, update_time: bool = False
) -> Object:
    """A condition of now. Deployments also tell when one was last updated."""
    times = {"lastTransitionTime": now, **({"lastUpdateTime": now} if update_time else {})}
    made = {"type": type_, "status": status, **times, "reason": reason, "message": message}
    return {member: value for member, value in made.items() if value != ""}
