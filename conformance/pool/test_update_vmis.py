"""Updates: VMIs (proactive)."""

from typing import Any

import pytest

from conformance.kube import VM, VMI, Object
from conformance.manifests import (
    FINALIZER,
    LABELS,
    REVISION_LABEL,
    owner,
    pool,
    proactive,
    template,
    vm,
    vmi_template,
    with_storage,
)
from conformance.pool.test_update_vms import Generations, generations, guest
from conformance.world import World, finalizers, labels, ready, revision, terminating, uid, uids


def running(memory: str = "64Mi", **more: Any) -> Object:
    return template(memory, running=True, **more)


async def up(world: World, replicas: int, **spec: Any) -> dict[str, str]:
    """A pool whose guests are all ready, and seen to be; their uids."""
    await world.create(pool(replicas=replicas, **({"template": running()} | spec)))
    await world.size(replicas, ready=replicas)
    await world.follower.catch_up()  # the pool may have told sooner than the guests' own watch
    return uids(world.vmis)


async def renewed(world: World, before: dict[str, str], memory: str = "96Mi") -> None:
    """Wait until all guests are others than before, up to date, and ready."""
    await world.until(
        lambda: (
            set(world.vmis) == set(before)
            and all(uid(one) != before[name] for name, one in world.vmis.items())
            and all(ready(one) and guest(one) == memory for one in world.vmis.values())
        )
    )


def down(one: Object) -> bool:
    """Whether a guest is not there for anybody."""
    return terminating(one) or not ready(one)


def most_down(world: World, since: float, count: int) -> int:
    """The most of `count` guests that were missing, ending or not ready at any one time."""
    up = world.counted(VMI, lambda one: not down(one), since)
    return count - min(up, default=count)


@pytest.mark.smoke
async def test_P_142_guests_are_renewed(world: World) -> None:
    """P-142: A new VMI template replaces every running guest."""
    before = await up(world, 2)
    await world.change_template(running("96Mi"))
    await renewed(world, before)
    assert {revision(one) for one in world.vmis.values()} == {"p-2"}


@pytest.mark.parametrize("memory", ["64Mi", "65536Ki"], ids=["the same", "in other words"])
async def test_P_143_a_new_label_is_enough(world: World, memory: str) -> None:
    """P-143: Where only the VM's part changed, a guest gets the revision's name, keeps its other labels, and goes on."""
    before = await up(world, 2)
    await world.change_template(running(memory, labels=LABELS | {"tier": "x"}))
    await world.until(lambda: {revision(one) for one in world.vmis.values()} == {"p-2"})
    assert uids(world.vmis) == before
    assert {labels(one).get("guest") for one in world.vmis.values()} == {"p"}


async def test_P_143_there_and_back(world: World) -> None:
    """P-143: A guest that had not restarted yet is what it should be again when the template is changed back, and goes on."""
    before = await up(world, 1, updateStrategy={"opportunistic": {}})
    await world.change_template(running("96Mi"))
    await world.until(lambda: revision(world.vms["p-0"]) == "p-2")
    await world.settled()
    await world.change_template(running("64Mi"), updateStrategy={"proactive": {}})
    await world.until(lambda: revision(world.vmis["p-0"]) == "p-3")
    assert uids(world.vmis) == before


@pytest.mark.parametrize("label", [None, "p-77"], ids=["absent", "unknown"])
async def test_P_144_a_guest_of_no_known_revision(world: World, label: str | None) -> None:
    """P-144: A guest whose revision is not known is restarted."""
    before = await up(world, 1)
    await world.settled()
    await world.patch(VMI, "p-0", {"metadata": {"labels": {REVISION_LABEL: label}}})
    await world.until(lambda: uid(world.vmis["p-0"]) != before["p-0"])
    await world.until(lambda: revision(world.vmis["p-0"]) == "p-1")


def with_larger_storage(running: bool) -> Object:
    body = with_storage(running=running)
    body["spec"]["dataVolumeTemplates"][0]["spec"]["pvc"]["resources"]["requests"]["storage"] = "32Mi"
    return body


async def test_P_145_other_storage_another_vm(world: World) -> None:
    """P-145: New dataVolumeTemplates delete running VMs in the foreground, and make them anew under their names."""
    await up(world, 1, template=with_storage(running=True))
    old, old_disk = uid(world.vms["p-0"]), uid(world.dvs["d-0"])
    await world.change_template(with_larger_storage(running=True))
    await world.until(lambda: uid(world.vms["p-0"]) != old and uid(world.dvs["d-0"]) != old_disk)
    await world.pool_of("p-0", ready=1)
    last = [one.obj for one in world.follower.of(VM, "p-0") if uid(one.obj) == old][-1]
    assert terminating(last)
    assert any(
        "foregroundDeletion" in one.obj["metadata"].get("finalizers", [])
        for one in world.follower.of(VM, "p-0")
    )


async def test_P_145_though_storage_is_kept_otherwise(world: World) -> None:
    """P-145: So it is where VMs that are scaled in leave their storage behind."""
    strategy = {"proactive": {"statePreservation": "Offline"}}
    await up(world, 1, template=with_storage(running=True), scaleInStrategy=strategy)
    old, old_disk = uid(world.vms["p-0"]), uid(world.dvs["d-0"])
    await world.change_template(with_larger_storage(running=True))
    await world.until(lambda: uid(world.vms["p-0"]) != old)
    await world.pool_of("p-0", ready=1)
    await world.until(lambda: "d-0" in world.dvs and uid(world.dvs["d-0"]) != old_disk)


async def test_D_11_not_for_storage_that_is_outdated(world: World) -> None:
    """D-11: A VM deleted by hand while it was due for other storage does not leave the old to its successor."""
    await up(
        world,
        1,
        template=with_storage(running=True),
        scaleInStrategy={"opportunistic": {"statePreservation": "Offline"}},
        updateStrategy={"opportunistic": {}},
    )
    old, old_disk = uid(world.vms["p-0"]), uid(world.dvs["d-0"])
    await world.change_template(with_larger_storage(running=True))
    await world.until(lambda: revision(world.vms["p-0"]) == "p-2")
    await world.settled()
    await world.hold(VMI, "p-0")
    await world.hold(VM, "p-0")
    await world.delete(VM, "p-0")
    await world.until(lambda: FINALIZER not in finalizers(world.vms["p-0"]))
    await world.let_go(VMI, "p-0")
    await world.let_go(VM, "p-0")
    await world.until(lambda: uid(world.vms["p-0"]) != old)
    await world.pool_of("p-0", ready=1)
    await world.until(lambda: "d-0" in world.dvs and uid(world.dvs["d-0"]) != old_disk)


async def test_P_146_stopped_vms_stay(world: World) -> None:
    """P-146: … while stopped VMs are only updated."""
    await world.create(pool(replicas=1, template=with_storage()))
    await world.pool_of("p-0")
    before = uid(world.vms["p-0"])
    await world.change_template(with_larger_storage(running=False))
    await world.until(lambda: revision(world.vms["p-0"]) == "p-2")
    await world.settled()
    assert uid(world.vms["p-0"]) == before


async def test_P_147_stopped_vms_are_not_started(world: World) -> None:
    """P-147: A stopped VM gets the new template and stays stopped."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.change_template(template("96Mi"))
    await world.until(lambda: guest(world.vms["p-0"]) == "96Mi")
    await world.settled()
    assert not [one for one in world.follower.history if one.kind is VMI]


@pytest.mark.smoke
@pytest.mark.parametrize("limit", [1, "25%"])
async def test_P_149_one_at_a_time(world: World, limit: int | str) -> None:
    """P-149: With one of four allowed, there is never more than one guest down."""
    before = await up(world, 4, maxUnavailable=limit)
    since = world.follower.clock()
    await world.change_template(running("96Mi"))
    await renewed(world, before)
    assert most_down(world, since, 4) == 1


async def with_guests(bare: World, *names: str, **spec: Any) -> None:
    """A pool on whose VMs a test plays KubeVirt: all are ready, and their guests, which name the first revision, run."""
    spec = {"updateStrategy": {"opportunistic": {}}} | spec
    await bare.create(pool(replicas=len(names), **spec))
    await bare.pool_of(*names)
    is_ready = [{"type": "Ready", "status": "True"}]
    for name in names:
        meta = {
            "name": name,
            "labels": {REVISION_LABEL: "p-1"},
            "finalizers": ["conformance/hold"],
            "ownerReferences": [owner(bare.vms[name])],
        }
        await bare.create({"metadata": meta, "spec": vmi_template()["spec"]}, VMI)
        await bare.set_status(VMI, name, phase="Running", conditions=is_ready)
        await bare.set_status(VM, name, conditions=is_ready)
    await bare.settled()


async def test_P_149_who_is_going_is_down(bare: World) -> None:
    """P-149: A guest that is going counts as down, though it still says that it runs."""
    await with_guests(bare, "p-0", "p-1", maxUnavailable=1)
    await bare.change_template(template("96Mi"), updateStrategy={"proactive": {}})
    await bare.until(lambda: any(map(terminating, bare.vmis.values())))
    await bare.settled()
    assert sum(map(terminating, bare.vmis.values())) == 1
    await bare.let_go(VMI, "p-0", "p-1")


@pytest.mark.parametrize(("replicas", "limit", "most"), [(5, "50%", 2), (3, "10%", 1)])
async def test_P_150_percentages_are_rounded_down(
    world: World, replicas: int, limit: int | str, most: int
) -> None:
    """P-150: 50% of 5 are 2 at a time; 10% of 3 are 1."""
    before = await up(world, replicas, maxUnavailable=limit)
    since = world.follower.clock()
    await world.change_template(running("96Mi"))
    await renewed(world, before)
    assert most_down(world, since, replicas) == most


async def test_P_150_no_percentage(bare: World) -> None:
    """P-150: What is no percentage lets no guest be renewed, and the pool says so."""
    await with_guests(bare, "p-0", maxUnavailable="many%")
    await bare.change_template(template("96Mi"), updateStrategy={"proactive": {}})
    found = await bare.until(lambda: bare.condition("ReplicaFailure"))
    assert found["reason"] == "FailedUpdate"
    assert found["message"].startswith("error during VMI update: ")
    await bare.settled()
    assert not terminating(bare.vmis["p-0"])
    await bare.let_go(VMI, "p-0")


async def test_P_151_all_at_once(world: World) -> None:
    """P-151: Without a limit all guests may restart together."""
    before = await up(world, 3)
    for name in before:
        await world.hold(VMI, name)
    await world.change_template(running("96Mi"))
    await world.until(lambda: all(map(terminating, world.vmis.values())))
    for name in before:
        await world.let_go(VMI, name)
    await renewed(world, before)


async def paused_guest(world: World, replicas: int = 3, **spec: Any) -> dict[str, str]:
    """One of the pool's guests is paused, so it is up to date, running and not ready; the uids of all."""
    before = await up(world, replicas, **spec)
    await world.settled()
    await world.command("p-0", "pause")
    await world.until(lambda: not ready(world.vmis["p-0"]) and not ready(world.vms["p-0"]))
    return before


async def one_down_not_outdated(world: World) -> dict[str, str]:
    """The VMs are updated while p-0, already up to date, is down; the uids of the others' guests."""
    before = await up(world, 3, maxUnavailable=1, updateStrategy={"unmanaged": {}})
    await world.change_template(running("96Mi"))
    await world.settled()
    await world.delete(VM, "p-0")  # comes again from the new template
    await world.until(lambda: guest(world.vmis["p-0"]) == "96Mi" and ready(world.vms["p-0"]))
    await world.size(3, ready=3)
    await world.command("p-0", "pause")
    await world.size(3, ready=2)  # so the controller knows it, too
    await world.change(updateStrategy={"unmanaged": None, "proactive": {}})
    await world.until(lambda: {guest(one) for one in world.vms.values()} == {"96Mi"})
    return {name: before[name] for name in ("p-1", "p-2")}


async def test_P_152_others_wait_for_one_that_is_down(world: World) -> None:
    """P-152: With one allowed and one down for its own reasons, nobody is restarted."""
    before = await one_down_not_outdated(world)
    await world.settled()
    assert before.items() <= uids(world.vmis).items()


@pytest.mark.parametrize(
    "status",
    [{"phase": "Failed"}, {"conditions": [{"type": "Ready", "status": "False"}]}],
    ids=["ended", "not ready"],
)
async def test_P_152_nor_for_one_whose_vm_seems_ready(bare: World, status: Object) -> None:
    """P-152: … nor while one has ended, whatever its condition says, or is not ready, whatever its VM says."""
    await with_guests(bare, "p-0", "p-1", maxUnavailable=1)
    await bare.set_status(VMI, "p-0", **status)
    await bare.settled()
    await bare.change_template(template("96Mi"), updateStrategy={"proactive": {}})
    await bare.until(lambda: {guest(one) for one in bare.vms.values()} == {"96Mi"})
    await bare.settled()
    assert not any(map(terminating, bare.vmis.values()))
    await bare.let_go(VMI, "p-0", "p-1")


async def test_P_153_and_go_on_when_it_is_back(world: World) -> None:
    """P-153: … and when it is ready again the rollout goes on by itself."""
    before = await one_down_not_outdated(world)
    await world.settled()
    await world.command("p-0", "unpause")
    await world.until(
        lambda: not before.items() & uids(world.vmis).items() and set(world.vmis) == {"p-0", "p-1", "p-2"}
    )


async def test_P_154_who_is_down_anyway(world: World) -> None:
    """P-154: Outdated guests of VMs that are not ready restart at once, however few are allowed."""
    before = await up(world, 3, maxUnavailable=1, updateStrategy={"opportunistic": {}})
    for name in ("p-0", "p-1"):
        await world.command(name, "pause")
        await world.hold(VMI, name)
    await world.size(3, ready=1)
    await world.change_template(running("96Mi"))
    await world.until(lambda: {guest(one) for one in world.vms.values()} == {"96Mi"})
    await world.change(updateStrategy={"opportunistic": None, "proactive": {}})
    await world.until(lambda: terminating(world.vmis["p-0"]) and terminating(world.vmis["p-1"]))
    await world.settled()
    assert uids(world.vmis)["p-2"] == before["p-2"]
    assert not terminating(world.vmis["p-2"])
    for name in ("p-0", "p-1"):
        await world.let_go(VMI, name)


@pytest.mark.parametrize("sort", ["DescendingOrder", "AscendingOrder"])
async def test_P_155_in_order(world: World, sort: str) -> None:
    """P-155: Guests are replaced in the order of the policy."""
    before = await up(world, 3, maxUnavailable=1, updateStrategy=proactive(sort))
    await world.change_template(running("96Mi"))
    await renewed(world, before)
    order = ["p-0", "p-1", "p-2"]
    assert world.deleted(VMI) == (order if sort == "AscendingOrder" else order[::-1])


async def mixed(
    world: World, strategy: Object, first: Object, second: Object, wanted: Object | None = None
) -> tuple[Generations, dict[str, str]]:
    """A pool of two ready VMs made by hand, which lack a revision; their state. Then the pool may work."""
    body = running(vmi=wanted)
    mine = await world.create(pool(replicas=0, paused=True, template=body, updateStrategy=strategy))
    for name, vmi in (("p-0", first), ("p-1", second)):
        await world.create(vm(name, owners=[owner(mine)], running=True, vmi=vmi), VM)
    await world.until(lambda: world.status().get("readyReplicas") == 2)
    before = generations(world.vms), uids(world.vmis)
    await world.change(replicas=2, paused=False)
    return before


async def test_P_157_only_the_selected(world: World) -> None:
    """P-157: A label selector confines the update, of VMs and of guests."""
    strategy = proactive(selectors={"labelSelector": {"matchLabels": {"guest": "special"}}})
    special = vmi_template(labels={"guest": "special"})
    vms, vmis = await mixed(world, strategy, vmi_template(), special, special)
    await world.until(lambda: revision(world.vms["p-1"]) == "p-2" and uid(world.vmis["p-1"]) != vmis["p-1"])
    await world.settled()
    assert generations(world.vms)["p-0"] == vms["p-0"]
    assert uids(world.vmis)["p-0"] == vmis["p-0"]


async def test_P_158_only_those_of_a_node(world: World) -> None:
    """P-158: A node selector confines it by what VMs ask for."""
    needs = [{"key": "kubernetes.io/os", "operator": "NotIn", "values": ["linux"]}]
    strategy = proactive(selectors={"nodeSelectorRequirementMatcher": needs})
    vms, vmis = await mixed(
        world, strategy, vmi_template(), vmi_template(nodeSelector={"kubernetes.io/os": "linux"})
    )
    await world.until(lambda: revision(world.vms["p-0"]) == "p-2" and uid(world.vmis["p-0"]) != vmis["p-0"])
    await world.settled()
    assert generations(world.vms)["p-1"] == vms["p-1"]
    assert uids(world.vmis)["p-1"] == vmis["p-1"]


async def test_P_158_more_than_two_numbers(world: World) -> None:
    """P-158: Where `Gt` is given two numbers nothing is updated, and the pool says so."""
    needs = [{"key": "rank", "operator": "Gt", "values": ["1", "2"]}]
    strategy = proactive(selectors={"nodeSelectorRequirementMatcher": needs})
    await world.create(pool(replicas=1, updateStrategy=strategy))
    await world.until(lambda: "p-0" in world.vms)
    before = generations(world.vms)
    await world.change_template(template("96Mi"))
    found = await world.until(lambda: world.condition("ReplicaFailure"))
    assert found["reason"] == "FailedUpdate"
    await world.settled()
    assert generations(world.vms) == before


async def test_P_159_renewals_are_told(world: World) -> None:
    """P-159: Each guest that is replaced is an event."""
    await up(world, 2)
    await world.change_template(running("96Mi"))
    for name in ("p-0", "p-1"):
        await world.event("SuccessfulDelete", f"Successfully updated resource {world.namespace}/{name}")


def renewals(world: World) -> list[str]:
    return [
        text
        for _, reason, text in world.events
        if reason == "SuccessfulDelete" and "updated resource" in text
    ]


async def test_P_160_news_of_nothing(world: World) -> None:
    """P-160: The same event appears for guests that are up to date and not ready."""
    await paused_guest(world, 1)
    await world.settled()
    assert renewals(world)


async def test_D_09_no_news_of_nothing(world: World) -> None:
    """D-09: A guest that needs nothing is not told of."""
    await paused_guest(world, 1)
    await world.settled()
    assert not renewals(world)


async def test_P_161_renewals_that_fail(world: World) -> None:
    """P-161: A refused DELETE of a guest is shown and told, and ends the walk until it works."""
    before = await up(world, 2, updateStrategy=proactive("AscendingOrder"))  # so that each walk begins alike
    async with world.refusing("DELETE", VMI):
        await world.change_template(running("96Mi"))
        await world.event("FailedUpdate", f"Error updating resource {world.namespace}/p-", "Warning")
        found = await world.until(lambda: world.condition("ReplicaFailure"))
        assert found["reason"] == "FailedUpdate"
        assert found["message"].startswith("error during VMI update: ")
        assert uids(world.vmis) == before
        told = {
            text.split(": ")[0]
            for _, reason, text in world.events
            if reason == "FailedUpdate" and "resource" in text
        }
        assert len(told) == 1
    await renewed(world, before)


async def test_D_17_guests_of_others(bare: World) -> None:
    """D-17: A guest that has the name of a pool's VM and is not that VM's is left alone."""
    mine = await bare.create(pool(replicas=1))
    await bare.pool_of("p-0")
    body = vmi_template()
    await bare.create({"metadata": {"name": "p-0", **body["metadata"]}, "spec": body["spec"]}, VMI)
    await bare.change_template(template("96Mi"))
    await bare.until(lambda: revision(bare.vms["p-0"]) == f"p-{mine['metadata']['generation'] + 1}")
    await bare.settled()
    assert not terminating(bare.vmis["p-0"])
    assert revision(bare.vmis["p-0"]) == ""


async def test_D_17_nor_those_of_vms_that_go(bare: World) -> None:
    """D-17: … and the guest of a VM that is going is left to it, whatever its revision."""
    await bare.create(pool(replicas=1))
    await bare.pool_of("p-0")
    body = vmi_template()
    meta = {"name": "p-0", **body["metadata"], "ownerReferences": [owner(bare.vms["p-0"])]}
    await bare.hold(VM, "p-0")
    await bare.delete(VM, "p-0")
    await bare.settled()
    made = await bare.create({"metadata": meta, "spec": body["spec"]}, VMI)
    await bare.settled()
    assert bare.vmis["p-0"] == made
    await bare.let_go(VM, "p-0")


async def test_D_19_by_ordinal(world: World) -> None:
    """D-19: Where no policy says otherwise, guests are replaced in the order of their ordinals."""
    mine = await world.create(pool(replicas=0, paused=True, template=running(), maxUnavailable=1))
    for name in ("p-2", "p-1", "p-0"):
        await world.create(vm(name, owners=[owner(mine)], running=True), VM)
    await world.until(lambda: world.status().get("readyReplicas") == 3)
    before = uids(world.vmis)
    await world.change(replicas=3, paused=False)
    await renewed(world, before, "64Mi")
    assert world.deleted(VMI) == ["p-0", "p-1", "p-2"]


async def test_D_20_no_news_of_what_is_going(bare: World) -> None:
    """D-20: A guest that is being replaced already is not told of again."""
    await with_guests(bare, "p-0", "p-1", maxUnavailable=2)
    await bare.change_template(template("96Mi"), updateStrategy={"proactive": {}})
    await bare.until(lambda: all(map(terminating, bare.vmis.values())))
    await bare.set_status(VM, "p-0", conditions=[{"type": "Ready", "status": "False"}])
    await bare.settled()
    assert bare.told("SuccessfulDelete") <= 2
    await bare.let_go(VMI, "p-0", "p-1")


async def test_D_21_who_is_renewed_anyway_is_down(bare: World) -> None:
    """D-21: A guest that is renewed because its VM is not ready counts as down from that moment."""
    await with_guests(bare, "p-0", "p-1", maxUnavailable=1)
    await bare.set_status(VM, "p-1", conditions=[{"type": "Ready", "status": "False"}])
    await bare.settled()
    await bare.change_template(template("96Mi"), updateStrategy={"proactive": {}})
    await bare.until(lambda: terminating(bare.vmis["p-1"]))
    await bare.settled()
    assert not terminating(bare.vmis["p-0"])
    await bare.let_go(VMI, "p-0", "p-1")


async def test_D_22_the_most_cautious_strategy(bare: World) -> None:
    """D-22: Where several strategies are given, which only a server without KubeVirt's webhooks lets through, nothing is updated."""
    await bare.create(pool(replicas=1, updateStrategy={"opportunistic": {}, "unmanaged": {}}))
    await bare.pool_of("p-0")
    before = generations(bare.vms)
    await bare.change_template(template("96Mi"))
    await bare.settled()
    assert generations(bare.vms) == before
