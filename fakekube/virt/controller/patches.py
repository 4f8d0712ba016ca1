"""JSON patches the way KubeVirt sends them: every replacement guarded by a test of what was seen. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from fakekube.machinery.objects import Obj, dig, finalizers, without

Operation = dict[str, Any]


def guarded(path: str, old: Any, new: Any) -> list[Operation]:
    """Replace what was seen at `path`; a lost race is a 422, never an overwrite."""
    return [{"op": "test", "path": path, "value": old}, {"op": "replace", "path": path, "value": new}]


def added(path: str, new: Any) -> list[Operation]:
    """Add a member that was absent."""
    return [{"op": "test", "path": path, "value": None}, {"op": "add", "path": path, "value": new}]


def without_finalizer(obj: Obj, *dropped: str) -> list[Operation]:
    seen: Sequence[str] = finalizers(obj)
    left = list(seen)
    for one in dropped:
        left = without(left, one)
    return guarded("/metadata/finalizers", seen, left)


def removed(path: str, old: Any) -> list[Operation]:
    """Remove what was seen at `path`."""
    return [{"op": "test", "path": path, "value": old}, {"op": "remove", "path": path}]


def between(old: Obj, new: Obj, members: Iterable[Sequence[str]]) -> list[Operation]:
    """From one state to another, as far as these members differ."""
    operations: list[Operation] = []
    if old == new:  # what is the same dict in both is not looked into
        return operations
    for path in members:
        before, after = dig(old, *path), dig(new, *path)
        if before == after:
            continue
        pointer = "/" + "/".join(path)
        if before is None:
            operations += added(pointer, after)
        elif after is None:
            operations += removed(pointer, before)
        else:
            operations += guarded(pointer, before, after)
    return operations
