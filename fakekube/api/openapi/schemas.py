"""Definitions for OpenAPI documents: built-in types with their texts, custom resources as their CRDs describe them.

Version 2 is the form the data is kept in. Version 3 says references with siblings and types of two shapes in its own way.
k8s: kube-openapi/pkg/{builder,builder3}, apiextensions-apiserver/pkg/controller/openapi/builder
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fakekube.api.registry.strategy import ServedResource
from fakekube.api.types import definitions, descriptions
from fakekube.machinery.wire import Object

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_OLD, _NEW = "#/definitions/", "#/components/schemas/"
_EVERYWHERE = tuple(f"{_META}{kind}" for kind in ("DeleteOptions", "Patch", "Status", "WatchEvent"))

_TWO_SHAPES: Mapping[str, Object] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
}
_TYPE_META = {
    "apiVersion": {
        "description": "APIVersion defines the versioned schema of this representation of an object. Servers should convert "
        "recognized schemas to the latest internal value, and may reject unrecognized values. More info: "
        "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources",
        "type": "string",
    },
    "kind": {
        "description": "Kind is a string value representing the REST resource this object represents. Servers may infer this "
        "from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: "
        "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds",
        "type": "string",
    },
}
_OBJECT_META = {
    "$ref": f"{_OLD}{_META}ObjectMeta",
    "description": "Standard object's metadata. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
}
_LIST_META = {
    "$ref": f"{_OLD}{_META}ListMeta",
    "description": "Standard list metadata. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds",
}


def definition_names(resources: Iterable[ServedResource]) -> list[str]:
    """The built-in definitions documents about these resources need, sorted."""
    wanted = [*_EVERYWHERE, f"{_META}ObjectMeta", f"{_META}ListMeta"]
    raw = definitions().raw
    for resource in resources:
        if resource.scale is not None:
            wanted.append("io.k8s.api.autoscaling.v1.Scale")
        if resource.custom:
            continue
        wanted += [name for name in (resource.schema_name, f"{resource.schema_name}List") if name in raw]
        wanted += [
            name
            for name in (_of_subresource(resource, sub.kind) for sub in resource.subresources)
            if name in raw
        ]
    return sorted(_reachable(wanted))


def _of_subresource(resource: ServedResource, kind: str) -> str:
    return {
        "Eviction": "io.k8s.api.policy.v1.Eviction",
        "TokenRequest": "io.k8s.api.authentication.v1.TokenRequest",
    }.get(kind, f"{resource.schema_name.rpartition('.')[0]}.{kind}")


def _reachable(wanted: Iterable[str]) -> set[str]:
    raw, found, queue = definitions().raw, set[str](), list(wanted)
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue.extend(_references(raw[name]))
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix(_OLD)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)


def builtin(name: str) -> Object:
    """A built-in definition with its texts, as version 2 has it."""
    raw: Object = dict(definitions().raw[name])
    texts = descriptions().get(name, {})
    if texts.get(""):
        raw = {"description": texts[""], **raw}
    if "properties" in raw:
        raw["properties"] = {
            field: {"description": texts[field], **one} if texts.get(field) else one
            for field, one in raw["properties"].items()
        }
    return raw


def custom(resource: ServedResource) -> dict[str, Object]:
    """The kind and its list, in the words both versions share."""
    name, raw = resource.schema_name, getattr(resource.strategy, "raw", None) or {"type": "object"}
    own = {**raw, "properties": {**_TYPE_META, "metadata": _OBJECT_META, **_without_meta(raw)}}
    if resource.strategy.selectable:
        own["x-kubernetes-selectable-fields"] = [{"fieldPath": path} for path in resource.strategy.selectable]
    own["x-kubernetes-group-version-kind"] = [_gvk(resource, resource.kind)]
    listed = {
        "description": f"{resource.kind}List is a list of {resource.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            **_TYPE_META,
            "items": {
                "description": f"List of {resource.plural}. More info: "
                "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md",
                "type": "array",
                "items": {"$ref": f"{_OLD}{name}"},
            },
            "metadata": _LIST_META,
        },
        "x-kubernetes-group-version-kind": [_gvk(resource, resource.list_kind)],
    }
    return {name: own, f"{name.rpartition('.')[0]}.{resource.list_kind}": listed}


def _without_meta(raw: Mapping[str, Any]) -> Object:
    return {
        name: one
        for name, one in (raw.get("properties") or {}).items()
        if name not in ("apiVersion", "kind", "metadata")
    }


def _gvk(resource: ServedResource, kind: str) -> Object:
    return {"group": resource.group, "kind": kind, "version": resource.version}


def v3(name: str, raw: Mapping[str, Any]) -> Object:
    """One definition as version 3 has it."""
    if name in _TWO_SHAPES:
        return (
            {"description": raw["description"], **_TWO_SHAPES[name]}
            if "description" in raw
            else _TWO_SHAPES[name]
        )
    return _v3(raw)


def _v3(node: Mapping[str, Any]) -> Object:
    out: Object = {}
    siblings = len(node) > 1
    for key, value in node.items():
        if key == "$ref" and isinstance(value, str):
            ref = {"$ref": value.replace(_OLD, _NEW)}
            if not siblings:
                return ref
            out["allOf"] = [ref]
        else:
            out[key] = _below(key, value, _v3)
    return out


def _below(key: str, value: Any, walk: Any) -> Any:
    """The schemas under one keyword, walked; anything else as it is."""
    if key == "properties":
        return {name: walk(one) for name, one in value.items()}
    if key in ("items", "additionalProperties", "not") and isinstance(value, Mapping):
        return walk(value)
    if key in ("allOf", "anyOf", "oneOf") and isinstance(value, list):
        return [walk(one) for one in value]
    return value


_ONLY_V3 = frozenset({"oneOf", "anyOf", "allOf", "not", "nullable"})


def v2_custom(raw: Mapping[str, Any]) -> Object:
    """A custom resource's schema without what version 2 cannot say. Where anything goes, old clients must not look."""
    if raw.get("x-kubernetes-int-or-string") or raw.get("nullable"):
        return {
            key: value
            for key, value in raw.items()
            if key == "description" or key.startswith("x-kubernetes-")
        }
    loose = raw.get("x-kubernetes-preserve-unknown-fields")
    dropped = _ONLY_V3 | ({"properties", "items"} if loose else set())
    return {key: _below(key, value, v2_custom) for key, value in raw.items() if key not in dropped}
