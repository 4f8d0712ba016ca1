"""Reading collections: what is under a prefix and matches, of one revision, long ones in slices.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/storage/etcd3/store.go (GetList), which reads in pages, too.
"""

from dataclasses import dataclass

from fakekube.api.registry.matching import Match, selected
from fakekube.api.registry.strategy import ServedResource
from fakekube.api.registry.turns import Turns
from fakekube.clock import Clock
from fakekube.store.interface import Compacted, Entry, Page, Store

_SLICE = 1_000  # entries: half a millisecond to find them, and to look at their labels


@dataclass(frozen=True, slots=True)
class Range:
    """What to read: at most `limit` entries under a prefix beyond a key, as they were at a revision or are now."""

    prefix: str
    at: int | None = None
    after: str = ""
    limit: int | None = None


class Reading:
    """Reads of one store; `turns` are what all long answers share."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.turns = Turns(clock)
        self._store = store

    async def page(
        self,
        resource: ServedResource,
        prefix: str,
        at: int | None = None,
        after: str = "",
        limit: int | None = None,
    ) -> Page:
        """A page of the store, in `resource`'s version. Raises what the store raises."""
        page = await self._store.list(prefix, at, after, limit)
        if resource.conversion is None:
            return page
        return Page(await resource.conversion.read(page.entries), page.revision, page.remaining)

    async def select(self, resource: ServedResource, wanted: Range, match: Match | None = None) -> Page:
        """Those that match, all as they are at one revision.

        `remaining` counts what lies behind the last one, whether it matches or not. Raises what the store raises.
        """
        try:
            return await self._select(resource, wanted, match, _SLICE)
        except Compacted:
            if wanted.at is not None:
                raise
            # More has been written meanwhile than the store remembers.
            return await self._select(resource, wanted, match, None)

    async def _select(
        self, resource: ServedResource, wanted: Range, match: Match | None, size: int | None
    ) -> Page:
        at, after, limit = wanted.at, wanted.after, wanted.limit
        if match is None and limit is not None:
            size = limit if size is None else min(limit, size)
        found: list[Entry] = []
        while True:
            page = await self.page(resource, wanted.prefix, at, after, size)
            some = page.entries if match is None else selected(page.entries, match)
            if limit is not None and len(found) + len(some) >= limit:
                found += some[: limit - len(found)]
                beyond = len(page.entries) - 1 - page.entries.index(found[-1])
                return Page(found, page.revision, page.remaining + beyond)
            found += some
            if not page.remaining:
                return Page(found, page.revision)
            at, after = page.revision, page.entries[-1].key
            await self.turns.next()
