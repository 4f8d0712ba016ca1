"""Robustness, timing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio

from conformance import launching
from conformance import world as worlds
from conformance.implementations import DELAY
from conformance.kube import ENDPOINT_SLICE, POD, POOL, SERVICE, VM, Kube
from conformance.manifests import pool, template, vmi_template
from conformance.world import World, uids, versions


async def test_P_203_changes_are_gathered(world: World, implementation: str) -> None:
    """P-203: A change is acted upon after a moment, so that what follows within it is seen together with it."""
    if implementation not in DELAY:
        pytest.skip("it is not known how long this implementation gathers")
    before = world.follower.clock()
    await world.create(pool(replicas=3))
    first = await world.until(lambda: world.follower.of(VM, "p-0"))
    assert first[0].at - before >= DELAY[implementation] * 0.9


async def test_P_204_errors_are_retried(world: World) -> None:
    """P-204: While a request fails it is repeated with growing pauses, and its success needs no other event."""
    async with world.refusing("CREATE", VM):
        await world.create(pool(replicas=1))
        await world.event("FailedCreate", "Error creating VM: ", "Warning")
        await world.until(lambda: world.told("FailedCreate") > 4, "more attempts than events give rise to")
    await world.pool_of("p-0")


@dataclass(frozen=True, slots=True)
class Restartable:
    """A world on a fakekube whose controller runs by itself, to be started and stopped."""

    world: World
    start: Callable[[], None]
    stop: Callable[[], None]


@pytest_asyncio.fixture(loop_scope="session")
async def restartable(request: pytest.FixtureRequest) -> AsyncIterator[Restartable]:
    if request.config.getoption("--implementation") != "ours" or request.config.getoption("--kubeconfig"):
        pytest.skip("needs a controller that this suite may stop")
    without = [name for name in launching.NO_KUBEVIRT if name != "virt-api"]
    with launching.fakekube("pool-controller", *without) as kubeconfig, contextlib.ExitStack() as running:
        async with Kube(kubeconfig) as connection, worlds.world(connection, "restarted", 30) as found:

            def start() -> None:
                more = ("--reconcile-delay", "0.1", "--workers", "3")
                running.enter_context(launching.controller(kubeconfig, *more))

            yield Restartable(found, start, running.close)


async def test_P_205_a_restart_changes_nothing(restartable: Restartable) -> None:
    """P-205: A controller that starts again leaves a stable pool as it is."""
    world = restartable.world
    restartable.start()
    await world.create(pool(replicas=3))
    await world.pool_of("p-0", "p-1", "p-2")
    await world.settled()
    before = versions(world.vms), versions(world.revisions)
    restartable.stop()
    restartable.start()
    await world.settled()
    assert (versions(world.vms), versions(world.revisions)) == before


async def test_P_206_what_happened_meanwhile(restartable: Restartable) -> None:
    """P-206: A controller that was away while VMs were deleted and the size changed brings it all about."""
    world = restartable.world
    restartable.start()
    await world.create(pool(replicas=3))
    await world.pool_of("p-0", "p-1", "p-2")
    restartable.stop()
    before = uids(world.vms)
    await world.delete(VM, "p-0")
    await world.change(replicas=5)
    restartable.start()
    await world.pool_of(*(f"p-{number}" for number in range(5)))
    after = uids(world.vms)
    assert after["p-0"] != before["p-0"]
    assert {name: after[name] for name in ("p-1", "p-2")} == {name: before[name] for name in ("p-1", "p-2")}


async def test_P_207_own_deletions_are_remembered(world: World) -> None:
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
async def test_P_208_many_pools(request: pytest.FixtureRequest, world: World, kube: Kube) -> None:
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


async def test_P_209_it_ends_well(world: World) -> None:
    """P-209: Whatever a new pool has complained of, in the end it complains of nothing."""
    await world.create(pool(replicas=8))
    await world.size(8)
    await world.settled()
    assert not world.condition("ReplicaFailure")


async def guests(world: World) -> dict[str, str]:
    """A pool of two that are ready, with a label of their own on their guests."""
    body = template(running=True, vmi=vmi_template(labels={"app": "p", "serves": "web"}))
    await world.create(pool(replicas=2, template=body))
    await world.size(2, ready=2)
    return uids(world.vmis)


async def test_P_210_autoscaling(world: World) -> None:
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


async def test_P_211_a_service_in_front(request: pytest.FixtureRequest, world: World) -> None:
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
