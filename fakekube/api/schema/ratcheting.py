"""Ratcheting: an update is not refused for what was wrong before and did not change.

A problem is forgiven when the node that found it, or any node above it, can be matched to a node of the old object and is
equal to it. Items are matched only in lists that are maps, by their keys.
k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/validation/ratcheting.go, staging/src/k8s.io/apiserver/pkg/cel/common/equality.go
"""

from collections.abc import Iterable
from typing import Any

from fakekube.api.schema.model import Schema
from fakekube.api.schema.problems import LISTS, SCHEMA, Problem, Step

_ABSENT = object()


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
        if depth == 0 and step in ("apiVersion", "kind"):
            return False  # never visible: both objects are in the version of the request
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
