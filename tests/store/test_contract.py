"""The store's contract as one suite, run against every store in STORES. A new store is one more line there."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

import pytest

from fakekube.store.interface import (
    Compacted,
    Conflict,
    Event,
    Exists,
    FutureRevision,
    NotFound,
    Progress,
    Store,
)
from fakekube.store.memory import MemoryStore

STORES: dict[str, Callable[[int], Store]] = {
    "memory": lambda retention: MemoryStore(retention=retention),
}


class Make(Protocol):
    """Makes an empty store that keeps at least `retention` events."""

    def __call__(self, retention: int = 1000) -> Store: ...


@pytest.fixture(params=STORES)
def make(request: pytest.FixtureRequest) -> Make:
    return lambda retention=1000: STORES[request.param](retention)


async def collect(cursor: AsyncIterator[Sequence[Event] | Progress], until: int) -> list[Event]:
    """Events of a watch up to the first sign that it has reached revision `until`."""
    found: list[Event] = []
    async for news in cursor:
        if isinstance(news, Progress):
            if news.revision >= until:
                return found
        else:
            found += news
    return found


def shown(events: Sequence[Event]) -> list[tuple[int, str, bytes | None, bytes | None]]:
    return [
        (
            one.revision,
            one.key,
            one.entry.value if one.entry else None,
            one.previous.value if one.previous else None,
        )
        for one in events
    ]


async def test_create(make: Make) -> None:
    """A created key can be read, and remembers its revision twice."""
    store = make()
    before = store.revision
    entry = await store.create("/a", b"1")
    assert (entry.key, entry.value, entry.created, entry.modified) == ("/a", b"1", before + 1, before + 1)
    read = await store.get("/a")
    assert read is not None
    assert (read.value, read.modified) == (b"1", store.revision)


async def test_create_twice(make: Make) -> None:
    """A present key is refused, and nothing changes."""
    store = make()
    await store.create("/a", b"1")
    with pytest.raises(Exists):
        await store.create("/a", b"2")
    read = await store.get("/a")
    assert read is not None
    assert (read.value, store.revision) == (b"1", read.modified)


async def test_update(make: Make) -> None:
    """An update at the expected revision makes exactly one new revision and keeps the first."""
    store = make()
    first = await store.create("/a", b"1")
    second = await store.update("/a", b"2", first.modified)
    assert (second.created, second.modified) == (first.created, first.modified + 1)
    assert store.revision == second.modified
    assert first.value == b"1", "an entry never changes once written"


async def test_update_refused(make: Make) -> None:
    """An update of an absent key, or of another revision than the present one, is refused; the present one is told."""
    store = make()
    with pytest.raises(NotFound):
        await store.update("/a", b"1", 1)
    first = await store.create("/a", b"1")
    second = await store.update("/a", b"2", first.modified)
    with pytest.raises(Conflict) as refused:
        await store.update("/a", b"3", first.modified)
    assert (refused.value.current.value, store.revision) == (b"2", second.modified)


async def test_delete(make: Make) -> None:
    """A delete is one revision too; the event shows what was there, or the last state its caller gives."""
    store = make()
    entry = await store.create("/a", b"1")
    event = await store.delete("/a", entry.modified)
    assert shown([event]) == [(entry.modified + 1, "/a", None, b"1")]
    assert await store.get("/a") is None
    await store.create("/a", b"2")
    assert shown([await store.delete("/a", value=b"last")])[0][3] == b"last"


async def test_delete_refused(make: Make) -> None:
    """A delete of an absent key, or of another revision than the present one, is refused."""
    store = make()
    with pytest.raises(NotFound):
        await store.delete("/a")
    entry = await store.create("/a", b"1")
    with pytest.raises(Conflict):
        await store.delete("/a", entry.modified + 1)
    assert await store.get("/a") is not None


async def test_list(make: Make) -> None:
    """A list holds the entries under its prefix in the order of keys, and the revision they were read at."""
    store = make()
    for key in ("/b/2", "/a/1", "/b/1", "/b", "/c", "/b/10"):
        await store.create(key, key.encode())
    page = await store.list("/b/")
    assert [entry.key for entry in page.entries] == ["/b/1", "/b/10", "/b/2"]
    assert (page.revision, page.remaining) == (store.revision, 0)
    assert len((await store.list("")).entries) == 6


async def test_pages(make: Make) -> None:
    """Pages of one revision together are the list of that revision, whatever is written between them."""
    store = make()
    for number in range(7):
        await store.create(f"/a/{number}", b"old")
    first = await store.list("/a/", limit=3)
    assert first.remaining == 4
    await store.delete("/a/4")
    await store.create("/a/3b", b"new")
    last = first.entries[-1].key
    rest = await store.list("/a/", at=first.revision, after=last)
    found = [*first.entries, *rest.entries]
    assert [entry.key for entry in found] == [f"/a/{number}" for number in range(7)]
    assert rest.revision == first.revision


async def test_past(make: Make) -> None:
    """A revision can be read as it was."""
    store = make()
    entry = await store.create("/a", b"1")
    await store.update("/a", b"2", entry.modified)
    await store.delete("/a")
    read = await store.get("/a", at=entry.modified)
    assert read is not None
    assert read.value == b"1"
    assert await store.get("/a", at=entry.modified - 1) is None
    assert [one.value for one in (await store.list("/", at=entry.modified + 1)).entries] == [b"2"]


async def test_future(make: Make) -> None:
    """A revision that has not happened is refused everywhere."""
    store = make()
    await store.create("/a", b"1")
    future = store.revision + 1
    with pytest.raises(FutureRevision) as refused:
        await store.get("/a", at=future)
    assert refused.value.current == store.revision
    with pytest.raises(FutureRevision):
        await store.list("/", at=future)
    with pytest.raises(FutureRevision):
        await anext(aiter(store.watch("/", future)))


async def test_compacted(make: Make) -> None:
    """A forgotten revision is refused everywhere, and the oldest readable one is told."""
    store = make()
    for number in range(5):
        await store.create(f"/{number}", b"")
    store.compact(3)
    assert store.oldest == 3
    for call in (store.get("/0", at=2), store.list("/", at=2)):
        with pytest.raises(Compacted) as refused:
            await call
        assert refused.value.oldest == 3
    with pytest.raises(Compacted):
        await anext(aiter(store.watch("/", 2)))
    assert len((await store.list("/", at=3)).entries) == 3
    assert len(await collect(store.watch("/", 3), store.revision)) == 2


async def test_compact_everything(make: Make) -> None:
    """Compaction never goes beyond the present, which stays readable."""
    store = make()
    await store.create("/a", b"1")
    store.compact(store.revision + 100)
    assert store.oldest == store.revision
    assert await store.get("/a", at=store.revision) is not None
    await store.create("/b", b"2")
    assert shown(await collect(store.watch("/", store.oldest), store.revision)) == [
        (store.revision, "/b", b"2", None)
    ]


async def test_watch(make: Make) -> None:
    """A watch tells every write under its prefix after its revision, with what was there before."""
    store = make()
    entry = await store.create("/a/1", b"1")
    await store.create("/b/1", b"other")
    await store.update("/a/1", b"2", entry.modified)
    await store.delete("/a/1")
    events = await collect(store.watch("/a/", entry.modified), store.revision)
    assert shown(events) == [
        (entry.modified + 2, "/a/1", b"2", b"1"),
        (entry.modified + 3, "/a/1", None, b"2"),
    ]


async def test_late_watch(make: Make) -> None:
    """A watch from before another one began, with nothing in between, is told what has happened since all the same."""
    store = make()
    before = store.revision
    await store.create("/b/1", b"elsewhere")
    first = store.watch("/a/", store.revision)
    assert await anext(first) == Progress(store.revision)
    await store.create("/a/1", b"")
    events = await collect(store.watch("/a/", before), store.revision)
    assert shown(events) == [(store.revision, "/a/1", b"", None)]


async def test_watch_waits(make: Make) -> None:
    """A watch that has caught up says so, waits, and is woken by the next write under its prefix."""
    store = make()
    cursor = store.watch("/a/", store.revision)
    assert await anext(cursor) == Progress(store.revision)
    waiting = asyncio.ensure_future(anext(cursor))
    await store.create("/b/1", b"")
    await store.create("/a/1", b"")
    news = await asyncio.wait_for(waiting, 30)
    assert not isinstance(news, Progress)
    assert [event.key for event in news] == ["/a/1"]


async def test_nudge(make: Make) -> None:
    """A nudged watch says where it stands, though nothing has happened under its prefix."""
    store = make()
    cursor = store.watch("/a/", store.revision)
    await anext(cursor)
    waiting = asyncio.ensure_future(anext(cursor))
    await store.create("/b/1", b"")
    await asyncio.sleep(0)
    cursor.nudge()
    assert await asyncio.wait_for(waiting, 30) == Progress(store.revision)


async def test_quiet_watch_is_never_too_late(make: Make) -> None:
    """A watch nothing has happened for has missed nothing, however much of the log is forgotten."""
    store = make(retention=3)
    cursor = store.watch("/a/", store.revision)
    await anext(cursor)
    for number in range(10):
        await store.create(f"/b/{number}", b"")
    await store.create("/a/1", b"")
    news = await anext(cursor)
    assert not isinstance(news, Progress)
    assert [event.key for event in news] == ["/a/1"]


async def test_slow_watch(make: Make) -> None:
    """A watch that falls behind what is kept is told so, never silently skipped ahead."""
    store = make(retention=10)
    cursor = aiter(store.watch("/", store.revision))
    await anext(cursor)
    for number in range(30):
        await store.create(f"/{number}", b"")
    with pytest.raises(Compacted):
        await anext(cursor)


async def test_many_watches(make: Make) -> None:
    """Watches do not share their position: each sees everything, whenever it reads."""
    store = make()
    early = aiter(store.watch("/", 0))
    for number in range(20):
        await store.create(f"/{number}", b"")
    late = store.watch("/", 10)
    assert [event.revision for event in await collect(early, 20)] == list(range(1, 21))
    assert [event.revision for event in await collect(late, 20)] == list(range(11, 21))


async def test_close(make: Make) -> None:
    """Closing the store ends its watches, also those that wait."""
    store = make()
    cursor = aiter(store.watch("/", store.revision))
    await anext(cursor)
    ended = asyncio.ensure_future(collect(cursor, store.revision + 100))
    store.close()
    assert await asyncio.wait_for(ended, 30) == []
