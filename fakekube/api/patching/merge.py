"""Bringing an applied configuration into an object, and taking fields out of one again.

`merged` never removes anything; `removed` takes out exactly the fields of a set. Results share what they did not touch
with their arguments: callers that change objects in place copy first.

Origin: structured-merge-diff: typed/{merge,remove}.go, fieldpath/set.go (EnsureNamedFieldsAreMembers)
"""

from typing import Any

from fakekube.api.patching.fieldset import SELF, FieldSet
from fakekube.api.patching.typed import DEDUCED, Repeated, Type

_NOTHING: Any = object()


def merged(live: Any, config: Any, kind: Type) -> Any:
    """`live` with everything `config` says. Atomic places are replaced; maps and keyed lists merge item by item."""
    if isinstance(config, dict) and kind.granular and isinstance(live, dict) and (config or live):
        out = dict(live)
        for name, value in config.items():
            below = kind.member(name) or DEDUCED
            out[name] = merged(live[name], value, below) if name in live else value
        return out
    if isinstance(config, list) and kind.keyed and isinstance(live, list) and (config or live):
        return _merged_list(live, config, kind)
    if config is None and live and _has_items(live, kind):
        return live  # null mentions no item, so none changes
    return config


def _has_items(value: Any, kind: Type) -> bool:
    return (isinstance(value, dict) and kind.granular) or (isinstance(value, list) and kind.keyed)


def _merged_list(live: list[Any], config: list[Any], kind: Type) -> list[Any]:
    """The items of both, in the configuration's order where it has one; the others keep their neighbours."""
    ours = [(kind.element_of(item), item) for item in live]
    theirs = kind.index(config)
    current = kind.index(live)
    waiting = [element for element in theirs if element in current]  # shared items, in the order they are due
    out: list[Any] = []
    placed: set[str] = set()

    def take(element: str) -> None:
        placed.add(element)
        old = current.get(element, _NOTHING)
        new = theirs[element]
        out.append(new if old is _NOTHING or isinstance(old, Repeated) else merged(old, new, kind.item))
        if waiting and waiting[0] == element:
            waiting.pop(0)

    left, right, order = 0, 0, list(theirs)
    while left < len(ours) or right < len(order):
        if left < len(ours):
            element, item = ours[left]
            if right < len(order) and element == order[right]:
                take(element)
                left += 1
                right += 1
                continue
            if right < len(order) and element in theirs and waiting and waiting[0] != element:
                left += 1  # it was placed, or will be, where the configuration wants it
                continue
            if element not in theirs:
                out.append(item)
                left += 1
                continue
            if element in placed:
                left += 1
        if right < len(order):
            take(order[right])
            right += 1
    return out


def removed(value: Any, fields: FieldSet, kind: Type) -> Any:
    """`value` without the members of `fields`. A container that loses its last item stays, empty."""
    if isinstance(value, dict):
        kept_map: dict[str, Any] = {}
        for name, child in value.items() if kind.granular else ():
            rest = _removed_child(child, fields.get(f"f:{name}"), kind.member(name) or DEDUCED)
            if rest is not _NOTHING:
                kept_map[name] = rest
        return kept_map
    if isinstance(value, list):
        kept_list: list[Any] = []
        for child in value if kind.keyed else ():
            rest = _removed_child(child, fields.get(kind.element_of(child)), kind.item)
            if rest is not _NOTHING:
                kept_list.append(rest)
        return kept_list
    return value


def _removed_child(child: Any, fields: FieldSet | None, kind: Type) -> Any:
    if fields is None:
        return child
    return _NOTHING if not fields or SELF in fields else removed(child, fields, kind)


def with_structs(fields: FieldSet, kind: Type | None) -> FieldSet:
    """`fields` with every struct that has members below it as a member too: what is below decides whether it stays."""
    out: FieldSet = {}
    for element, child in fields.items():
        declared = None
        below = None
        if kind is not None and element.startswith("f:"):
            declared = kind.fields[element[2:]]
            below = declared or kind.element
        elif kind is not None and element.startswith("k:"):
            below = kind.item
        inner = with_structs(child, below) if child else child
        out[element] = {SELF: {}, **inner} if inner and declared is not None else inner
    return out
