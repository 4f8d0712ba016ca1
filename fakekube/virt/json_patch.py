"""JSON patches: from one object to another, and applied as KubeVirt's components do. Pure."""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException, ReplaceOperation
from jsonpointer import JsonPointerException

from fakekube.machinery.wire import Object

Operation = dict[str, Any]


def changes(old: Any, new: Any, path: str = "") -> list[Operation]:
    """Operations that turn `old` into `new`: members are compared one by one, lists as a whole."""
    if old is new:
        return []
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [] if old == new else [{"op": "replace", "path": path, "value": new}]
    found: list[Operation] = [
        {"op": "remove", "path": f"{path}/{escaped(name)}"} for name in old if name not in new
    ]
    for name, value in new.items():
        if name not in old:
            found.append({"op": "add", "path": f"{path}/{escaped(name)}", "value": value})
        elif isinstance(value, dict) or value != old[name]:
            found += changes(old[name], value, f"{path}/{escaped(name)}")
    return found


def applied(target: Object, operations: Iterable[Operation]) -> Object:
    """`target` after all operations. As in Go's library, what is not there can be replaced. Raises ValueError."""
    try:
        changed: Object = _Patch(list(operations)).apply(target)
    except (JsonPatchException, JsonPointerException, LookupError, TypeError) as error:
        raise ValueError(str(error)) from None
    return changed


class _Replace(ReplaceOperation):
    def apply(self, obj: Any) -> Any:
        holder, part = self.pointer.to_last(obj)
        if part is None or not isinstance(holder, dict):
            return super().apply(obj)
        holder[part] = self.operation["value"]
        return obj


class _Patch(JsonPatch):
    operations = MappingProxyType({**JsonPatch.operations, "replace": _Replace})


def escaped(name: str) -> str:
    """A member's name inside a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
