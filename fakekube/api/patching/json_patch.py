"""JSON patch (RFC 6902), as lenient as the library of the real server.

Beyond the RFC: `replace` adds an absent member, `test` for null passes where nothing is, an absent value counts as null,
`copy` of an absent member yields null, indices may count from the end, and whatever stands before the first slash of a
path is ignored. Any failure of an operation is one and the same 422.

Origin: RFC 6902; github.com/evanphx/json-patch (v4): patch.go
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson
from jsonpatch import (
    AddOperation,
    CopyOperation,
    JsonPatchConflict,
    JsonPatchException,
    JsonPatchTestFailed,
    MoveOperation,
    PatchOperation,
    RemoveOperation,
    ReplaceOperation,
    TestOperation,
)
from jsonpointer import JsonPointer, JsonPointerException

from fakekube.api.patching.decoding import check_depth
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import BadRequest, Invalid
from fakekube.machinery.nesting import DEEPEST, TOO_DEEP
from fakekube.machinery.wire import Object

_ABSENT: Any = object()
_MOST_COPIED = 3 << 20  # bytes of JSON that all `copy` together may add: each may double what is there


def apply(obj: Object, patch: Sequence[Mapping[str, Any]]) -> Object:
    """`obj` after all operations of `patch`; with the first that fails Invalid is raised, and nothing has happened.

    The result shares with `obj` what no operation reaches into.
    """
    try:
        text = orjson.dumps(patch)
        check_depth(patch, text)
        out = _applied([_operation(one) for one in orjson.loads(text)], obj)
    except (JsonPatchException, JsonPointerException) as error:
        raise _refused() from error
    except orjson.JSONEncodeError:
        raise BadRequest(f"error decoding patch: {TOO_DEEP}") from None
    if not isinstance(out, dict):
        raise _refused()
    if _may_deepen(patch, text):
        check_depth(out)
    return out


def _may_deepen(patch: Sequence[Mapping[str, Any]], text: bytes) -> bool:
    """Whether something may lie too deep now. What is added lies as deep as its path has slashes, and its own brackets."""
    if any("from" in one for one in patch):
        return True
    return text.count(b"/") + text.count(b"{") + text.count(b"[") > DEEPEST and any(
        isinstance(one.get("value"), (dict, list)) for one in patch
    )


def _own(doc: Any, pointer: JsonPointer, own: dict[int, Any]) -> None:
    """Replace the containers on the way to a place by copies, as far as there are any: what is in them stays shared."""
    holder = doc
    for part in pointer.parts[:-1]:
        try:
            step = _Pointer.get_part(holder, part)
            below = holder[step]
        except (JsonPointerException, KeyError, IndexError, TypeError):
            return  # the operation will say what is wrong with this
        if id(below) not in own:
            if not isinstance(below, (dict, list)):
                return
            below = below.copy()
            own[id(below)] = holder[step] = below
        holder = below


def _refused() -> Invalid:
    return Invalid("the server rejected our request due to an error in our request", details={})


class _Pointer(JsonPointer):
    """A path that takes any prefix before its first slash, and indices from the end."""

    def __init__(self, pointer: str) -> None:
        if not isinstance(pointer, str):
            raise JsonPointerException("a path is text")
        head, *parts = pointer.split("/")
        if head and not parts:
            raise JsonPointerException(f"no slash in {pointer!r}")
        self.parts = [part.replace("~1", "/").replace("~0", "~") for part in parts]

    def to_last(self, doc: Any) -> tuple[Any, Any]:
        if not self.parts:
            return doc, None
        for part in self.parts[:-1]:
            doc = self.walk(doc, part)
        return doc, self.get_part(doc, self.parts[-1])

    @classmethod
    def get_part(cls, doc: Any, part: str | int) -> str | int:
        if isinstance(doc, dict) or (isinstance(doc, list) and part == "-"):
            return part
        if isinstance(doc, list):
            try:
                return int(part)
            except ValueError:
                raise JsonPointerException(f"{part!r} is no index") from None
        raise JsonPointerException(f"nothing can be below {part!r}")

    def walk(self, doc: Any, part: str | int) -> Any:
        try:
            return doc[self.get_part(doc, part)]
        except (KeyError, IndexError, TypeError):
            raise JsonPointerException(f"nothing at {part!r}") from None


def _find(pointer: JsonPointer, doc: Any) -> Any:
    """The value there, or `_ABSENT` where a member could be but is not."""
    holder, part = pointer.to_last(doc)
    if part is None:
        return holder
    return holder.get(part, _ABSENT) if isinstance(holder, dict) else pointer.walk(holder, part)


def _put(pointer: JsonPointer, doc: Any, value: Any) -> Any:
    """`add`: a new member, or an item before the index."""
    holder, part = pointer.to_last(doc)
    if part is None:
        raise JsonPatchConflict("the whole document cannot be added")
    if isinstance(holder, dict):
        holder[part] = value
    elif isinstance(part, str):  # "-", the one index that is no number
        holder.append(value)
    else:
        place = part if part >= 0 else part + len(holder) + 1
        if not 0 <= place <= len(holder):
            raise JsonPatchConflict(f"index {part} is out of range")
        holder.insert(place, value)
    return doc


class _Add(AddOperation):
    def apply(self, obj: Any) -> Any:
        return _put(self.pointer, obj, self.operation.get("value"))


class _Remove(RemoveOperation):
    def apply(self, obj: Any) -> Any:
        holder, part = self.pointer.to_last(obj)
        if part == "-" and isinstance(holder, list):
            raise JsonPatchConflict("there is nothing behind the end of a list")
        return super().apply(obj)


class _Replace(ReplaceOperation):
    def apply(self, obj: Any) -> Any:
        holder, part = self.pointer.to_last(obj)
        value = self.operation.get("value")
        if part is None:
            if not isinstance(value, (dict, list)):
                raise JsonPatchConflict("a document is an object or an array")
            return value
        if isinstance(holder, list):
            self.pointer.walk(holder, part)
        holder[part] = value
        return obj


class _Move(MoveOperation):
    _taken: Any = None

    def take(self, obj: Any) -> None:
        """The first half: the value leaves its place."""
        path = self.operation.get("from") or ""
        value = _find(_Pointer(path), obj)
        _Remove({"op": "remove", "path": path}, pointer_cls=_Pointer).apply(obj)
        # At another place it is judged by another schema, and pruned in place: what others may share it with is not.
        self._taken = copy_of(value)

    def apply(self, obj: Any) -> Any:
        return _put(self.pointer, obj, self._taken)


class _Copy(CopyOperation):
    def apply(self, obj: Any) -> Any:
        source = _Pointer(self.operation.get("from") or "")
        if not source.parts:
            raise JsonPatchConflict("the whole document cannot be copied")
        value = _find(source, obj)
        text = orjson.dumps(None if value is _ABSENT else value)
        self.size = len(text)
        return _put(self.pointer, obj, orjson.loads(text))


class _Test(TestOperation):
    def apply(self, obj: Any) -> Any:
        actual = _find(self.pointer, obj)
        wanted = self.operation.get("value")
        if _encoded(None if actual is _ABSENT else actual) != _encoded(wanted):
            raise JsonPatchTestFailed("the value is another")
        return obj


def _encoded(value: Any) -> bytes:
    """Values are equal when their texts are: 1, 1.0 and true are three values."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


_OPERATIONS: Mapping[Any, type[PatchOperation]] = MappingProxyType(
    {"add": _Add, "remove": _Remove, "replace": _Replace, "move": _Move, "copy": _Copy, "test": _Test}
)


def _operation(one: Mapping[str, Any]) -> PatchOperation:
    """The library's `JsonPatch` would make each of them twice: once to look at it."""
    try:
        kind = _OPERATIONS[one["op"]]
    except (KeyError, TypeError):
        raise JsonPatchException("no such operation") from None
    return kind(one, pointer_cls=_Pointer)


def _applied(operations: Sequence[PatchOperation], obj: Any) -> Any:
    """As the library does, but only the way to what changes is copied."""
    out = dict(obj)
    own = {id(out): out}  # what may be changed in place; kept, so that no other object gets its id
    copied = 0
    for operation in operations:
        if isinstance(operation, _Move):
            _own(out, _Pointer(operation.operation.get("from") or ""), own)
            operation.take(out)
        _own(
            out, operation.pointer, own
        )  # as it is now: what was taken out of a list has moved the items behind it
        out = operation.apply(out)
        if isinstance(operation, _Copy):
            copied += operation.size
            if copied > _MOST_COPIED:
                raise JsonPatchConflict("too much is copied")
    return out
