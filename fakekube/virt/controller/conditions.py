"""Conditions of VMs and VMIs: lists in which a type occurs once and keeps its place. Pure: every function returns a new list.

Origin: kubevirt: pkg/controller/conditions.go, pkg/virt-controller/watch/vm/vm.go (syncConditions).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from fakekube.machinery.objects import conditions as conditions_of

Condition = dict[str, Any]

# Never copied from a VMI to its VM, nor removed for want of it there: they are the VM's own.
_OWN = frozenset(("Ready", "Failure", "RestartRequired", "ManualRecoveryRequired"))


class Failure(Struct, frozen=True):
    """Why a pass could not do its work: what the `Failure` or `Synchronized` condition says."""

    reason: str
    message: str


def make(
    type_: str, status: str, reason: str = "", message: str = "", *, now: str | None = None
) -> Condition:
    """A condition as Go writes it: times always present, reason and message only when they say something."""
    made: Condition = {"type": type_, "status": status, "lastProbeTime": now, "lastTransitionTime": now}
    if reason:
        made["reason"] = reason
    if message:
        made["message"] = message
    return made


def find(conditions: Iterable[Condition], type_: str) -> Condition | None:
    for one in conditions:
        if one.get("type") == type_:
            return one
    return None


def put(conditions: Iterable[Condition], new: Condition) -> list[Condition]:
    """`new` in the place of the condition of its type, or at the end."""
    listed = list(conditions)
    for index, one in enumerate(listed):
        if one.get("type") == new["type"]:
            listed[index] = new
            return listed
    return [*listed, new]


def drop(conditions: Iterable[Condition], *types: str) -> list[Condition]:
    return [one for one in conditions if one.get("type") not in types]


def says_the_same(one: Mapping[str, Any] | None, other: Mapping[str, Any], *, message: bool = True) -> bool:
    """Whether two conditions agree, times aside; with `message=False` only on status and reason."""
    if (
        one is None
        or one.get("status") != other.get("status")
        or (one.get("reason") or "") != (other.get("reason") or "")
    ):
        return False
    return not message or (one.get("message") or "") == (other.get("message") or "")


def of_vm(
    old: Iterable[Condition], vmi: Mapping[str, Any] | None, failure: Failure | None, now: str
) -> list[Condition]:
    """The conditions of a VM beside its VMI.

    Without a VMI, what was copied from the last one stays. A copy is renewed only when status or reason change: a
    new message alone does not reach the VM.
    """
    result = _renewed(list(old), _ready(vmi, now))
    if failure is None:
        result = drop(result, "Failure")
    else:
        told = make("Failure", "True", failure.reason, failure.message)
        result = _renewed(result, {**told, "lastTransitionTime": now})
    if vmi is None:
        return result
    copied = [one for one in conditions_of(vmi) if one.get("type") not in _OWN]
    there = {one.get("type") for one in copied} | _OWN
    result = [one for one in result if one.get("type") in there]
    for one in copied:
        result = _renewed(result, one)
    return result


def _renewed(conditions: list[Condition], new: Condition) -> list[Condition]:
    return (
        conditions
        if says_the_same(find(conditions, new["type"]), new, message=False)
        else put(conditions, new)
    )


def _ready(vmi: Mapping[str, Any] | None, now: str) -> Condition:
    if vmi is None:
        return make("Ready", "False", "VMINotExists", "VMI does not exist", now=now)
    ready = find(conditions_of(vmi), "Ready")
    return ready or make(
        "Ready", "False", "VMIConditionMissing", "VMI is missing the Ready condition", now=now
    )
