r"""Indexes of labels, for lists by label that are asked for again and again: they need not look at every object.

An index is of one label under one prefix. It has no part in writes: it follows the store's log as any watch does, and
catches up when it is asked. What it finds are candidates, which are then judged as any entry is. Only the present can be found by
it, and only what few objects have: everything else is looked for among all of them.

    value NUL key, sorted     "blue\0/configmaps/default/b"  "red\0/configmaps/default/a"  "red\0/configmaps/default/c"
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable

from msgspec import Struct
from sortedcontainers import SortedList

from fakekube.api.registry import codec
from fakekube.api.registry.strategy import ServedResource
from fakekube.api.registry.turns import Turns
from fakekube.machinery.selectors import IN, Requirement, Selector
from fakekube.store.interface import Compacted, Entry, Progress, Store, Watch

_REMEMBERED = 256
_SLICE = 250  # entries, each to be put into its place: half a millisecond
_END, _BEHIND = "\0", "\1"

_Name = tuple[str, str]  # (prefix, label)


class Limits(Struct, frozen=True):
    """When an index is worth its memory."""

    often: int = 3  # as many looks at everything, and the next one has an index
    small: int = 1_000  # entries; where there are no more, all of them are looked at
    few: int = 2_000  # candidates; for more than these all entries are looked at, a slice at a time
    most: int = 500_000  # labels in all indexes together: 60 MB


class Lost(Exception):
    """The store has forgotten what the index has not seen yet."""


class _Index:
    """Which keys have which value of one label, as far as `_watch` has been read."""

    def __init__(self, resource: ServedResource, label: str, watch: Watch) -> None:
        self._resource = resource
        self._label = label
        self._watch = watch
        self._pairs: SortedList[str] = SortedList()

    def __len__(self) -> int:
        return len(self._pairs)

    def add(self, entries: Iterable[Entry]) -> None:
        self._pairs.update([pair for entry in entries if (pair := self._pair(entry)) is not None])

    async def catch_up(self, turns: Turns) -> None:
        """Follow the store to the present. Raises Lost."""
        while True:
            self._watch.nudge()  # whatever there is, the next read does not wait
            try:
                news = await anext(self._watch)
            except (Compacted, StopAsyncIteration) as lost:
                raise Lost from lost
            if isinstance(news, Progress):
                return
            for event in news:
                self._change(self._pair(event.previous), self._pair(event.entry))
            await turns.next()

    def keys(self, values: Iterable[str], most: int) -> list[str] | None:
        """The keys that have one of these values, sorted; None when they are more than that."""
        ranges = [
            (self._pairs.bisect_left(value + _END), self._pairs.bisect_left(value + _BEHIND))
            for value in set(values)
        ]
        if sum(high - low for low, high in ranges) > most:
            return None
        return sorted(pair.partition(_END)[2] for low, high in ranges for pair in self._pairs[low:high])

    async def close(self) -> None:
        await self._watch.aclose()

    def _change(self, old: str | None, new: str | None) -> None:
        if old == new:
            return  # most writes leave labels alone
        if old is not None:
            self._pairs.discard(old)
        if new is not None:
            self._pairs.add(new)

    def _pair(self, entry: Entry | None) -> str | None:
        if entry is None:
            return None
        value = codec.memo(self._resource, entry).labels.get(self._label)
        return None if value is None else value + _END + entry.key


class LabelIndexes:
    """The indexes of one store, the one used last at the end."""

    def __init__(self, store: Store, turns: Turns, limits: Limits) -> None:
        self._store = store
        self._turns = turns
        self._limits = limits
        self._indexes: OrderedDict[_Name, _Index] = OrderedDict()
        self._looked: Counter[_Name] = Counter()

    def __len__(self) -> int:
        return sum(map(len, self._indexes.values()))

    async def candidates(self, resource: ServedResource, prefix: str, labels: Selector) -> list[Entry] | None:
        """Entries among which are all that `labels` selects at the store's revision, in the order of keys, or None."""
        for one in _indexable(resource, labels):
            index = self._indexes.get((prefix, one.key))
            if index is None:
                continue
            self._indexes.move_to_end((prefix, one.key))
            try:
                await index.catch_up(self._turns)
            except Lost:
                await self._drop((prefix, one.key))
                continue
            keys = index.keys(one.values, self._limits.few)
            if keys is None:
                continue
            revision = self._store.revision
            found = [entry for key in keys if (entry := await self._store.get(key)) is not None]
            if self._store.revision == revision:  # a store in memory does not wait
                return found
        return None

    async def looked(self, resource: ServedResource, prefix: str, labels: Selector, count: int) -> None:
        """All of so many entries under the prefix have been looked at; if that is often, the next one need not."""
        if count < self._limits.small:
            return
        for one in _indexable(resource, labels):
            name = prefix, one.key
            if name in self._indexes:
                continue
            if len(self._looked) >= _REMEMBERED:
                self._looked.clear()
            self._looked[name] += 1
            if self._looked[name] == self._limits.often:
                await self._build(resource, name)
                self._looked.pop(name, None)

    async def _build(self, resource: ServedResource, name: _Name) -> None:
        prefix, label = name
        page = await self._store.list(prefix, limit=_SLICE)
        if page.remaining > self._limits.most:
            return
        index = _Index(resource, label, self._store.watch(prefix, page.revision))
        try:
            while True:
                index.add(page.entries)
                if not page.remaining:
                    break
                await self._turns.next()
                page = await self._store.list(prefix, page.revision, page.entries[-1].key, _SLICE)
        except Compacted:
            await index.close()
            return
        self._indexes[name] = index
        while len(self) > self._limits.most:
            await self._drop(next(iter(self._indexes)))

    async def _drop(self, name: _Name) -> None:
        if (index := self._indexes.pop(name, None)) is not None:
            await index.close()


def _indexable(resource: ServedResource, labels: Selector) -> list[Requirement]:
    """The terms an index can answer; not where a webhook converts objects, which may change their labels."""
    if resource.conversion is not None or labels.nothing:
        return []
    return [one for one in labels.requirements if one.operator == IN]
