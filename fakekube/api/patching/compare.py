"""Which fields an object has, which ones a new object brings, and what differs between two: walks by type, no copies.

Three questions that sound alike. `fields_of` names what an applied configuration mentions. `added` names what a create
adds, which also owns the containers it makes. `compare` names what an update changes and removes; it looks only into
subtrees that differ.

Origin: structured-merge-diff: typed/{tofieldset,compare}.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.api.patching.fieldset import SELF, FieldSet
from fakekube.api.patching.typed import DEDUCED, Repeated, Type
from fakekube.machinery.objects import alike

_ABSENT: Any = object()


def fields_of(value: Any, kind: Type) -> FieldSet:
    """Every leaf and every list item `value` mentions. Structs are not mentioned by what is in them; map entries are.

    List items without their keys, such as pruning leaves, count as something in their list that nobody can own.
    """
    if isinstance(value, dict) and kind.granular:
        return _fields_of_map(value, kind)
    return _fields_of_list(value, kind) if isinstance(value, list) and kind.keyed else {}


def _fields_of_map(value: Mapping[str, Any], kind: Type) -> FieldSet:
    out: FieldSet = {}
    fields = kind.fields
    for name, child in value.items():
        declared = fields[name]
        below = declared or kind.element or DEDUCED
        if isinstance(child, dict):
            inner = _fields_of_map(child, below) if below.granular else None
        elif isinstance(child, list):
            inner = _fields_of_list(child, below) if below.keyed else None
        else:
            inner = None
        if inner:
            out[f"f:{name}"] = inner if declared is not None else {SELF: {}, **inner}
        elif inner is None or declared is None or child == {}:
            out[f"f:{name}"] = {}
    return out


def _fields_of_list(value: list[Any], kind: Type) -> FieldSet:
    item = kind.item
    out: FieldSet = {}
    for element, child in kind.index(value, strict=False).items():
        inner = {} if isinstance(child, Repeated) else fields_of(child, item)
        out[element] = {SELF: {}, **inner} if inner else {}
    return out


def added(value: Any, kind: Type) -> FieldSet:
    """What setting `value` where nothing was adds: leaves and containers alike. Empty means: itself, and nothing below."""
    if isinstance(value, dict):
        if not value or not kind.granular:
            return {}
        out: FieldSet = {SELF: {}}
        fields = kind.fields
        for name, child in value.items():
            out["f:" + name] = (
                added(child, fields[name] or kind.element or DEDUCED)
                if child.__class__ is dict or child.__class__ is list
                else {}
            )
        return out
    if isinstance(value, list):
        if not value or not kind.keyed:
            return {}
        item = kind.item
        below = {
            element: {} if child.__class__ is Repeated else added(child, item)
            for element, child in kind.index(value).items()
        }
        return {SELF: {}, **below}
    return {}


def added_to_new(value: Mapping[str, Any], kind: Type) -> FieldSet:
    """What `value` adds to a new object of its type, which already holds the structs that are never absent."""
    out: FieldSet = {}
    fields = kind.fields
    held = kind.held
    for name, child in value.items():
        if child.__class__ is dict or child.__class__ is list:
            below = fields[name] or kind.element or DEDUCED
            inner = _added_to_held(child, below) if name in held else added(child, below)
            if inner is not None:
                out["f:" + name] = inner
        elif child or name not in held:
            out["f:" + name] = {}
    return out


def _added_to_held(value: Any, kind: Type) -> FieldSet | None:
    """What a value adds where an empty one stood; None when that is nothing."""
    if isinstance(value, dict) and kind.granular:
        return added_to_new(value, kind) or None
    if not value:
        return None
    return {element: child for element, child in added(value, kind).items() if element != SELF}


def compare(old: Mapping[str, Any], new: Mapping[str, Any], kind: Type) -> tuple[FieldSet, FieldSet]:
    """The fields that `new` changes or adds, and those it removes. Both objects are of the same type."""
    changed: FieldSet = {}
    removed: FieldSet = {}
    fields = kind.fields
    for name, value in new.items():
        before = old.get(name, _ABSENT)
        if before is value:
            continue
        if before is _ABSENT:
            below = fields[name] or kind.element or DEDUCED
            inner = _added_to_held(value, below) if name in kind.held else added(value, below)
            if inner is not None:
                changed["f:" + name] = inner
            continue
        if before != value or (value.__class__ is not str and not alike(before, value)):
            below = fields[name] or kind.element or DEDUCED
            more, less = _compare_child(before, value, below)
            if more is not None:
                changed["f:" + name] = more
            if less is not None:
                removed["f:" + name] = less
    if not old.keys() <= new.keys():
        for name, before in old.items():
            if name not in new:
                removed["f:" + name] = added(before, fields[name] or kind.element or DEDUCED)
    return changed, removed


def _compare_child(old: Any, new: Any, kind: Type) -> tuple[FieldSet | None, FieldSet | None]:
    """How two unlike values of one place differ. Null counts as an empty value of any shape."""
    if kind.granular and (old or new) and _both(old, new, dict):
        more, less = compare(old or {}, new or {}, kind)
        return more or None, less or None
    if kind.keyed and (old or new) and _both(old, new, list):
        more, less = _compare_lists(old or [], new or [], kind)
        return more or None, less or None
    # a leaf; or an open place that changed its shape, say from map to list
    gone = {element: child for element, child in added(old, kind).items() if element != SELF}
    return added(new, kind), gone or None


def _both(old: Any, new: Any, shape: type) -> bool:
    return (old is None or old.__class__ is shape) and (new is None or new.__class__ is shape)


def _compare_lists(old: list[Any], new: list[Any], kind: Type) -> tuple[FieldSet, FieldSet]:
    changed: FieldSet = {}
    removed: FieldSet = {}
    before, after = kind.index(old), kind.index(new)
    item = kind.item
    for element, value in after.items():
        was = before.get(element, _ABSENT)
        if was is _ABSENT:
            changed[element] = {} if isinstance(value, Repeated) else added(value, item)
        elif not alike(was, value):
            more, less = _compare_items(was, value, item)
            if more is not None:
                changed[element] = more
            if less is not None:
                removed[element] = less
    for element, was in before.items():
        if element not in after:
            removed[element] = {} if isinstance(was, Repeated) else added(was, item)
    return changed, removed


def _compare_items(old: Any, new: Any, kind: Type) -> tuple[FieldSet | None, FieldSet | None]:
    """Items that share a path element have no fields: one that becomes several loses its own, and the other way round."""
    if isinstance(new, Repeated):
        return {}, None if isinstance(old, Repeated) else added(old, kind)
    return (added(new, kind), {}) if isinstance(old, Repeated) else _compare_child(old, new, kind)
