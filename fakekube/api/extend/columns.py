"""Printer columns of custom resources: the name, then what the CRD declares, or the age when it declares nothing.

A cell holds the value; a `date` cell holds the timestamp, and whoever prints the table turns it into an age (`ages.since`).
k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor/tableconvertor.go
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from fakekube.api.extend.jsonpath import JsonPathError, finder
from fakekube.api.registry.strategy import Column
from fakekube.machinery import objects
from fakekube.machinery.wire import Object

_NAME = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a"
    " client to request the generation of an appropriate name automatically. Name is primarily intended for creation"
    " idempotence and configuration definition. Cannot be updated. More info:"
    " https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
_CREATED = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to"
    " be set in happens-before order across separate operations. Clients may not set this value. It is represented in"
    " RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info:"
    " https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
_AGE = {"name": "Age", "type": "date", "description": _CREATED, "jsonPath": ".metadata.creationTimestamp"}


def columns(declared: Sequence[Mapping[str, Any]] | None) -> tuple[Column, ...]:
    """The columns of one version of a CRD."""
    name = Column("Name", "string", objects.name, _NAME, "name")
    return (name, *(_column(raw) for raw in declared or (_AGE,)))


def _column(raw: Mapping[str, Any]) -> Column:
    path = str(raw["jsonPath"])
    return Column(
        name=str(raw["name"]),
        type=str(raw["type"]),
        cell=_cell(path, str(raw["type"])),
        description=raw.get("description")
        or f"Custom resource definition column (in JSONPath format): {path}",
        format=str(raw.get("format") or ""),
        priority=int(raw.get("priority") or 0),
    )


def _cell(path: str, type_: str) -> Callable[[Object], Any]:
    try:
        find = finder(path)
    except JsonPathError:
        return lambda _: None
    shape: Callable[[Any], Any] = _SHAPES.get(type_, _text)

    def cell(obj: Object) -> Any:
        found = find(obj)
        return shape(found[0]) if found and found[0] is not None else None

    return cell


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _integer(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


_SHAPES: dict[str, Callable[[Any], Any]] = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": lambda value: value if isinstance(value, bool) else None,
    "date": lambda value: value if isinstance(value, str) else None,
}
