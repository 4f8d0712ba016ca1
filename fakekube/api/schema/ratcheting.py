"""Ratcheting: an update is not refused for what was wrong before and did not change.

A problem is forgiven when the node that found it, or any node above it, can be matched to a node of the old object and is
equal to it. Items are matched only in lists that are maps, by their keys. So what an update leaves as it was need not be
looked at: `glance` tells whether the rest is in order, as it mostly is; only if not, all problems are found and judged.
k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/validation/ratcheting.go, staging/src/k8s.io/apiserver/pkg/cel/common/equality.go
"""

from collections.abc import Callable, Iterable
from typing import Any

from fakekube.api.schema import metadata, validating
from fakekube.api.schema.model import Schema
from fakekube.api.schema.problems import LISTS, SCHEMA, Problem, Step

_ABSENT = object()
_TYPE = ("apiVersion", "kind")  # never seen as unchanged: both objects are in the version of the request

Glance = Callable[[Any, Any], bool]  # (new, old) → whether the change may have a problem that counts
_Member = tuple[
    bool, bool, Glance | None
]  # whether the same is passed over, and what is equal; else the look at it


def glance(node: Schema, *, root: bool = False) -> Glance | None:
    """The closure that looks at what has changed, down to where lists begin; None where every value is valid."""
    name = "glance-root" if root else "glance"
    if name not in node.compiled:
        node.compiled[name] = None  # a schema that refers to itself terminates here
        node.compiled[name] = _compile(node, root=root)
    compiled: Glance | None = node.compiled[name]
    return compiled


def _compile(node: Schema, *, root: bool) -> Glance | None:
    full = validating.checker(node)
    if full is None:
        return None
    rules = None if validating.judges_wholes(node) else validating.object_check(node)
    if rules is None or node.type != "object":
        return lambda new, _: bool(full(new))
    members: dict[str, _Member] = {}
    settled: set[str] = set()  # members met before, of which the same is passed over
    rest = _member(node.additional)

    def look(new: Any, old: Any) -> bool:
        if type(new) is not dict or type(old) is not dict:
            return bool(full(new))
        unlike = {}
        for name, value in new.items():
            before = old.get(name, _ABSENT)
            if before is value and name in settled:
                continue
            if before is not _ABSENT:
                member = members.get(name)
                if member is None:
                    typed = root and name in _TYPE
                    if typed or name in node.properties:
                        member = members[name] = _member(node.member(name), typed=typed)
                        if member[0]:
                            settled.add(name)
                    else:
                        member = rest
                same_passes, equal_passes, closer = member
                if (before is value and same_passes) or (equal_passes and before == value):
                    continue
                if type(value) is dict and type(before) is dict:
                    if closer is not None and closer(value, before):
                        return True
                    continue
            unlike[name] = value
        return bool(rules(new, unlike))

    return look


def _member(node: Schema | None, *, typed: bool = False) -> _Member:
    """How a member is looked at. Embedded resources are judged in any case, sets and maps by themselves as they were."""
    if node is None:
        return True, True, None
    forgiven = not typed and not metadata.has_embedded(node)
    return forgiven, forgiven and not _has_keyed(node), glance(node)


def _has_keyed(node: Schema) -> bool:
    """Whether sets or maps lie somewhere in values of this node: what is equal in Python, like 1 and true, is not in them."""
    known: bool | None = node.compiled.get("keyed")
    if known is None:
        node.compiled["keyed"] = False  # a schema that refers to itself terminates here
        children = [*node.properties.values(), *filter(None, (node.additional, node.items))]
        known = node.compiled["keyed"] = node.list_type != "atomic" or any(map(_has_keyed, children))
    return known


def remaining(
    problems: Iterable[Problem], new: Any, old: Any, node: Schema, old_problems: Iterable[Problem]
) -> list[Problem]:
    """The problems an update is still refused for. Sets and maps are judged only if the old object's were fine."""
    lists_were_fine = not any(problem.rank == LISTS for problem in old_problems)
    kept = []
    for problem in problems:
        if problem.rank == LISTS:
            if lists_were_fine:
                kept.append(problem)
        elif problem.rank != SCHEMA or not unchanged(
            problem.path[: len(problem.path) - problem.tail], new, old, node
        ):
            kept.append(problem)
    return kept


def unchanged(path: tuple[Step, ...], new: Any, old: Any, node: Schema | None) -> bool:
    """Whether some node on the way down the path equals its old self."""
    if new == old:
        return True
    for depth, step in enumerate(path):
        if depth == 0 and step in _TYPE:
            return False
        if isinstance(step, int):
            old = _old_item(new[step], old, node)
            new, node = new[step], node.items if node else None
        else:
            old = old.get(step, _ABSENT) if isinstance(old, dict) else _ABSENT
            new, node = new.get(step), node.member(step) if node else None
        if old is _ABSENT:
            return False
        if new == old:
            return True
    return False


def _old_item(item: Any, olds: Any, node: Schema | None) -> Any:
    if node is None or node.list_type != "map" or not isinstance(olds, list) or not isinstance(item, dict):
        return _ABSENT
    keys = {name: item.get(name) for name in node.list_map_keys}
    for old in olds:
        if isinstance(old, dict) and all(old.get(name) == value for name, value in keys.items()):
            return old
    return _ABSENT
