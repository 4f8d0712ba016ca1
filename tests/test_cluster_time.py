"""Virtual time: settling, advancing, waiting for conditions, forks. No clock of the machine is asked."""

import asyncio
import itertools
from datetime import timedelta

import pytest

from fakekube.clock import FlowingClock, ManualClock, RealClock
from fakekube.cluster import Cluster
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.durations import seconds_of
from fakekube.machinery.resources import NODES, PODS, VIRTUAL_MACHINE_POOLS, VIRTUAL_MACHINES
from fakekube.passage import CannotMoveTime

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "default"},
    "spec": {"containers": [{"name": "c", "image": "busybox"}]},
}
TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "runStrategy": "Always",
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}},
        },
    },
}


def pool(replicas, name="p"):
    return {
        "apiVersion": "pool.kubevirt.io/v1beta1",
        "kind": "VirtualMachinePool",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "virtualMachineTemplate": TEMPLATE,
        },
    }


async def ready(cluster, replicas, name="p"):
    one = await cluster.client().get(VIRTUAL_MACHINE_POOLS, name, "default")
    return objects.dig(one, "status", "readyReplicas") == replicas


@pytest.fixture
async def cluster():
    async with Cluster(clock=ManualClock(), seed=1) as running:
        await running.settle()
        yield running
        assert not running.failures


async def test_settled_means_that_every_chain_of_actors_has_come_to_its_end(cluster):
    """After `settle` a pod is bound and runs, and nothing changes however often the loop turns."""
    await cluster.client().create(PODS, POD)
    await cluster.settle()
    assert (await cluster.client().get(PODS, "a", "default"))["status"]["phase"] == "Running"
    revision = cluster.api.store.revision
    for _ in range(100):
        await RealClock().sleep(0)
    assert cluster.api.store.revision == revision
    assert cluster.idle


async def test_advancing_stops_at_each_moment_somebody_waits_for(cluster):
    """Sleepers wake at their own moments, in their order, and what they cause happens at that time."""
    woken = []

    async def sleeper(seconds):
        await cluster.clock.sleep(seconds)
        woken.append(cluster.clock.monotonic())
        await cluster.clock.sleep(seconds)
        woken.append(cluster.clock.monotonic())

    start = cluster.clock.monotonic()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sleeper(3))
        tasks.create_task(sleeper(2))
        await cluster.advance("10s")
    assert [moment - start for moment in woken] == [2, 3, 4, 6]
    assert cluster.clock.monotonic() - start == 10


async def test_time_stamps_follow_the_cluster_clock(cluster):
    """An object made ten minutes later was created ten minutes later."""
    first = await cluster.client().create(PODS, POD)
    await cluster.advance(timedelta(minutes=10))
    second = await cluster.client().create(PODS, {**POD, "metadata": {"name": "b", "namespace": "default"}})
    assert first["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert second["metadata"]["creationTimestamp"] == "2026-01-01T00:10:00Z"


async def test_advancing_a_cluster_where_nobody_waits_returns():
    """Without actors nobody sleeps, and time passes all the same."""
    async with Cluster(clock=ManualClock(), only=["api"]) as cluster:
        await cluster.advance("1d")
        assert cluster.clock.monotonic() == 86_400


async def test_a_condition_is_waited_for_in_virtual_time(cluster):
    """`run_until` lets pass what a pool needs to become ready, and gives back the condition's value."""
    await cluster.apply([pool(3)])
    assert await cluster.run_until(lambda: ready(cluster, 3)) is True
    assert cluster.clock.monotonic() < 60
    assert len((await cluster.client().list(VIRTUAL_MACHINES)).items) == 3


async def test_waiting_ends_after_so_much_virtual_time(cluster):
    """What does not become true within the time-out is a TimeoutError, exactly then."""
    start = cluster.clock.monotonic()
    with pytest.raises(TimeoutError, match="not so within 90s"):
        await cluster.run_until(lambda: False, timeout="90s")
    assert cluster.clock.monotonic() - start <= 90


async def test_waiting_for_what_cannot_come_says_so():
    """Where nobody sleeps, no time would help: the wait ends at once."""
    async with Cluster(clock=ManualClock(), only=["api"]) as cluster:
        with pytest.raises(TimeoutError, match="nothing is going to happen any more"):
            await cluster.run_until(lambda: False)


async def test_machines_that_never_boot_are_started_ever_more_rarely(cluster):
    """Ten minutes of crash loops are lived through: pauses between the starts of one machine grow."""
    machine = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "loop", "namespace": "default"},
        "spec": copy_of(TEMPLATE["spec"]),
    }
    machine["spec"]["template"]["metadata"]["annotations"] = {"fakekube.io/fate": "fail-to-boot"}
    await cluster.apply([machine])
    await cluster.advance("10m")
    assert cluster.clock.monotonic() == 600
    starts = [
        one.at
        for one in cluster.requests.find(
            verb="create", kind="VirtualMachineInstance", client="virt-controller"
        )
    ]
    pauses = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert len(pauses) >= 4
    assert pauses[-1] > 4 * pauses[0] > 0


async def test_a_real_clock_is_not_moved():
    """`advance` on the machine's time is refused, and the refusal names the way out."""
    async with Cluster(only=["api"]) as cluster:
        with pytest.raises(CannotMoveTime, match=r"Cluster\(clock=ManualClock\(\)\)"):
            await cluster.advance("1s")


@pytest.mark.parametrize("span", [-1, "-5m", timedelta(seconds=-1)])
async def test_time_does_not_go_back(span):
    """A negative span is refused in every notation, before anything has happened."""
    async with Cluster(clock=ManualClock(), only=["api"]) as cluster:
        with pytest.raises(ValueError, match="time cannot go back"):
            await cluster.advance(span)


def test_spans_are_written_as_people_write_them():
    """Numbers are seconds; units may be joined; anything else is refused with examples."""
    assert [seconds_of(span) for span in (2, "90s", "1h30m", "250ms", "1.5m", timedelta(hours=1))] == [
        2,
        90,
        5400,
        0.25,
        90,
        3600,
    ]
    for wrong in ("soon", "10 minutes", "", "5"):
        with pytest.raises(ValueError, match="is no span of time"):
            seconds_of(wrong)


async def test_a_flowing_clock_rings_in_time_after_a_sleeper_gave_up():
    """Whoever sleeps for a moment is not kept waiting for somebody who wanted to sleep for an hour and was cancelled."""
    clock = FlowingClock()
    long = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)
    await asyncio.wait_for(clock.sleep(0.001), 30)


async def test_a_flowing_clock_can_be_pushed_ahead():
    """It runs by itself, wakes its sleepers, and `advance` comes on top."""
    clock = FlowingClock()
    before = clock.now()
    await clock.sleep(0.001)
    assert clock.now() > before
    async with Cluster(clock=clock, only=["api"]) as cluster:
        await cluster.advance("1h")
        assert 3600 < clock.monotonic() < 3700


async def test_a_fork_goes_its_own_way(cluster):
    """A fork begins with what is there, at the same time; neither sees what the other does later."""
    await cluster.client().create(PODS, POD)
    await cluster.advance("5m")
    async with cluster.fork(seed=2) as twin:
        assert (await twin.client().get(PODS, "a", "default"))["status"]["phase"] == "Running"
        assert twin.clock.now() == cluster.clock.now()
        await twin.client().delete(PODS, "a", "default", grace_seconds=0)
        await twin.apply([pool(2)])
        await twin.run_until(lambda: ready(twin, 2))
        assert not (await cluster.client().list(VIRTUAL_MACHINES)).items
    assert await cluster.client().get(PODS, "a", "default")
    assert len((await cluster.client().list(NODES)).items) == 1


async def test_forks_of_a_fork_keep_history_apart(cluster):
    """Watches of a fork can begin in the past it shares, and tell its own present."""
    made = await cluster.client().create(PODS, POD)
    await cluster.settle()
    async with cluster.fork() as twin, twin.fork() as second:
        version = made["metadata"]["resourceVersion"]
        await second.client().patch(PODS, "a", "default", {"metadata": {"labels": {"x": "y"}}}, type="merge")
        seen = []
        async for kind, obj in second.client().watch(PODS, "default", resource_version=version):
            seen.append((kind, objects.labels(obj).get("x")))
            if seen[-1][1]:
                break
        assert seen[-1] == ("MODIFIED", "y")
        assert "x" not in objects.labels(await twin.client().get(PODS, "a", "default"))


def test_settling_is_the_same_on_a_loop_that_keeps_its_queue_to_itself():
    """uvloop does not tell what it has left to run; the same story happens at the same times, request by request."""
    uvloop = pytest.importorskip("uvloop")

    async def story():
        async with Cluster(clock=ManualClock(), seed=1) as cluster:
            await cluster.settle()
            await cluster.apply([pool(3)])
            await cluster.run_until(lambda: ready(cluster, 3))
            await cluster.advance("10m")
            return [f"{one.at} {one}" for one in cluster.requests]

    with asyncio.Runner() as runner:
        expected = runner.run(story())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert sorted(runner.run(story())) == sorted(expected)
