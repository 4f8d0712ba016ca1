"""What makes a CRD's schema structural: types said outside of junctors, nothing said only inside them.

k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/schema/{validation,complete}.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.machinery.field_errors import FieldError, forbidden, invalid, required
from fakekube.machinery.regexes import regex

Raw = Mapping[str, Any]

ROOT, ITEM, FIELD = "at the root", "for specified array items", "for specified object fields"
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_FORBIDDEN_INSIDE = {
    "type": "must be empty to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}


def violations(schema: Raw, path: str) -> list[FieldError]:
    """Every breach of structurality, sorted by its text as the server sorts them."""
    found = [*_invariants(schema, ROOT, path), *_completeness(schema, schema, path, path)]
    return sorted(found, key=str)


def _invariants(raw: Raw, level: str, path: str) -> Iterator[FieldError]:
    type_ = raw.get("type") or ""
    items, additional, properties = (
        raw.get("items"),
        raw.get("additionalProperties"),
        raw.get("properties") or {},
    )
    embedded = bool(raw.get("x-kubernetes-embedded-resource"))
    open_ = bool(raw.get("x-kubernetes-preserve-unknown-fields"))
    int_or_string = bool(raw.get("x-kubernetes-int-or-string"))
    if type_ == "array" and not isinstance(items, Mapping):
        yield required(f"{path}.items", "must be specified")
    if isinstance(items, Mapping):
        yield from _invariants(items, ITEM, f"{path}.items")
    for name, child in properties.items():
        yield from _invariants(child, FIELD, f"{path}.properties[{name}]")
    if additional is not None:
        if level == ROOT:
            yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
        if isinstance(additional, Mapping):
            yield from _invariants(additional, FIELD, f"{path}.additionalProperties")
    if int_or_string:
        for name, clash in (("preserve-unknown-fields", open_), ("embedded-resource", embedded)):
            if clash:
                yield invalid(
                    f"{path}.x-kubernetes-{name}", True, "must be false if x-kubernetes-int-or-string is true"
                )
    yield from _junctors(
        raw, path, skip_any_of=raw.get("anyOf") == _INT_OR_STRING, skip_all_of=_is_all_of_pattern(raw)
    )
    if embedded and type_ != "object":
        text = "must be object if x-kubernetes-embedded-resource is true"
        yield invalid(f"{path}.type", type_, text) if type_ else required(f"{path}.type", text)
    elif not type_ and not int_or_string and not open_:
        yield required(f"{path}.type", f"must not be empty {level}")
    if embedded and additional is not None:
        text = "must not be used if x-kubernetes-embedded-resource is set"
        yield forbidden(f"{path}.additionalProperties", text)
    if level == ROOT and type_ and type_ != "object":
        yield invalid(f"{path}.type", type_, "must be object at the root")
    yield from _type_meta(properties, level, path, checked=level == ROOT or embedded)
    if embedded and not open_ and not properties:
        text = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        yield required(f"{path}.properties", text)


def _type_meta(properties: Raw, level: str, path: str, *, checked: bool) -> Iterator[FieldError]:
    """Kind and apiVersion are strings; of metadata only name and generateName may be restricted."""
    if not checked:
        return
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        if name in properties and properties[name].get("type") != wanted:
            yield invalid(
                f"{path}.properties[{name}].type", properties[name].get("type") or "", f"must be {wanted}"
            )
    metadata = properties.get("metadata")
    if level != ROOT or metadata is None:
        return
    said = {name for name, value in metadata.items() if value not in (None, "", [], {}, False)}
    named = set(metadata.get("properties") or {})
    if said - {"type", "default", "properties"} or named - {"name", "generateName"}:
        text = (
            "must not specify anything other than name and generateName, but metadata is implicitly specified"
        )
        yield forbidden(f"{path}.properties[metadata]", text)


def _is_all_of_pattern(raw: Raw) -> bool:
    every = raw.get("allOf") or []
    return bool(every) and every[0].get("anyOf") == _INT_OR_STRING


def _junctors(
    raw: Raw, path: str, *, skip_any_of: bool = False, skip_all_of: bool = False
) -> Iterator[FieldError]:
    if not skip_any_of:
        for index, part in enumerate(raw.get("anyOf") or ()):
            yield from _nested(part, f"{path}.anyOf[{index}]")
    for index, part in enumerate(raw.get("allOf") or ()):
        yield from _nested(part, f"{path}.allOf[{index}]", skip_any_of=skip_all_of and not index)
    for index, part in enumerate(raw.get("oneOf") or ()):
        yield from _nested(part, f"{path}.oneOf[{index}]")
    if isinstance(raw.get("not"), Mapping):
        yield from _nested(raw["not"], f"{path}.not")
    pattern = raw.get("pattern")
    if pattern:
        try:
            regex.parse(pattern)
        except regex.RegexError as error:
            yield invalid(
                f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {error}"
            )


def _nested(raw: Raw, path: str, *, skip_any_of: bool = False) -> Iterator[FieldError]:
    yield from _junctors(raw, path, skip_any_of=skip_any_of)
    if isinstance(raw.get("items"), Mapping):
        yield from _nested(raw["items"], f"{path}.items")
    for name, child in (raw.get("properties") or {}).items():
        yield from _nested(child, f"{path}.properties[{name}]")
    if raw.get("additionalProperties") is not None:
        yield forbidden(f"{path}.additionalProperties", "must be undefined to be structural")
    for name, text in _FORBIDDEN_INSIDE.items():
        if raw.get(name):
            yield forbidden(f"{path}.{name}", text)
    if "metadata" in (raw.get("properties") or {}):
        yield forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _completeness(said: Raw, structure: Raw, path: str, where: str) -> Iterator[FieldError]:
    """Whatever a junctor says of a field or of items, the structure must name as well."""
    for name in ("allOf", "anyOf", "oneOf"):
        for index, part in enumerate(said.get(name) or ()):
            yield from _complete(part, structure, path, f"{where}.{name}[{index}]")
    if isinstance(said.get("not"), Mapping):
        yield from _complete(said["not"], structure, path, f"{where}.not")


def _complete(said: Raw, structure: Raw, path: str, where: str) -> Iterator[FieldError]:
    yield from _completeness(said, structure, path, where)
    children = [("items", said.get("items"), structure.get("items"))]
    members = structure.get("properties") or {}
    children += [
        (f"properties[{name}]", child, members.get(name))
        for name, child in (said.get("properties") or {}).items()
    ]
    for step, child, beside in children:
        if not isinstance(child, Mapping):
            continue
        if isinstance(beside, Mapping):
            yield from _complete(child, beside, f"{path}.{step}", f"{where}.{step}")
        else:
            yield required(f"{path}.{step}", f"because it is defined in {where}.{step}")
