"""Faults: which requests and events they meet, what clients get to see, and that they tell when they never acted."""

import asyncio
from contextlib import aclosing

import pytest

from fakekube.client.informer import Informer
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery import objects
from fakekube.machinery.errors import AlreadyExists, ApiError, Conflict, NotFound, Timeout
from fakekube.machinery.resources import CONFIG_MAPS, PODS
from fakekube.traffic.faults import BadFault, Fault
from fakekube.traffic.seen import BadPattern


def config(name="a", **data):
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


@pytest.fixture
async def cluster():
    async with Cluster(clock=ManualClock(), seed=1, only=["api"]) as running:
        yield running


@pytest.fixture
def client(cluster):
    return cluster.client(user_agent="tester/1.0")


async def test_a_refusal_has_the_real_servers_words(cluster, client):
    """A conflict on update reads like the real one, comes once, and leaves the object as it was."""
    made = await client.create(CONFIG_MAPS, config(a="1"))
    armed = cluster.faults.add(verb="update", kind="ConfigMap", status=409)
    with pytest.raises(Conflict) as refused:
        await client.update(CONFIG_MAPS, {**made, "data": {"a": "2"}})
    assert refused.value.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert (await client.get(CONFIG_MAPS, "a", "default"))["data"] == {"a": "1"}
    await client.update(CONFIG_MAPS, {**made, "data": {"a": "2"}})
    assert (armed.matched, armed.fired) == (2, 1)


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (500, ApiError, ""),
        (503, ApiError, "ServiceUnavailable"),
        (504, Timeout, "Timeout"),
        (404, NotFound, "NotFound"),
    ],
)
async def test_each_status_has_its_reason(cluster, client, status, kind, reason):
    """What a client can tell apart on the real server, it can tell apart here."""
    cluster.faults.add(verb="get", status=status)
    with pytest.raises(kind) as refused:
        await client.get(CONFIG_MAPS, "a", "default")
    assert (refused.value.code, refused.value.reason) == (status, reason)


async def test_too_many_requests_says_when_to_come_again(cluster, client):
    """429 is plain text with Retry-After: it is said before the request was looked at."""
    cluster.faults.add(verb="list", status=429, retry_after=7)
    with pytest.raises(ApiError) as refused:
        await client.list(CONFIG_MAPS)
    assert refused.value.code == 429
    assert ("Retry-After", "7") in refused.value.headers
    assert refused.value.message == "Too many requests, please try again later."


async def test_a_lost_answer_leaves_the_write_done(cluster, client):
    """After commit, the connection breaks: the client does not know, but the object is there."""
    armed = cluster.faults.add(verb="create", kind="cm", reset=True, after_commit=True)
    with pytest.raises(ConnectionResetError):
        await client.create(CONFIG_MAPS, config())
    assert armed.fired == 1
    with pytest.raises(AlreadyExists):
        await client.create(CONFIG_MAPS, config())


async def test_after_commit_means_after_commit(cluster, client):
    """A write that the server refuses by itself is no match for a fault after commit."""
    armed = cluster.faults.add(verb="create", status=504, after_commit=True, optional=True)
    with pytest.raises(ApiError, match="namespaces"):
        await client.create(CONFIG_MAPS, {**config(), "metadata": {"name": "a", "namespace": "nowhere"}})
    assert armed.matched == 0


async def test_nth_and_times_count_matches(cluster, client):
    """From the second match on, twice."""
    cluster.faults.add(verb="get", name="a", status=500, nth=2, times=2)
    await client.create(CONFIG_MAPS, config())
    seen = []
    for _ in range(5):
        try:
            await client.get(CONFIG_MAPS, "a", "default")
            seen.append(200)
        except ApiError as error:
            seen.append(error.code)
    assert seen == [200, 500, 500, 200, 200]


async def test_a_rate_is_the_same_for_the_same_seed():
    """Which of fifty requests fail is decided by the seed alone, and about as many as the rate says."""

    async def run(seed):
        async with Cluster(clock=ManualClock(), seed=seed, only=["api"]) as cluster:
            cluster.faults.add(verb="list", status=503, rate=0.5, times=None)
            for _ in range(50):
                try:
                    await cluster.client().list(CONFIG_MAPS)
                except ApiError:
                    continue
            return [one.status for one in cluster.requests]

    first = await run(7)
    assert first == await run(7)
    assert first != await run(8)
    assert 10 < first.count(503) < 40


async def test_faults_tell_clients_apart(cluster):
    """By user agent, by user, by the end of a service account's name; with `*` where wanted."""
    account = cluster.client().as_user(
        "system:serviceaccount:kubevirt:kubevirt-controller", user_agent="go/1"
    )
    other = cluster.client(user_agent="kubectl/v1.36.0 (linux/amd64)")
    for pattern, met, unmet in (
        ("kubectl", other, account),
        ("kubevirt-controller", account, other),
        ("system:serviceaccount:kubevirt:*", account, other),
        ("kubectl/v1.36*", other, account),
    ):
        cluster.faults.add(verb="list", client=pattern, status=500)
        await unmet.list(PODS)
        with pytest.raises(ApiError):
            await met.list(PODS)


async def test_latency_is_the_clusters_time(cluster, client):
    """A slow request is answered once the clock has moved that far, and not before."""
    cluster.faults.add(verb="list", latency="30s")
    asking = asyncio.create_task(client.list(PODS))
    await cluster.advance("29s")
    assert not asking.done()
    await cluster.advance("1s")
    assert (await asking).items == []


async def events(client, count, **options):
    seen = []
    async with aclosing(client.watch(CONFIG_MAPS, "default", resource_version="0", **options)) as stream:
        async for kind, obj in stream:
            if kind != "BOOKMARK":
                seen.append((kind, objects.name(obj)))
            if len(seen) == count:
                return seen
    return seen


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"watch": "drop", "name": "b"}, ["a", "c", "d"]),
        ({"watch": "duplicate", "name": "b"}, ["a", "b", "b", "c"]),
        ({"watch": "drop", "event": "ADDED", "nth": 2, "times": 2}, ["a", "d", "e"]),
        ({"watch": "reorder", "name": "b"}, ["a", "c", "b", "d"]),
        ({"watch": "reorder", "event": "ADDED", "times": 2}, ["c", "a", "b", "d"]),
        ({"watch": "close", "name": "c"}, ["a", "b"]),
    ],
)
async def test_watch_events_are_lost_doubled_or_the_last(cluster, client, fault, expected):
    """What a fault does to one event does not change the others, nor their order."""
    cluster.faults.add(client="tester", **fault)
    watching = asyncio.create_task(events(client, len(expected)))
    await cluster.settle()
    for name in "abcde":
        await cluster.client().create(CONFIG_MAPS, config(name))
    assert [name for _, name in await watching] == expected


async def test_events_are_swapped_across_objects_only(cluster, client):
    """What overtakes is about another object: an object's own events keep their order, and none is lost at the end."""
    cluster.faults.add(client="tester", watch="reorder", event="MODIFIED", times=None)
    watching = asyncio.create_task(events(client, 6))
    await cluster.settle()
    admin = cluster.client()
    for name in "ab":
        await admin.create(CONFIG_MAPS, config(name))
    for value in ("1", "2"):
        await admin.update(CONFIG_MAPS, {**config("a"), "data": {"k": value}})
    await admin.delete(CONFIG_MAPS, "b", "default")
    await admin.update(CONFIG_MAPS, {**config("a"), "data": {"k": "3"}})
    await cluster.settle()
    cluster.faults.add(client="tester", watch="close")
    assert await watching == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("MODIFIED", "a"),  # 1, pushed on by 2
        ("DELETED", "b"),
        ("MODIFIED", "a"),  # 2, overtaken
        ("MODIFIED", "a"),  # 3, at the end of the stream
    ]


async def test_a_delayed_event_holds_up_those_behind_it(cluster, client):
    """A slow stream is slow for everything after the delayed event, and loses nothing."""
    cluster.faults.add(client="tester", watch="delay", name="b", latency="10s")
    watching = asyncio.create_task(events(client, 3))
    await cluster.settle()
    for name in "abc":
        await cluster.client().create(CONFIG_MAPS, config(name))
    await cluster.advance("9s")
    assert not watching.done()
    await cluster.advance("1s")
    assert [name for _, name in await watching] == ["a", "b", "c"]


async def test_an_open_watch_expires_at_once(cluster):
    """`expire` ends a stream that is waiting: a cache lists again, and misses nothing."""
    informer = Informer(cluster.client(user_agent="cache"), CONFIG_MAPS, clock=cluster.clock)
    running = asyncio.create_task(informer.run())
    await cluster.settle()
    armed = cluster.faults.add(watch="expire", client="cache", kind="configmaps")
    await cluster.client().create(CONFIG_MAPS, config())
    await cluster.advance("1m")
    assert armed.fired == 1
    assert informer.get("default/a") is not None
    lists = cluster.requests.find(verb="list", client="cache", kind="configmaps")
    assert len(lists) == 2
    assert not running.done()
    running.cancel()


async def test_an_open_watch_is_closed_at_once(cluster):
    """`close` ends a stream without a word: a cache goes on from where it stood."""
    informer = Informer(cluster.client(user_agent="cache"), CONFIG_MAPS, clock=cluster.clock)
    running = asyncio.create_task(informer.run())
    await cluster.settle()
    cluster.faults.add(watch="close", client="cache")
    await cluster.advance("1m")
    await cluster.client().create(CONFIG_MAPS, config())
    await cluster.settle()
    assert informer.get("default/a") is not None
    assert len(cluster.requests.find(verb="list", client="cache", kind="configmaps")) == 1
    assert len(cluster.requests.find(verb="watch", client="cache", kind="configmaps")) >= 2
    running.cancel()


async def test_a_held_client_sees_nothing_until_released(cluster):
    """A hold stops the watches of one client, not its writes nor others' watches; then everything comes, in order."""
    caches = {
        name: Informer(cluster.client(user_agent=name), CONFIG_MAPS, clock=cluster.clock)
        for name in ("a", "b")
    }
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one.run()) for one in caches.values()]
        await cluster.settle()
        with cluster.faults.hold(client="a"):
            await cluster.client(user_agent="a").create(CONFIG_MAPS, config())
            await cluster.settle()
            assert caches["a"].get("default/a") is None
            assert caches["b"].get("default/a") is not None
        await cluster.settle()
        assert caches["a"].get("default/a") is not None
        for task in running:
            task.cancel()


async def test_ending_one_held_stream_leaves_the_others_held(cluster):
    """Streams of one hold do not share a fate."""
    caches = [Informer(cluster.client(user_agent="a"), CONFIG_MAPS, clock=cluster.clock) for _ in range(2)]
    tasks = [asyncio.create_task(one.run()) for one in caches]
    await cluster.settle()
    with cluster.faults.hold(client="a"):
        await cluster.client().create(CONFIG_MAPS, config())
        await cluster.settle()
        tasks[0].cancel()
        await cluster.settle()
        assert not tasks[1].done()
    await cluster.settle()
    assert caches[1].get("default/a") is not None
    tasks[1].cancel()


async def test_a_stale_client_reads_the_past(cluster):
    """Its reads, lists and watches stand still; what it writes on that ground conflicts, as on a late API server."""
    client, other = cluster.client(user_agent="late"), cluster.client()
    await other.create(CONFIG_MAPS, config("a", v="1"))
    with cluster.faults.stale(client="late") as view:
        current = await other.get(CONFIG_MAPS, "a", "default")
        await other.update(CONFIG_MAPS, {**current, "data": {"v": "2"}})
        await other.create(CONFIG_MAPS, config("b"))
        old = await client.get(CONFIG_MAPS, "a", "default")
        assert old["data"] == {"v": "1"}
        assert old["kind"] == "ConfigMap"
        assert [objects.name(one) for one in (await client.list(CONFIG_MAPS, "default")).items] == ["a"]
        with pytest.raises(NotFound):
            await client.get(CONFIG_MAPS, "b", "default")
        with pytest.raises(Conflict):
            await client.update(CONFIG_MAPS, {**old, "data": {"v": "3"}})
    assert view.fired == 3
    assert (await client.get(CONFIG_MAPS, "a", "default"))["data"] == {"v": "2"}


async def test_what_never_acts_is_told(cluster):
    """Faults and holds that met nothing are listed, unless they are optional or were removed."""
    cluster.faults.add(verb="get", name="never", status=500)
    cluster.faults.add(verb="get", status=500, optional=True)
    gone = cluster.faults.add(verb="get", status=504)
    cluster.faults.remove(gone.number)
    with cluster.faults.hold(client="nobody"):
        pass
    assert cluster.faults.unfired == [
        "500 on verb=get name=never: fitted 0, fired 0 times",
        "hold watches on client=nobody: fired 0 times",
    ]
    cluster.faults.clear()
    assert cluster.faults.unfired == []


@pytest.mark.parametrize(
    ("members", "hint"),
    [
        ({"verb": "udpate", "status": 409}, "did you mean 'update'"),
        (
            {"kind": "Configmaps2", "status": 409},
            "the cluster serves no kind 'Configmaps2'; did you mean 'configmaps'",
        ),
        ({"kinds": "Pod", "status": 409}, "a fault has no member 'kinds'; did you mean 'kind'"),
        ({"verb": "get"}, "the fault does nothing"),
        ({"watch": "dorp"}, "there is no watch fault 'dorp'; did you mean 'drop'"),
        ({"watch": "drop", "event": "added"}, "did you mean 'ADDED'"),
        ({"watch": "delay"}, "needs a latency"),
        ({"verb": ["get"], "status": 409}, "verb=['get']: this is a text"),
        ({"status": 409, "reset": True}, "exclude each other"),
        ({"status": 200}, "status=200: there are 400"),
        ({"status": 500, "times": 0}, "count from 1"),
        ({"status": 500, "rate": 2}, "a chance above 0"),
        ({"latency": "soon"}, "is no span of time"),
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused_with_the_way_out(cluster, members, hint):
    """Whoever misspells a fault must not believe that the code under test survived it."""
    with pytest.raises((BadFault, BadPattern)) as refused:
        cluster.faults.add(**members)
    assert hint in str(refused.value)


async def test_faults_are_values(cluster, client):
    """A fault can be kept and registered more than once, with changes."""
    fault = Fault(verb="get", status=500)
    cluster.faults.add(fault)
    cluster.faults.add(fault, verb="list")
    for call in (client.get(CONFIG_MAPS, "a", "default"), client.list(CONFIG_MAPS)):
        with pytest.raises(ApiError):
            await call
