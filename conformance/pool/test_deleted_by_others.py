"""VMs deleted by others."""

import pytest

from conformance.kube import VM, Object
from conformance.manifests import FINALIZER, pool, proactive, template, with_storage
from conformance.world import World, finalizers, ready, terminating, uid, uids


@pytest.mark.smoke
@pytest.mark.parametrize(
    "strategy", [None, {"proactive": {}}, {"opportunistic": {}}], ids=["absent", "proactive", "opportunistic"]
)
async def test_P_118_a_replacement_comes(world: World, strategy: Object | None) -> None:
    """P-118, S-01: A VM deleted by hand goes, and another becomes ready in its place."""
    more: Object = {"scaleInStrategy": strategy} if strategy else {}
    await world.create(pool(replicas=2, template=template(running=True), **more))
    await world.pool_of("p-0", "p-1", ready=2)
    before = uids(world.vms)
    await world.delete(VM, "p-0")
    await world.until(lambda: uid(world.vms["p-0"]) != before["p-0"] and ready(world.vms["p-0"]))
    await world.pool_of("p-0", "p-1", ready=2)
    assert uid(world.vms["p-1"]) == before["p-1"]


async def test_P_119_it_counts_until_it_is_gone(world: World) -> None:
    """P-119: While it is terminating it counts, and nothing takes its place."""
    await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    await world.hold(VM, "p-0")
    await world.delete(VM, "p-0")
    await world.until(lambda: terminating(world.vms["p-0"]))
    await world.settled()
    assert set(world.vms) == {"p-0", "p-1"}
    assert world.status()["replicas"] == 2
    await world.let_go(VM, "p-0")
    await world.pool_of("p-0", "p-1")


async def test_P_120_in_the_foreground(world: World) -> None:
    """P-120: Deleted in the foreground it is the same, and its disks are new."""
    await world.create(pool(replicas=1, template=with_storage()))
    await world.pool_of("p-0")
    await world.until(lambda: "d-0" in world.dvs)
    old, disk = uid(world.vms["p-0"]), uid(world.dvs["d-0"])
    await world.delete(VM, "p-0", "Foreground")
    await world.until(lambda: uid(world.vms["p-0"]) != old)
    await world.until(lambda: uid(world.dvs["d-0"]) != disk)
    await world.pool_of("p-0")


async def test_P_121_several_at_once(world: World) -> None:
    """P-121: All that were deleted are replaced."""
    await world.create(pool(replicas=3))
    await world.pool_of("p-0", "p-1", "p-2")
    before = uids(world.vms)
    for name in before:
        await world.delete(VM, name)
    await world.until(lambda: set(world.vms) == set(before) and not uids(world.vms).items() & before.items())
    await world.pool_of("p-0", "p-1", "p-2")


async def test_P_122_unmanaged(world: World) -> None:
    """P-122: Under unmanaged a VM deleted by hand goes, too."""
    await world.create(pool(replicas=1, scaleInStrategy={"unmanaged": {}}))
    await world.pool_of("p-0")
    old = uid(world.vms["p-0"])
    await world.delete(VM, "p-0")
    await world.until(lambda: "p-0" not in world.vms or uid(world.vms["p-0"]) != old, patience=world.quarter)


async def test_P_123_opportunistic_scale_in(world: World) -> None:
    """P-123: Opportunistic: what is deleted after replicas was lowered goes, and is not replaced."""
    await world.create(pool(replicas=3, scaleInStrategy={"opportunistic": {}}))
    await world.size(3)
    await world.change(replicas=1)
    await world.settled()
    await world.delete(VM, "p-1")
    await world.until(lambda: set(world.vms) == {"p-0", "p-2"}, patience=world.quarter)
    await world.settled()
    assert set(world.vms) == {"p-0", "p-2"}


async def lowered(world: World) -> None:
    """Of three VMs one is going by hand; then replicas is lowered by one."""
    await world.create(pool(replicas=3, scaleInStrategy=proactive("AscendingOrder")))
    await world.size(3)
    await world.hold(VM, "p-2")
    await world.delete(VM, "p-2")
    await world.until(lambda: terminating(world.vms["p-2"]))
    await world.change(replicas=2)
    await world.settled()


async def test_P_124_what_is_going_counts_as_gone(world: World) -> None:
    """P-124: With one VM terminating, lowering replicas by one deletes no other."""
    await lowered(world)
    assert world.lively() == {"p-0", "p-1"}
    await world.let_go(VM, "p-2")


async def test_P_125_and_it_is_let_go(world: World) -> None:
    """P-125: … and the terminating one can go."""
    await lowered(world)
    await world.until(lambda: FINALIZER not in finalizers(world.vms["p-2"]), patience=world.quarter)
    await world.let_go(VM, "p-2")
    await world.pool_of("p-0", "p-1")


async def test_P_126_a_paused_pool_holds_on(world: World) -> None:
    """P-126: While paused, a VM deleted by hand stays terminating; after that it goes and is replaced."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.change(paused=True)
    await world.until(lambda: world.condition("ReplicaPaused"))
    old = uid(world.vms["p-0"])
    await world.delete(VM, "p-0")
    await world.until(lambda: terminating(world.vms["p-0"]))
    await world.settled()
    assert terminating(world.vms["p-0"])
    assert FINALIZER in finalizers(world.vms["p-0"])
    await world.change(paused=False)
    await world.until(lambda: uid(world.vms["p-0"]) != old)
    await world.pool_of("p-0")


async def test_D_06_nothing_keeps_a_vm_from_going(world: World) -> None:
    """D-06: A VM deleted by hand goes, though at the same time VMs are missing that cannot be created."""
    await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    async with world.refusing("CREATE", VM):
        await world.change(replicas=4)
        await world.until(lambda: world.condition("ReplicaFailure"))
        await world.delete(VM, "p-0")
        await world.until(lambda: set(world.vms) == {"p-1"}, patience=world.quarter)
    await world.pool_of("p-0", "p-1", "p-2", "p-3")


async def test_D_06_though_the_spec_is_wrong(world: World) -> None:
    """D-06: A VM that goes is let go although the pool cannot tell which others should."""
    needs = [{"key": "rank", "operator": "Gt", "values": ["1", "2"]}]
    strategy = proactive(selectors={"nodeSelectorRequirementMatcher": needs})
    await world.create(pool(replicas=3, scaleInStrategy=strategy))
    await world.pool_of("p-0", "p-1", "p-2")
    await world.change(replicas=1)
    await world.until(lambda: world.condition("ReplicaFailure"))
    await world.delete(VM, "p-0")
    await world.until(lambda: set(world.vms) == {"p-1", "p-2"}, patience=world.quarter)
