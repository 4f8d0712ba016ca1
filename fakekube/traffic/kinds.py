"""What people call the kinds a catalog serves: plural, singular, kind, short names, and the plural with its group."""

from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.strategy import ServedResource


class Kinds:
    """Names of kinds, worked out anew when the catalog has changed."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._revision = -1
        self._by_resource: dict[tuple[str, str], frozenset[str]] = {}
        self._by_plural: dict[str, frozenset[str]] = {}
        self._every: frozenset[str] = frozenset()

    def names(self, group: str, plural: str) -> frozenset[str]:
        """Everything a resource may be called. Of an aggregated one (`subresources.kubevirt.io`), what its plural means."""
        self._refresh()
        return self._by_resource.get((group, plural)) or self._by_plural.get(plural) or frozenset((plural,))

    def every_name(self) -> frozenset[str]:
        self._refresh()
        return self._every

    def _refresh(self) -> None:
        if self._revision == self._catalog.revision:
            return
        self._revision = self._catalog.revision
        self._by_resource = {(one.group, one.plural): _names(one) for one in self._catalog}
        self._by_plural = {}
        for (_, plural), names in self._by_resource.items():
            self._by_plural[plural] = self._by_plural.get(plural, frozenset()) | names
        self._every = frozenset().union(*self._by_resource.values())


def _names(one: ServedResource) -> frozenset[str]:
    full = f"{one.plural}.{one.group}" if one.group else one.plural
    return frozenset(name.lower() for name in (one.plural, one.singular, one.kind, full, *one.short_names))
