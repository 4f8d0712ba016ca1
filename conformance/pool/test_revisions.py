"""Revisions."""

import pytest

from conformance.kube import POOL, REVISION, VM, VMI, Object
from conformance.manifests import LABELS, owner, pool, template, vm
from conformance.world import World, controller, owners, revision, says, terminating, uid, uids


@pytest.mark.smoke
async def test_P_066_a_revision_is_kept(world: World) -> None:
    """P-066: VMs are made from a revision named after the generation, owned by the pool, holding its spec."""
    mine = await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.follower.catch_up()
    found = world.revisions["p-1"]
    assert found["revision"] == mine["metadata"]["generation"] == 1
    assert says(found["data"], mine["spec"]), found["data"]
    assert owners(found) == [owner(world.pools["p"])]


async def test_P_067_labels_name_what_was_built(world: World) -> None:
    """P-067: The revisions named by VM and VMI exist and hold the template they were built from."""
    await world.create(pool(replicas=1, template=template("64Mi", running=True)))
    await world.pool_of("p-0", ready=1)
    await world.change_template(template("96Mi", running=True))
    await world.until(lambda: revision(world.vmis["p-0"]) == "p-2")
    await world.pool_of("p-0", ready=1)
    for one in (world.vms["p-0"], world.vmis["p-0"]):
        held = world.revisions[revision(one)]["data"]["virtualMachineTemplate"]["spec"]["template"]["spec"]
        guest = one["spec"].get("template", one)["spec"]
        assert guest["domain"]["memory"]["guest"] == held["domain"]["memory"]["guest"] == "96Mi"


async def test_P_067_no_vm_without_a_revision(world: World) -> None:
    """P-067: As long as the revision cannot be made, no VM is: it would name one that does not exist."""
    async with world.refusing("CREATE", REVISION):
        await world.create(pool(replicas=1))
        await world.until(lambda: world.condition("ReplicaFailure"))
        await world.settled()
        assert not world.vms
    await world.pool_of("p-0")
    first = world.follower.of(VM, "p-0")[0].obj
    assert revision(first) in world.revisions


async def test_P_068_scaling_names_a_new_revision(world: World) -> None:
    """P-068: After more replicas alone, the new VM names the newer revision; the others stay as they are."""
    await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    await world.settled()
    before = {name: (uid(one), one["metadata"]["generation"]) for name, one in world.vms.items()}
    await world.change(replicas=3)
    await world.pool_of("p-0", "p-1", "p-2")
    await world.settled()
    assert {name: revision(one) for name, one in world.vms.items()} == {
        "p-0": "p-1",
        "p-1": "p-1",
        "p-2": "p-2",
    }
    assert {
        name: (uid(world.vms[name]), world.vms[name]["metadata"]["generation"]) for name in before
    } == before
    assert set(world.revisions) == {"p-1", "p-2"}


@pytest.mark.parametrize(
    "spec", [{"replicas": 0}, {"replicas": 2, "paused": True}], ids=["of none", "paused"]
)
async def test_P_069_no_work_no_revision(world: World, spec: Object) -> None:
    """P-069: A pool that makes no VM makes no revision."""
    await world.create(pool(**spec))
    await world.settled()
    assert world.revisions == {}


async def test_P_070_old_revisions_go(world: World) -> None:
    """P-070: When every VM and VMI names the new revision, the old one is deleted."""
    await world.create(pool(replicas=2, template=template("64Mi", running=True)))
    await world.pool_of("p-0", "p-1", ready=2)
    await world.change_template(template("96Mi", running=True))
    await world.until(lambda: set(world.revisions) == {"p-2"})
    assert {revision(one) for one in (*world.vms.values(), *world.vmis.values())} == {"p-2"}


async def test_D_23_where_a_name_was_enough(world: World) -> None:
    """D-23: An old revision goes, too, where the guests were only given the new name, and nothing else happens."""
    await world.create(pool(replicas=1, template=template(running=True)))
    await world.pool_of("p-0", ready=1)
    await world.change_template(template(running=True, labels=LABELS | {"tier": "x"}))
    await world.until(lambda: set(world.revisions) == {"p-2"})


async def test_P_070_where_nothing_is_updated(world: World) -> None:
    """P-070: … also under `unmanaged`, when the last VM of the old revision is gone."""
    await world.create(pool(replicas=1, updateStrategy={"unmanaged": {}}))
    await world.pool_of("p-0")
    await world.change_template(template("96Mi"))
    await world.settled()
    await world.delete(VM, "p-0")
    await world.until(lambda: set(world.revisions) == {"p-2"})


async def test_P_071_revisions_in_use_stay(world: World) -> None:
    """P-071: A revision that a VM names is kept through later generations."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.change(replicas=2)
    await world.pool_of("p-0", "p-1")
    await world.change(maxUnavailable=1)
    await world.settled()
    assert set(world.revisions) == {"p-1", "p-2"}
    assert {revision(one) for one in world.vms.values()} == {"p-1", "p-2"}


async def test_P_072_revisions_of_others_stay(world: World) -> None:
    """P-072: A ControllerRevision that is not the pool's is never deleted."""
    await world.create({"metadata": {"name": "p-99"}, "revision": 99, "data": {}}, REVISION)
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.change_template(template("96Mi"))
    await world.until(lambda: "p-2" in world.revisions and "p-1" not in world.revisions)
    await world.delete(POOL, "p")
    await world.until(lambda: not world.pools and set(world.revisions) == {"p-99"})


async def test_P_072_nor_those_it_only_shares_a_name_with(world: World) -> None:
    """P-072: … not even one that has the name of the pool's own and belongs, though it is not controlled, to somebody."""
    somebody = await world.create(vm("somebody", labels={"app": "other"}), VM)
    held_by = [owner(somebody, controller=False)]
    made = await world.create(
        {"metadata": {"name": "p-1", "ownerReferences": held_by}, "revision": 7, "data": {"of": "others"}},
        REVISION,
    )
    await world.create(pool(replicas=0))
    await world.settled()
    assert world.follower.now[REVISION]["p-1"] == made


async def test_P_073_a_guest_keeps_its_revision(world: World) -> None:
    """P-073: Under opportunistic updates, the revision of a VMI that has not restarted stays."""
    await world.create(
        pool(replicas=1, template=template("64Mi", running=True), updateStrategy={"opportunistic": {}})
    )
    await world.pool_of("p-0", ready=1)
    await world.change_template(template("96Mi", running=True))
    await world.until(lambda: revision(world.vms["p-0"]) == "p-2")
    await world.settled()
    assert revision(world.vmis["p-0"]) == "p-1"
    assert {"p-1", "p-2"} <= set(world.revisions)
    await world.delete(VMI, "p-0")
    await world.until(lambda: "p-1" not in world.revisions)


async def test_P_074_a_pool_takes_its_revisions_along(world: World) -> None:
    """P-074: When a pool goes, so do its revisions."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.change(replicas=2)
    await world.pool_of("p-0", "p-1")
    before = uids(world.revisions)
    assert set(before) == {"p-1", "p-2"}
    await world.delete(POOL, "p")
    await world.until(lambda: not world.pools and not world.revisions)


async def test_P_074_without_waiting_for_the_end(world: World) -> None:
    """P-074: … also while somebody else still keeps the pool, and nobody collects what belongs to it."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.hold(POOL, "p")
    await world.change(replicas=0)
    await world.until(lambda: not world.vms)
    await world.change(replicas=1, paused=True)
    await world.delete(POOL, "p")
    await world.until(lambda: terminating(world.pools["p"]) and not world.revisions)
    await world.let_go(POOL, "p")


@pytest.mark.parametrize("whose", ["a VM's", "a pool's", "nobody's"])
@pytest.mark.parametrize("content", ["the same", "another"])
async def test_D_16_the_name_is_taken(world: World, content: str, whose: str) -> None:
    """D-16: Where a revision that is not the pool's has the name the pool would use, VMs name one that is what they were made from."""
    other = {"app": "other"}
    somebody = {
        "a VM's": await world.create(vm("somebody", labels=other), VM),
        "a pool's": await world.create(pool("another", labels=other, replicas=0, paused=True)),
    }
    held_by = {"ownerReferences": [owner(somebody[whose])]} if whose in somebody else {}
    mine = pool(replicas=2)
    data = mine["spec"] if content == "the same" else pool(template=template("96Mi"))["spec"]
    await world.create({"metadata": {"name": "p-1", **held_by}, "revision": 7, "data": data}, REVISION)
    made = world.follower.now[REVISION]["p-1"]
    await world.create(mine)
    await world.until(lambda: set(world.owned()) == {"p-0", "p-1"})
    await world.settled()
    assert world.follower.now[REVISION]["p-1"] == made
    for one in world.owned().values():
        named = world.follower.now[REVISION][revision(one)]
        assert controller(named).get("uid") in (None, uid(world.pools["p"]))
        memory = named["data"]["virtualMachineTemplate"]["spec"]["template"]["spec"]["domain"]["memory"]
        assert memory["guest"] == "64Mi"
        assert one["metadata"]["generation"] == 1
