"""What resources exist now. Built-in tables and CustomResourceDefinitions both end up here; everything else
(routing, discovery, OpenAPI, garbage collection) reads it. `revision` rises with every change."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from fakekube.api.registry.strategy import ServedResource


class Catalog:
    """(group, version, plural) → ServedResource, in the order of registration."""

    def __init__(self, resources: Iterable[ServedResource] = ()) -> None:
        self._served: dict[tuple[str, str, str], ServedResource] = {}
        self.revision = 0
        self._followers: dict[tuple[str, str, str], set[Callable[[], None]]] = {}
        self.aggregated: list[tuple[str, str]] = []  # (group, version) of what APIServices point elsewhere
        # What those say they serve, as far as they have been asked: entries of an APIResourceList.
        self.aggregated_resources: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.aggregated_documents: dict[tuple[str, str], Any] = {}  # their OpenAPI, likewise
        for resource in resources:
            self.add(resource)

    def add(self, resource: ServedResource) -> None:
        self._served[resource.group, resource.version, resource.plural] = resource
        self.revision += 1

    def remove(self, group: str, version: str, plural: str) -> None:
        if self._served.pop((group, version, plural), None):
            self.revision += 1
            for gone in list(self._followers.get((group, version, plural), ())):
                gone()

    @contextmanager
    def following(self, resource: ServedResource, gone: Callable[[], None]) -> Iterator[bool]:
        """Whether the resource is served, and `gone` is told, while the context is open, that it is no more."""
        key = resource.group, resource.version, resource.plural
        followers = self._followers.setdefault(key, set())
        followers.add(gone)
        try:
            yield key in self._served
        finally:
            followers.discard(gone)
            if not followers:
                self._followers.pop(key, None)

    def find(self, group: str, version: str, plural: str) -> ServedResource | None:
        return self._served.get((group, version, plural))

    def by_kind(self, group: str, version: str, kind: str) -> ServedResource | None:
        return next(
            (one for one in self if (one.group, one.version, one.kind) == (group, version, kind)), None
        )

    def __iter__(self) -> Iterator[ServedResource]:
        return iter(list(self._served.values()))

    def stored(self) -> Iterator[ServedResource]:
        """One per store prefix: the version objects are stored in, or the first that reads them."""
        seen: dict[str, ServedResource] = {}
        for one in self:
            known = seen.get(one.prefix)
            if known is None or one.api_version == one.storage_api_version:
                seen[one.prefix] = one
        yield from seen.values()


T = TypeVar("T")


class Derived(Generic[T]):
    """What is made from a catalog, once for each of its states."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._known: WeakKeyDictionary[Catalog, tuple[int, T]] = WeakKeyDictionary()

    def of(self, catalog: Catalog) -> T:
        known = self._known.get(catalog)
        if known is None or known[0] != catalog.revision:
            known = self._known[catalog] = catalog.revision, self._make()
        return known[1]
