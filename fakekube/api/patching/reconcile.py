"""Ownership recorded under an earlier schema: what became atomic since is owned whole, by everybody who owned a part.

What became granular needs nothing: the old leaf stays a member, and owns nothing below it.

Origin: structured-merge-diff: typed/reconcile_schema.go
"""

from collections.abc import Iterable
from typing import Any

from fakekube.api.patching.fieldset import SELF, FieldSet
from fakekube.api.patching.typed import DEDUCED, Type


def entries_under(kind: Type, entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ownership entries as they read under the schema of `kind`."""
    return [{**entry, "fieldsV1": reconciled(entry["fieldsV1"], kind)} for entry in entries]


def reconciled(fields: FieldSet, kind: Type) -> FieldSet:
    """`fields` with everything below an atomic place taken together. Open maps are left alone."""
    if _is_open(kind):
        return fields
    return {
        element: _child(child, _below(kind, element)) if child and element != SELF else child
        for element, child in fields.items()
    }


def _child(fields: FieldSet, kind: Type | None) -> FieldSet:
    if kind is None:
        return fields
    whole = kind.map == "atomic" if kind.map else bool(kind.list) and not kind.keyed
    return {} if whole and not _is_open(kind) else reconciled(fields, kind)


def _below(kind: Type, element: str) -> Type | None:
    if not kind.map:
        return kind.item if kind.list else None
    return kind.member(element[2:]) if element.startswith("f:") else kind.element


def _is_open(kind: Type) -> bool:
    """A map without declared members whose values are of no type, or of any scalar one."""
    if not kind.map or kind.declares:
        return False
    below = kind.element
    return below is DEDUCED or (below is not None and below.scalar == "untyped" and not below.name)
