"""Lists, maps and objects that an expression spells out: closures that build them, leaving out absent optional parts.

cel-go: interpreter/interpretable.go (evalList, evalMap, evalObj)
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from fakekube.api.schema.cel.types import Type
from fakekube.api.schema.cel.values import CelError, type_name

Closure = Callable[[list[Any]], Any]


class Struct(msgspec.Struct, frozen=True):
    """An object type whose values expressions may make: its fields, and how they become a value."""

    type: Type
    make: Callable[[dict[str, Any]], Any]


def list_maker(items: Sequence[Closure], optional: Sequence[bool]) -> Closure:
    if not any(optional):
        return lambda frame: [item(frame) for item in items]
    parts = list(zip(items, optional, strict=True))

    def build(frame: list[Any]) -> list[Any]:
        found = []
        for item, may_miss in parts:
            value = item(frame)
            if not may_miss:
                found.append(value)
            elif value.present:
                found.append(value.content)
        return found

    return build


def map_maker(keys: Sequence[Closure], values: Sequence[Closure], optional: Sequence[bool]) -> Closure:
    parts = list(zip(keys, values, optional, strict=True))

    def build(frame: list[Any]) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, value, may_miss in parts:
            content = value(frame)
            if may_miss and not content.present:
                continue
            name = key(frame)
            if not isinstance(name, (str, int)):
                raise CelError(f"unsupported key type: {type_name(name)}")
            if name in found:
                raise CelError(f"Failed with repeated key {name}")
            found[name] = content.content if may_miss else content
        return found

    return build


def struct_maker(
    names: Sequence[str], values: Sequence[Closure], optional: Sequence[bool], struct: Struct
) -> Closure:
    parts = list(zip(names, values, optional, strict=True))

    def build(frame: list[Any]) -> Any:
        found: dict[str, Any] = {}
        for name, value, may_miss in parts:
            content = value(frame)
            if not may_miss:
                found[name] = content
            elif content.present:
                found[name] = content.content
        return struct.make(found)

    return build
