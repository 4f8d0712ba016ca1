"""How large values of a schema can get: what the cost of CEL rules is estimated from.

A request holds three megabytes; where a schema sets no limit, what fits into a request is one.
k8s: staging/src/k8s.io/apiserver/pkg/cel/common/schemas.go, pkg/cel/limits.go
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from fakekube.api.schema.model import Schema

REQUEST = 3 * 1024 * 1024
_TEXTS = {
    "duration": (3, 32),
    "date": (12, 12),
    "date-time": (21, 32),
}  # format → shortest, longest, quotes included
_SCALARS = {"boolean": 4, "number": 1, "integer": 1}


class Bound(Struct, frozen=True):
    """`most` elements (characters, items, entries; 0 where it means nothing), `least` bytes of JSON."""

    most: int = 0
    least: int = 2
    fields: "Mapping[str, Bound]" = field(default_factory=dict)
    items: "Bound | None" = None  # of lists and of the values of maps
    is_map: bool = False


_NAME = Bound(REQUEST - 2)
_META = {
    "apiVersion": _NAME,
    "kind": _NAME,
    "metadata": Bound(fields={"name": _NAME, "generateName": _NAME}),
}


def of(node: Schema, *, root: bool = False) -> Bound | None:
    """None for values that expressions cannot see."""
    name = "bound-root" if root else "bound"
    if name not in node.compiled:
        node.compiled[name] = _of(node, root=root or node.embedded_resource)
    known: Bound | None = node.compiled[name]
    return known


def _of(node: Schema, *, root: bool) -> Bound | None:
    raw = node.raw
    if node.int_or_string:
        return Bound(_text(raw), 1)
    if node.type == "array":
        items = of(node.items) if node.items is not None else None
        if items is None:
            return None
        return Bound(_limit(raw, "maxItems", (REQUEST - 2) // (items.least + 1)), items=items)
    if node.type == "object":
        return _object(node, root=root)
    if node.type == "string":
        least, most = _TEXTS.get(str(raw.get("format") or ""), (2, 0))
        return Bound(most or _text(raw), least)
    return Bound(0, _SCALARS[node.type]) if node.type in _SCALARS else None


def _object(node: Schema, *, root: bool) -> Bound | None:
    raw = node.raw
    if node.additional is not None and isinstance(raw.get("additionalProperties"), Mapping):
        values = of(node.additional)
        if values is None:
            return None
        return Bound(
            _limit(raw, "maxProperties", (REQUEST - 2) // (values.least + 6)), items=values, is_map=True
        )
    fields = {name: found for name, child in node.properties.items() if (found := of(child)) is not None}
    least = 2
    for name in node.required:
        if name in fields and node.properties[name].raw.get("default") is None:
            least += len(name) + fields[name].least + 4
    return Bound(0, least, fields | _META if root else fields)


def _limit(raw: Mapping[str, Any], member: str, otherwise: int) -> int:
    limit = raw.get(member)
    return otherwise if limit is None else max(0, int(limit))


def _text(raw: Mapping[str, Any]) -> int:
    if raw.get("maxLength") is not None:
        return max(0, int(raw["maxLength"])) * (1 if raw.get("format") == "byte" else 4)
    named = [len(one.encode()) for one in raw.get("enum") or () if isinstance(one, str)]
    if raw.get("enum") and not raw.get("x-kubernetes-int-or-string"):
        return max(named, default=0)
    return REQUEST - 2


def times(node: Schema, outer: int | None) -> int | None:
    """How often values below this node can occur when it occurs `outer` times; None: nobody knows."""
    if outer is None:
        return None
    if node.type == "object" and node.raw.get("additionalProperties") is not None:
        limit = node.raw.get("maxProperties")
    elif node.type == "array":
        limit = node.raw.get("maxItems")
    else:
        return outer
    return None if limit is None else outer * max(0, int(limit))


def most_often(node: Schema, *, root: bool) -> int:
    """How often a value can occur in one request at all."""
    bound = of(node, root=root)
    return REQUEST // ((bound.least if bound is not None else 2) + 1)
