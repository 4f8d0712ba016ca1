"""The store in memory: sorted keys and an event log.

There is no per-key history: a read of the past takes the present and undoes the events since. That costs what
happened since, which for pagination is little, and makes keeping the past as cheap as the log.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from sortedcontainers import SortedDict

from fakekube.store.channel import Channels, Cursor
from fakekube.store.interface import (
    Compacted,
    Conflict,
    Entry,
    Event,
    Exists,
    FutureRevision,
    NotFound,
    Page,
)
from fakekube.store.log import EventLog


class MemoryStore:
    """A `Store` for one event loop. Calls never wait, so each one is a transaction.

    `retention` is how many events are kept for watches and reads of the past.
    """

    def __init__(self, *, retention: int = 50_000, revision: int = 0) -> None:
        self._entries: SortedDict = SortedDict()
        self._revision = revision
        self._log = EventLog(revision, retention)
        self._channels = Channels(self._log)

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def oldest(self) -> int:
        return self._log.oldest

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, key: str, at: int | None = None) -> Entry | None:
        entry: Entry | None = self._entries.get(key)
        if at is None or at == self._revision:
            return entry
        self._check(at)
        for event in self._log.after(at):
            if event.key == key:
                return event.previous
        return entry

    async def list(
        self, prefix: str, at: int | None = None, after: str = "", limit: int | None = None
    ) -> Page:
        if at is None or at == self._revision:
            return self._page(prefix, after, limit)
        self._check(at)
        return self._past_page(prefix, after, limit, at)

    async def create(self, key: str, value: bytes, memo: Any = None) -> Entry:
        if key in self._entries:
            raise Exists(key)
        revision = self._revision + 1
        return self._commit(Entry(key, value, revision, revision, memo), None)

    async def update(self, key: str, value: bytes, expect: int, memo: Any = None) -> Entry:
        previous = self._expected(key, expect)
        return self._commit(Entry(key, value, previous.created, self._revision + 1, memo), previous)

    async def delete(self, key: str, expect: int | None = None, value: bytes | None = None) -> Event:
        previous = self._expected(key, expect)
        del self._entries[key]
        if value is not None:
            previous = Entry(key, value, previous.created, previous.modified)
        self._revision += 1
        event = Event(self._revision, None, previous)
        self._tell(event)
        return event

    def watch(self, prefix: str, after: int) -> Cursor:
        return Cursor(self._log, self._channels, prefix, after)

    def compact(self, revision: int) -> None:
        self._log.compact(min(revision, self._revision))
        self._channels.trim()

    @classmethod
    def of(cls, entries: Iterable[Entry], revision: int, retention: int = 50_000) -> "MemoryStore":
        """A store that holds these entries at this revision, and remembers nothing of how they came."""
        store = cls(revision=revision, retention=retention)
        store._entries.update((one.key, one) for one in entries)
        return store

    def fork(self) -> "MemoryStore":
        """A store that begins as this one is, past included, and goes its own way. Shares entries, which never change."""
        twin = MemoryStore()
        twin._entries = self._entries.copy()
        twin._revision = self._revision
        twin._log = self._log.fork()
        twin._channels = Channels(twin._log)
        return twin

    def close(self) -> None:
        self._log.closed = True
        self._channels.wake()

    def _check(self, at: int) -> None:
        if at > self._revision:
            raise FutureRevision(self._revision)
        if at < self._log.oldest:
            raise Compacted(self._log.oldest)

    def _expected(self, key: str, expect: int | None) -> Entry:
        previous: Entry | None = self._entries.get(key)
        if previous is None:
            raise NotFound(key)
        if expect is not None and previous.modified != expect:
            raise Conflict(previous)
        return previous

    def _commit(self, entry: Entry, previous: Entry | None) -> Entry:
        self._entries[entry.key] = entry
        self._revision = entry.modified
        self._tell(Event(entry.modified, entry, previous))
        return entry

    def _tell(self, event: Event) -> None:
        self._log.append(event)
        self._channels.add(event)

    def _range(self, prefix: str, after: str) -> tuple[int, int]:
        """Where the keys under `prefix` beyond `after` lie."""
        low = self._entries.bisect_right(after) if after else self._entries.bisect_left(prefix)
        return low, max(low, self._entries.bisect_left(_after_prefix(prefix)))

    def _page(self, prefix: str, after: str, limit: int | None) -> Page:
        low, high = self._range(prefix, after)
        stop = high if limit is None else min(high, low + limit)
        keys = self._entries.keys()[low:stop] if stop > low else ()
        return Page(list(map(self._entries.__getitem__, keys)), self._revision, high - stop)

    def _past_page(self, prefix: str, after: str, limit: int | None, at: int) -> Page:
        """The present without what has been written since, and with what was there before that."""
        was: dict[str, Entry | None] = {}
        for event in self._log.after(at):
            key = event.key
            if key.startswith(prefix) and key > after:
                was.setdefault(key, event.previous)
        low, high = self._range(prefix, after)
        kept = islice((key for key in self._entries.islice(low, high) if key not in was), limit)
        back = [key for key, entry in was.items() if entry is not None]
        total = high - low - sum(1 for key in was if key in self._entries) + len(back)
        keys = sorted([*kept, *back])[:limit]
        return Page([was.get(key) or self._entries[key] for key in keys], at, total - len(keys))


def _after_prefix(prefix: str) -> str:
    """The first text that sorts after everything with this prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else "\U0010ffff"
