"""ObjectMeta, as far as schemas leave it out: the names of its fields, and its schema for patches.

k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta/{algorithm,coerce}.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.api.schema.model import Definitions, Schema

FIELDS = frozenset(
    {
        "annotations",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "labels",
        "managedFields",
        "name",
        "namespace",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
_OWNER = frozenset({"apiVersion", "blockOwnerDeletion", "controller", "kind", "name", "uid"})
_MANAGED = frozenset({"apiVersion", "fieldsType", "fieldsV1", "manager", "operation", "subresource", "time"})


def prune(metadata: Any, path: str) -> list[str]:
    """Remove what ObjectMeta does not have, in place; the paths removed."""
    if not isinstance(metadata, dict):
        return []
    unknown = _drop(metadata, FIELDS, path)
    for name, known in (("ownerReferences", _OWNER), ("managedFields", _MANAGED)):
        for index, entry in enumerate(metadata.get(name) or ()):
            if isinstance(entry, dict):
                unknown += _drop(entry, known, f"{path}.{name}[{index}]")
    return unknown


def _drop(obj: dict[str, Any], known: frozenset[str], path: str) -> list[str]:
    if obj.keys() <= known:
        return []
    gone = sorted(name for name in obj if name not in known)
    for name in gone:
        del obj[name]
    return [f"{path}.{name}" for name in gone]


def prune_embedded(node: Schema, obj: Any) -> list[str]:
    """The same for the metadata of embedded resources anywhere below the node."""
    if not has_embedded(node):
        return []
    return [
        gone
        for path, inner in embedded(node, obj)
        for gone in prune(inner.get("metadata"), f"{path}.metadata")
    ]


def embedded(node: Schema | None, value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every embedded resource below a node with its path."""
    if node is None or not has_embedded(node):
        return
    if isinstance(value, dict):
        if node.embedded_resource and path:
            yield path, value
        for name, member in value.items():
            yield from embedded(node.member(name), member, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from embedded(node.items, item, f"{path}[{index}]")


def has_embedded(node: Schema) -> bool:
    """Whether whole objects may be embedded somewhere in values of this node."""
    known: bool | None = node.compiled.get("embeds")
    if known is None:
        known = node.compiled["embeds"] = _embeds(node.raw)
    return known


def _embeds(raw: Mapping[str, Any]) -> bool:
    """Read from the text: definitions do not refer to others, and most have thousands of nodes nobody needs."""
    if raw.get("x-kubernetes-embedded-resource"):
        return True
    children = [*(raw.get("properties") or {}).values(), raw.get("items"), raw.get("additionalProperties")]
    return any(_embeds(one) for one in children if one.__class__ is dict)


_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_OWNER_REFERENCE = {
    "type": "object",
    "required": ["apiVersion", "kind", "name", "uid"],
    "x-kubernetes-map-type": "atomic",
    "properties": {
        name: {"type": "boolean"} if name in ("blockOwnerDeletion", "controller") else _TEXT
        for name in sorted(_OWNER)
    },
}
_NUMBERS = {"generation", "deletionGracePeriodSeconds"}
_OBJECT_META: dict[str, Any] = {
    "type": "object",
    "properties": {
        **{
            name: {"type": "integer", "format": "int64"} if name in _NUMBERS else _TEXT
            for name in sorted(FIELDS)
        },
        "annotations": _TEXTS,
        "labels": _TEXTS,
        "finalizers": {"type": "array", "items": _TEXT, "x-kubernetes-list-type": "set"},
        "managedFields": {
            "type": "array",
            "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "x-kubernetes-list-type": "atomic",
        },
        "ownerReferences": {
            "type": "array",
            "items": _OWNER_REFERENCE,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
        },
    },
}
_ROOT = "object"


def with_type_and_object_meta(raw: Mapping[str, Any]) -> Schema:
    """The schema patches and apply need: CRDs leave apiVersion, kind and metadata unsaid, at the root and where a
    resource is embedded."""
    return Definitions({_ROOT: _with_meta(raw, root=True)})[_ROOT]


def _with_meta(raw: Mapping[str, Any], *, root: bool = False) -> Mapping[str, Any]:
    changed = dict(raw)
    properties = raw.get("properties")
    if properties:
        changed["properties"] = {name: _with_meta(child) for name, child in properties.items()}
    for name in ("items", "additionalProperties"):
        if isinstance(raw.get(name), Mapping):
            changed[name] = _with_meta(raw[name])
    if root or raw.get("x-kubernetes-embedded-resource"):
        meta = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": _OBJECT_META}
        changed["properties"] = (changed.get("properties") or {}) | meta
    return changed
