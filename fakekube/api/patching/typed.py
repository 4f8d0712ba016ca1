"""What a schema says about ownership: which values are leaves, which lists have keys, what a new object already holds.

A `Type` is a schema node read once for apply: every value is a scalar, a list or a map of some kind, and one that the
schema leaves open is deduced from what is there (maps granular, lists atomic). Types are made lazily and kept with
their root schema.

Origin: k8s.io/kube-openapi: pkg/schemaconv/openapi.go; structured-merge-diff: typed/{helpers,parser}.go
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from fakekube.api.patching.fieldset import key_text
from fakekube.api.schema.model import Definitions, Schema, reference

_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"

# Struct fields Go holds by value: they are there, empty, before anybody set them, so setting a field below them makes
# nobody the owner of the struct itself. OpenAPI does not tell them from pointers.
_HELD_BY_VALUE = frozenset(
    {"metadata", "spec", "status", "template", "strategy", "updateStrategy", "jobTemplate"}
)
_HELD_BY_VALUE_IN: Mapping[str, frozenset[str]] = {
    "Event": frozenset({"source", "involvedObject", "firstTimestamp", "lastTimestamp", "eventTime"}),
    "IngressStatus": frozenset({"loadBalancer"}),
    "NetworkPolicySpec": frozenset({"podSelector"}),
    "NodeDaemonEndpoints": frozenset({"kubeletEndpoint"}),
    "NodeStatus": frozenset({"daemonEndpoints", "nodeInfo"}),
    "ObjectMeta": frozenset({"creationTimestamp"}),
    "PersistentVolumeClaimSpec": frozenset({"resources"}),
    "ResourceClaimSpec": frozenset({"devices"}),
    "ServiceStatus": frozenset({"loadBalancer"}),
}


_UNADDRESSABLE = "?"


class ElementError(ValueError):
    """A list item that cannot be addressed: it lacks a key, or is nothing a set may hold."""


class _Fields(dict[str, "Type | None"]):
    """The members of a type. Few of those that schemas of custom resources declare are ever written."""

    def __init__(self, kind: "Type", known: Mapping[str, "Type"]) -> None:
        super().__init__(known)
        self._kind = kind

    def __missing__(self, name: str) -> "Type | None":
        found = self._kind.declared(name)
        if found is not None:
            self[name] = found
        return found


class Type:
    """How values at one place are owned. Exactly the kinds with a non-empty attribute are allowed there."""

    revised = False  # of roots: whether ownership may have been recorded under an earlier schema

    def __init__(self, schema: Schema, name: str = "", *, open_below: bool = False) -> None:
        kind = schema.type
        self.name = name  # of the definition behind a reference, or the kind at the root
        self.open_below = open_below or schema.preserve_unknown
        untyped = (
            kind not in {"object", "array", "string", "integer", "number", "boolean"} or schema.int_or_string
        )
        self.scalar = "untyped" if untyped else _scalar(schema, name)
        self.list = _list_kind(schema) if untyped or kind == "array" else ""
        self.map = schema.map_type if untyped or kind == "object" else ""
        self.keys = _list_keys(schema) if self.list == "map" else ()
        self._only_key = f'k:{{"{self.keys[0]}":' if len(self.keys) == 1 else ""
        self.granular = self.map == "granular"
        self.keyed = self.list in {"map", "set"}
        self._definitions = schema.definitions
        self._properties: Mapping[str, Any] = schema.raw.get("properties") or {}
        self._additional = schema.raw.get("additionalProperties")
        self._items = schema.raw.get("items")
        self._required = schema.required
        self._resource = schema.embedded_resource

    def _child(self, raw: Mapping[str, Any]) -> "Type":
        return Type(self._definitions.node(raw), reference(raw) or "", open_below=self.open_below)

    @cached_property
    def fields(self) -> "_Fields":
        """The declared members of a struct, each made when it is first asked for; None of what is not declared."""
        return _Fields(self, _RESOURCE_FIELDS if self._resource else {})

    @property
    def declares(self) -> bool:
        """Whether there are declared members."""
        return bool(self._properties or self.fields)

    def declared(self, name: str) -> "Type | None":
        """What the schema says of a member; `fields` keeps it."""
        raw = self._properties.get(name)
        return None if raw is None else self._child(raw)

    @cached_property
    def element(self) -> "Type | None":
        """The type of members that are not declared; None when there may be none."""
        if isinstance(self._additional, Mapping):
            return self._child(self._additional)
        if self._additional is None:
            return DEDUCED if self.open_below or not self._properties else None
        return DEDUCED if self._additional else None

    @cached_property
    def item(self) -> "Type":
        """The type of a list's items."""
        return self._child(self._items) if isinstance(self._items, Mapping) else DEDUCED

    @cached_property
    def held(self) -> frozenset[str]:
        """The members a new struct has before anybody sets them. Custom resources have none."""
        if not self.name:
            return frozenset()
        by_value = _HELD_BY_VALUE | _HELD_BY_VALUE_IN.get(self.name.rpartition(".")[2], frozenset())
        return (by_value & self._properties.keys()) | frozenset(self._required)

    @cached_property
    def key_defaults(self) -> Mapping[str, Any]:
        """The values list keys have when an item leaves them out."""
        members = self.item._properties  # noqa: SLF001 - the same class
        defaults = {key: members.get(key, {}).get("default") for key in self.keys}
        return {key: value for key, value in defaults.items() if value is not None}

    def member(self, name: str) -> "Type | None":
        """The type of the member called `name`, None when it is not declared."""
        return self.fields[name] or self.element

    def element_of(self, value: Any) -> str:
        """The path element that addresses a list item. Raises ElementError when it has none."""
        if not self.keys:
            return self._value_element(value)
        if value is None:
            raise ElementError("associative list with keys may not have a null element")
        if not isinstance(value, dict):
            raise ElementError("associative list with keys may not have non-map elements")
        if self._only_key:
            key = value.get(self.keys[0])
            if key is not None:
                return f"{self._only_key}{key_text(key)}}}"
        return self._key_element(value)

    def _key_element(self, value: Mapping[str, Any]) -> str:
        found: dict[str, Any] = {}
        for name in self.keys:
            if name in value:
                found[name] = value[name]
            elif name in self.key_defaults:
                found[name] = self.key_defaults[name]
            else:
                raise ElementError(
                    f'associative list with keys has an element that omits key field "{name}" '
                    "(and doesn't have default value)"
                )
        return f"k:{key_text(found)}"

    @staticmethod
    def _value_element(value: Any) -> str:
        if isinstance(value, dict):
            raise ElementError("associative list without keys has an element that's a map type")
        if isinstance(value, list):
            raise ElementError("not supported: associative list with lists as elements")
        if value is None:
            raise ElementError("associative list without keys has an element that's an explicit null")
        return f"v:{key_text(value)}"

    def index(self, values: Sequence[Any], *, strict: bool = True) -> dict[str, Any]:
        """A keyed list's items by path element. An element that occurs twice leads to `Repeated`.

        Raises ElementError for an item that cannot be addressed, or files it under no real element.
        """
        found: dict[str, Any] = {}
        for value in values:
            try:
                element = self.element_of(value)
            except ElementError:
                if strict:
                    raise
                found[_UNADDRESSABLE] = value
                continue
            before = found.get(element, found)
            if before is found:
                found[element] = value
            elif isinstance(before, Repeated):
                before.append(value)
            else:
                found[element] = Repeated((before, value))
        return found


class Repeated(list[Any]):
    """The items of a list that share one path element. They are owned, compared and replaced as one."""


def _list_kind(schema: Schema) -> str:
    """The declared kind of list; lists that strategic merge patch merges are keyed even when they do not say so."""
    if "x-kubernetes-list-type" not in schema.raw and "merge" in schema.patch_strategies:
        return "map" if schema.patch_merge_key else "set"
    return schema.list_type


def _list_keys(schema: Schema) -> tuple[str, ...]:
    return schema.list_map_keys or ((schema.patch_merge_key,) if schema.patch_merge_key else ())


def _scalar(schema: Schema, name: str) -> str:
    kind = schema.type
    if kind in {"object", "array"}:
        return ""
    if kind == "string":
        plain = schema.raw.get("format") in {None, "", "byte"} and name != _QUANTITY
        return "string" if plain else "untyped"
    return "boolean" if kind == "boolean" else "number"


DEDUCED = Type(Schema({"x-kubernetes-preserve-unknown-fields": True}))

_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_WHOLE = {"type": "integer", "format": "int64"}
_OWNER = {
    "type": "object",
    "x-kubernetes-map-type": "atomic",
    "required": ["apiVersion", "kind", "name", "uid"],
    "properties": dict.fromkeys(("apiVersion", "kind", "name", "uid"), _TEXT)
    | {name: {"type": "boolean"} for name in ("controller", "blockOwnerDeletion")},
}
OBJECT_META = Type(
    Schema(
        {
            "type": "object",
            "properties": {
                **dict.fromkeys(
                    ("name", "namespace", "generateName", "uid", "resourceVersion", "selfLink"), _TEXT
                ),
                **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), _TIME),
                **dict.fromkeys(("generation", "deletionGracePeriodSeconds"), _WHOLE),
                **dict.fromkeys(("labels", "annotations"), _TEXTS),
                "finalizers": {"type": "array", "items": _TEXT, "x-kubernetes-list-type": "set"},
                "managedFields": {"type": "array", "items": {"type": "object"}},
                "ownerReferences": {
                    "type": "array",
                    "items": _OWNER,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["uid"],
                },
            },
        }
    ),
    "ObjectMeta",
)
_STRING = Type(Schema(_TEXT))
_RESOURCE_FIELDS: Mapping[str, Type] = {"apiVersion": _STRING, "kind": _STRING, "metadata": OBJECT_META}


def root_type(schema: Schema | None) -> Type:
    """The type of whole objects of this schema. Every kind has apiVersion, kind and metadata, whatever it declares."""
    if schema is None:
        return _ANY_OBJECT
    found: Type | None = schema.compiled.get("root type")
    if found is None:
        found = schema.compiled["root type"] = _Root(schema)
    return found


class _Root(Type):
    def __init__(self, schema: Schema) -> None:
        kinds = schema.raw.get("x-kubernetes-group-version-kind") or [{}]
        super().__init__(schema, str(kinds[0].get("kind") or ""))
        self.revised = schema.revised
        self.map = self.map or "granular"
        self.granular = self.map == "granular"

    @cached_property
    def fields(self) -> "_Fields":
        return _Fields(self, _RESOURCE_FIELDS)


_ANY_OBJECT: Type = _Root(Schema({"x-kubernetes-preserve-unknown-fields": True}, Definitions({})))
