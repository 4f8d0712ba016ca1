"""Robustness, timing."""

import asyncio
import contextlib

import pytest
import pytest_asyncio

from conformance import launching
from conformance import world as worlds
from conformance.implementations import DELAY
from conformance.kube import ENDPOINT_SLICE, POD, POOL, SERVICE, VM, Kube
from conformance.manifests import pool, template, vmi_template
from conformance.world import uids, versions


async def test_P_203_changes_are_gathered(world, implementation):
    """P-203: A change is acted upon after a moment, so that what follows within it is seen together with it."""
    before = world.follower.clock()
    await world.create(pool(replicas=3))
    first = await world.until(lambda: world.follower.of(VM, "p-0"))
    assert first[0].at - before >= DELAY.get(implementation, 0) * 0.9


async def test_P_204_errors_are_retried(world):
    """P-204: While a request fails it is repeated with growing pauses, and its success needs no other event."""
    async with world.refusing("CREATE", VM):
        await world.create(pool(replicas=1))
        await world.event("FailedCreate", "Error creating VM: ", "Warning")
        await world.until(lambda: world.told("FailedCreate") > 4, "more attempts than events give rise to")
    await world.pool_of("p-0")


@pytest_asyncio.fixture(loop_scope="session")
async def restartable(request):
    """A world on a fakekube whose controller runs by itself: `start` and `stop` it."""
    if request.config.getoption("--implementation") != "ours" or request.config.getoption("--kubeconfig"):
        pytest.skip("needs a controller that this suite may stop")
    without = [name for name in launching.NO_KUBEVIRT if name != "virt-api"]
    with launching.fakekube("pool-controller", *without) as kubeconfig, contextlib.ExitStack() as running:
        async with Kube(kubeconfig) as connection, worlds.world(connection, "restarted", 30) as found:
            found.start = lambda: running.enter_context(
                launching.controller(kubeconfig, "--reconcile-delay", "0.1", "--workers", "3")
            )
            found.stop = running.close
            yield found


async def test_P_205_a_restart_changes_nothing(restartable):
    """P-205: A controller that starts again leaves a stable pool as it is."""
    world = restartable
    world.start()
    await world.create(pool(replicas=3))
    await world.pool_of("p-0", "p-1", "p-2")
    await world.settled()
    before = versions(world.vms), versions(world.revisions)
    world.stop()
    world.start()
    await world.settled()
    assert (versions(world.vms), versions(world.revisions)) == before


async def test_P_206_what_happened_meanwhile(restartable):
    """P-206: A controller that was away while VMs were deleted and the size changed brings it all about."""
    world = restartable
    world.start()
    await world.create(pool(replicas=3))
    await world.pool_of("p-0", "p-1", "p-2")
    world.stop()
    before = uids(world.vms)
    await world.delete(VM, "p-0")
    await world.change(replicas=5)
    world.start()
    await world.pool_of(*(f"p-{number}" for number in range(5)))
    after = uids(world.vms)
    assert after["p-0"] != before["p-0"]
    assert {name: after[name] for name in ("p-1", "p-2")} == {name: before[name] for name in ("p-1", "p-2")}


async def test_P_207_own_deletions_are_remembered(world):
    """P-207: Resized in quick succession, a pool deletes each VM once and none in addition."""
    await world.create(
        pool(
            replicas=6, scaleInStrategy={"proactive": {"selectionPolicy": {"sortPolicy": "DescendingOrder"}}}
        )
    )
    await world.size(6)
    for size in (5, 4, 3):
        await world.change(replicas=size)
        await world.reconciled()
    await world.size(3)
    await world.settled()
    assert sorted(world.deleted()) == ["p-3", "p-4", "p-5"]


@pytest.mark.smoke
async def test_P_208_many_pools(request, world, kube):
    """P-208: Pools of many names, and of the same name in another namespace, do not meet."""
    patience = request.config.getoption("--patience")
    async with worlds.world(kube, f"{world.namespace}-b", patience) as other:
        async with asyncio.TaskGroup() as creations:
            for name in ("p", "q", "r"):
                labels = {"app": name}
                for place, count in ((world, 2), (other, 3)):
                    manifest = pool(name, replicas=count, labels=labels, template=template(labels=labels))
                    creations.create_task(place.create(manifest))
        for name in ("p", "q", "r"):
            await world.size(2, name=name)
            await other.size(3, name=name)
        before = uids(other.vms)
        await world.change("p", replicas=0)
        await world.delete(POOL, "q")
        await world.until(lambda: set(world.vms) == {"r-0", "r-1"})
        await other.settled("p")
        assert uids(other.vms) == before


async def test_P_209_it_ends_well(world):
    """P-209: Whatever a new pool has complained of, in the end it complains of nothing."""
    await world.create(pool(replicas=8))
    await world.size(8)
    await world.settled()
    assert not world.condition("ReplicaFailure")


async def guests(world):
    """A pool of two that are ready, with a label of their own on their guests."""
    body = template(running=True, vmi=vmi_template(labels={"app": "p", "serves": "web"}))
    await world.create(pool(replicas=2, template=body))
    await world.size(2, ready=2)
    return uids(world.vmis)


async def test_P_210_autoscaling(world):
    """P-210: What writes /scale resizes the pool, and the selector it reads there finds the VMs' pods."""
    await guests(world)
    scale = await world.kube.get(POOL, world.namespace, "p", "scale")
    pods = await world.kube.list(POD, world.namespace, labelSelector=scale["status"]["selector"])
    assert len(pods) == 2
    scale["spec"]["replicas"] = 3
    await world.kube.replace(POOL, scale, "scale")
    await world.size(3, ready=3)
    pods = await world.kube.list(POD, world.namespace, labelSelector=scale["status"]["selector"])
    assert len({one["metadata"]["labels"]["vm.kubevirt.io/name"] for one in pods}) == 3


async def test_P_211_a_service_in_front(request, world):
    """P-211, S-17: A Service that selects the guests' label has all of them behind it, ready."""
    before = await guests(world)
    body = {"metadata": {"name": "web"}, "spec": {"selector": {"serves": "web"}, "ports": [{"port": 22}]}}
    service = await world.create(body, SERVICE)
    selector = ",".join(f"{key}={value}" for key, value in service["spec"]["selector"].items())
    pods = await world.kube.list(POD, world.namespace, labelSelector=selector)
    assert {one["metadata"]["labels"]["kubevirt.io/created-by"] for one in pods} == set(before.values())
    wanted = {one["metadata"]["name"] for one in pods}
    found = set()
    async with (
        asyncio.timeout(request.config.getoption("--patience")),
        world.kube.watch(ENDPOINT_SLICE, world.namespace) as events,
    ):
        async for event in events:
            endpoints = event["object"].get("endpoints") or []
            found = {one["targetRef"]["name"] for one in endpoints if one["conditions"]["ready"]}
            if found == wanted:
                break
    assert found == wanted
