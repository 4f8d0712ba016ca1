"""An operator written with kopf sees objects come, change and go, writes what it has done, and holds them meanwhile."""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

kopf = pytest.importorskip("kopf", reason="needs the dependency group `clients`")
SPACE = "/api/v1/namespaces/kopf"
MERGE = {"content-type": "application/merge-patch+json"}


@pytest.fixture
async def seen(server: str) -> AsyncIterator[queue.SimpleQueue[Any]]:
    """What an operator for the config maps of a namespace of its own is told."""
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**_: Any) -> Any:
        return kopf.ConnectionInfo(server=server)

    @kopf.on.startup(registry=registry)
    def quietly(settings: Any, **_: Any) -> None:
        settings.posting.enabled = False

    @kopf.on.create("configmaps", registry=registry)
    def create(name: str, patch: Any, **_: Any) -> None:
        patch.setdefault("data", {})["made"] = "by kopf"
        told.put(("create", name))

    @kopf.on.field("configmaps", field="data.v", registry=registry)
    def change(old: Any, new: Any, **_: Any) -> None:
        told.put(("change", old, new))

    @kopf.on.delete("configmaps", registry=registry)
    def delete(name: str, **_: Any) -> None:
        told.put(("delete", name))

    async with aiohttp.ClientSession(server, raise_for_status=True) as http:
        await http.post("/api/v1/namespaces", json={"metadata": {"name": "kopf"}})
    # In a thread of its own: when it ends it cancels whatever else began in its loop.
    ready, stop = threading.Event(), threading.Event()
    operator = kopf.operator(registry=registry, namespaces=["kopf"], ready_flag=ready, stop_flag=stop)
    running = threading.Thread(target=asyncio.run, args=(operator,))
    running.start()
    assert await asyncio.to_thread(ready.wait, 60), "kopf has not begun"
    yield told
    stop.set()
    running.join()


async def test_an_operator_follows_objects(server: str, seen: queue.SimpleQueue[Any]) -> None:
    """Creation, a field's change and deletion are told; its patch is there, and the object goes when its finalizer has."""
    async with aiohttp.ClientSession(server, raise_for_status=True) as http:
        await http.post(f"{SPACE}/configmaps", json={"metadata": {"name": "a"}, "data": {"v": "1"}})
        both = {await asyncio.to_thread(seen.get) for _ in range(2)}
        assert both == {("create", "a"), ("change", None, "1")}
        await http.patch(f"{SPACE}/configmaps/a", json={"data": {"v": "2"}}, headers=MERGE)
        assert await asyncio.to_thread(seen.get) == ("change", "1", "2")
        async with http.get(f"{SPACE}/configmaps/a") as answer:
            held = await answer.json()
        assert held["data"]["made"] == "by kopf"
        assert held["metadata"]["finalizers"] == ["kopf.zalando.org/KopfFinalizerMarker"]
        gone = {
            "watch": "1",
            "fieldSelector": "metadata.name=a",
            "resourceVersion": held["metadata"]["resourceVersion"],
        }
        async with http.get(f"{SPACE}/configmaps", params=gone) as watch:
            await http.delete(f"{SPACE}/configmaps/a")
            assert await asyncio.to_thread(seen.get) == ("delete", "a")
            async for line in watch.content:
                if b'"DELETED"' in line:
                    break
            else:
                pytest.fail("the watch ended before the object did")
