"""Names, ordinals."""

import pytest

from conformance.kube import VM
from conformance.manifests import owner, pool, template, vm
from conformance.world import World, controller, finalizers, terminating, uid, uids


@pytest.mark.smoke
async def test_P_044_numbers_begin_at_zero(world: World) -> None:
    """P-044: An empty pool of three gets p-0, p-1 and p-2."""
    await world.create(pool(replicas=3))
    await world.pool_of("p-0", "p-1", "p-2")


async def test_P_045_gaps_are_filled_first(world: World) -> None:
    """P-045: Owned p-1 and p-3 are completed by p-0, p-2 and p-4."""
    mine = await world.create(pool(replicas=0, paused=True))
    for name in ("p-1", "p-3"):
        await world.create(vm(name, owners=[owner(mine)]), VM)
    await world.until(lambda: world.status()["replicas"] == 2)
    await world.change(replicas=5, paused=False)
    await world.pool_of("p-0", "p-1", "p-2", "p-3", "p-4")


async def test_P_046_counting_goes_on(world: World) -> None:
    """P-046: p-0 to p-2 are continued by p-3 and p-4."""
    await world.create(pool(replicas=3))
    await world.pool_of("p-0", "p-1", "p-2")
    await world.change(replicas=5)
    await world.pool_of("p-0", "p-1", "p-2", "p-3", "p-4")


async def test_P_047_names_in_use_are_left_out(world: World) -> None:
    """P-047: With a foreign p-1, the VMs are p-0, p-2 and p-3, and the foreign one is left alone; p-02 is another name."""
    foreign = await world.create(vm("p-1"), VM)
    await world.create(vm("p-02"), VM)
    await world.create(pool(replicas=3))
    await world.until(lambda: len(world.owned()) == 3)
    await world.settled()
    assert set(world.vms) == {"p-0", "p-1", "p-02", "p-2", "p-3"}
    now = world.vms["p-1"]
    assert uid(now) == uid(foreign)
    assert not terminating(now)
    assert controller(now) == {}
    assert "pool.kubevirt.io/finalizer" not in finalizers(now)


async def test_P_048_a_name_is_used_again(world: World) -> None:
    """P-048: What is deleted and gone comes again under its name, as another VM."""
    await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    before = uids(world.vms)
    await world.delete(VM, "p-1")
    await world.until(lambda: uid(world.vms["p-1"]) != before["p-1"])
    await world.pool_of("p-0", "p-1")
    assert uid(world.vms["p-0"]) == before["p-0"]


async def test_P_049_the_last_dash_counts(world: World) -> None:
    """P-049: A pool named a-1 has a-1-0, a-1-1, …, and its highest ordinals are told by what follows the last dash."""
    strategy = {"proactive": {"selectionPolicy": {"sortPolicy": "DescendingOrder"}}}
    await world.create(pool("a-1", replicas=3, scaleInStrategy=strategy))
    await world.pool_of("a-1-0", "a-1-1", "a-1-2", name="a-1")
    await world.change("a-1", replicas=1)
    await world.pool_of("a-1-0", name="a-1")
    await world.change("a-1", replicas=2)
    await world.pool_of("a-1-0", "a-1-1", name="a-1")


async def test_P_050_pools_with_names_inside_each_other(world: World) -> None:
    """P-050: Pools p and p-0 live side by side, though the VMs of the one look like pools of the other."""
    one, other = {"app": "one"}, {"app": "other"}
    await world.create(pool("p", replicas=2, labels=one, template=template(labels=one)))
    await world.create(pool("p-0", replicas=2, labels=other, template=template(labels=other)))
    await world.until(lambda: len(world.owned("p")) == len(world.owned("p-0")) == 2)
    assert set(world.vms) == {"p-0", "p-1", "p-0-0", "p-0-1"}
    before = uids(world.owned("p"))
    await world.change("p-0", replicas=0)
    await world.size(0, name="p-0")
    await world.settled("p")
    assert uids(world.owned("p")) == before
    assert set(world.vms) == {"p-0", "p-1"}
