"""What a CRD's schema may say beyond being structural: keywords, list and map types, defaults, CEL rules.

k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go, pkg/apiserver/schema/defaulting/validation.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from fakekube.api.extend import rule_validation, structural_rules
from fakekube.api.schema.model import Schema
from fakekube.api.schema.problems import NOWHERE
from fakekube.api.schema.structural import Structural
from fakekube.machinery.copying import copy_of
from fakekube.machinery.field_errors import FieldError, forbidden, invalid, not_supported, required

Raw = Mapping[str, Any]

_TYPES = ["array", "boolean", "integer", "number", "object", "string"]
_META = frozenset({"apiVersion", "kind", "metadata"})
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_AT_ROOT_WITH_STATUS = {
    "description": "Description", "type": "Type", "format": "Format", "title": "Title", "maximum": "Maximum",
    "exclusiveMaximum": "ExclusiveMaximum", "minimum": "Minimum", "exclusiveMinimum": "ExclusiveMinimum",
    "maxLength": "MaxLength", "minLength": "MinLength", "pattern": "Pattern", "maxItems": "MaxItems",
    "minItems": "MinItems", "uniqueItems": "UniqueItems", "multipleOf": "MultipleOf", "required": "Required",
    "items": "Items", "properties": "Properties", "externalDocs": "ExternalDocs", "example": "Example",
    "x-kubernetes-preserve-unknown-fields": "XPreserveUnknownFields", "x-kubernetes-validations": "XValidations",
}  # fmt: skip


class _Place(Struct, frozen=True):
    """What the place of a node in the schema forbids."""

    no_defaults: str = ""  # why defaults must not be set here
    in_metadata: bool = False
    root: bool = False


def check(schema: Raw, path: str, *, status: bool) -> list[FieldError]:
    """Everything wrong with the schema of one version, at `path` (`…openAPIV3Schema`)."""
    found = [*_root(schema, path, status=status)]
    violations = structural_rules.violations(schema, path)
    if violations:
        found += violations
    else:
        found += _defaults(schema, path)
    found += _node(schema, path, _Place(root=True))
    if not found and rule_validation.mentioned(schema):
        found += rule_validation.compiled(Schema(schema), path)
    return found


def _root(schema: Raw, path: str, *, status: bool) -> Iterator[FieldError]:
    """With a status subresource, the status' schema must be findable at the root."""
    if status:
        for name, value in schema.items():
            if value not in (None, "", [], {}, False) and name not in _AT_ROOT_WITH_STATUS:
                allowed = " ".join(_AT_ROOT_WITH_STATUS.values())
                text = f"only [{allowed}] fields are allowed at the root of the schema if the status subresource is enabled"
                yield invalid(path, schema, text)
                break
    if schema.get("nullable"):
        yield forbidden(f"{path}.nullable", "nullable cannot be true at the root")


def _defaults(raw: Raw, path: str) -> Iterator[FieldError]:
    """Defaults hold nothing unknown and satisfy their own schema."""
    if raw.get("default") is not None:
        structural = Structural(Schema({"type": "object", "properties": {"default": raw}}))
        holder = {"default": copy_of(raw["default"])}
        structural.prune(holder)
        if holder["default"] != raw["default"]:
            yield invalid(f"{path}.default", raw["default"], "must not have unknown fields")
        for problem in structural.problems({"default": raw["default"]}):
            problem.path = problem.path[1:]
            error = problem.field_error()  # its text knows only the default, its field the whole way
            step = (
                "" if error.field == NOWHERE else error.field if error.field[0] == "[" else f".{error.field}"
            )
            yield replace(error, field=f"{path}.default{step}")
    if isinstance(raw.get("items"), Mapping):
        yield from _defaults(raw["items"], f"{path}.items")
    for name, child in (raw.get("properties") or {}).items():
        yield from _defaults(child, f"{path}.properties[{name}]")


def _node(raw: Raw, path: str, place: _Place) -> Iterator[FieldError]:
    yield from _keywords(raw, path, place)
    if raw.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", text)
    yield from _children(raw, path, replace(place, root=False), root=place.root)
    if raw.get("x-kubernetes-preserve-unknown-fields") is False:
        yield invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
    yield from _map_type(raw, path)
    yield from _list_type(raw, path)
    yield from _map_keys(raw, path)
    yield from rule_validation.written(raw, path)


def _keywords(raw: Raw, path: str, place: _Place) -> Iterator[FieldError]:
    type_ = raw.get("type") or ""
    if type_ and type_ not in _TYPES:
        yield not_supported(f"{path}.type", type_, _TYPES)
    if raw.get("default") is not None and place.no_defaults:
        yield forbidden(f"{path}.default", f"must not be set {place.no_defaults}")
    for name in _UNSUPPORTED:
        if raw.get(name) not in (None, "", {}):
            yield forbidden(f"{path}.{name}", f"{name} is not supported")
    if type_ == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(raw.get("items"), list) and raw["items"]:
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.in_metadata and raw.get("x-kubernetes-embedded-resource"):
        yield forbidden(f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta")


def _children(raw: Raw, path: str, place: _Place, *, root: bool) -> Iterator[FieldError]:
    additional, properties = raw.get("additionalProperties"), raw.get("properties") or {}
    if additional is not None:
        if properties and additional is not True:
            text = "additionalProperties and properties are mutual exclusive"
            yield forbidden(f"{path}.additionalProperties", text)
        inside = place
        if place.in_metadata:
            inside = replace(place, no_defaults="inside additionalProperties applying to object metadata")
        if isinstance(additional, Mapping):
            yield from _node(additional, f"{path}.additionalProperties", inside)
    for name, child in properties.items():
        inside = place
        if name in _META and (root or raw.get("x-kubernetes-embedded-resource")):
            inside = replace(
                place, in_metadata=True, no_defaults=f"in top-level {name}" if root else place.no_defaults
            )
        yield from _node(child, f"{path}.properties[{name}]", inside)
    if isinstance(raw.get("not"), Mapping):
        yield from _node(raw["not"], f"{path}.not", place)
    for junctor in ("allOf", "oneOf", "anyOf"):
        for index, part in enumerate(raw.get(junctor) or ()):
            yield from _node(part, f"{path}.{junctor}[{index}]", place)
    if isinstance(raw.get("items"), Mapping):
        yield from _node(raw["items"], f"{path}.items", place)


def _map_type(raw: Raw, path: str) -> Iterator[FieldError]:
    kind, type_ = raw.get("x-kubernetes-map-type"), raw.get("type") or ""
    if kind is None:
        return
    if type_ != "object":
        text = "must be object if x-kubernetes-map-type is specified"
        yield invalid(f"{path}.type", type_, text) if type_ else required(f"{path}.type", text)
    if kind not in ("atomic", "granular"):
        yield not_supported(f"{path}.x-kubernetes-map-type", kind, ["atomic", "granular"])


def _list_type(raw: Raw, path: str) -> Iterator[FieldError]:
    kind, type_, items = raw.get("x-kubernetes-list-type"), raw.get("type") or "", raw.get("items")
    if kind is not None and type_ != "array":
        text = "must be array if x-kubernetes-list-type is specified"
        yield invalid(f"{path}.type", type_, text) if type_ else required(f"{path}.type", text)
    elif kind == "set" and isinstance(items, Mapping):
        text = "must be atomic as item of a list with x-kubernetes-list-type=set"
        inner = items.get("x-kubernetes-list-type")
        if items.get("type") == "array" and inner not in (None, "atomic"):
            yield invalid(f"{path}.items.x-kubernetes-list-type", inner, text)
        if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
            yield invalid(f"{path}.items.x-kubernetes-map-type", inner, text)
    if kind not in (None, "atomic", "set", "map"):
        yield not_supported(f"{path}.x-kubernetes-list-type", kind, ["atomic", "set", "map"])


def _map_keys(raw: Raw, path: str) -> Iterator[FieldError]:
    """Lists that are maps: keys are scalar members of their items, required or defaulted, never null."""
    kind, keys, items = (
        raw.get("x-kubernetes-list-type"),
        raw.get("x-kubernetes-list-map-keys") or [],
        raw.get("items"),
    )
    if keys and kind != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        at = f"{path}.x-kubernetes-list-type"
        yield invalid(at, kind, text) if kind else required(at, text)
    if kind == "map":
        if not keys:
            text = "must not be empty if x-kubernetes-list-type is map"
            yield required(f"{path}.x-kubernetes-list-map-keys", text)
        if items is None:
            yield required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
        elif isinstance(items, Mapping) and items.get("type") != "object":
            text = "must be object if parent array's x-kubernetes-list-type is map"
            yield invalid(f"{path}.items.type", items.get("type") or "", text)
        elif isinstance(items, Mapping):
            yield from _keys_exist(keys, items, path)
    if kind in ("set", "map") and isinstance(items, Mapping):
        if items.get("nullable"):
            yield forbidden(
                f"{path}.items.nullable", f"cannot be nullable when x-kubernetes-list-type is {kind}"
            )
        if kind == "map":
            yield from _keys_present(keys, items, path)


def _keys_exist(keys: list[str], items: Raw, path: str) -> Iterator[FieldError]:
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in properties:
            yield invalid(
                f"{path}.x-kubernetes-list-map-keys", keys, "entries must all be names of item properties"
            )
        elif properties[key].get("type") in ("array", "object"):
            text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield invalid(f"{path}.items.properties[{key}].type", items["type"], text)
        if key in keys[:index]:
            yield invalid(f"{path}.x-kubernetes-list-map-keys", keys, "must not contain duplicate entries")


def _keys_present(keys: list[str], items: Raw, path: str) -> Iterator[FieldError]:
    properties = items.get("properties") or {}
    for key in keys:
        if key not in properties:
            continue
        at = f"{path}.items.properties[{key}]"
        if key not in (items.get("required") or ()) and properties[key].get("default") is None:
            text = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield required(f"{at}.default", text)
        if properties[key].get("nullable"):
            text = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            yield forbidden(f"{at}.nullable", text)
