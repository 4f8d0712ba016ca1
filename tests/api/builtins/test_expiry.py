"""Events and their end."""

from fakekube.api.apiserver import ApiServer
from fakekube.client.client import Client
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.machinery.resources import EVENTS
from fakekube.store.memory import MemoryStore


def event(name, stamp="2026-01-01T00:00:00Z"):
    about = {"kind": "Pod", "namespace": "default", "name": "p"}
    meta = {"name": name, "namespace": "default"}
    times = {"firstTimestamp": stamp, "lastTimestamp": stamp}
    return {"apiVersion": "v1", "kind": "Event", "metadata": meta, "involvedObject": about, **times}


async def names(client):
    return [one["metadata"]["name"] for one in (await client.list(EVENTS)).items]


async def served(store, clock):
    api = ApiServer(store, clock=clock, ids=Ids(1))
    await api.start()
    return Client(api)


async def test_events_live_for_an_hour():
    """An event goes an hour after it was last written; one written again meanwhile lives on."""
    clock = ManualClock()
    client = await served(MemoryStore(), clock)
    for name in ("a", "b"):
        await client.create(EVENTS, event(name))
    clock.advance(1800)
    await client.patch(EVENTS, "b", "default", {"count": 2}, type="merge")
    clock.advance(1799)
    assert await names(client) == ["a", "b"]
    clock.advance(1)
    assert await names(client) == ["b"]
    clock.advance(1800)
    assert await names(client) == []


async def test_events_of_an_earlier_server():
    """What a snapshot or a restart brought along goes by the times it tells."""
    clock, store = ManualClock(), MemoryStore()
    first = await served(store, clock)
    await first.create(EVENTS, event("old"))
    await first.create(EVENTS, event("late", "2026-01-01T00:30:00Z"))
    second = await served(store, clock)
    clock.advance(3600)
    assert await names(second) == ["late"]


async def test_events_end_with_whole_seconds():
    """An event lives for an hour, and to the end of that second, as a lease does."""
    clock = ManualClock()
    client = await served(MemoryStore(), clock)
    clock.advance(0.25)
    await client.create(EVENTS, event("a"))
    clock.advance(3600.5)
    assert await names(client) == ["a"]
    clock.advance(0.25)
    assert await names(client) == []
