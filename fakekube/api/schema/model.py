"""A schema node: one OpenAPI schema, read lazily, `$ref`s followed.

Built-in kinds and custom resources share this form, so apply, strategic merge, pruning and validation walk both alike.
A node is made once per definition and shared; it never changes.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

_REF_PREFIXES = ("#/definitions/", "#/components/schemas/")


class Definitions:
    """Named schemas that refer to each other by `$ref`."""

    def __init__(self, raw: Mapping[str, Mapping[str, Any]]) -> None:
        self.raw = raw
        self._nodes: dict[str, Schema] = {}

    def __getitem__(self, name: str) -> "Schema":
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = Schema(self.raw[name], self)
        return node

    def __contains__(self, name: str) -> bool:
        return name in self.raw

    def node(self, raw: Mapping[str, Any]) -> "Schema":
        """The node of a schema text: a reference gives the shared node of what it names.

        A reference with merge or list annotations beside it stays a node of its own, which carries them.
        """
        name = reference(raw)
        if name is None:
            return Schema(raw, self)
        extras = {
            key: value for key, value in raw.items() if key.startswith("x-kubernetes-") or key == "default"
        }
        return Schema({**self.raw[name], **extras}, self) if extras else self[name]


def reference(raw: Mapping[str, Any]) -> str | None:
    """The name behind `$ref`, or behind an `allOf` with one `$ref`, as OpenAPI v3 writes it."""
    text = raw.get("$ref")
    if text is None:
        every = raw.get("allOf")
        if every and len(every) == 1 and "$ref" in every[0]:
            text = every[0]["$ref"]
    if text is None:
        return None
    for prefix in _REF_PREFIXES:
        if text.startswith(prefix):
            return str(text[len(prefix) :])
    return str(text)


class Schema:
    """One node. `raw` is the OpenAPI text for whatever has no property here."""

    def __init__(self, raw: Mapping[str, Any], definitions: Definitions | None = None) -> None:
        self.raw = raw
        self.revised = False  # whether objects may have been written under an earlier form of it
        self.definitions = definitions if definitions is not None else Definitions({})
        # What walks have made of the node, by the walk's name: it refers to the node, so it is to go with it.
        self.compiled: dict[str, Any] = {}

    @cached_property
    def type(self) -> str:
        """`object`, `array`, `string`, `integer`, `number`, `boolean`, or empty for anything."""
        return str(self.raw.get("type") or "")

    @cached_property
    def properties(self) -> Mapping[str, "Schema"]:
        return {name: self.definitions.node(raw) for name, raw in (self.raw.get("properties") or {}).items()}

    @cached_property
    def additional(self) -> "Schema | None":
        """The schema of unnamed members: a map's values."""
        raw = self.raw.get("additionalProperties")
        if raw is True:
            return ANYTHING
        return self.definitions.node(raw) if isinstance(raw, Mapping) else None

    @cached_property
    def items(self) -> "Schema | None":
        raw = self.raw.get("items")
        return self.definitions.node(raw) if isinstance(raw, Mapping) else None

    @cached_property
    def required(self) -> tuple[str, ...]:
        return tuple(self.raw.get("required") or ())

    @cached_property
    def preserve_unknown(self) -> bool:
        return bool(self.raw.get("x-kubernetes-preserve-unknown-fields"))

    @cached_property
    def embedded_resource(self) -> bool:
        return bool(self.raw.get("x-kubernetes-embedded-resource"))

    @cached_property
    def int_or_string(self) -> bool:
        return bool(self.raw.get("x-kubernetes-int-or-string")) or self.raw.get("format") == "int-or-string"

    @cached_property
    def nullable(self) -> bool:
        return bool(self.raw.get("nullable"))

    @cached_property
    def list_type(self) -> str:
        """`atomic`, `set` or `map`; lists are atomic unless they say otherwise."""
        return str(self.raw.get("x-kubernetes-list-type") or "atomic")

    @cached_property
    def list_map_keys(self) -> tuple[str, ...]:
        return tuple(self.raw.get("x-kubernetes-list-map-keys") or ())

    @cached_property
    def map_type(self) -> str:
        """`granular` or `atomic`; maps and structs are granular unless they say otherwise."""
        return str(self.raw.get("x-kubernetes-map-type") or "granular")

    @cached_property
    def patch_strategies(self) -> frozenset[str]:
        """`merge`, `replace`, `retainKeys`: what strategic merge patch does here."""
        return frozenset(filter(None, str(self.raw.get("x-kubernetes-patch-strategy") or "").split(",")))

    @cached_property
    def patch_merge_key(self) -> str:
        return str(self.raw.get("x-kubernetes-patch-merge-key") or "")

    def member(self, name: str) -> "Schema | None":
        """The schema of the member called `name`: a property, else the map's value type."""
        return self.properties.get(name) or self.additional


ANYTHING = Schema({"x-kubernetes-preserve-unknown-fields": True})
