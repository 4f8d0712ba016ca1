import asyncio

import pytest

from fakekube.client.http import Unreachable
from fakekube.client.informer import Informer
from fakekube.machinery import errors, objects
from fakekube.machinery.resources import CONFIG_MAPS


@pytest.fixture
def told():
    return []


@pytest.fixture
def informer(client, clock, told):
    informer = Informer(client, CONFIG_MAPS, clock=clock, namespace="ns")
    informer.on_change(lambda old, new: told.append((_text(old), _text(new))))
    return informer


def _text(obj):
    return obj and objects.name(obj) + obj.get("data", {}).get("k", "")


async def test_the_cache_begins_with_what_is_there(client, informer, told, config_map, background):
    """Once synced, the cache holds the list and each object has been told as added."""
    await client.create(CONFIG_MAPS, config_map("a"))
    background(informer.run())
    await informer.wait_synced()
    assert informer.synced
    assert objects.name(informer.get("ns/a")) == "a"
    assert told == [(None, "a")]
    assert informer.resource_version == "1"


async def test_changes_are_told_in_order(client, informer, told, config_map, background):
    """Added, updated and removed objects are told with their old and new states, in order."""
    background(informer.run())
    await informer.wait_synced()
    await client.create(CONFIG_MAPS, config_map("a"))
    await client.update(CONFIG_MAPS, config_map("a", data={"k": "1"}))
    await client.create(CONFIG_MAPS, config_map("b"))
    await client.delete(CONFIG_MAPS, "a", "ns")
    await background.turns()
    assert told == [(None, "a"), ("a", "a1"), (None, "b"), ("a1", None)]
    assert [objects.name(one) for one in informer.objects()] == ["b"]
    assert informer.resource_version == "4"


async def test_a_cancellation_that_nobody_asked_for(informer, told, config_map, clock, background):
    """What the cache waited for was cancelled, and not the cache: it tries again, as after any failure."""
    client = informer._client
    api = client.handler
    api.fail.append(asyncio.CancelledError())
    background(informer.run())
    await background.turns()
    while not (api.streams and informer.synced):
        clock.advance(clock.next_due())
        await background.turns()
    await client.create(CONFIG_MAPS, config_map("a"))
    await background.turns()
    assert told == [(None, "a")]


async def test_a_lost_connection_is_resumed_without_a_gap(informer, told, config_map, clock, background):
    """After a broken watch the informer goes on where it was, after a pause, without listing again."""
    client = informer._client
    api = client.handler
    background(informer.run())
    await informer.wait_synced()
    await background.turns()
    api.store.close()  # ends the watch
    await background.turns()
    api.store = type(api.store)(revision=api.store.revision)
    await client.create(CONFIG_MAPS, config_map("late"))
    api.requests.clear()
    api.fail = [OSError("connection refused")]
    while not told:
        clock.advance(clock.next_due())
        await background.turns()
    assert told == [(None, "late")]
    assert [request.query.split("&")[0] for request in api.requests] == ["watch=true", "watch=true"]


async def test_watches_that_tell_something_before_they_break_are_soon_taken_up(
    informer, told, config_map, clock, background
):
    """However often a watch breaks: as long as each has told something the cache is never more than a second behind."""
    client = informer._client
    api = client.handler
    watch = api.watch

    async def breaking(prefix, after):
        async for event in watch(prefix, after):
            yield event
            raise Unreachable("reset by peer")

    api.watch = breaking
    background(informer.run())
    await informer.wait_synced()
    for number in range(8):
        await background.turns()
        await client.create(CONFIG_MAPS, config_map(f"c-{number}"))
        await background.turns()
        if len(told) == number:  # it is between two watches
            clock.advance(1)
            await background.turns()
        assert told[-1] == (None, f"c-{number}")


async def test_an_expired_watch_is_replaced_by_the_difference(client, informer, told, config_map, background):
    """On 410 everything is listed again: only what differs is told, and another uid is another object."""
    for name in ("same", "changed", "gone", "reborn"):
        await client.create(CONFIG_MAPS, config_map(name))
    background(informer.run())
    await informer.wait_synced()
    await background.turns()
    told.clear()
    store = client.handler.store
    await client.update(CONFIG_MAPS, config_map("changed", data={"k": "!"}))
    await client.delete(CONFIG_MAPS, "gone", "ns")
    await client.delete(CONFIG_MAPS, "reborn", "ns")
    await client.create(CONFIG_MAPS, config_map("reborn", data={"k": "2"}))
    await client.create(CONFIG_MAPS, config_map("new"))
    store.compact(store.revision)  # before the informer could read any of it
    await background.turns()
    assert told == [
        ("gone", None),
        ("changed", "changed!"),
        (None, "new"),
        ("reborn", None),
        (None, "reborn2"),
    ]


async def test_a_failing_list_is_tried_again_ever_more_slowly(api, informer, clock, background, turns):
    """Back-off doubles from 0.8 s; the cache is not synced before a list has succeeded."""
    api.fail = [OSError("down"), errors.NotFound("no such resource"), errors.InternalError("x")]
    background(informer.run())
    pauses = []
    while not informer.synced:
        await turns()
        if (due := clock.next_due()) is not None:
            pauses.append(due)
            clock.advance(due)
    assert pauses == pytest.approx([0.8, 1.6, 3.2])


async def test_bookmarks_move_the_version_and_tell_nothing(client, informer, told):
    """A bookmark is no change of any object."""
    informer._apply([("BOOKMARK", {"metadata": {"resourceVersion": "77"}})])
    assert (informer.resource_version, told) == ("77", [])


async def test_indexes_follow_every_change(client, clock, config_map):
    """An index gives the objects by what they say now, whether it was added early or late."""
    informer = Informer(client, CONFIG_MAPS, clock=clock)
    informer.add_index("k", lambda obj: obj.get("data", {}).values())
    put = informer._put
    put("ns/a", config_map("a", data={"x": "1", "y": "2"}))
    put("other/b", config_map("b", namespace="other", data={"x": "2"}))
    assert [objects.name(one) for one in informer.by_index("k", "2")] == ["a", "b"]
    put("ns/a", config_map("a", data={"x": "3"}))
    assert [objects.name(one) for one in informer.by_index("k", "2")] == ["b"]
    assert informer.by_index("k", "1") == []
    informer.add_index("late", lambda obj: [objects.name(obj)])
    assert len(informer.by_index("late", "b")) == 1
    put("other/b", None)
    assert informer.by_index("late", "b") == informer.by_index("k", "2") == []
    assert [objects.name(one) for one in informer.in_namespace("ns")] == ["a"]
    assert informer.in_namespace("other") == []


async def test_a_late_callback_is_told_what_is_there(client, informer, config_map):
    """Whoever registers late first hears of everything present."""
    informer._put("ns/a", config_map("a"))
    late = []
    informer.on_change(lambda old, new: late.append((old, objects.name(new))))
    assert late == [(None, "a")]


async def test_a_failing_callback_does_not_stop_the_others(informer, told, config_map, caplog):
    """An exception in one callback is logged; the next ones are told."""
    informer._callbacks.insert(0, lambda old, new: 1 / 0)
    informer._put("ns/a", config_map("a"))
    assert told == [(None, "a")]
    assert "a callback failed on ns/a" in caplog.text


async def test_a_second_runner_takes_over_when_the_first_ends(informer, told, config_map, background):
    """An informer shared by two controllers is run once at a time, and goes on when one of them stops."""
    client = informer._client
    api = client.handler
    first = background(informer.run())
    background(informer.run())
    await informer.wait_synced()
    await background.turns()
    assert api.streams == 1
    first.cancel()
    await background.turns()
    await client.create(CONFIG_MAPS, config_map("a"))
    await background.turns()
    assert (told, api.streams) == ([(None, "a")], 1)


async def test_a_transform_decides_what_is_kept() -> None:
    """What the cache holds and tells is what `transform` made of it, from lists and events alike."""
    from fakekube.client.client import Client
    from fakekube.client.informer import Informer
    from fakekube.clock import ManualClock
    from fakekube.cluster import Cluster
    from fakekube.machinery.resources import CONFIG_MAPS

    def slim(obj):
        return {"metadata": obj["metadata"], "size": len(obj["data"])}

    async with Cluster(only=["api"], clock=ManualClock()) as cluster:
        client: Client = cluster.client()
        where = {"namespace": "default"}
        await client.create(CONFIG_MAPS, {"metadata": {"name": "a", **where}, "data": {"k": "v"}})
        informer = Informer(client, CONFIG_MAPS, clock=cluster.clock, namespace="default", transform=slim)
        running = asyncio.ensure_future(informer.run())
        await cluster.settle()
        await client.create(CONFIG_MAPS, {"metadata": {"name": "b", **where}, "data": {"k": "v", "l": "w"}})
        await cluster.settle()
        assert {obj["metadata"]["name"]: obj["size"] for obj in informer.objects()} == {"a": 1, "b": 2}
        assert all("data" not in obj for obj in informer.objects())
        running.cancel()


async def fail_for(seconds, clock, background):
    """Let so much time pass, each thing at its moment."""
    end = clock.monotonic() + seconds
    await background.turns()
    while (due := clock.next_due()) is not None and clock.monotonic() + due <= end:
        clock.advance(due)
        await background.turns()
    clock.advance(end - clock.monotonic())
    await background.turns()


async def test_what_goes_wrong_is_logged_once_until_it_is_over(api, informer, clock, background, caplog):
    """A resource that is not there for an hour is two lines: that it is waited for, and that it works."""
    caplog.set_level("INFO")
    api.fail = [errors.NotFound("404 page not found")] * 120
    background(informer.run())
    await fail_for(3600, clock, background)
    assert informer.synced
    assert caplog.messages == [
        "configmaps.v1 is not served (404 page not found); waiting until it is",
        "configmaps.v1: works again",
    ]


async def test_something_else_that_goes_wrong_is_logged_too(api, informer, clock, background, caplog):
    """What the log says last is what is wrong now; what is not allowed is a warning."""
    caplog.set_level("INFO")
    api.fail = [errors.InternalError("x"), errors.InternalError("x"), errors.Forbidden("no"), OSError("cut")]
    background(informer.run())
    await fail_for(60, clock, background)
    assert [(one.levelname, one.message) for one in caplog.records] == [
        ("INFO", "configmaps.v1: x; trying again"),
        ("WARNING", "configmaps.v1: no; trying again"),
        ("WARNING", "configmaps.v1: cut; trying again"),
        ("INFO", "configmaps.v1: works again"),
    ]


async def test_a_watch_that_is_forbidden_is_no_news_at_every_list(api, informer, clock, background, caplog):
    """Where lists are allowed and watches are not, the log says so once."""
    caplog.set_level("INFO")
    answer = api.do_get

    async def guarded(request):
        if "watch=" in request.query:
            raise errors.Forbidden("no watch")
        return await answer(request)

    api.do_get = guarded
    background(informer.run())
    await fail_for(600, clock, background)
    assert caplog.messages == ["configmaps.v1: no watch; trying again"]


async def test_a_watch_that_breaks_after_a_long_time_is_begun_anew_soon(api, informer, clock, background):
    """Only what fails again and again is tried ever more slowly, however badly it went once."""
    breaks = asyncio.Event()

    async def watch(*_):
        await breaks.wait()
        raise OSError("reset")
        yield

    api.watch = watch
    api.fail = [OSError("down")] * 10
    background(informer.run())
    await fail_for(3600, clock, background)
    assert informer.synced
    breaks.set()
    await background.turns()
    assert clock.next_due() == pytest.approx(0.8)
