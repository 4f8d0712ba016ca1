import asyncio

import pytest

from fakekube.client.recorder import Recorder
from fakekube.ids import Ids
from fakekube.machinery import errors
from fakekube.machinery.resources import EVENTS


@pytest.fixture
def recorder(client, clock):
    return Recorder(client, "scheduler", clock=clock, ids=Ids(1), host="node01")


@pytest.fixture
def pod():
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "ns", "uid": "u", "resourceVersion": "7"},
    }


async def _events(client, namespace="ns"):
    return (await client.list(EVENTS, namespace)).items


async def test_an_event_has_the_fields_client_go_writes(client, recorder, pod):
    """Every field of a new event, as a Go controller would have written it."""
    recorder.event(pod, "Normal", "Scheduled", "Successfully assigned ns/p to node01")
    await recorder.flush()
    [event] = await _events(client)
    nanos = 1767225600 * 10**9  # 2026-01-01T00:00:00Z, where the clock of the tests stands
    meta = event.pop("metadata")
    assert (meta["name"], meta["namespace"]) == (f"p.{nanos:x}", "ns")
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "involvedObject": {
            "kind": "Pod",
            "namespace": "ns",
            "name": "p",
            "uid": "u",
            "apiVersion": "v1",
            "resourceVersion": "7",
        },
        "reason": "Scheduled",
        "message": "Successfully assigned ns/p to node01",
        "source": {"component": "scheduler", "host": "node01"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
        "type": "Normal",
        "eventTime": None,
        "reportingComponent": "scheduler",
        "reportingInstance": "node01",
    }


async def test_events_about_cluster_scoped_objects_live_in_default(client, recorder):
    """An object without a namespace has its events in namespace default, and names no namespace."""
    recorder.event(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}, "Normal", "Ready", "is ready"
    )
    await recorder.flush()
    [event] = await _events(client, "default")
    assert event["involvedObject"] == {"kind": "Node", "name": "n", "apiVersion": "v1"}


async def test_the_same_event_again_raises_its_count(client, recorder, pod, clock):
    """Equal events become one object: count, last time, first time kept."""
    for _ in range(3):
        recorder.event(pod, "Warning", "Failed", "no luck")
        await recorder.flush()
        clock.advance(60)
    [event] = await _events(client)
    assert event["count"] == 3
    assert event["firstTimestamp"] == "2026-01-01T00:00:00Z"
    assert event["lastTimestamp"] == "2026-01-01T00:02:00Z"


async def test_an_event_that_has_expired_is_written_anew(client, recorder, pod):
    """When the event to count up is gone, a new one takes its place."""
    recorder.event(pod, "Normal", "R", "m")
    await recorder.flush()
    [event] = await _events(client)
    await client.delete(EVENTS, event["metadata"]["name"], "ns")
    recorder.event(pod, "Normal", "R", "m")
    await recorder.flush()
    assert [one["count"] for one in await _events(client)] == [2]


async def test_the_tenth_similar_event_is_combined(client, recorder, pod):
    """Nine different texts of one reason stand alone; from the tenth on they share one event."""
    for number in range(14):
        recorder.event(pod, "Normal", "Pulling", f"image {number}")
    await recorder.flush()
    events = await _events(client)
    assert len(events) == 10
    combined = [one for one in events if one["message"].startswith("(combined from similar events): ")]
    assert [(one["message"], one["count"]) for one in combined] == [
        ("(combined from similar events): image 13", 5)
    ]


async def test_similar_events_far_apart_are_not_combined(client, recorder, pod, clock):
    """Ten minutes of silence begin a new count of similar events."""
    for number in range(18):
        if number == 9:
            clock.advance(601)
        recorder.event(pod, "Normal", "Pulling", f"image {number}")
        await recorder.flush()
    assert len(await _events(client)) == 18


async def test_spam_about_one_object_is_dropped(client, recorder, pod, clock):
    """25 events about one object at once, then one every five minutes; other objects are not affected."""
    for number in range(30):
        recorder.event(pod, "Normal", f"Reason{number}", "m")
    await recorder.flush()
    assert len(await _events(client)) == 25
    other = {**pod, "metadata": {**pod["metadata"], "name": "q", "uid": "v"}}
    recorder.event(other, "Normal", "R", "m")
    recorder.event(pod, "Normal", "Dropped", "m")
    await recorder.flush()
    assert len(await _events(client)) == 26
    clock.advance(300)
    recorder.event(pod, "Normal", "Late", "m")
    recorder.event(pod, "Normal", "TooMuch", "m")
    await recorder.flush()
    assert len(await _events(client)) == 27


async def test_old_records_are_let_go_of(client, recorder, pod, clock):
    """What would make no difference any more is not remembered: similar Events for ten minutes, spam until it is forgiven."""
    known = recorder._correlator
    for number in range(20):
        about = {**pod, "metadata": {**pod["metadata"], "name": f"p-{number}", "uid": f"u-{number}"}}
        recorder.event(about, "Normal", "R", "m")
    await recorder.flush()
    assert (len(known._similar), len(known._tokens)) == (20, 20)
    for seconds, similar, tokens in ((601, 1, 21), (25 * 300, 1, 2), (25 * 300 + 1, 1, 1)):
        clock.advance(seconds)
        recorder.event({**pod, "metadata": {**pod["metadata"], "uid": str(seconds)}}, "Normal", "R", "m")
        await recorder.flush()
        assert (len(known._similar), len(known._tokens)) == (similar, tokens)


async def test_the_last_events_are_remembered(client, pod, clock, monkeypatch):
    """Of each kind of record as many are kept as client-go keeps, those that were used last."""
    monkeypatch.setattr("fakekube.client.event_correlation.REMEMBERED", 3)
    recorder = Recorder(client, "scheduler", clock=clock, ids=Ids(1))
    for reason in ("A", "B", "C", "A", "D", "A", "B"):
        recorder.event(pod, "Normal", reason, "m")
    await recorder.flush()
    counts = sorted((one["reason"], one["count"]) for one in await _events(client))
    assert counts == [("A", 3), ("B", 1), ("B", 1), ("C", 1), ("D", 1)]


@pytest.mark.parametrize("name", ["p" * 250, "system:node"])
async def test_whoever_the_event_is_about_it_has_a_name(client, recorder, pod, name):
    """Where `<subject>.<time>` would be no name, the event has a uid for one, and still says whom it is about."""
    pod["metadata"]["name"] = name
    recorder.event(pod, "Normal", "A", "a")
    recorder.event(pod, "Normal", "B", "b")
    await recorder.flush()
    found = await _events(client)
    assert [one["involvedObject"]["name"] for one in found] == [name, name]
    assert all(len(one["metadata"]["name"]) == 36 for one in found)


async def test_two_components_may_speak_at_the_same_moment(client, recorder, pod, clock):
    """Names are unique although the clock stands still: within a recorder and between two."""
    other = Recorder(client, "kubelet", clock=clock, ids=Ids(2))
    for speaker in (recorder, other):
        speaker.event(pod, "Normal", "A", "a")
        speaker.event(pod, "Normal", "B", "b")
        await speaker.flush()
    assert len(await _events(client)) == 4


async def test_a_refused_event_is_dropped_and_the_next_is_sent(api, client, recorder, pod):
    """Events are best effort: a refusal concerns only itself."""
    api.fail = [errors.Forbidden("namespace is terminating")]
    recorder.event(pod, "Normal", "A", "a")
    recorder.event(pod, "Normal", "B", "b")
    await recorder.flush()
    assert [one["reason"] for one in await _events(client)] == ["B"]


async def test_an_unreachable_server_is_waited_for_in_order(client, recorder, pod, clock, background):
    """While the server cannot be reached events wait, and arrive in order afterwards."""
    client.handler.fail = [OSError("down"), OSError("down")]
    background(recorder.run())
    recorder.event(pod, "Normal", "A", "a")
    recorder.event(pod, "Normal", "B", "b")
    await background.turns()
    assert not recorder.idle
    while not recorder.idle:
        clock.advance(clock.next_due() or 0)
        await background.turns()
    assert [one["reason"] for one in await _events(client)] == ["A", "B"]


async def _numbers_seen(client, recorder, pod):
    """How many of three events are there whenever somebody else has a turn while they are sent."""
    for reason in ("Pulled", "Created", "Started"):
        recorder.event(pod, "Normal", reason, "the container")
    sending = asyncio.ensure_future(recorder.flush())
    seen = []
    while not sending.done():
        await asyncio.sleep(0)
        seen.append(len(await _events(client)))
    return seen


async def test_events_give_way(client, recorder, pod):
    """Between two of them everybody else who has something to do comes first: states matter more than news of them."""
    assert {1, 2, 3} <= set(await _numbers_seen(client, recorder, pod))


async def test_a_crowd_of_events_is_written_at_once(client, recorder, pod, monkeypatch):
    """So many that they take memory do not give way."""
    monkeypatch.setattr("fakekube.client.recorder._CROWD", 2)
    seen = await _numbers_seen(client, recorder, pod)
    assert 1 not in seen
    assert seen[-1] == 3
