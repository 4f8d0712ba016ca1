"""Pause."""

from typing import Any

import pytest

from conformance.kube import POOL, Object
from conformance.manifests import pool, template
from conformance.pool.test_update_vms import generations
from conformance.world import World, ready, uids


async def paused(world: World, replicas: int = 2, **more: Any) -> Object:
    await world.create(pool(replicas=replicas, **more))
    await world.size(replicas)
    await world.change(paused=True)
    return await world.until(lambda: world.condition("ReplicaPaused"))


@pytest.mark.smoke
async def test_P_178_pausing_is_shown(world: World) -> None:
    """P-178: A paused pool says so, in a condition and an event."""
    found = await paused(world)
    assert (found["status"], found["reason"]) == ("True", "SuccessfulPaused")
    assert found["message"] == "Pool controller is paused"
    await world.event("SuccessfulPaused", "Pool is paused")


@pytest.mark.parametrize("replicas", [0, 4])
async def test_P_179_the_size_is_left(world: World, replicas: int) -> None:
    """P-179: While paused, other replicas create and delete nothing."""
    await paused(world)
    before = uids(world.vms)
    await world.change(replicas=replicas)
    await world.settled()
    assert uids(world.vms) == before
    assert len(world.lively()) == 2
    assert [one["type"] for one in world.status()["conditions"]] == ["ReplicaPaused"]


async def test_P_180_the_template_is_left(world: World) -> None:
    """P-180: While paused, another template updates nothing."""
    await paused(world)
    await world.settled()
    before = generations(world.vms)
    await world.change_template(template("96Mi"))
    await world.settled()
    assert generations(world.vms) == before
    assert set(world.revisions) == {"p-1"}


async def test_P_181_counting_goes_on(world: World) -> None:
    """P-181: While paused, the counters follow the VMs."""
    await world.create(pool(replicas=2, template=template(running=True)))
    await world.size(2, ready=2)
    await world.change(paused=True)
    await world.until(lambda: world.condition("ReplicaPaused"))
    await world.command("p-0", "pause")
    await world.until(lambda: world.status().get("readyReplicas") == 1)
    await world.command("p-0", "unpause")
    await world.until(lambda: world.status().get("readyReplicas") == 2)
    assert ready(world.vms["p-0"])


@pytest.mark.smoke
async def test_P_182_resuming(world: World) -> None:
    """P-182: Resumed, the pool does what is missing, and says that it goes on."""
    await paused(world)
    await world.change(replicas=3)
    await world.settled()
    await world.change(paused=False)
    await world.pool_of("p-0", "p-1", "p-2")
    await world.until(lambda: not world.condition("ReplicaPaused"))
    await world.event("SuccessfulResume", "Pool is unpaused")


async def test_P_183_a_paused_pool_can_go(world: World) -> None:
    """P-183: A paused pool can be deleted."""
    await paused(world)
    await world.delete(POOL, "p")
    await world.until(lambda: not world.pools and not world.vms)
