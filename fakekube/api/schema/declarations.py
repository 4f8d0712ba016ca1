"""From schemas to CEL: the type of a node's values, and how its JSON becomes CEL values.

Most JSON is its own CEL value. Dates, durations, bytes, floats written as integers, and lists that are sets or maps are not:
only subtrees that can hold one of these are converted.
k8s: staging/src/k8s.io/apiserver/pkg/cel/common/{schemas,values}.go
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from fakekube.api.schema.cel import times, types
from fakekube.api.schema.cel.types import Type
from fakekube.api.schema.cel.values import CelError, MapList, SetList
from fakekube.api.schema.model import Schema

Convert = Callable[[Any], Any]

_OBJECT_META = types.object_of("object", {"name": types.STRING, "generateName": types.STRING})
_META = {"apiVersion": types.STRING, "kind": types.STRING, "metadata": _OBJECT_META}
_SCALARS = {"boolean": types.BOOL, "integer": types.INT, "number": types.DOUBLE}
_FORMATS = {
    "byte": types.BYTES,
    "date": types.TIMESTAMP,
    "date-time": types.TIMESTAMP,
    "duration": types.DURATION,
}


def type_of(node: Schema, *, root: bool = False) -> Type | None:
    """The CEL type; None for values expressions cannot see (no type, only preserved)."""
    name = "cel-type-root" if root else "cel-type"
    if name not in node.compiled:
        node.compiled[name] = _type(node, root=root or node.embedded_resource)
    known: Type | None = node.compiled[name]
    return known


def _type(node: Schema, *, root: bool) -> Type | None:
    if node.int_or_string or (node.nullable and node.type):
        return types.DYN
    if node.type == "string":
        return _FORMATS.get(str(node.raw.get("format") or ""), types.STRING)
    if node.type in _SCALARS:
        return _SCALARS[node.type]
    if node.type == "array":
        element = type_of(node.items) if node.items is not None else None
        return types.list_of(element) if element is not None else None
    if node.type != "object":
        return None
    if node.additional is not None and not node.properties:
        value = type_of(node.additional)
        return types.map_of(types.STRING, value) if value is not None else None
    fields = {name: found for name, child in node.properties.items() if (found := type_of(child)) is not None}
    return types.object_of("object", fields | _META if root else fields)


def converter(node: Schema) -> Convert | None:
    """What turns JSON into CEL values; None where they are the same."""
    if "cel-convert" not in node.compiled:
        node.compiled["cel-convert"] = _converter(node)
    known: Convert | None = node.compiled["cel-convert"]
    return known


def _converter(node: Schema) -> Convert | None:
    if node.type == "string":
        return _FROM_TEXT.get(str(node.raw.get("format") or ""))
    if node.type == "number":
        return _number
    if node.type == "array":
        return _list(node)
    children = {
        name: found for name, child in node.properties.items() if (found := converter(child)) is not None
    }
    rest = converter(node.additional) if node.additional is not None else None
    if not children and rest is None:
        return None
    get = children.get

    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: turn(item) if (turn := get(name, rest)) else item for name, item in value.items()}

    return convert


def _list(node: Schema) -> Convert | None:
    item = converter(node.items) if node.items is not None else None
    kind = node.list_type
    if item is None and kind == "atomic":
        return None

    def convert(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        items = [item(one) for one in value] if item is not None else value
        if kind == "set":
            return SetList(items)
        if kind == "map":
            keyed = MapList(items)
            keyed.keys = node.list_map_keys
            return keyed
        return items

    return convert


def _number(value: Any) -> Any:
    return float(value) if type(value) is int else value


def _text(read: Callable[[str], Any]) -> Convert:
    def convert(value: Any) -> Any:
        try:
            return read(value) if isinstance(value, str) else value
        except (CelError, binascii.Error, ValueError):
            return value  # the format check has complained, or will

    return convert


_FROM_TEXT: dict[str, Convert] = {
    "byte": _text(lambda text: base64.b64decode(text, validate=True)),
    "date": _text(lambda text: times.parse_timestamp(f"{text}T00:00:00Z")),
    "date-time": _text(times.parse_timestamp),
    "duration": _text(times.parse_duration),
}
