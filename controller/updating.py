"""Updates: VM objects all at once, their VMIs within `maxUnavailable`.

A VMI is told apart from what its VM wants by the revisions both name. What must happen to it - nothing, a new label, a
restart, or a new VM because storage changed - follows from the two stored templates.
Upstream: kubevirt: pkg/virt-controller/watch/pool/pool.go. Unlike there, a VMI that needs nothing causes no event, and
one that is terminating is left alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from msgspec import Struct

from controller import revisions, selection, spec
from controller.actions import Action, RelabelVMI, ReplaceVM, RestartVMI
from controller.observe import Observed
from controller.revisions import Revisions
from controller.semantics import same
from fakekube.machinery import objects
from fakekube.machinery.wire import Object

RECHECK = 3.0  # seconds until the next look when the budget is used up


class Kind(Enum):
    """What a VMI needs to become what its VM wants."""

    NOTHING = 0
    LABEL = 1
    RESTART = 2
    REPLACEMENT = 3


class Rollout(Struct, frozen=True):
    """VMI actions for now, and whether some had to wait for budget."""

    actions: tuple[Action, ...] = ()
    waiting: bool = False


def allowed(seen: Observed) -> list[Object]:
    """The VMs that the policy's selectors open to updates. Raises SpecError."""
    policy = spec.update_policy(seen.pool)
    return list(seen.owned) if policy is None else selection.selected(seen.owned, policy)


class _Differences:
    """What differs between two revisions, compared once per pair: many VMs, few revisions."""

    def __init__(self, known: Revisions) -> None:
        self._known = known
        self._kinds: dict[tuple[str, str], Kind] = {}

    def kind(self, vm: Object, vmi: Object) -> Kind:
        wanted, actual = revisions.of(vm), revisions.of(vmi)
        if (wanted, actual) not in self._kinds:
            self._kinds[wanted, actual] = self._compared(wanted, actual)
        return self._kinds[wanted, actual]

    def _compared(self, wanted: str, actual: str) -> Kind:
        if not wanted:
            return Kind.NOTHING
        if not actual:
            return Kind.RESTART
        if wanted == actual or wanted not in self._known.known:
            return Kind.NOTHING
        if actual not in self._known.known:
            return Kind.RESTART
        new, old = (self._known.template(name).get("spec") or {} for name in (wanted, actual))
        if not _same_part(new, old, "dataVolumeTemplates"):
            return Kind.REPLACEMENT
        return Kind.LABEL if _same_part(new, old, "template") else Kind.RESTART


def kind(vm: Object, vmi: Object, known: Revisions) -> Kind:
    """What `vmi` needs to become what `vm` wants."""
    return _Differences(known).kind(vm, vmi)


def rollout(seen: Observed, vms: Sequence[Object], counted: Iterable[Object]) -> Rollout:
    """Bring the VMIs of `vms`, which are up to date, forward. Those of `counted` that are down use up budget.

    Raises SpecError.
    """
    limit = spec.max_unavailable(seen.pool)
    differences = _Differences(seen.revisions)
    due = {}
    for vm in vms:
        vmi = seen.vmis.get(objects.name(vm))
        if vmi is not None and not objects.is_terminating(vmi):
            needed = differences.kind(vm, vmi)
            if needed is not Kind.NOTHING:
                due[objects.name(vm)] = _action(needed, vm, vmi)
    if not due:  # nearly always: the rest would look at every VM and instance of a large pool for nothing
        return Rollout()

    # A VM that does not serve anyway loses nothing by a restart: no limit for those.
    actions = [
        due.pop(objects.name(vm))
        for vm in vms
        if objects.name(vm) in due and not objects.condition_is(vm, "Ready")
    ]
    unavailable = {objects.name(vm) for vm in counted if not _is_available(vm, seen.vmis)}
    unavailable |= {objects.name(action.vm) for action in actions}
    budget = limit - len(unavailable)
    for vm in _in_order(seen.pool, vms):
        if objects.name(vm) not in due:
            continue
        if budget <= 0:
            break
        actions.append(due.pop(objects.name(vm)))
        budget -= 1
    return Rollout(tuple(actions), waiting=bool(due))


def _in_order(pool: Object, vms: Sequence[Object]) -> list[Object]:
    policy = spec.update_policy(pool)
    if policy is None:
        return sorted(vms, key=selection.ordinal)
    salt = f"{objects.uid(pool)}/{objects.generation(pool)}"  # each rollout draws its own lots
    return selection.ordered(vms, policy.get("sortPolicy"), salt)


def _action(needed: Kind, vm: Object, vmi: Object) -> RelabelVMI | RestartVMI | ReplaceVM:
    if needed is Kind.LABEL:
        return RelabelVMI(vm, vmi, revisions.of(vm))
    return ReplaceVM(vm, vmi) if needed is Kind.REPLACEMENT else RestartVMI(vm, vmi)


def _is_available(vm: Object, vmis: Mapping[str, Object]) -> bool:
    """Whether the VM serves: its VMI runs, is ready and stays."""
    vmi = vmis.get(objects.name(vm))
    return (
        vmi is not None
        and not objects.is_terminating(vmi)
        and objects.dig(vmi, "status", "phase") == "Running"
        and objects.condition_is(vmi, "Ready")
    )


def _same_part(one: Mapping[str, Any], other: Mapping[str, Any], part: str) -> bool:
    return same({part: one.get(part)}, {part: other.get(part)})
