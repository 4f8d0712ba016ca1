"""Values of CEL that Python has no exact twin for, the errors, and equality, which crosses number types but nothing else.

cel-spec: doc/langdef.md; cel-go: common/types
"""

from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

INT_MIN, INT_MAX, UINT_MAX = -(2**63), 2**63 - 1, 2**64 - 1


class CelError(Exception):
    """An evaluation went wrong; the text is cel-go's."""


class CostExceeded(CelError):
    """The expression did more work than it may."""


class CompileError(Exception):
    """Not a valid expression. The text is what the server puts behind `compilation failed: `."""


class UInt(int):
    """An unsigned integer: `5u`."""

    __slots__ = ()


class SetList(list[Any]):
    """A list that is a set (`x-kubernetes-list-type: set`): order does not matter for equality, `+` is union."""


class MapList(list[Any]):
    """A list that is a map: items are matched by their keys."""

    keys: tuple[str, ...] = ()

    def key_of(self, item: Any) -> Hashable:
        return tuple(repr(item.get(name)) for name in self.keys)


class TypeValue(Struct, frozen=True):
    """A type as a value: what `type(x)` answers."""

    name: str


class Optional(Struct, frozen=True):
    """A value that may be absent."""

    present: bool
    content: Any = None

    def value(self) -> Any:
        if not self.present:
            raise CelError("optional.none() dereference")
        return self.content


NONE = Optional(present=False)


def no_such_overload() -> CelError:
    return CelError("no such overload")


def checked_int(value: int) -> int:
    if not INT_MIN <= value <= INT_MAX:
        raise CelError("integer overflow")
    return value


def checked_uint(value: int) -> UInt:
    if not 0 <= value <= UINT_MAX:
        raise CelError("unsigned integer overflow")
    return UInt(value)


_NAMES: dict[type, str] = {
    bool: "bool",
    int: "int",
    UInt: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    list: "list",
    SetList: "list",
    MapList: "list",
    dict: "map",
    type(None): "null_type",
    datetime: "google.protobuf.Timestamp",
    timedelta: "google.protobuf.Duration",
    Optional: "optional_type",
    TypeValue: "type",
}


def type_name(value: Any) -> str:
    """The CEL name of a value's type."""
    name = _NAMES.get(type(value))
    return name if name is not None else str(value.cel_type)


_NUMBERS = (int, float)


def equal(one: Any, other: Any) -> bool:
    """CEL equality: numbers by value across types, everything else only within its type."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, _NUMBERS):
        return isinstance(other, _NUMBERS) and one == other
    if isinstance(one, list):
        return isinstance(other, list) and _equal_lists(one, other)
    if isinstance(one, dict):
        if not isinstance(other, dict) or len(one) != len(other):
            return False
        return all(name in other and equal(value, other[name]) for name, value in one.items())
    if isinstance(one, Optional):
        return (
            isinstance(other, Optional) and one.present == other.present and equal(one.content, other.content)
        )
    return type(one) is type(other) and bool(one == other)


def _equal_lists(one: list[Any], other: list[Any]) -> bool:
    if len(one) != len(other):
        return False
    if isinstance(one, SetList):
        return all(contains(other, value) for value in one)
    if isinstance(one, MapList):
        known = {one.key_of(item): item for item in one}
        return all(one.key_of(item) in known and equal(item, known[one.key_of(item)]) for item in other)
    return all(map(equal, one, other))


def contains(values: list[Any], wanted: Any) -> bool:
    return any(equal(value, wanted) for value in values)


def joined(one: list[Any], other: list[Any]) -> list[Any]:
    """`one + other`: a union for sets, a merge by key for maps."""
    if isinstance(one, SetList):
        return SetList([*one, *(value for value in other if not contains(one, value))])
    if isinstance(one, MapList):
        merged = {one.key_of(item): item for item in one} | {one.key_of(item): item for item in other}
        result = MapList(merged.values())
        result.keys = one.keys
        return result
    return [*one, *other]
