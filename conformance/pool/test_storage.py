"""State preservation."""

import pytest

from conformance.kube import DV, PVC, VM, VMI, Object
from conformance.manifests import (
    FINALIZER,
    REVISION_LABEL,
    data_volume_template,
    disk,
    owner,
    pool,
    template,
    vm,
    vmi_template,
    with_storage,
)
from conformance.world import World, controller, finalizers, owners, uid, uids

FROM_THE_TOP = {"selectionPolicy": {"sortPolicy": "DescendingOrder"}}


def keeping(state: str = "Offline") -> Object:
    return {"proactive": {"statePreservation": state, **FROM_THE_TOP}}


async def stored(world: World, strategy: Object, *, count: int = 2) -> dict[str, str]:
    """A pool whose VMs have their disks; the uids of those."""
    await world.create(pool(replicas=count, template=with_storage(), scaleInStrategy=strategy))
    await world.size(count)
    await world.until(lambda: {f"d-{number}" for number in range(count)} <= set(world.dvs))
    return uids(world.dvs)


@pytest.mark.parametrize("state", [None, "Disabled"])
async def test_P_108_storage_goes_along(world: World, state: str | None) -> None:
    """P-108: Without preservation a removed VM takes its disks along."""
    strategy = {"proactive": {**FROM_THE_TOP, **({"statePreservation": state} if state else {})}}
    await stored(world, strategy)
    await world.change(replicas=1)
    await world.pool_of("p-0")
    await world.until(lambda: set(world.dvs) == {"d-0"})


@pytest.mark.smoke
async def test_P_109_storage_stays(world: World) -> None:
    """P-109: Under Offline, the disks of a removed VM are there afterwards, the same and nobody's."""
    before = await stored(world, keeping())
    await world.change(replicas=1)
    await world.pool_of("p-0")
    await world.settled()
    assert uids(world.dvs) == before
    assert owners(world.dvs["d-1"]) == []


async def test_P_109_though_nothing_holds_the_vm(world: World) -> None:
    """P-109: So they are when somebody has taken the pool's finalizer off the VM before."""
    before = await stored(world, keeping())
    kept = [one for one in finalizers(world.vms["p-1"]) if one != FINALIZER]
    await world.patch(VM, "p-1", {"metadata": {"finalizers": kept}})
    await world.settled()
    await world.change(replicas=1)
    await world.pool_of("p-0")
    await world.settled()
    assert uids(world.dvs) == before
    assert owners(world.dvs["d-1"]) == []


async def test_P_110_storage_of_the_others(world: World) -> None:
    """P-110: … while the disks of those that stay keep their owner."""
    await stored(world, keeping())
    await world.change(replicas=1)
    await world.pool_of("p-0")
    await world.settled()
    assert controller(world.dvs["d-0"])["uid"] == uid(world.vms["p-0"])
    owned = [controller(one.obj).get("uid") for one in world.follower.of(DV, "d-0")]
    assert set(owned[owned.index(uid(world.vms["p-0"])) :]) == {uid(world.vms["p-0"])}, "and never lose it"


async def test_P_111_storage_is_found_again(world: World) -> None:
    """P-111: Scaled out again, the VM of that ordinal has the same disk."""
    before = await stored(world, keeping())
    await world.change(replicas=1)
    await world.pool_of("p-0")
    await world.change(replicas=2)
    await world.pool_of("p-0", "p-1")
    await world.until(lambda: controller(world.dvs["d-1"]).get("uid") == uid(world.vms["p-1"]))
    assert uids(world.dvs) == before


async def test_P_112_online_is_offline(world: World) -> None:
    """P-112: Online keeps the disks, and no more, as Offline does."""
    before = await stored(world, keeping("Online"))
    await world.change(replicas=1)
    await world.pool_of("p-0")
    await world.settled()
    assert uids(world.dvs) == before
    assert owners(world.dvs["d-1"]) == []


def claim(name: str, *held_by: Object) -> Object:
    return {
        "metadata": {"name": name, "ownerReferences": list(held_by)},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}},
    }


async def with_claims(world: World, *names: str) -> Object:
    """A pool of one VM with these claims as volumes; the VM."""
    volumes = [disk(name, persistentVolumeClaim={"claimName": name}) for name in names]
    body = template(vmi=vmi_template(volumes=volumes))
    await world.create(pool(replicas=1, template=body, scaleInStrategy=keeping()))
    await world.pool_of("p-0")
    return world.vms["p-0"]


async def test_P_113_claims_of_the_vm_itself(world: World) -> None:
    """P-113: A claim the VM controls is released as well; one that something else controls is left alone."""
    mine = await with_claims(world, "mine", "other")
    somebody = await world.create(vm("somebody", labels={"app": "other"}), VM)
    await world.create(claim("mine", owner(mine)), PVC)
    await world.create(claim("other", owner(somebody)), PVC)
    await world.until(lambda: {"mine", "other"} <= set(world.pvcs))
    await world.settled()
    await world.change(replicas=0)
    await world.until(lambda: "p-0" not in world.vms)
    await world.settled()
    assert owners(world.pvcs["mine"]) == []
    assert owners(world.pvcs["other"]) == [owner(somebody)]


async def test_P_113_whatever_it_names(bare: World) -> None:
    """P-113: … whether a volume or a template names it, and be it claim or DataVolume."""
    body = template(
        vmi=vmi_template(volumes=[disk("by-volume", dataVolume={"name": "by-volume"})]),
        dataVolumeTemplates=[data_volume_template("by-template")],
    )
    await bare.create(pool(replicas=1, template=body, scaleInStrategy=keeping()))
    await bare.pool_of("p-0")
    mine = owner(bare.vms["p-0"])
    for name in ("by-volume", "by-template-0"):
        content = data_volume_template(name)
        content["metadata"]["ownerReferences"] = [mine]
        await bare.create(content, DV)
    await bare.create(claim("by-template-0", mine), PVC)
    await bare.hold(VM, "p-0")
    await bare.change(replicas=0)
    await bare.until(lambda: FINALIZER not in finalizers(bare.vms["p-0"]))
    await bare.settled()
    assert not [one for one in (*bare.dvs.values(), *bare.pvcs.values()) if owners(one)]
    await bare.let_go(VM, "p-0")


async def test_P_113_what_it_does_not_control(world: World) -> None:
    """P-113: A claim that the VM owns beside another, who controls it, is left alone as long as the VM is there."""
    mine = await with_claims(world, "shared")
    somebody = await world.create(vm("somebody", labels={"app": "other"}), VM)
    held_by = [owner(mine, controller=False), owner(somebody)]
    await world.create(claim("shared", *held_by), PVC)
    await world.hold(VM, "p-0")
    await world.change(replicas=0)
    await world.until(lambda: FINALIZER not in finalizers(world.vms["p-0"]))
    await world.settled()
    assert owners(world.pvcs["shared"]) == held_by
    await world.let_go(VM, "p-0")


async def test_P_114_other_owners_stay(world: World) -> None:
    """P-114: Only the VM is taken off the owners."""
    mine = await with_claims(world, "mine")
    somebody = await world.create(vm("somebody", labels={"app": "other"}), VM)
    second = owner(somebody, controller=False)
    await world.create(claim("mine", owner(mine), second), PVC)
    await world.until(lambda: "mine" in world.pvcs)
    await world.settled()
    await world.change(replicas=0)
    await world.until(lambda: "p-0" not in world.vms)
    await world.settled()
    assert owners(world.pvcs["mine"]) == [second]


async def test_P_115_what_is_missing_is_no_error(world: World) -> None:
    """P-115: Claims that do not exist keep nobody from going."""
    await with_claims(world, "missing")
    await world.change(replicas=0)
    await world.until(lambda: not world.vms)
    await world.settled()
    assert not any(kind == "Warning" for kind, _, _ in world.events)


async def test_P_116_deleted_by_hand_under_opportunistic(world: World) -> None:
    """P-116: Opportunistic and Offline: a VM deleted by hand leaves its disk to its successor."""
    before = await stored(world, {"opportunistic": {"statePreservation": "Offline"}})
    old = uid(world.vms["p-1"])
    await world.delete(VM, "p-1")
    await world.until(lambda: uid(world.vms["p-1"]) != old)
    await world.until(lambda: controller(world.dvs["d-1"]).get("uid") == uid(world.vms["p-1"]))
    assert uids(world.dvs) == before


async def test_P_116_though_its_revision_is_unknown(world: World) -> None:
    """P-116: … also where the VM names a revision that nobody knows."""
    strategy = {"opportunistic": {"statePreservation": "Offline"}}
    body = with_storage(running=True)
    await world.create(
        pool(replicas=1, template=body, scaleInStrategy=strategy, updateStrategy={"unmanaged": {}})
    )
    await world.pool_of("p-0", ready=1)
    old, disk = uid(world.vms["p-0"]), uid(world.dvs["d-0"])
    await world.patch(VM, "p-0", {"metadata": {"labels": {REVISION_LABEL: "p-77"}}})
    await world.settled()
    await world.hold(VMI, "p-0")
    await world.delete(VM, "p-0")
    await world.until(lambda: FINALIZER not in finalizers(world.vms["p-0"]))
    await world.let_go(VMI, "p-0")
    await world.until(lambda: uid(world.vms["p-0"]) != old)
    await world.until(lambda: controller(world.dvs["d-0"]).get("uid") == uid(world.vms["p-0"]))
    assert uid(world.dvs["d-0"]) == disk


async def by_hand(world: World) -> bool:
    """Under proactive and Offline p-1 is deleted by hand; whether its successor has the same disk."""
    before = await stored(world, keeping())
    old = uid(world.vms["p-1"])
    await world.delete(VM, "p-1")
    await world.until(lambda: uid(world.vms["p-1"]) != old)
    await world.until(lambda: controller(world.dvs["d-1"]).get("uid") == uid(world.vms["p-1"]))
    return uids(world.dvs)["d-1"] == before["d-1"]


async def test_P_117_deleted_by_hand_under_proactive(world: World) -> None:
    """P-117: Proactive and Offline: a VM deleted by hand takes its disk along."""
    assert not await by_hand(world)


async def test_D_11_the_strategy_in_force_decides(world: World) -> None:
    """D-11: Proactive and Offline: a VM deleted by hand leaves its disk to its successor as well."""
    assert await by_hand(world)
