"""Which writes concern a webhook or a policy: rules, exclusions, namespace and object selectors, equivalent versions.

What follows from the kind of write alone (operation, resource, subresource) is decided once and remembered by `Index`, so that a
write nobody asks about costs one look-up; names and labels are looked at write by write.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/{webhook/predicates,policy/matching}
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import Struct

from fakekube.api.admission.attributes import CREATE, UPDATE, Attributes
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery import selectors
from fakekube.machinery.selectors import Selector
from fakekube.machinery.wire import Object

NamespaceLabels = Callable[[str], Awaitable[Mapping[str, str]]]

GROUP = "admissionregistration.k8s.io"  # its objects are never subject to admission by hooks and policies
_ANY = "*"


class Rule(Struct, frozen=True):
    """`admissionregistration.RuleWithOperations`, and the names policies may add."""

    operations: frozenset[str]
    groups: frozenset[str]
    versions: frozenset[str]
    resources: tuple[str, ...]
    scope: str
    names: frozenset[str]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Rule":
        return cls(
            frozenset(raw.get("operations") or ()),
            frozenset(raw.get("apiGroups") or ()),
            frozenset(raw.get("apiVersions") or ()),
            tuple(raw.get("resources") or ()),
            raw.get("scope") or _ANY,
            frozenset(raw.get("resourceNames") or ()),
        )

    def covers(self, operation: str, resource: ServedResource, subresource: str) -> bool:
        """Whether such a write is meant, whatever its name."""
        return (
            _has(self.operations, operation)
            and _has(self.groups, resource.group)
            and _has(self.versions, resource.version)
            and self.scope in (_ANY, "Namespaced" if resource.namespaced else "Cluster")
            and any(_resource(pattern, resource.plural, subresource) for pattern in self.resources)
        )

    def names_one(self, name: str) -> bool:
        return not self.names or name in self.names


def _has(allowed: frozenset[str], value: str) -> bool:
    return value in allowed or _ANY in allowed


def _resource(pattern: str, plural: str, subresource: str) -> bool:
    wanted, _, sub = pattern.partition("/")
    return wanted in (_ANY, plural) and sub in (subresource, _ANY)


class Target(NamedTuple):
    """A rule that covers a kind of write, and the version of the resource it names."""

    rule: Rule
    resource: ServedResource


class Targets(NamedTuple):
    """What constraints say of a kind of write: the first rule that fits decides, unless an exclusion does."""

    chosen: tuple[Target, ...]
    excluded: tuple[Rule, ...]


class Constraints:
    """The rules and selectors of one webhook, policy or binding. Without rules they mean every write, where `open_` is set."""

    def __init__(self, raw: Mapping[str, Any], rules: str = "resourceRules", *, open_: bool = False) -> None:
        self._rules = tuple(Rule.of(one) for one in raw.get(rules) or ())
        self._excluded = tuple(Rule.of(one) for one in raw.get("excludeResourceRules") or ())
        self._exact = raw.get("matchPolicy") == "Exact"
        self._open = open_ and not self._rules
        self._namespaces = _selector(raw.get("namespaceSelector"))
        self._objects = _selector(raw.get("objectSelector"))

    def targets(
        self,
        operation: str,
        resource: ServedResource,
        subresource: str,
        equivalents: Iterable[ServedResource],
    ) -> Targets | None:
        """What can be said without the object; None when such a write is never meant."""
        versions = [resource, *(() if self._exact else equivalents)]
        excluded = self._covering(self._excluded, operation, versions, subresource) if self._excluded else ()
        if any(not one.rule.names for one in excluded):
            return None
        if self._open:
            return Targets((Target(_EVERYTHING, resource),), tuple(one.rule for one in excluded))
        chosen = self._covering(self._rules, operation, versions, subresource)
        return Targets(chosen, tuple(one.rule for one in excluded)) if chosen else None

    @staticmethod
    def _covering(
        rules: Sequence[Rule], operation: str, versions: Sequence[ServedResource], subresource: str
    ) -> tuple[Target, ...]:
        return tuple(
            Target(rule, version)
            for version in versions
            for rule in rules
            if rule.covers(operation, version, subresource)
        )

    async def match(
        self, targets: Targets, attributes: Attributes, namespace_labels: NamespaceLabels
    ) -> ServedResource | None:
        """The version of the resource in which this write is meant, None when it is not."""
        if self._objects is not None and not _object_selected(self._objects, attributes):
            return None
        if self._namespaces is not None and not await _namespace_selected(
            self._namespaces, attributes, namespace_labels
        ):
            return None
        name = attributes.name
        if any(rule.names_one(name) for rule in targets.excluded):
            return None
        return next((one.resource for one in targets.chosen if one.rule.names_one(name)), None)


_EVERYTHING = Rule(frozenset({_ANY}), frozenset({_ANY}), frozenset({_ANY}), ("*/*",), _ANY, frozenset())


def _selector(raw: Mapping[str, Any] | None) -> Selector | None:
    return selectors.from_object(raw) if raw else None


def labels_of(obj: Object | None) -> Mapping[str, str]:
    return ((obj or {}).get("metadata") or {}).get("labels") or {}


def _object_selected(wanted: Selector, attributes: Attributes) -> bool:
    return any(wanted.matches(labels_of(obj)) for obj in (attributes.obj, attributes.old) if obj is not None)


async def _namespace_selected(
    wanted: Selector, attributes: Attributes, namespace_labels: NamespaceLabels
) -> bool:
    """Writes at cluster scope are meant by every namespace selector, except those to namespaces themselves."""
    if attributes.resource.namespaced:
        return wanted.matches(await namespace_labels(attributes.namespace))
    if attributes.resource.plural != "namespaces":
        return True
    if attributes.operation in (CREATE, UPDATE) and not attributes.subresource:
        return wanted.matches(labels_of(attributes.obj))
    return wanted.matches(await namespace_labels(attributes.name))


T = TypeVar("T")


class Index(Generic[T]):
    """Things with constraints, found by the kind of write. The catalog tells which resources are equivalent."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._revision = -1
        self._items: tuple[tuple[T, Constraints], ...] = ()
        self._found: dict[tuple[ServedResource, str, str], tuple[tuple[T, Targets], ...]] = {}

    def set(self, items: Iterable[tuple[T, Constraints]]) -> None:
        """Replace everything; the order is kept."""
        self._items = tuple(items)
        self._found.clear()

    def find(self, attributes: Attributes) -> tuple[tuple[T, Targets], ...]:
        """What may concern this write."""
        if not self._items:
            return ()
        if self._catalog.revision != self._revision:
            self._revision = self._catalog.revision
            self._found.clear()
        key = (attributes.resource, attributes.operation, attributes.subresource)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = tuple(self._search(*key))
        return found

    def _search(
        self, resource: ServedResource, operation: str, subresource: str
    ) -> Iterable[tuple[T, Targets]]:
        if resource.group == GROUP:
            return
        equivalents = self.equivalents(resource, subresource)
        for item, constraints in self._items:
            targets = constraints.targets(operation, resource, subresource, equivalents)
            if targets is not None:
                yield item, targets

    def equivalents(self, resource: ServedResource, subresource: str) -> list[ServedResource]:
        """The other versions in which the same objects are served."""
        plural, prefix = resource.plural, resource.prefix
        return [
            one
            for one in self._catalog
            if one.plural == plural
            and one is not resource
            and one.prefix == prefix
            and (not subresource or any(sub.name == subresource for sub in one.subresources))
        ]
