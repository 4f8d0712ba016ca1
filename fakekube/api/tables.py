"""Objects as a Table or as bare metadata: the two other shapes a client may ask any object or list to come in.

Built-in kinds print by `printers`, custom resources by the columns their definition gave them, the rest by name
and creation time. k8s: staging/src/k8s.io/apiserver/pkg/registry/rest/table.go, pkg/endpoints/handlers/response.go,
apiextensions-apiserver/pkg/registry/customresource/tableconvertor
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from sys import intern
from typing import Any

from msgspec import Struct

from fakekube.api.ages import since
from fakekube.api.registry.strategy import Column, ServedResource
from fakekube.machinery.copying import copy_of
from fakekube.machinery.wire import Object

_INITIAL_END = {"k8s.io/initial-events-end": "true"}


class _Layout(Struct, frozen=True):
    """How one resource prints: its column definitions, the cells of an object, the conditions of its row."""

    columns: list[Object]
    cells: Callable[[Object, datetime], Sequence[Any]]
    conditions: Callable[[Object], list[Object]] | None = None
    null_when_empty: bool = False


def to_table(
    resource: ServedResource,
    objects: Iterable[Object],
    *,
    now: datetime,
    include_object: str = "Metadata",
    list_meta: Object,
    version: str = "v1",
    columns: bool = True,
) -> Object:
    """A Table of `objects`. `include_object` is None, Metadata or Object; watches leave out later `columns`."""
    layout = _layout(resource)
    rows = []
    for obj in objects:
        row: Object = {"cells": list(layout.cells(obj, now))}
        conditions = layout.conditions(obj) if layout.conditions is not None else None
        if conditions:
            row["conditions"] = conditions
        match include_object:
            case "Object":
                row["object"] = obj
            case "Metadata":
                row["object"] = partial_metadata(obj, version=version)
            case _:
                row["object"] = None
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": list_meta,
        "columnDefinitions": layout.columns if columns else None,
        "rows": None if layout.null_when_empty and not rows else rows,
    }


def bookmark_table(
    resource: ServedResource,
    revision: int,
    *,
    initial_end: bool = False,
    version: str = "v1",
    columns: bool = False,
) -> Object:
    """A bookmark of a watch that asked for tables: one row of an object that is empty but for its version."""
    meta: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial_end:
        meta["annotations"] = _INITIAL_END
    empty = {"metadata": meta, **copy_of(dict(resource.strategy.empty_members))}
    return to_table(
        resource,
        [empty],
        now=datetime.min,  # noqa: DTZ901 - nothing in an empty object has an age
        list_meta={"resourceVersion": str(revision)},
        version=version,
        columns=columns,
    )


def partial_metadata(obj: Object, *, version: str = "v1") -> Object:
    """The object's metadata alone."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": intern(f"meta.k8s.io/{version}"),  # caches keep thousands of these
        "metadata": obj["metadata"],
    }


def partial_metadata_list(objects: Iterable[Object], list_meta: Object, *, version: str = "v1") -> Object:
    """A list of metadata."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": list_meta,
        "items": [partial_metadata(obj, version=version) for obj in objects],
    }


def _layout(resource: ServedResource) -> _Layout:
    if resource.columns:
        return _custom(resource)
    return _builtin(resource.group, resource.kind)


@cache
def _builtin(group: str, kind: str) -> _Layout:
    # Start-up does without the printers; the first table pays.
    from fakekube.api.printers import PRINTERS  # noqa: PLC0415
    from fakekube.api.printers.columns import NAME, Header  # noqa: PLC0415

    printer = PRINTERS.get((group, kind))
    if printer is None:
        created = Header("Created At", "@meta.creationTimestamp", "date")
        return _Layout([NAME.definition(), created.definition()], _by_default, null_when_empty=True)
    return _Layout([header.definition() for header in printer.headers], printer.row, printer.conditions)


def _by_default(obj: Object, _now: datetime) -> list[Any]:
    meta = obj["metadata"]
    return [meta.get("name") or "", meta.get("creationTimestamp") or "0001-01-01T00:00:00Z"]


def _custom(resource: ServedResource) -> _Layout:
    columns = resource.columns

    def cells(obj: Object, now: datetime) -> list[Any]:
        return [_cell(column, obj, now) for column in columns]

    definitions = [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description,
            "priority": column.priority,
        }
        for column in columns
    ]
    return _Layout(definitions, cells)


def _cell(column: Column, obj: Object, now: datetime) -> Any:
    """What the column finds; a time that was found shows as an age."""
    value = column.cell(obj)
    return since(value, now) if column.type == "date" and isinstance(value, str) else value
