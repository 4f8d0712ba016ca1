"""Filling in defaults, then dropping nulls that the schema does not allow; whole floats become integers, as Go prints them.

A default replaces a missing member, and a null where null is not allowed; a null that remains without default is removed,
except inside lists, where validation complains about it. What a value shares with another that has been defaulted is passed over.
k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting/{algorithm,prunenulls}.go
"""

from collections.abc import Callable, Mapping
from typing import Any

from fakekube.api.schema.model import ANYTHING, Schema
from fakekube.machinery.copying import copy_of

Default = Callable[..., None]  # (value[, another of its kind that has been defaulted])

_EXACT = 2.0**53
_NOTHING: Mapping[str, Any] = {}
_NO_ITEMS: frozenset[int] = frozenset()


def defaulter(node: Schema, *, keep: bool = False) -> Default | None:
    """The closure that defaults values of this node, in place; None where values have no members.

    `keep`: nulls that are not allowed stay, for validation to complain about.
    """
    name = "default, nulls kept" if keep else "default"
    if name not in node.compiled:
        node.compiled[name] = _compile(node, keep=keep)
    compiled: Default | None = node.compiled[name]
    return compiled


def _has_members(node: Schema) -> bool:
    return bool(node.properties or node.additional is not None or node.items is not None)


def _compile(node: Schema, *, keep: bool) -> Default | None:
    if node.properties or node.additional is not None:
        return _walk(node, keep=keep)
    if node.items is None:
        return None
    elements = _elements(node.items, keep=keep)
    return lambda values, done=_NOTHING: elements(values, done) if type(values) is list else None


def _maker(node: Schema) -> Callable[[], Any]:
    default = node.raw["default"]
    return (lambda: copy_of(default)) if isinstance(default, (dict, list)) else (lambda: default)


def _walk(node: Schema, *, keep: bool) -> Default:
    """Values that may have members; their items, should they be lists, in a closure of its own."""
    elements = _elements(node.items, keep=keep) if node.items is not None else None
    properties = node.properties
    defaults = [
        (name, _maker(child), child.nullable) for name, child in properties.items() if "default" in child.raw
    ]
    children: dict[str, Default | None] = {}
    for name, child in properties.items():
        children[name] = _lazily(children, name, child, keep=keep) if _has_members(child) else None
    nullable = frozenset(name for name, child in properties.items() if child.nullable)
    additional = node.additional
    rest = defaulter(additional, keep=keep) if additional is not None else None
    rest_default = _maker(additional) if additional is not None and "default" in additional.raw else None
    rest_nullable = additional is None or additional is ANYTHING or additional.nullable
    get = children.get

    def walk(obj: Any, done: Any = _NOTHING) -> None:
        if type(obj) is not dict:
            if elements is not None and type(obj) is list:
                elements(obj, done)
            return
        for name, make, keeps_null in defaults:
            if name not in obj or (obj[name] is None and not keeps_null):
                obj[name] = make()
        known = done.get if type(done) is dict else _NOTHING.get
        nulls: list[str] | None = None
        for name, value in obj.items():
            kind = value.__class__
            if kind is str:
                continue
            if kind is dict or kind is list:
                child = get(name, rest)
                if child is not None and (before := known(name)) is not value:
                    child(value, before)
            elif value is None:
                nulls = [*nulls, name] if nulls else [name]
            elif kind is float:
                obj[name] = _settled(value)
        if nulls:
            for name in nulls:
                settle_null(obj, name)

    def settle_null(obj: dict[str, Any], name: str) -> None:
        if name in properties:
            if name not in nullable and not keep:
                del obj[name]
        elif rest_nullable:
            return
        elif rest_default is not None:
            obj[name] = rest_default()
            if rest is not None:
                rest(obj[name])
        elif not keep:
            del obj[name]

    return walk


def _elements(items: Schema, *, keep: bool) -> Callable[[list[Any], Any], None]:
    walk = defaulter(items, keep=keep)
    make = _maker(items) if "default" in items.raw and not items.nullable else None

    def elements(values: list[Any], done: Any) -> None:
        known = set(map(id, done)) if walk is not None and type(done) is list else _NO_ITEMS
        for index, value in enumerate(values):
            if value is None and make is not None:
                values[index] = make()
                if walk is not None:
                    walk(values[index])
            elif type(value) is float:
                values[index] = _settled(value)
            elif walk is not None and value is not None and id(value) not in known:
                walk(value)

    return elements


def _settled(number: float) -> float:
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


def _lazily(children: dict[str, Default | None], name: str, node: Schema, *, keep: bool) -> Default:
    def first(value: Any, done: Any) -> None:
        compiled = children[name] = defaulter(node, keep=keep)
        if compiled is not None:
            compiled(value, done)

    return first
