"""Watches: nothing missed, nothing twice, selectors entering and leaving, and a clean end when too late."""

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube.api.apiserver import ApiServer
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.machinery.wire import Request, Response
from fakekube.store.memory import MemoryStore
from tests.api.conftest import Ask, json_of

CM = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"


async def events(response: Response, count: int) -> list[dict[str, Any]]:
    """The next `count` events of a stream."""
    assert response.stream is not None
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        async for chunk in response.stream:
            found += [orjson.loads(line) for line in chunk.splitlines()]
            if len(found) >= count:
                break
    await response.stream.aclose()  # type: ignore[attr-defined]
    return found


def kinds(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in found]


async def test_from_a_version(ask: Ask) -> None:
    """A watch from a version shows everything after it, in order."""
    version = json_of(await ask("GET", CM))["metadata"]["resourceVersion"]
    await ask("POST", CM, {"metadata": {"name": "a"}})
    await ask("PATCH", f"{CM}/a", {"data": {"k": "v"}}, MERGE)
    await ask("DELETE", f"{CM}/a")
    stream = await ask("GET", f"{CM}?watch=1&resourceVersion={version}")
    assert kinds(await events(stream, 3)) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_selectors_entering_and_leaving(ask: Ask) -> None:
    """An object that starts to match is ADDED, one that stops is DELETED in its last matching state."""
    await ask("POST", CM, {"metadata": {"name": "a", "labels": {"x": "no"}}, "data": {"n": "1"}})
    version = json_of(await ask("GET", CM))["metadata"]["resourceVersion"]
    for label, number in (("yes", "2"), ("yes", "3"), ("other", "4"), ("other", "5")):
        await ask("PATCH", f"{CM}/a", {"metadata": {"labels": {"x": label}}, "data": {"n": number}}, MERGE)
    stream = await ask("GET", f"{CM}?watch=1&resourceVersion={version}&labelSelector=x%3Dyes")
    found = await events(stream, 3)
    assert [(event["type"], event["object"]["data"]["n"]) for event in found] == [
        ("ADDED", "2"),
        ("MODIFIED", "3"),
        ("DELETED", "3"),
    ]


async def test_initial_events_end_with_a_bookmark(ask: Ask) -> None:
    """WatchList: what is there, then a bookmark that says so, then what comes."""
    await ask("POST", CM, {"metadata": {"name": "a"}})
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    stream = await ask("GET", f"{CM}?{query}")
    found = await events(stream, 2)
    assert [event["type"] for event in found] == ["ADDED", "BOOKMARK"]
    assert found[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_loop_that_rings_early_ends_watches_all_the_same(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Timers of event loops may ring a fraction before their moment: the watch is over then, and not never."""
    loop = asyncio.get_running_loop()
    on_time = loop.call_at

    def early(when, callback, *args, **kwargs):
        return on_time(when - 41.99 if when - loop.time() > 40 else when, callback, *args, **kwargs)

    monkeypatch.setattr(loop, "call_at", early)
    version = json_of(await ask("GET", CM))["metadata"]["resourceVersion"]
    query = f"watch=1&resourceVersion={version}&timeoutSeconds=42&allowWatchBookmarks=true"
    stream = await ask("GET", f"{CM}?{query}")
    async with asyncio.timeout(30):
        chunks = [chunk async for chunk in stream.stream]
    assert [orjson.loads(chunk)["type"] for chunk in chunks] == ["BOOKMARK"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/vnd.kubernetes.protobuf,application/json", ""),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "Table"),
        (
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/vnd.kubernetes.protobuf",
            "PartialObjectMetadata",
        ),
    ],
    ids=["typed", "table", "metadata"],
)
async def test_informers_of_every_resource(api: ApiServer, ask: Ask, accept: str, kind: str) -> None:
    """Every resource, with objects or none, can be followed as informers do: the end of what is there is a bookmark of its kind."""
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    followed = [one for one in api.catalog if "watch" in one.verbs]
    assert len(followed) > 40
    for resource in followed:
        root = f"/apis/{resource.group}" if resource.group else "/api"
        stream = await ask("GET", f"{root}/{resource.version}/{resource.plural}?{query}", accept=accept)
        assert stream.stream is not None, resource.plural
        found: list[dict[str, Any]] = []
        async for chunk in stream.stream:
            found += [orjson.loads(line) for line in chunk.splitlines()]
            if found[-1]["type"] == "BOOKMARK":
                break
        await stream.stream.aclose()  # type: ignore[attr-defined]
        last = found[-1]["object"]
        assert last["kind"] == (kind or resource.kind)
        meta = last["rows"][0]["object"]["metadata"] if kind == "Table" else last["metadata"]
        assert (meta["annotations"], bool(meta["resourceVersion"])) == (
            {"k8s.io/initial-events-end": "true"},
            True,
        )


async def test_too_old_is_an_error_event(api: ApiServer, ask: Ask) -> None:
    """A version that is forgotten gets one ERROR event with 410 and the end of the stream."""
    for number in range(4):
        await ask("POST", CM, {"metadata": {"name": f"a{number}"}})
    api.store.compact(api.store.revision)
    stream = await ask("GET", f"{CM}?watch=1&resourceVersion=1")
    (event,) = await events(stream, 1)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


async def test_falling_behind_ends_the_stream(api: ApiServer, ask: Ask) -> None:
    """A watcher that is too slow is told so; events are never skipped silently."""
    version = json_of(await ask("GET", CM))["metadata"]["resourceVersion"]
    stream = await ask("GET", f"{CM}?watch=1&resourceVersion={version}")
    await ask("POST", CM, {"metadata": {"name": "a"}})
    assert stream.stream is not None
    await anext(stream.stream)
    for number in range(4):
        await ask("POST", CM, {"metadata": {"name": f"b{number}"}})
    api.store.compact(api.store.revision)
    (event,) = await events(stream, 1)
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


WRITES = st.lists(st.tuples(st.sampled_from("cud"), st.sampled_from("abc")), max_size=25)


@settings(max_examples=60, deadline=None)
@given(WRITES, st.integers(0, 25))
def test_list_then_watch_is_the_truth(writes: list[tuple[str, str]], cut: int) -> None:
    """A list at any moment plus the watch from its version rebuilds the final state, each event seen exactly once."""

    async def run() -> None:
        api = ApiServer(MemoryStore(), clock=ManualClock(), ids=Ids(1))
        await api.start()

        async def send(
            method: str, path: str, query: str = "", body: Any = None, media: str = "application/json"
        ) -> Response:
            raw = b"" if body is None else orjson.dumps(body)
            return await api(Request(method, path, query, {"content-type": media}, raw))

        async def write(step: int, action: str, name: str) -> None:
            if action == "c":
                await send("POST", CM, body={"metadata": {"name": name}, "data": {"n": str(step)}})
            elif action == "u":
                await send("PATCH", f"{CM}/{name}", body={"data": {"n": str(step)}}, media=MERGE)
            else:
                await send("DELETE", f"{CM}/{name}")

        for step, (action, name) in enumerate(writes[:cut]):
            await write(step, action, name)
        listed = orjson.loads((await send("GET", CM)).body)
        cache = {one["metadata"]["name"]: one["data"] for one in listed["items"]}
        version = int(listed["metadata"]["resourceVersion"])
        for step, (action, name) in enumerate(writes[cut:], start=cut):
            await write(step, action, name)
        final = orjson.loads((await send("GET", CM)).body)
        end = int(final["metadata"]["resourceVersion"])
        stream = await send("GET", CM, f"watch=1&resourceVersion={version}")
        seen = version
        while seen < end:
            assert stream.stream is not None
            for line in (await anext(stream.stream)).splitlines():
                event = orjson.loads(line)
                meta = event["object"]["metadata"]
                assert int(meta["resourceVersion"]) > seen, "an event came twice or out of order"
                seen = int(meta["resourceVersion"])
                if event["type"] == "DELETED":
                    del cache[meta["name"]]
                else:
                    assert (event["type"] == "ADDED") == (meta["name"] not in cache)
                    cache[meta["name"]] = event["object"]["data"]
        assert cache == {one["metadata"]["name"]: one["data"] for one in final["items"]}
        api.close()

    asyncio.run(run())
