"""The store's contract: keys, bytes, revisions. Every call can be expressed as one etcd call.

One integer, the revision, orders the world: each write makes exactly one new revision, and a key remembers the
revision that created it and the one that last changed it. Writes are compare-and-swap: refused unless the key is
absent (create) or still at the expected revision (update, delete). Retrying is the caller's business.

`list`, then `watch(after=page.revision)`, never misses an event and never repeats one.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from msgspec import Struct


class StoreError(Exception):
    """Base of what a store may refuse."""


class Exists(StoreError):
    """`create` of a key that is present."""


class NotFound(StoreError):
    """`update` or `delete` of a key that is absent."""


class Conflict(StoreError):
    """The key is not at the expected revision any more; `current` is what is there."""

    def __init__(self, current: "Entry") -> None:
        super().__init__(f"{current.key} is at revision {current.modified}")
        self.current = current


class Compacted(StoreError):
    """The asked-for revision has been forgotten; `oldest` is the first one still readable."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"revisions before {oldest} are compacted")
        self.oldest = oldest


class FutureRevision(StoreError):
    """The asked-for revision has not happened yet; `current` is the newest."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the newest revision is {current}")
        self.current = current


class Entry(Struct, eq=False):
    """A key's value at one revision. Never changed once written.

    `memo` is for readers: what they derived from `value` and would derive again. It is never persisted nor compared.
    """

    key: str
    value: bytes
    created: int
    modified: int
    memo: Any = None


class Event(Struct, eq=False):
    """One write: the entry after it (`None`: deleted) and the entry before it (`None`: created)."""

    revision: int
    entry: Entry | None
    previous: Entry | None
    memo: Any = None

    @property
    def key(self) -> str:
        one = self.entry or self.previous
        assert one is not None
        return one.key


class Progress(Struct, frozen=True):
    """A watch has delivered everything up to this revision."""

    revision: int


class Page(Struct, frozen=True):
    """Entries in key order, the revision they were read at, and how many more follow the last one."""

    entries: Sequence[Entry]
    revision: int
    remaining: int = 0


class Watch(Protocol):
    """An asynchronous iterator and a cursor. Between two Progress marks at least one event under its prefix has happened, or somebody nudged it."""

    def __aiter__(self) -> AsyncIterator[Sequence[Event] | Progress]: ...

    async def __anext__(self) -> Sequence[Event] | Progress: ...

    def nudge(self) -> None:
        """Have the next read say where the watch stands, even when nothing has happened under its prefix."""
        ...

    async def aclose(self) -> None:
        """Stop watching; the next read ends."""
        ...


class Store(Protocol):
    """See the module text. A key is any text without NUL; a prefix ends where its caller wants it to."""

    @property
    def revision(self) -> int:
        """The newest revision."""
        ...

    @property
    def oldest(self) -> int:
        """The oldest revision that can still be read or watched from."""
        ...

    async def get(self, key: str, at: int | None = None) -> Entry | None:
        """The entry, now or at revision `at`. Raises Compacted, FutureRevision."""
        ...

    async def list(
        self, prefix: str, at: int | None = None, after: str = "", limit: int | None = None
    ) -> Page:
        """Entries under `prefix` with keys beyond `after`, at most `limit`. Raises Compacted, FutureRevision."""
        ...

    async def create(self, key: str, value: bytes, memo: Any = None) -> Entry:
        """Raises Exists."""
        ...

    async def update(self, key: str, value: bytes, expect: int, memo: Any = None) -> Entry:
        """Raises NotFound, Conflict."""
        ...

    async def delete(self, key: str, expect: int | None = None, value: bytes | None = None) -> Event:
        """Remove the key; `value` is what the Event's `previous` shows as last state. Raises NotFound, Conflict."""
        ...

    def watch(self, prefix: str, after: int) -> "Watch":
        """Batches of every Event under `prefix` after that revision, once and in order; Progress when caught up.

        Reading raises FutureRevision, or Compacted, at once or later, when the reader has fallen behind what is kept.
        """
        ...

    def compact(self, revision: int) -> None:
        """Forget events before `revision`; readers of older ones get Compacted."""
        ...

    def close(self) -> None:
        """End all watches and let go of what is held."""
        ...
