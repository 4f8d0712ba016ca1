"""Identity and membership."""

import pytest

from conformance.kube import CONFIG_MAP, POOL, VM, Object
from conformance.manifests import FINALIZER, owner, pool, template, vm
from conformance.world import World, controller, finalizers, labels, owners, specs, terminating, uid, uids


@pytest.mark.parametrize(
    "spec",
    [{"replicas": 1}, {"replicas": 0}, {"replicas": 1, "paused": True}],
    ids=["of one", "of none", "paused"],
)
async def test_P_030_a_pool_is_held(world: World, spec: Object) -> None:
    """P-030: The first pass puts the finalizer on every pool, also on one of none and on a paused one."""
    await world.create(pool(**spec))
    await world.until(lambda: FINALIZER in finalizers(world.pools["p"]))


async def test_P_031_finalizers_of_others_on_the_pool(world: World) -> None:
    """P-031: The pool's finalizer is put beside what is there."""
    manifest = pool(replicas=1)
    manifest["metadata"]["finalizers"] = ["conformance/hold"]
    await world.create(manifest)
    await world.until(lambda: FINALIZER in finalizers(world.pools["p"]))
    try:
        assert finalizers(world.pools["p"]) == ["conformance/hold", FINALIZER]
    finally:
        await world.patch(POOL, "p", {"metadata": {"finalizers": [FINALIZER]}})


@pytest.mark.smoke
async def test_P_032_the_owner_of_a_vm(world: World) -> None:
    """P-032: A VM has one owner, its pool in v1beta1, which controls it and cannot go before it."""
    mine = await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    for one in world.vms.values():
        assert owners(one) == [
            {
                "apiVersion": "pool.kubevirt.io/v1beta1",
                "kind": "VirtualMachinePool",
                "name": "p",
                "uid": uid(mine),
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]


async def test_P_033_a_vm_is_held(world: World) -> None:
    """P-033: A VM carries the pool's finalizer from the first."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    assert FINALIZER in finalizers(world.follower.of(VM, "p-0")[0].obj)
    assert FINALIZER in finalizers(world.vms["p-0"])


@pytest.mark.smoke
async def test_P_034_nothing_is_adopted(world: World) -> None:
    """P-034: VMs of nobody that match the selector are neither adopted nor changed nor counted."""
    await world.create(vm("stray"), VM)
    await world.create(vm("p-7"), VM)
    await world.create(pool(replicas=1))
    await world.until(lambda: "p-0" in world.vms)
    before = list(specs({name: world.vms[name] for name in ("stray", "p-7")}))
    await world.change_template(template(metadata={"annotations": {"new": "yes"}}), replicas=2)
    await world.until(lambda: len(world.owned()) == 2)
    await world.settled()
    assert world.status()["replicas"] == 2
    for name in ("stray", "p-7"):
        now = world.vms[name]
        assert owners(now) == []
        assert FINALIZER not in finalizers(now)
        assert "new" not in now["metadata"].get("annotations", {})
    assert list(specs({name: world.vms[name] for name in ("stray", "p-7")})) == before


async def test_P_035_vms_of_another_pool(world: World) -> None:
    """P-035: Pools with the same labels count, update and scale their own VMs only."""
    await world.create(pool("p", replicas=2))
    await world.create(pool("q", replicas=2))
    await world.size(2, name="p")
    await world.size(2, name="q")
    before = world.owned("q")
    await world.change_template(template(metadata={"annotations": {"new": "yes"}}), replicas=1)
    await world.size(1, name="p")
    await world.settled("q")
    now = world.owned("q")
    assert uids(now) == uids(before)
    assert list(specs(now)) == list(specs(before))
    assert world.status("q")["replicas"] == 2


async def test_S_07_nobody_keeps_users_from_colliding(world: World) -> None:
    """S-07: VMs and pools whose labels collide with a pool's are not refused: avoiding them is the user's task."""
    await world.create(pool("p", replicas=1))
    await world.create(vm("stray"), VM)
    await world.create(pool("q", replicas=1))
    await world.size(1, name="p")
    await world.size(1, name="q")
    assert set(world.vms) == {"p-0", "q-0", "stray"}


async def test_P_036_the_uid_decides(bare: World) -> None:
    """P-036: A VM of a pool that had the same name is not this pool's."""
    await bare.create(pool(replicas=0))
    await bare.until(lambda: FINALIZER in finalizers(bare.pools["p"]))
    former = owner(bare.pools["p"]) | {"uid": "00000000-0000-4000-8000-000000000000"}
    # A second owner keeps the garbage collector from it.
    keeper = await bare.create(pool("keeper", replicas=0))
    await bare.create(vm("p-3", owners=[former, owner(keeper, controller=False)]), VM)
    await bare.settled()
    assert "replicas" not in bare.status()
    assert not terminating(bare.vms["p-3"])


async def test_P_037_removing_the_owner_detaches(world: World) -> None:
    """P-037, S-14: A VM without its owner lives on unchanged, and another ordinal takes its place."""
    await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    before = world.vms["p-0"]
    await world.detach("p-0")
    await world.until(lambda: set(world.owned()) == {"p-1", "p-2"})
    await world.settled()
    now = world.vms["p-0"]
    assert uid(now) == uid(before)
    assert now["spec"] == before["spec"]
    assert labels(now) == labels(before)
    assert owners(now) == []
    assert set(world.vms) == {"p-0", "p-1", "p-2"}


async def test_P_038_a_detached_vm_is_left_alone(world: World) -> None:
    """P-038: Scaling and updating the pool does not reach it."""
    await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    await world.detach("p-0")
    await world.until(lambda: set(world.owned()) == {"p-1", "p-2"})
    await world.settled()
    before = world.vms["p-0"]
    await world.change_template(template("96Mi"), replicas=0)
    await world.until(lambda: not world.owned())
    await world.settled()
    assert uid(world.vms["p-0"]) == uid(before)
    assert not terminating(world.vms["p-0"])
    assert world.vms["p-0"]["spec"] == before["spec"]


async def test_P_039_a_detached_vm_keeps_the_finalizer(world: World) -> None:
    """P-039: Detached by its owner alone, a VM still has the pool's finalizer, and cannot be deleted."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.detach("p-0")
    await world.until(lambda: set(world.owned()) == {"p-1"})
    await world.settled()
    assert FINALIZER in finalizers(world.vms["p-0"])
    await world.delete(VM, "p-0")
    await world.settled()
    assert terminating(world.vms["p-0"])


async def test_D_08_a_detached_vm_can_be_deleted(world: World) -> None:
    """D-08: A VM that was detached loses the pool's finalizer, so that deleting it is enough."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.detach("p-0")
    await world.until(lambda: FINALIZER not in finalizers(world.vms["p-0"]))
    await world.delete(VM, "p-0")
    await world.until(lambda: set(world.vms) == {"p-1"})


async def test_P_040_a_cleanly_detached_vm(world: World) -> None:
    """P-040: Without owner and finalizer it can be deleted, and the pool does not mind."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.detach("p-0", cleanly=True)
    await world.until(lambda: set(world.owned()) == {"p-1"})
    await world.settled()
    before = uids(world.owned())
    await world.delete(VM, "p-0")
    await world.until(lambda: "p-0" not in world.vms)
    await world.settled()
    assert uids(world.vms) == before


async def test_P_041_a_vm_that_the_selector_loses(world: World) -> None:
    """P-041, S-15: It is given up with its other owners and finalizers, and replaced."""
    await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    await world.hold(VM, "p-0")
    keeper = await world.create({"metadata": {"name": "keeper"}}, CONFIG_MAP)
    second = owner(keeper, controller=False)
    both = {"ownerReferences": [*owners(world.vms["p-0"]), second]}
    await world.patch(VM, "p-0", {"metadata": {"labels": {"app": "mine"}} | both})
    try:
        await world.until(lambda: owners(world.vms["p-0"]) == [second], patience=world.quarter)
        await world.until(lambda: set(world.owned()) == {"p-1", "p-2"})
        await world.until(lambda: FINALIZER not in finalizers(world.vms["p-0"]))
        assert "conformance/hold" in finalizers(world.vms["p-0"])
    finally:
        await world.let_go(VM, "p-0")


async def test_P_042_a_terminating_pool_gives_up_nothing(bare: World) -> None:
    """P-042: While the pool is going, VMs the selector has lost keep their owner."""
    await bare.create(pool(replicas=1))
    await bare.pool_of("p-0")
    await bare.hold(POOL, "p")
    await bare.delete(POOL, "p")
    await bare.until(lambda: terminating(bare.pools["p"]))
    held = vm("lost", labels={"app": "lost"}, owners=[owner(bare.pools["p"])])
    await bare.create(held, VM)
    await bare.settled()
    assert controller(bare.vms["lost"])["name"] == "p"
    await bare.let_go(POOL, "p")


async def test_P_043_a_vm_changes_hands(world: World) -> None:
    """P-043: Given from pool p to pool q, a VM is replaced in p and counted in q."""
    await world.create(pool("p", replicas=2))
    other = await world.create(pool("q", replicas=0, paused=True))
    await world.pool_of("p-0", "p-1")
    await world.patch(VM, "p-0", {"metadata": {"ownerReferences": [owner(other)]}})
    await world.until(lambda: set(world.owned("p")) == {"p-1", "p-2"})
    await world.until(lambda: world.status("q").get("replicas") == 1)
    assert world.status("q")["replicas"] == 1
    await world.change("q", replicas=1, paused=False)
    await world.settled("q")
    assert set(world.owned("q")) == {"p-0"}


async def test_S_06_a_selector_that_does_not_match(bare: World) -> None:
    """S-06: Where no webhook refuses such a pool, the controller does nothing for it, and goes on with others."""
    manifest = pool(replicas=2)
    manifest["spec"]["selector"] = {"matchLabels": {"app": "nothing"}}
    await bare.create(manifest)
    await bare.create(pool("q", replicas=1))
    await bare.size(1, name="q")
    await bare.settled("q")
    assert set(bare.vms) == {"q-0"}
    assert bare.status("p") == {}
    assert FINALIZER not in finalizers(bare.pools["p"])
