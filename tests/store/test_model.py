"""A dictionary against the store: whatever is done in whatever order, both tell the same story.

The model keeps one snapshot per revision. Watches are opened at any revision and read at any time; at the end each must
have seen exactly the writes under its prefix after its revision, and list-then-watch must rebuild the present.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from fakekube.store.interface import (
    Compacted,
    Conflict,
    Event,
    Exists,
    FutureRevision,
    NotFound,
    Page,
    Progress,
)
from fakekube.store.memory import MemoryStore

KEYS = st.sampled_from(["/a/1", "/a/2", "/a/x/1", "/a0", "/b/1", "/b/2"])
PREFIXES = st.sampled_from(["", "/", "/a", "/a/", "/b/", "/c/"])
VALUES = st.binary(max_size=3)

State = dict[str, tuple[bytes, int, int]]  # key → value, created, modified


class Reader:
    """A watch with what it has seen so far, and the state it rebuilt from the list it began with."""

    def __init__(self, store: MemoryStore, prefix: str, page: Page) -> None:
        self.prefix, self.after = prefix, page.revision
        self.cursor: AsyncIterator[Sequence[Event] | Progress] = aiter(store.watch(prefix, page.revision))
        self.rebuilt = {entry.key: entry.value for entry in page.entries}
        self.seen: list[int] = []
        self.lost = False
        self.pending: asyncio.Future[Sequence[Event] | Progress] | None = None

    async def step(self) -> bool:
        """Read once; False when the watch has nothing to tell and waits, which it then goes on doing."""
        if self.pending is None:
            self.pending = asyncio.ensure_future(anext(self.cursor))
        for _ in range(5):  # turns of the loop, more than a read needs
            await asyncio.sleep(0)
        if not self.pending.done():
            return False
        try:
            news, self.pending = self.pending.result(), None
        except Compacted:
            self.lost = True
            return False
        if not isinstance(news, Progress):
            for event in news:
                self._see(event)
        return True

    def _see(self, event: Event) -> None:
        self.seen.append(event.revision)
        if event.entry is None:
            del self.rebuilt[event.key]
        else:
            self.rebuilt[event.key] = event.entry.value


class StoreMachine(RuleBasedStateMachine):
    """Every rule does one thing to both and compares the answers."""

    readers: Bundle[Reader] = Bundle("readers")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.store = MemoryStore(retention=12)
        self.history: list[State] = [{}]  # the state at each revision
        self.keys_written: list[str] = [""]  # the key each revision wrote
        self.compacted = 0
        self.opened: list[Reader] = []

    def teardown(self) -> None:
        for reader in self.opened:
            self._catch_up(reader)
            self._judge(reader)
        self.store.close()
        for reader in self.opened:
            if reader.pending is not None and not reader.lost:
                ended = asyncio.wait([reader.pending], timeout=30)
                done, _ = self.loop.run_until_complete(ended)
                assert isinstance(done.pop().exception(), StopAsyncIteration), (
                    "closing the store ends every watch"
                )
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    # --- helpers -------------------------------------------------------------------------------------------

    @property
    def present(self) -> State:
        return self.history[-1]

    @property
    def revision(self) -> int:
        return len(self.history) - 1

    @property
    def oldest(self) -> int:
        return max(self.compacted, self.revision - 12, 0)

    def ask(self, call: Any) -> Any:
        """The answer, or the class of the refusal."""
        try:
            return self.loop.run_until_complete(call)
        except (Compacted, Conflict, Exists, FutureRevision, NotFound) as refusal:
            return type(refusal)

    def wrote(self, key: str, state: State) -> None:
        self.history.append(state)
        self.keys_written.append(key)

    # --- writes --------------------------------------------------------------------------------------------

    @rule(key=KEYS, value=VALUES)
    def create(self, key: str, value: bytes) -> None:
        answer = self.ask(self.store.create(key, value))
        if key in self.present:
            assert answer is Exists
        else:
            self.wrote(key, self.present | {key: (value, self.revision + 1, self.revision + 1)})
            assert (answer.created, answer.modified) == (self.revision, self.revision)

    @rule(key=KEYS, value=VALUES, stale=st.integers(0, 1))
    def update(self, key: str, value: bytes, stale: int) -> None:
        known = self.present.get(key)
        answer = self.ask(self.store.update(key, value, known[2] - stale if known else 1))
        if known is None:
            assert answer is NotFound
        elif stale:
            assert answer is Conflict
        else:
            self.wrote(key, self.present | {key: (value, known[1], self.revision + 1)})
            assert (answer.created, answer.modified) == (known[1], self.revision)

    @rule(key=KEYS, mode=st.sampled_from(["any", "expected", "stale"]))
    def delete(self, key: str, mode: str) -> None:
        known = self.present.get(key)
        expect = None if mode == "any" else (known[2] if known else 1) - (mode == "stale")
        answer = self.ask(self.store.delete(key, expect))
        if known is None:
            assert answer is NotFound
        elif mode == "stale":
            assert answer is Conflict
        else:
            self.wrote(key, {one: entry for one, entry in self.present.items() if one != key})
            assert (answer.revision, answer.previous.value) == (self.revision, known[0])

    @rule(back=st.integers(-1, 6))
    def compact(self, back: int) -> None:
        self.store.compact(self.revision - back)
        self.compacted = max(self.compacted, min(self.revision - back, self.revision))

    # --- reads ---------------------------------------------------------------------------------------------

    @rule(key=KEYS, back=st.integers(-1, 14))
    def get(self, key: str, back: int) -> None:
        at = self.revision - back
        answer = self.ask(self.store.get(key, at=at))
        if at > self.revision:
            assert answer is FutureRevision
        elif at < self.oldest:
            assert answer is Compacted
        else:
            expected = self.history[at].get(key)
            assert (answer and (answer.value, answer.created, answer.modified)) == expected

    @rule(prefix=PREFIXES, back=st.integers(-1, 14), limit=st.none() | st.integers(1, 3))
    def list_in_pages(self, prefix: str, back: int, limit: int | None) -> None:
        at = self.revision - back
        page = self.ask(self.store.list(prefix, at=at, limit=limit))
        if at > self.revision or at < self.oldest:
            assert page is (FutureRevision if at > self.revision else Compacted)
            return
        expected = {key: entry for key, entry in sorted(self.history[at].items()) if key.startswith(prefix)}
        found = list(page.entries)
        while page.remaining:
            assert len(found) + page.remaining == len(expected)
            page = self.ask(self.store.list(prefix, at=at, limit=limit, after=found[-1].key))
            found += page.entries
        assert [(one.key, (one.value, one.created, one.modified)) for one in found] == list(expected.items())

    # --- watches -------------------------------------------------------------------------------------------

    @rule(target=readers, prefix=PREFIXES, back=st.integers(0, 6))
    def list_then_watch(self, prefix: str, back: int) -> Reader:
        at = max(self.revision - back, self.oldest)
        reader = Reader(self.store, prefix, self.ask(self.store.list(prefix, at=at)))
        self.opened.append(reader)
        return reader

    @rule(reader=readers)
    def read_once(self, reader: Reader) -> None:
        if not reader.lost:
            self.loop.run_until_complete(reader.step())

    def _catch_up(self, reader: Reader) -> None:
        while not reader.lost and self.loop.run_until_complete(reader.step()):
            pass

    def _owed(self, reader: Reader) -> list[int]:
        """Revisions this reader must see, each once and in order."""
        return [
            revision
            for revision in range(reader.after + 1, self.revision + 1)
            if self.keys_written[revision].startswith(reader.prefix)
        ]

    def _judge(self, reader: Reader) -> None:
        owed = self._owed(reader)
        if reader.lost:
            assert reader.seen == owed[: len(reader.seen)], (
                "what was seen before it was told to start over is a beginning"
            )
        else:
            assert reader.seen == owed
            present = {k: entry[0] for k, entry in self.present.items() if k.startswith(reader.prefix)}
            assert reader.rebuilt == present, "a list and the watch after it rebuild the present"

    @invariant()
    def same_revision(self) -> None:
        assert self.store.revision == self.revision
        assert self.store.oldest == self.oldest
        assert len(self.store) == len(self.present)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
