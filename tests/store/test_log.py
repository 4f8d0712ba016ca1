import pytest

from fakekube.store.interface import Compacted, Entry, Event
from fakekube.store.log import EventLog
from fakekube.store.memory import MemoryStore


def _written(log: EventLog, sizes: list[int]) -> None:
    """One object, replaced again and again: each size is that of the value an event replaces."""
    for size in sizes:
        revision = log.newest + 1
        before = Entry("a", b"x" * size, 1, revision - 1)
        log.append(Event(revision, Entry("a", b"", 1, revision), before))


def test_the_past_is_bounded_by_the_size_of_what_was_replaced() -> None:
    """As many events are kept as fit, also when a large value is followed by small ones, and whoever is behind is told."""
    log = EventLog(0, 1_000, most_bytes=2_000)
    _written(log, [10] * 300)
    assert log.newest - log.oldest == 200
    _written(log, [1_000])
    assert log.newest - log.oldest == 101
    with pytest.raises(Compacted):
        log.after(log.oldest - 1)
    assert len(log.after(log.oldest)) == 101


def test_the_newest_events_are_kept_whatever_they_hold() -> None:
    """A watcher of large objects is not sent back to listing after every one of them."""
    log = EventLog(0, 1_000, most_bytes=10)
    _written(log, [100] * 150)
    assert len(log.after(log.oldest)) == 100


def test_what_is_forgotten_or_copied_counts_no_more_than_once() -> None:
    """After a compaction there is room again, and a fork goes on with what it has taken over."""
    log = EventLog(0, 1_000, most_bytes=2_000)
    _written(log, [10] * 200)
    twin = log.fork()
    log.compact(log.newest)
    _written(log, [10] * 200)
    assert len(log.after(log.oldest)) == 200
    _written(twin, [10])
    assert len(twin.after(twin.oldest)) == 200


async def test_what_the_log_forgets_watches_forget() -> None:
    """Also where nothing happens any more: a watch there keeps no events of long ago."""
    store = MemoryStore(retention=10)
    watching = store.watch("/quiet/", store.revision)
    for number in range(50):
        await store.create(f"/quiet/{number}", b"")
    kept = store._channels.join("/quiet/", store.revision)
    assert len(kept.after(store.revision - 10)) == 10
    for number in range(1_010):
        await store.create(f"/busy/{number}", b"")
    assert not kept._events
    await watching.aclose()
