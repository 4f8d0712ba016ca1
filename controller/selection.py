"""Which VMs first: order by a sort policy, restrict by selectors.

`Random` is a lottery in which each VM keeps its lot: the order says nothing about the VMs, yet a choice repeated on
stale knowledge, after a restart or by another replica is the same choice. So nothing is ever deleted in addition.
Selectors look at the VMI template inside the VM, not at the VM's own labels nor at nodes, as upstream does.
Upstream: kubevirt: pkg/virt-controller/watch/pool/pool.go
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from controller import naming
from controller.spec import SpecError
from fakekube.clock import parse_rfc3339
from fakekube.machinery import objects, selectors
from fakekube.machinery.selectors import Requirement, Selector, SelectorError
from fakekube.machinery.wire import Object

_NODE_OPERATORS = {
    "In": selectors.IN,
    "NotIn": selectors.NOT_IN,
    "Exists": selectors.EXISTS,
    "DoesNotExist": selectors.DOES_NOT_EXIST,
    "Gt": selectors.GT,
    "Lt": selectors.LT,
}


def lot(vm: Object, salt: str) -> bytes:
    """Where a VM stands in the lottery called `salt`."""
    return blake2b(f"{salt}/{objects.uid(vm)}".encode(), digest_size=8).digest()


def ordinal(vm: Object) -> int:
    """A VM without an ordinal sorts as number 0."""
    return naming.ordinal(objects.name(vm)) or 0


def born(vm: Object) -> float:
    stamp = vm["metadata"].get("creationTimestamp")
    return parse_rfc3339(stamp).timestamp() if stamp else 0.0


_SORT_KEYS: Mapping[str, Callable[[Object], float]] = {
    "AscendingOrder": ordinal,
    "DescendingOrder": lambda vm: -ordinal(vm),
    "Newest": lambda vm: -born(vm),
    "Oldest": born,
}


def ordered(vms: Iterable[Object], policy: str | None, salt: str) -> list[Object]:
    """The VMs in the order of a sort policy. Unknown and absent ones mean `Random`; ties are drawn by lot too."""
    key = _SORT_KEYS.get(policy or "")
    if key is None:
        return sorted(vms, key=lambda vm: lot(vm, salt))
    return sorted(vms, key=lambda vm: (key(vm), lot(vm, salt)))


def selected(vms: Sequence[Object], policy: Mapping[str, Any]) -> list[Object]:
    """The VMs that the policy's selectors allow; all of them when there are none. Raises SpecError."""
    given = policy.get("selectors") or {}
    by_labels, by_node = _label_selector(given), _node_selector(given)
    return [
        vm
        for vm in vms
        if by_labels.matches(objects.dig(vm, "spec", "template", "metadata", "labels", default={}))
        and by_node.matches(objects.dig(vm, "spec", "template", "spec", "nodeSelector", default={}))
    ]


def _label_selector(given: Mapping[str, Any]) -> Selector:
    selector = given.get("labelSelector")
    if selector is None:
        return selectors.EVERYTHING
    try:
        return selectors.from_object(selector)
    except SelectorError as error:
        raise SpecError(f"failed to parse label selector from pool: {error}") from error


def _node_selector(given: Mapping[str, Any]) -> Selector:
    try:
        return Selector(tuple(map(_node_requirement, given.get("nodeSelectorRequirementMatcher") or ())))
    except SelectorError as error:
        raise SpecError(f"failed to parse node selector from pool: {error}") from error


def _node_requirement(term: Mapping[str, Any]) -> Requirement:
    operator = _NODE_OPERATORS.get(term.get("operator", ""))
    if operator is None:
        raise SelectorError(f'"{term.get("operator", "")}" is not a valid label selector operator')
    return selectors.requirement(term.get("key", ""), operator, tuple(term.get("values") or ()))
