"""ObjectMeta, as far as schemas leave it out: its field names, and the types its members must have to be decoded.

k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta/{algorithm,coerce}.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.api.schema.model import Definitions, Schema

FIELDS: dict[str, type] = {
    "annotations": dict,
    "creationTimestamp": str,
    "deletionGracePeriodSeconds": int,
    "deletionTimestamp": str,
    "finalizers": list,
    "generateName": str,
    "generation": int,
    "labels": dict,
    "managedFields": list,
    "name": str,
    "namespace": str,
    "ownerReferences": list,
    "resourceVersion": str,
    "selfLink": str,
    "uid": str,
}
_OWNER = frozenset({"apiVersion", "blockOwnerDeletion", "controller", "kind", "name", "uid"})
_MANAGED = frozenset({"apiVersion", "fieldsType", "fieldsV1", "manager", "operation", "subresource", "time"})
_GO_TYPES = {dict: "map[string]string", str: "string", int: "int64"}
_GO_ELEMENTS = {
    "finalizers": "[]string",
    "managedFields": "[]v1.ManagedFieldsEntry",
    "ownerReferences": "[]v1.OwnerReference",
}
_TEXTS_OR_NULLS = frozenset({str, type(None)})
_JSON_KINDS: dict[type, str] = {
    str: "string", bool: "bool", int: "number", float: "number", dict: "object", list: "array"
}  # fmt: skip


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


def _drop(obj: dict[str, Any], known: Any, path: str) -> list[str]:
    if obj.keys() <= known.keys() if isinstance(known, dict) else obj.keys() <= known:
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


def decode_error(obj: Any) -> str:
    """What Go says when `metadata` cannot be decoded into an ObjectMeta; empty when it can."""
    metadata = obj.get("metadata")
    if metadata is None:
        return ""
    if not isinstance(metadata, dict):
        return _cannot(metadata, "", "v1.ObjectMeta")
    wrong = []
    for name, value in metadata.items():
        kind, expected = type(value), FIELDS.get(name)
        if kind is expected:
            if expected is dict and not _TEXTS_OR_NULLS.issuperset(map(type, value.values())):
                wrong.append(name)
        elif value is not None and expected is not None:
            wrong.append(name)
    if not wrong:
        return ""
    name = min(wrong)
    value, kind, expected = metadata[name], type(metadata[name]), FIELDS[name]
    if kind is not expected:
        return _cannot(value, f"ObjectMeta.{name}", _GO_TYPES.get(expected) or _GO_ELEMENTS[name])
    inner = next(one for one in value.values() if type(one) not in _TEXTS_OR_NULLS)
    return _cannot(inner, f"ObjectMeta.{name}", "string")


def _cannot(value: Any, where: str, go_type: str) -> str:
    place = f"Go struct field {where}" if where else "Go value"
    return f"json: cannot unmarshal {_JSON_KINDS[type(value)]} into {place} of type {go_type}"


_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_OWNER_REFERENCE = {
    "type": "object",
    "required": ["apiVersion", "kind", "name", "uid"],
    "x-kubernetes-map-type": "atomic",
    "properties": {
        name: {"type": "boolean"} if name in ("blockOwnerDeletion", "controller") else _TEXT
        for name in _OWNER
    },
}
_NUMBERS = {"generation", "deletionGracePeriodSeconds"}
_OBJECT_META: dict[str, Any] = {
    "type": "object",
    "properties": {
        **{name: {"type": "integer", "format": "int64"} if name in _NUMBERS else _TEXT for name in FIELDS},
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
