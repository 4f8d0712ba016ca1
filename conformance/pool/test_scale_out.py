"""Scale-out."""

import asyncio

import pytest

from conformance.kube import EVENT, POOL, QUOTA, VM
from conformance.manifests import pool, template
from conformance.world import World, revision, terminating, uids


async def test_P_075_one_by_default(world: World) -> None:
    """P-075, S-04: A pool that does not say how many keeps one."""
    await world.create(pool(replicas=None))
    await world.pool_of("p-0")


@pytest.mark.smoke
async def test_P_076_growing(world: World) -> None:
    """P-076, S-13: More replicas add what is missing and touch nothing that is there."""
    await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    await world.settled()
    before = {
        name: (one["metadata"]["uid"], one["metadata"]["generation"]) for name, one in world.vms.items()
    }
    await world.change(replicas=5)
    await world.pool_of(*(f"p-{number}" for number in range(5)))
    after = {name: (one["metadata"]["uid"], one["metadata"]["generation"]) for name, one in world.vms.items()}
    assert {name: after[name] for name in before} == before


async def test_P_077_creations_are_told(world: World) -> None:
    """P-077, S-11: Each created VM is an event on the pool, from the pool controller."""
    mine = await world.create(pool(replicas=3))
    for number in range(3):
        await world.event("SuccessfulCreate", f"Created VM {world.namespace}/p-{number}")
    for one in world.follower.now[EVENT].values():
        if one["involvedObject"]["kind"] == "VirtualMachinePool":
            about = one["involvedObject"]
            assert one["source"]["component"] == "virtualmachinepool-controller"
            assert (about["name"], about["uid"]) == ("p", mine["metadata"]["uid"])
            assert about["apiVersion"] == "pool.kubevirt.io/v1beta1"


async def test_P_078_more_than_a_burst(bare: World) -> None:
    """P-078: 260 VMs come, though they are more than one pass creates."""
    await bare.create(pool(replicas=260))
    await bare.until(lambda: len(bare.vms) == 260 and bare.status().get("replicas") == 260)
    assert set(bare.vms) == {f"p-{number}" for number in range(260)}
    await bare.change(replicas=0)
    await bare.until(lambda: not bare.vms)


async def test_P_079_failures_are_shown(world: World) -> None:
    """P-079: When VMs cannot be created, the pool says so."""
    async with world.refusing("CREATE", VM):
        await world.create(pool(replicas=2))
        found = await world.until(lambda: world.condition("ReplicaFailure"))
        assert found["status"] == "True"
        assert found["reason"] == "FailedScaleOut"
        assert found["message"].startswith("error during scale out: ")
        assert "nobody.conformance.example" in found["message"]


async def test_P_080_failures_are_told(world: World) -> None:
    """P-080: … and two warnings tell it."""
    async with world.refusing("CREATE", VM):
        await world.create(pool(replicas=2))
        await world.event("FailedCreate", "Error creating VM: ", "Warning")
        await world.event("FailedScaleOut", "error during scale out: ", "Warning")


@pytest.mark.smoke
async def test_P_081_recovery(world: World) -> None:
    """P-081: When creating works again, the VMs come by themselves and the complaint goes."""
    async with world.refusing("CREATE", VM):
        await world.create(pool(replicas=2))
        await world.until(lambda: world.condition("ReplicaFailure"))
    await world.pool_of("p-0", "p-1")
    await world.until(lambda: not world.condition("ReplicaFailure"))


async def test_P_082_what_was_created_stays(world: World) -> None:
    """P-082: While some creations fail, those that worked are not undone."""
    await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    limit = {"count/virtualmachines.kubevirt.io": "3"}
    await world.create({"metadata": {"name": "three"}, "spec": {"hard": limit}}, QUOTA)
    async with (
        asyncio.timeout(world.follower.patience),
        world.kube.watch(QUOTA, world.namespace) as events,
    ):
        async for event in events:
            if (event["object"].get("status") or {}).get("used") == dict.fromkeys(limit, "2"):
                break
    await world.change(replicas=5)
    await world.until(lambda: world.condition("ReplicaFailure") and len(world.vms) == 3)
    before = uids(world.vms)
    await world.settled()
    assert uids(world.vms) == before
    assert not any(map(terminating, world.vms.values()))
    await world.delete(QUOTA, "three")
    await world.size(5)
    assert before.items() <= uids(world.vms).items()


async def test_P_083_new_vms_have_the_new_template(world: World) -> None:
    """P-083: Template and size changed in one step: what is new is built from the new template at once."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.change_template(template("96Mi"), replicas=3)
    await world.pool_of("p-0", "p-1", "p-2")
    for name in ("p-1", "p-2"):
        first = world.follower.of(VM, name)[0].obj
        assert first["spec"]["template"]["spec"]["domain"]["memory"]["guest"] == "96Mi"
        assert revision(first) == "p-2"


@pytest.mark.parametrize("sizes", [(1, 4, 2, 5), (5, 0, 3)])
async def test_P_084_never_too_many(world: World, sizes: tuple[int, ...]) -> None:
    """P-084, S-02: Through all changes of size there are never more live VMs than the largest size wanted."""
    await world.create(pool(replicas=sizes[0]))
    await world.size(sizes[0])
    wanted = sizes[0]
    for size in sizes[1:]:
        since = world.follower.clock()
        most = max(wanted, size)
        await world.change(replicas=size)
        await world.size(size)
        assert world.most(VM, lambda one: not terminating(one), since) <= most
        wanted = size


async def test_P_085_no_ordinal_twice(world: World) -> None:
    """P-085: While the size is changed under way, no ordinal is made twice and none is made in vain."""
    await world.create(pool(replicas=1))
    for size in (2, 3, 4, 5, 6):
        await world.change(replicas=size)
    await world.pool_of(*(f"p-{number}" for number in range(6)))
    await world.settled()
    made = [one.name for one in world.follower.history if one.kind is VM and one.type == "ADDED"]
    assert sorted(made) == [f"p-{number}" for number in range(6)]


async def test_D_10_creating_is_no_failure(world: World) -> None:
    """D-10: While a pool comes up, nothing fails because of knowledge that is late."""
    await world.create(pool(replicas=5))
    await world.pool_of(*(f"p-{number}" for number in range(5)))
    await world.settled()
    assert not any(kind == "Warning" for kind, _, _ in world.events)
    for moment in world.follower.of(POOL, "p"):
        conditions = (moment.obj.get("status") or {}).get("conditions") or []
        assert not any(one["type"] == "ReplicaFailure" for one in conditions)
