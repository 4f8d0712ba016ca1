"""From an established CustomResourceDefinition to what is served: one ServedResource per served version.

k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/registry/customresource/{strategy,validator}.go, pkg/apiserver/customresource_handler.go
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import orjson
from msgspec import Struct

from fakekube.api import typed
from fakekube.api.extend import columns, versions
from fakekube.api.extend.jsonpath import finder
from fakekube.api.extend.stored import Schemas, converters
from fakekube.api.registry.strategy import (
    FieldGetter,
    Scale,
    ServedResource,
    Strategy,
    Subresource,
)
from fakekube.api.schema import metadata
from fakekube.api.schema.model import Schema
from fakekube.api.schema.structural import RULES_NOT_CHECKED, Structural, blocks_rules
from fakekube.machinery import field_errors, names, objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import BadRequest, forbidden
from fakekube.machinery.field_errors import FieldError
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

if TYPE_CHECKING:
    from fakekube.api.schema.rules import Rules

_MAX_REPLICAS = 2**31 - 1
_ANYTHING: Mapping[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


class Definition(Struct, frozen=True):
    """A CRD, and where the schema of a version is read, by its index."""

    crd: Object
    schema: Callable[[int], Mapping[str, Any]]

    @classmethod
    def of(cls, crd: Object) -> "Definition":
        return cls(crd, lambda index: _schema(crd, index))

    @classmethod
    def kept_as(cls, text: bytes, crd: Object) -> "Definition":
        """For a CRD whose JSON is kept anyway. Decoded, the schemas take four times that, and most are never asked for."""
        versions_ = [{k: v for k, v in one.items() if k != "schema"} for one in crd["spec"]["versions"]]
        outline = {**crd, "spec": {**crd["spec"], "versions": versions_}}
        return cls(outline, lambda index: _schema(orjson.loads(text), index))


def _schema(crd: Object, index: int) -> Mapping[str, Any]:
    raw: Mapping[str, Any] = dig(
        crd["spec"]["versions"][index], "schema", "openAPIV3Schema", default=_ANYTHING
    )
    return raw


def served(definition: Definition) -> list[ServedResource]:
    """One resource per served version, in the order of the CRD. The CRD is accepted, valid and defaulted."""
    schemas = _schemas(definition)
    versions_ = definition.crd["spec"]["versions"]
    return [_served(definition.crd, version, schemas) for version in versions_ if version.get("served")]


def _schemas(definition: Definition) -> Schemas:
    spec = definition.crd["spec"]
    named = [f"{spec['group']}/{version['name']}" for version in spec["versions"]]
    stored = next((at for at, one in enumerate(spec["versions"]) if one.get("storage")), 0)
    read = {name: partial(definition.schema, index) for index, name in enumerate(named)}
    return Schemas(read, named[stored], edited=objects.generation(definition.crd) > 1)


def _served(crd: Object, version: Mapping[str, Any], schemas: Schemas) -> ServedResource:
    spec, api_version = crd["spec"], f"{crd['spec']['group']}/{version['name']}"
    names = spec["names"]
    subresources = version.get("subresources") or {}
    scale = _scale(subresources.get("scale"))
    strategy = CustomResourceStrategy(
        names["kind"],
        api_version,
        schemas,
        status="status" in subresources,
        scale=scale,
        selectable=[field["jsonPath"] for field in version.get("selectableFields") or ()],
    )
    if objects.is_terminating(crd):
        strategy.refusing = (names["plural"], spec["group"])
    to_storage, from_storage = converters(schemas, api_version)
    return ServedResource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        singular=names.get("singular") or "",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        strategy=strategy,
        subresources=_subresources(names["kind"], subresources),
        scale=scale,
        columns=columns.columns(version.get("additionalPrinterColumns")),
        storage_version=schemas.stored.rpartition("/")[2],
        to_storage=to_storage,
        from_storage=from_storage,
        custom=True,
        deprecation=deprecation(spec, version),
        schema_name=schema_name(spec["group"], version["name"], names["kind"]),
        list_kind=names.get("listKind") or "",
    )


def _subresources(kind: str, declared: Mapping[str, Any]) -> tuple[Subresource, ...]:
    found = []
    if "status" in declared:
        found.append(Subresource("status", kind))
    if declared.get("scale"):
        found.append(Subresource("scale", "Scale", group="autoscaling", version="v1"))
    return tuple(found)


def _scale(declared: Mapping[str, Any] | None) -> Scale | None:
    if not declared:
        return None
    return Scale(
        declared["specReplicasPath"], declared["statusReplicasPath"], declared.get("labelSelectorPath") or ""
    )


def schema_name(group: str, version: str, kind: str) -> str:
    """What OpenAPI calls the kind: the group turned round, `io.kubevirt.v1.VirtualMachine`."""
    return ".".join([*reversed(group.split(".")), version, kind])


def deprecation(spec: Mapping[str, Any], version: Mapping[str, Any]) -> str:
    """The warning of a deprecated version: its own words, or where to go instead."""
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning"):
        return str(version["deprecationWarning"])
    group, kind, name = spec["group"], spec["names"]["kind"], version["name"]
    better = [
        other["name"]
        for other in spec["versions"]
        if other.get("served")
        and not other.get("deprecated")
        and versions.priority(other["name"]) > versions.priority(name)
    ]
    said = f"{group}/{name} {kind} is deprecated"
    return f"{said}; use {group}/{max(better, key=versions.priority)} {kind}" if better else said


class CustomResourceStrategy(Strategy):
    """The rules of one version of one CRD."""

    unconditional_update = False

    def __init__(
        self,
        kind: str,
        api_version: str,
        schemas: Schemas,
        *,
        status: bool = False,
        scale: Scale | None = None,
        selectable: Sequence[str] = (),
    ) -> None:
        """What is read in another version than it is stored in shares nothing: an update defaults all of it by this one."""
        self.shares_parts = api_version == schemas.stored
        self.kind = kind
        self.api_version = api_version
        self.schemas = schemas
        self.status_subresource = status
        self.scale = scale
        self.selectable = {path.lstrip("."): _field(path) for path in selectable}
        self.refusing: tuple[str, str] | None = None  # plural and group, once the CRD is being deleted

    @cached_property
    def structural(self) -> Structural:
        """The schema as the CRD has it, read when somebody first writes, patches or describes such an object."""
        return self.schemas.of(self.api_version)

    @property
    def raw(self) -> Mapping[str, Any]:
        return self.structural.schema.raw

    @cached_property
    def schema(self) -> Schema | None:  # type: ignore[override]  # made when a patch first asks for it
        schema = metadata.with_type_and_object_meta(self.raw)
        schema.revised = self.schemas.edited
        return schema

    @cached_property
    def rules(self) -> "Rules | None":
        """The CEL rules, compiled when the first object is validated."""
        from fakekube.api.schema.rules import Rules  # noqa: PLC0415 - most servers start without needing CEL

        return Rules.of(self.structural.schema)

    def prune(self, obj: Object) -> Sequence[str]:
        """Raises BadRequest when the metadata cannot be decoded."""
        return self.prune_update(obj, {})

    def prune_update(self, obj: Object, old: Object) -> Sequence[str]:
        unknown: Sequence[str] = ()
        if (meta := obj.get("metadata")) is not None:
            try:
                unknown = typed.decode_metadata(meta, old.get("metadata") or {})
            except ValueError as why:
                version = self.api_version.rpartition("/")[2]
                said = f'{self.kind} in version "{version}" cannot be handled as a {self.kind}: {why}'
                raise BadRequest(said) from None
        return [*unknown, *self.structural.prune(obj, old)]

    def default(self, obj: Object) -> None:
        self.structural.default(obj)

    def default_update(self, new: Object, old: Object) -> None:
        self.structural.default(new, old)

    def prepare_create(self, obj: Object) -> None:
        """Raises Forbidden while the CRD is being deleted."""
        if self.refusing is not None:
            why = "create not allowed while custom resource definition is terminating"
            raise forbidden(*self.refusing, objects.name(obj), why)
        if self.status_subresource:
            obj.pop("status", None)

    def prepare_update(self, new: Object, old: Object) -> None:
        if not self.status_subresource:
            return
        if "status" in old:
            new["status"] = old["status"]
        else:
            new.pop("status", None)

    def validate_create(self, obj: Object) -> list[FieldError]:
        return self._validate(obj, None)

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        return self._validate(new, old)

    def validate_status_update(self, new: Object, old: Object) -> list[FieldError]:
        return self._validate(new, old, spec_counts=False)

    def null_causes(self, new: Object, old: Object | None) -> list[FieldError]:
        judged = copy_of(new)
        self.structural.default_keeping_nulls(judged)
        return self._validate(judged, old)

    def warnings(self, obj: Object, old: Object | None) -> list[str]:
        had = set((old or {}).get("metadata", {}).get("finalizers") or ())
        return [
            f'metadata.finalizers: "{one}": prefer a domain-qualified finalizer name including a path (/) to avoid '
            "accidental conflicts with other finalizer writers"
            for one in sorted({*(obj["metadata"].get("finalizers") or ())} - had)
            if names.unqualified_finalizer(one, "")
        ]

    def _validate(self, new: Object, old: Object | None, *, spec_counts: bool = True) -> list[FieldError]:
        wrong = self._wrong_type(new)
        if wrong:
            return wrong
        found = self.structural.validate(new, old)
        if self.scale is not None:
            found += _check_scale(self.scale, new, spec_counts=spec_counts)
        if self.rules is not None:
            found += [RULES_NOT_CHECKED] if blocks_rules(found) else self.rules.validate(new, old)
        return found

    def _wrong_type(self, obj: Object) -> list[FieldError]:
        found = []
        for member, wanted in (("kind", self.kind), ("apiVersion", self.api_version)):
            if obj.get(member) != wanted:
                found.append(field_errors.invalid(member, obj.get(member), f"must be {wanted}"))
        return found


def _field(path: str) -> FieldGetter:
    """A selectable field as text: booleans and numbers as JSON prints them, nothing as the empty string."""
    find = finder(path)

    def get(obj: Object) -> str:
        found = find(obj)
        value = found[0] if found else None
        if isinstance(value, bool):
            return "true" if value else "false"
        return "" if value is None else str(value)

    return get


def _check_scale(scale: Scale, obj: Object, *, spec_counts: bool) -> list[FieldError]:
    paths = [scale.spec_replicas, scale.status_replicas] if spec_counts else [scale.status_replicas]
    found = []
    for path in paths:
        value = dig(obj, *path.strip(".").split("."))
        if isinstance(value, bool) or not isinstance(value, int):
            continue  # the schema's complaint, if it has one
        if value < 0:
            found.append(field_errors.invalid(path, value, "should be a non-negative integer"))
        elif value > _MAX_REPLICAS:
            found.append(
                field_errors.invalid(path, value, f"should be less than or equal to {_MAX_REPLICAS}")
            )
    return found
