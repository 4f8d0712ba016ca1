"""Deletion."""

from typing import Any

import pytest

from conformance.kube import POOL, VM
from conformance.manifests import FINALIZER, pool, template, vm
from conformance.world import World, finalizers, owners, terminating, uid, uids


@pytest.mark.smoke
async def test_P_194_in_the_background(world: World) -> None:
    """P-194: A deleted pool goes with its VMs and their guests."""
    await world.create(pool(replicas=2, template=template(running=True)))
    await world.size(2, ready=2)
    await world.delete(POOL, "p")
    await world.until(lambda: not world.pools and not world.vms and not world.vmis)


async def test_P_195_in_the_foreground(world: World) -> None:
    """P-195: In the foreground the VMs go first."""
    await world.create(pool(replicas=2))
    await world.size(2)
    await world.delete(POOL, "p", "Foreground")
    await world.until(lambda: not world.pools and not world.vms)
    gone = [
        int(one.obj["metadata"]["resourceVersion"])
        for one in world.follower.history
        if one.type == "DELETED" and one.kind is VM
    ]
    pool_gone = [
        int(one.obj["metadata"]["resourceVersion"])
        for one in world.follower.of(POOL, "p")
        if one.type == "DELETED"
    ]
    assert max(gone) < pool_gone[0]


async def orphaned(world: World, **more: Any) -> None:
    await world.create(pool(replicas=2, **more))
    await world.size(2, ready=2 if more else None)
    await world.delete(POOL, "p", "Orphan")
    await world.until(lambda: not world.pools)
    await world.until(
        lambda: not any(owners(one) or FINALIZER in finalizers(one) for one in world.vms.values())
    )


async def test_P_196_orphans(world: World) -> None:
    """P-196: Orphaned VMs stay, owned by nobody, held by no pool, and their guests run on."""
    await world.create(pool(replicas=2, template=template(running=True)))
    await world.size(2, ready=2)
    vms, vmis = uids(world.vms), uids(world.vmis)
    await world.delete(POOL, "p", "Orphan")
    await world.until(lambda: not world.pools)
    await world.until(
        lambda: not any(owners(one) or FINALIZER in finalizers(one) for one in world.vms.values())
    )
    assert uids(world.vms) == vms
    assert uids(world.vmis) == vmis
    assert not any(map(terminating, world.vms.values()))


async def test_P_197_orphans_can_go(world: World) -> None:
    """P-197: … and they can be deleted."""
    await orphaned(world)
    await world.delete(VM, "p-0")
    await world.until(lambda: set(world.vms) == {"p-1"})


async def test_P_198_orphans_are_nobodys(world: World) -> None:
    """P-198: A new pool of the same name makes VMs of its own, with other ordinals."""
    await orphaned(world)
    before = uids(world.vms)
    await world.create(pool(replicas=2))
    await world.until(lambda: set(world.owned()) == {"p-2", "p-3"})
    await world.settled()
    assert before.items() <= uids(world.vms).items()
    assert owners(world.vms["p-0"]) == []
    assert world.status()["replicas"] == 2


async def test_P_199_strays_are_let_go(world: World) -> None:
    """P-199: VMs of nobody that match the selector lose the pool's finalizer when the pool goes."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    stray = vm("stray")
    stray["metadata"]["finalizers"] = [FINALIZER]
    await world.create(stray, VM)
    await world.until(lambda: "stray" in world.vms)
    await world.settled()
    await world.delete(POOL, "p")
    await world.until(lambda: not world.pools and FINALIZER not in finalizers(world.vms["stray"]))
    assert not terminating(world.vms["stray"])


async def test_D_18_a_living_pool_keeps_its_vms(world: World) -> None:
    """D-18: VMs of another pool, whose labels collide with the selector of one that goes, stay held by theirs."""
    await world.create(pool("p", replicas=1))
    await world.create(pool("q", replicas=1))
    await world.size(1, name="p")
    await world.size(1, name="q")
    await world.delete(POOL, "p")
    await world.until(lambda: set(world.pools) == {"q"} and set(world.vms) == {"q-0"})
    await world.settled("q")
    assert FINALIZER in finalizers(world.vms["q-0"])


async def test_P_200_others_hold_the_pool(world: World) -> None:
    """P-200: Finalizers of others on the pool are respected."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.hold(POOL, "p")
    await world.delete(POOL, "p")
    await world.until(lambda: finalizers(world.pools["p"]) == ["conformance/hold"])
    await world.let_go(POOL, "p")
    await world.until(lambda: not world.pools)


async def test_P_201_nothing_is_made_at_the_end(world: World) -> None:
    """P-201: A terminating pool creates nothing, even if VMs vanish."""
    await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    await world.hold(POOL, "p")
    await world.delete(POOL, "p")
    await world.until(lambda: terminating(world.pools["p"]))
    before = uids(world.vms)
    await world.delete(VM, "p-0")
    await world.until(lambda: "p-0" not in world.vms)
    await world.patch(POOL, "p", {"metadata": {"labels": {"looked": "at"}}})
    await world.settled()
    assert uids(world.vms) == {"p-1": before["p-1"]}
    await world.let_go(POOL, "p")


async def test_P_202_another_pool(world: World) -> None:
    """P-202: Deleting one pool deletes nothing of another."""
    labels = {"app": "other"}
    await world.create(pool("p", replicas=1))
    await world.create(pool("q", replicas=1, labels=labels, template=template(labels=labels)))
    await world.size(1, name="p")
    await world.size(1, name="q")
    before = uid(world.vms["q-0"])
    await world.delete(POOL, "p")
    await world.until(lambda: set(world.pools) == {"q"} and set(world.vms) == {"q-0"})
    await world.settled("q")
    assert uids(world.vms) == {"q-0": before}
    assert FINALIZER in finalizers(world.vms["q-0"])


async def test_D_13_a_pool_that_fits_no_vm(bare: World) -> None:
    """D-13: A pool whose selector does not match its template can still be deleted."""
    await bare.create(pool(replicas=1))
    await bare.pool_of("p-0")
    await bare.change(selector={"matchLabels": {"app": "nothing"}})
    await bare.delete(POOL, "p")
    await bare.until(lambda: not bare.pools)


async def test_D_15_a_pool_that_fits_no_vm_says_so(bare: World) -> None:
    """D-15: A pool whose selector does not match its template tells by a condition, until it does."""
    await bare.create(pool(replicas=1))
    await bare.pool_of("p-0")
    await bare.change(selector={"matchLabels": {"app": "nothing"}})
    await bare.until(lambda: bare.condition("ReplicaFailure"))
    assert bare.status()["replicas"] == 1
    await bare.change(
        selector={"matchLabels": bare.pools["p"]["spec"]["virtualMachineTemplate"]["metadata"]["labels"]}
    )
    await bare.until(lambda: not bare.condition("ReplicaFailure"))
    assert set(bare.vms) == {"p-0"}


async def test_D_13_nor_holds_what_was_its_own(bare: World) -> None:
    """D-13: … and lets go a VM that was taken out of it meanwhile, though no selector matches that."""
    await bare.create(pool(replicas=1))
    await bare.pool_of("p-0")
    await bare.change(selector={"matchLabels": {"app": "nothing"}})
    await bare.until(lambda: bare.condition("ReplicaFailure"))
    await bare.detach("p-0")
    await bare.delete(POOL, "p")
    await bare.until(lambda: not bare.pools and FINALIZER not in finalizers(bare.vms["p-0"]))


async def test_D_15_so_does_one_that_cannot_be_read(bare: World) -> None:
    """D-15: … and one with a duration that is none, which only a server without KubeVirt's webhooks lets through."""
    await bare.create(pool(replicas=1, autohealing={"minFailingToStartDuration": "soon"}))
    await bare.until(lambda: bare.condition("ReplicaFailure"))
    await bare.change(autohealing={"minFailingToStartDuration": "1m"})
    await bare.pool_of("p-0")
    await bare.until(lambda: not bare.condition("ReplicaFailure"))
