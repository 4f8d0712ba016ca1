"""Reading collections: what is under a prefix and matches, of one revision, long ones in slices.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/storage/etcd3/store.go (GetList), which reads in pages, too.
"""

from msgspec import Struct

from fakekube.api.registry.label_index import LabelIndexes, Limits
from fakekube.api.registry.matching import Match, selected
from fakekube.api.registry.strategy import ServedResource
from fakekube.api.registry.turns import Turns
from fakekube.clock import Clock
from fakekube.machinery.selectors import EVERYTHING, Selector
from fakekube.store.interface import Compacted, Entry, Page, Store

_USUAL = Limits()
_SLICE = 1_000  # entries: half a millisecond to find them, and to look at their labels


class Range(Struct, frozen=True):
    """What to read: at most `limit` entries under a prefix beyond a key, as they were at a revision or are now."""

    prefix: str
    at: int | None = None
    after: str = ""
    limit: int | None = None


class Reading:
    """Reads of one store; `turns` are what all long answers share, `indexes` come and go with what is asked for."""

    def __init__(self, store: Store, clock: Clock, limits: Limits = _USUAL) -> None:
        self.turns = Turns(clock)
        self._store = store
        self.indexes = LabelIndexes(store, self.turns, limits)

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

    async def select(
        self,
        resource: ServedResource,
        wanted: Range,
        match: Match | None = None,
        labels: Selector = EVERYTHING,
    ) -> Page:
        """Those that match, all as they are at one revision; `labels` is what of `match` is about them.

        `remaining` counts what lies behind the last one, whether it matches or not. Raises what the store raises.
        """
        if match is not None and wanted.at in (None, self._store.revision):
            candidates = await self.indexes.candidates(resource, wanted.prefix, labels)
            if candidates is not None and wanted.at in (None, self._store.revision):
                return await self._among(candidates, wanted, match)
        try:
            page, looked_at = await self._select(resource, wanted, match, _SLICE)
        except Compacted:
            if wanted.at is not None:
                raise
            # More has been written meanwhile than the store remembers.
            page, looked_at = await self._select(resource, wanted, match, None)
        await self.indexes.looked(resource, wanted.prefix, labels, looked_at)
        return page

    async def _among(self, candidates: list[Entry], wanted: Range, match: Match) -> Page:
        """As `select`, of the present, where those that match are among the candidates."""
        found = selected([one for one in candidates if one.key > wanted.after], match)
        revision, limit = self._store.revision, wanted.limit
        if limit is None or len(found) < limit:
            return Page(found, revision)
        del found[limit:]
        behind = await self._store.list(wanted.prefix, after=found[-1].key, limit=1)
        return Page(found, revision, len(behind.entries) + behind.remaining)

    async def _select(
        self, resource: ServedResource, wanted: Range, match: Match | None, size: int | None
    ) -> tuple[Page, int]:
        """The page, and how many entries have been looked at for it, this many at a time."""
        at, after, limit = wanted.at, wanted.after, wanted.limit
        if match is None and limit is not None:
            size = limit if size is None else min(limit, size)
        found: list[Entry] = []
        looked_at = 0
        while True:
            page = await self.page(resource, wanted.prefix, at, after, size)
            looked_at += len(page.entries)
            some = page.entries if match is None else selected(page.entries, match)
            if limit is not None and len(found) + len(some) >= limit:
                found += some[: limit - len(found)]
                beyond = len(page.entries) - 1 - page.entries.index(found[-1])
                return Page(found, page.revision, page.remaining + beyond), looked_at
            found += some
            if not page.remaining:
                return Page(found, page.revision), looked_at
            at, after = page.revision, page.entries[-1].key
            await self.turns.next()
