"""Hooks of a kind: what one resource does differently. No I/O; the registry calls them in a fixed order.

create: default → prepare_create → (system metadata) → complete_create → validate_create → warnings
update: default → prepare_update → (system metadata) → validate_update → warnings

Origin: k8s: staging/src/k8s.io/apiserver/pkg/registry/rest/{create,update}.go
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import Struct

from fakekube.api.schema.model import Schema
from fakekube.machinery.field_errors import FieldError
from fakekube.machinery.objects import alike
from fakekube.machinery.wire import Object
from fakekube.store.interface import Entry, Event

FieldGetter = Callable[[Object], str]


class Column(Struct, frozen=True):
    """A printer column: its header and how a cell is read. Priority 0 is shown always, 1 with `-o wide`."""

    name: str
    type: str
    cell: Callable[[Object], Any]
    description: str = ""
    format: str = ""
    priority: int = 0


class Strategy:
    """The defaults: nothing is special, status is part of the object, every change of spec raises generation."""

    schema: Schema | None = None  # for pruning, patches and apply; None means anything goes
    status_subresource: bool = False  # main resource writes leave `status` alone, `/status` writes only it
    status_metadata: tuple[str, ...] = ()  # metadata that a `/status` write may change all the same
    has_generation: bool = True  # whether objects of this kind carry metadata.generation
    selectable: Mapping[str, FieldGetter] = {}  # field selectors beyond metadata.name and metadata.namespace
    graceful: bool = False  # DELETE may leave the object for a grace period (pods)
    allow_create_on_update: bool = False  # PUT of an absent object creates it
    unconditional_update: bool = True  # PUT without resourceVersion is allowed (custom resources: not)
    name_rule: str = "subdomain"  # how names are checked: subdomain, label, label1035, path, any
    metadata_rechecks: int = (
        0  # how often an update is checked as a new object's metadata is: faults are listed as often
    )
    qualified_finalizers: bool = False  # finalizers need a domain, but for the standard ones
    delete_returns_object: bool = False  # DELETE answers with the object instead of a Status
    empty_members: Mapping[str, Any] = {}  # members Go prints even when empty: a bookmark shows them
    default_propagation: str = "Background"  # what DELETE without a policy means (Jobs: Orphan)
    shares_parts: bool = (
        False  # an update may hold parts of the stored object: no hook changes those in place
    )
    propagation_warning: str = ""  # what is remarked when that default decides

    def prune(self, obj: Object) -> Sequence[str]:
        """Remove what the schema does not know, in place; the paths removed, as `unknown field` warnings name them."""
        return ()

    def prune_update(self, new: Object, _old: Object) -> Sequence[str]:
        """As `prune`, for a change of `old`, whose members have been pruned before; `new` may share some."""
        return self.prune(new)

    def default_update(self, new: Object, _old: Object) -> None:
        """As `default`, for a change of `old`, whose members have been defaulted before; `new` may share some."""
        self.default(new)

    def default(self, obj: Object) -> None:
        """Fill in defaults, in place."""

    def prepare_create(self, obj: Object) -> None:
        """Normalise a new object, in place (drop status, set initial values)."""

    def complete_create(self, obj: Object) -> None:
        """Derive what needs the new object's name, uid or time, in place. Runs again when a generated name was taken."""

    def prepare_update(self, new: Object, old: Object) -> None:
        """Normalise a changed object, in place."""

    def prepare_status_update(self, new: Object, old: Object) -> None:
        """Normalise a status write, in place: the registry has already kept spec and most metadata."""

    def prepare_subresource_update(self, subresource: str, new: Object, old: Object) -> None:
        """Normalise a write through any other subresource that shows the object (`pods/resize`), in place."""

    def null_causes(self, new: Object, old: Object | None) -> list[FieldError]:
        """What validation says of a merged object with the nulls somebody applied, before defaulting drops them."""
        return []

    def validate_create(self, obj: Object) -> list[FieldError]:
        return []

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        return []

    def validate_status_update(self, new: Object, old: Object) -> list[FieldError]:
        return []

    def validate_subresource_update(self, subresource: str, new: Object, old: Object) -> list[FieldError]:
        return []

    def grace_period(self, obj: Object, asked: int | None) -> int:
        """Seconds a graceful kind is left after DELETE."""
        return asked or 0

    def blocks_deletion(self, obj: Object) -> bool:
        """Whether something beside metadata.finalizers keeps a deleted object (namespaces: spec.finalizers)."""
        return False

    def prepare_delete(self, obj: Object) -> None:
        """Mark an object that is about to wait for its end, in place (namespaces: phase Terminating). Below metadata and its
        own members it is shared with others."""

    def warnings(self, obj: Object, old: Object | None) -> list[str]:
        """Texts for `Warning` headers of a successful write."""
        return []

    def changes_generation(self, new: Object, old: Object) -> bool:
        """Whether this update raises metadata.generation: anything beside metadata and (if separate) status changed."""
        ignored = {"metadata", "status"} if self.status_subresource else {"metadata"}
        return any(
            name not in ignored and not (name in new and name in old and alike(new[name], old[name]))
            for name in new.keys() | old.keys()
        )


class Scale(Struct, frozen=True):
    """Where a resource keeps what its scale subresource shows: dotted paths like `.spec.replicas`."""

    spec_replicas: str
    status_replicas: str
    selector: str = ""


class Subresource(Struct, frozen=True):
    """One entry of discovery below a resource, with the verbs it answers."""

    name: str
    kind: str
    verbs: tuple[str, ...] = ("get", "patch", "update")
    group: str = (
        ""  # of the kind, where it differs from the parent's (Scale: autoscaling/v1, Eviction: policy/v1)
    )
    version: str = ""


ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
Converter = Callable[[Object], Object]


class Conversion(Protocol):
    """Somebody has to be asked to convert: entries and events of the store are brought into a version before anybody
    looks at them, values brought back before they are stored. Each may raise ApiError."""

    async def read(self, entries: Sequence[Entry]) -> list[Entry]: ...

    async def events(self, batch: Sequence[Event]) -> list[Event]: ...

    async def write(self, value: bytes) -> bytes: ...

    async def show(self, obj: Object, wanted: "ServedResource") -> Object:
        """An object of this version in another one."""
        ...


@dataclass(eq=False)
class ServedResource:
    """One resource in one version, as the catalog knows it: enough to route, to print and to store."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    strategy: Strategy = field(default_factory=Strategy)
    subresources: tuple[Subresource, ...] = ()
    scale: Scale | None = None
    columns: tuple[Column, ...] = ()
    storage_group: str | None = None  # stored with another group's objects (events); None: its own
    storage_version: str = ""  # empty: this version
    to_storage: Converter | None = None  # this version → the stored one, beyond the apiVersion
    from_storage: Converter | None = None
    conversion: Conversion | None = None  # instead of these two, where a webhook converts
    custom: bool = False  # from a CustomResourceDefinition
    deprecation: str = ""  # the text of the Warning header, when this version is deprecated
    schema_name: str = ""  # in OpenAPI: `io.k8s.api.core.v1.Pod`
    list_kind: str = ""

    # What every request asks for.
    api_version: str = field(init=False)  # one text, which every object that is handed out has
    storage_api_version: str = field(init=False)
    prefix: str = field(
        init=False
    )  # where its objects lie in the store; custom resources' by group, as upstream
    head: bytes = field(init=False)  # the bytes of an object before its resourceVersion; see codec

    def __post_init__(self) -> None:
        self.storage_version = self.storage_version or self.version
        self.storage_group = self.group if self.storage_group is None else self.storage_group
        self.api_version = _version_of(self.group, self.version)
        self.storage_api_version = _version_of(self.storage_group, self.storage_version)
        self.prefix = f"/registry/{self.group}/{self.plural}/" if self.custom else f"/registry/{self.plural}/"
        self.head = b'{"apiVersion":"%b","kind":"%b","metadata":{"resourceVersion":"' % (
            self.api_version.encode(),
            self.kind.encode(),
        )
        self.list_kind = self.list_kind or f"{self.kind}List"
        self.singular = self.singular or self.kind.lower()

    def key(self, namespace: str, name: str) -> str:
        return f"{self.prefix}{namespace}/{name}" if self.namespaced else f"{self.prefix}{name}"


def _version_of(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version
