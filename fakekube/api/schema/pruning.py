"""Removing what the schema does not know, and telling what was removed.

Each node becomes one closure, compiled when a value first reaches it. A closure answers the paths it removed, relative to
itself, or None; so nothing is spent on paths while there is nothing to tell. What a value shares with another of its kind,
which has been pruned before, is not looked at.
k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning/algorithm.go
"""

from collections.abc import Callable, Mapping
from typing import Any

from fakekube.api.schema.model import Schema

TYPE_META = frozenset({"apiVersion", "kind", "metadata"})

Prune = Callable[..., "list[str] | None"]  # (value[, another of its kind that has been pruned])
_UNKNOWN = object()
_NOBODY: Mapping[str, Any] = {}
_NO_ITEMS: frozenset[int] = frozenset()


def pruner(node: Schema, *, root: bool = False) -> Prune | None:
    """The closure of a node; None where nothing below it could be removed. Roots keep apiVersion, kind and metadata."""
    name = "prune-root" if root else "prune"
    if name not in node.compiled:
        node.compiled[name] = _compile(node, root=root)
    compiled: Prune | None = node.compiled[name]
    return compiled


def _is_leaf(node: Schema) -> bool:
    if node.properties or node.additional is not None or node.items is not None:
        return False
    return node.preserve_unknown or node.int_or_string or node.type not in ("object", "array", "")


def _compile(node: Schema, *, root: bool) -> Prune | None:
    return None if not root and _is_leaf(node) else _walk(node, root=root or node.embedded_resource)


def _walk(node: Schema, *, root: bool) -> Prune:
    """Values of a node; members in the same closure, for most values are objects, and most of a walk would be calls."""
    elements = _elements(node)
    children: dict[str, Any] = {}
    for name, child in node.properties.items():
        if not (root and name in TYPE_META):
            children[name] = None if _is_leaf(child) else _lazily(children, name, child)
    if root:
        children |= dict.fromkeys(TYPE_META)
    rest: Any = None if node.preserve_unknown else _UNKNOWN
    if node.additional is not None:
        rest = pruner(node.additional)
    get = children.get

    def walk(obj: Any, done: Any = _NOBODY) -> list[str] | None:
        if type(obj) is not dict:
            return elements(obj, done) if elements is not None and type(obj) is list else None
        known = done.get if type(done) is dict else _NOBODY.get
        found: list[str] | None = None
        unknown: list[str] | None = None
        for name, value in obj.items():
            child = get(name, rest)
            if child is None:
                continue
            if child is _UNKNOWN:
                unknown = [*unknown, name] if unknown else [name]
            elif value and (before := known(name)) is not value and (gone := child(value, before)):
                found = found or []
                found += [f"{name}{path}" if path[:1] == "[" else f"{name}.{path}" for path in gone]
        if unknown:
            for name in unknown:
                del obj[name]
            found = unknown + found if found else unknown
        return found

    return walk


def _elements(node: Schema) -> Prune | None:
    """Items of a list. Without a schema for them every member of theirs is unknown, unless the list preserves them."""
    items = node.items
    if items is None:
        if node.preserve_unknown or node.type == "object":
            return None
        element: Prune | None = pruner(_NOTHING)
    else:
        element = pruner(
            Schema({**items.raw, **_PRESERVING}, items.definitions) if node.preserve_unknown else items
        )
    if element is None:
        return None

    def elements(values: list[Any], done: Any = _NO_ITEMS) -> list[str] | None:
        known = set(map(id, done)) if type(done) is list else _NO_ITEMS
        found: list[str] | None = None
        for index, value in enumerate(values):
            if value and id(value) not in known and (gone := element(value)):
                found = found or []
                found += [f"[{index}]{path}" if path[:1] == "[" else f"[{index}].{path}" for path in gone]
        return found

    return elements


def _lazily(children: dict[str, Any], name: str, node: Schema) -> Prune:
    """Stands in for a child until a value reaches it: KubeVirt's schemas have thousands of nodes, requests use dozens."""

    def first(value: Any, done: Any) -> list[str] | None:
        compiled = children[name] = pruner(node)
        return compiled(value, done) if compiled else None

    return first


_PRESERVING = {"x-kubernetes-preserve-unknown-fields": True}
_NOTHING = Schema({"type": "object"})
