"""An object as the text of Go's encoder, which error messages quote: members sorted, or in the order of a struct.

A patch leaves the members it does not touch as the bytes they were, in struct order for built-in types; what it touches goes through
maps, which Go prints sorted.
"""

import json
from typing import Any

_METADATA = (
    "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers",
    "managedFields",
)  # fmt: skip
_ENTRY = ("manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource")
_STRUCTS = {"metadata": _METADATA, "managedFields": _ENTRY}
_LAST = 99


def text(value: Any, before: Any = None, *, structs: bool = False) -> str:
    """`value` as Go prints it; with `structs`, what equals `before` keeps the order of its struct."""
    ordered = _ordered(value, before, "", structs=structs)
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))


def _ordered(value: Any, before: Any, name: str, *, structs: bool) -> Any:
    if isinstance(value, list):
        kept = before if isinstance(before, list) and before == value else [None] * len(value)
        return [_ordered(one, old, name, structs=structs) for one, old in zip(value, kept, strict=True)]
    if not isinstance(value, dict):
        return value
    old = before if isinstance(before, dict) else {}
    members = sorted(value)
    if structs and value == before and name in _STRUCTS:
        place = {member: index for index, member in enumerate(_STRUCTS[name])}
        members.sort(key=lambda member: place.get(member, _LAST))
    return {member: _ordered(value[member], old.get(member), member, structs=structs) for member in members}
