"""Scale-in."""

from typing import Any

import pytest

from conformance.kube import VM, VMI, Object
from conformance.manifests import FINALIZER, LABELS, owner, pool, proactive, template, vm, vmi_template
from conformance.world import World, finalizers, terminating, uid, uids


def running() -> Object:
    return template(running=True)


async def of_kinds(
    world: World,
    *,
    count: int = 4,
    matching: tuple[int, ...] = (),
    replicas: int,
    strategy: Object,
    labels: bool | None = None,
    nodes: dict[str, str] | None = None,
    **first: Any,
) -> None:
    """A pool of `count` VMs of which the `matching` ones have other labels or another nodeSelector in their template."""
    mine = await world.create(pool(replicas=0, paused=True, scaleInStrategy=strategy))
    for number in range(count):
        is_one = number in matching
        spec: Object = {"nodeSelector": nodes} if nodes and is_one else {}
        body = vmi_template(labels={"kind": "special"} if is_one and labels else {"kind": "plain"}, **spec)
        await world.create(vm(f"p-{number}", owners=[owner(mine)], vmi=body, **first), VM)
    await world.until(lambda: world.status().get("replicas") == count)
    await world.change(replicas=replicas, paused=False)


@pytest.mark.smoke
async def test_P_086_shrinking(world: World) -> None:
    """P-086: Fewer replicas remove exactly the surplus."""
    await world.create(pool(replicas=5, template=running()))
    await world.size(5)
    before = uids(world.vms)
    await world.change(replicas=2)
    await world.size(2)
    await world.settled()
    assert len(world.vms) == 2
    assert uids(world.vms).items() <= before.items()
    assert len(world.deleted()) == 3


async def test_P_087_down_to_nothing(world: World) -> None:
    """P-087: With 0 replicas all VMs go, and the status counts none."""
    await world.create(pool(replicas=2, template=running()))
    await world.size(2)
    await world.change(replicas=0)
    await world.until(lambda: not world.vms and world.status().get("replicas", 0) == 0)


async def test_P_088_deletions_are_told(world: World) -> None:
    """P-088: Each deleted VM is an event, with its uid."""
    await world.create(pool(replicas=2, template=running()))
    await world.pool_of("p-0", "p-1")
    before = uids(world.vms)
    await world.change(replicas=0)
    for name, old in before.items():
        text = f"Deleted VM {world.namespace}/{name} with uid {old} from pool"
        await world.event("SuccessfulDelete", text)


async def test_P_089_more_than_a_burst(bare: World) -> None:
    """P-089: 260 VMs go, though they are more than one pass deletes."""
    await bare.create(pool(replicas=261, scaleInStrategy=proactive("AscendingOrder")))
    await bare.until(lambda: bare.status().get("replicas") == 261)
    await bare.change(replicas=1)
    await bare.until(lambda: set(bare.vms) == {"p-260"})


async def test_P_086_who_fails_is_one_of_them(bare: World) -> None:
    """P-086: A VM that is replaced because it fails counts among those that go."""
    await bare.create(pool(replicas=3, scaleInStrategy=proactive("AscendingOrder")))
    await bare.pool_of("p-0", "p-1", "p-2")
    before = uids(bare.vms)
    await bare.set_status(VM, "p-2", startFailure={"consecutiveFailCount": 3})
    await bare.settled()
    await bare.change(replicas=2, autohealing={})
    await bare.until(lambda: "p-2" not in bare.vms or uid(bare.vms["p-2"]) != before["p-2"])
    await bare.size(2)
    await bare.settled()
    assert uids(bare.vms) == {name: before[name] for name in ("p-0", "p-1")}


async def test_P_090_what_is_going_is_not_deleted_again(world: World) -> None:
    """P-090: Of four VMs two are terminating; with replicas 0 the others are deleted too, and each of them once."""
    await world.create(pool(replicas=4, template=running()))
    await world.size(4)
    await world.hold(VM, "p-0", "p-1")
    await world.delete(VM, "p-0")
    await world.delete(VM, "p-1")
    await world.until(lambda: world.lively() == {"p-2", "p-3"})
    stamps = {name: world.vms[name]["metadata"]["deletionTimestamp"] for name in ("p-0", "p-1")}
    await world.change(replicas=0)
    await world.until(lambda: set(world.vms) == {"p-0", "p-1"})
    await world.settled()
    assert {name: one["metadata"]["deletionTimestamp"] for name, one in world.vms.items()} == stamps
    told = [text for _, reason, text in world.events if reason == "SuccessfulDelete"]
    deleted = {text.split("/")[1].split()[0] for text in told if text.startswith("Deleted VM ")}
    assert deleted == {"p-2", "p-3"}
    await world.let_go(VM, "p-0", "p-1")


async def test_P_091_lowest_first(world: World) -> None:
    """P-091: AscendingOrder removes the lowest ordinals."""
    await world.create(pool(replicas=4, template=running(), scaleInStrategy=proactive("AscendingOrder")))
    await world.size(4)
    await world.change(replicas=2)
    await world.pool_of("p-2", "p-3")


async def test_P_092_highest_first(world: World) -> None:
    """P-092: DescendingOrder removes the highest: 5 to 2 leaves p-0 and p-1."""
    await world.create(pool(replicas=5, template=running(), scaleInStrategy=proactive("DescendingOrder")))
    await world.size(5)
    await world.change(replicas=2)
    await world.pool_of("p-0", "p-1")


async def generations(world: World, sort: str) -> None:
    """A pool of p-0, p-1 and p-2 where p-1 is clearly older and p-0 clearly younger than the others."""
    mine = await world.create(pool(replicas=0, paused=True, scaleInStrategy=proactive(sort)))
    for name in ("p-1", "p-2", "p-0"):
        await world.create(vm(name, owners=[owner(mine)]), VM)
        await world.a_second()
    await world.until(lambda: world.status().get("replicas") == 3)
    await world.change(replicas=1, paused=False)


async def test_P_093_newest_first(world: World) -> None:
    """P-093: Newest removes those created last."""
    await generations(world, "Newest")
    await world.pool_of("p-1")


async def test_P_094_oldest_first(world: World) -> None:
    """P-094: Oldest removes those created first."""
    await generations(world, "Oldest")
    await world.pool_of("p-0")


@pytest.mark.parametrize("sort", ["", "Random"])
async def test_P_095_by_lot(world: World, sort: str) -> None:
    """P-095: Random, or no policy, removes some subset of the right size."""
    await world.create(pool(replicas=4, template=running(), scaleInStrategy=proactive(sort)))
    await world.size(4)
    await world.change(replicas=1)
    await world.size(1)
    assert set(world.vms) < {"p-0", "p-1", "p-2", "p-3"}


async def test_P_096_ordinals_are_numbers(world: World) -> None:
    """P-096: p-10 is higher than p-9."""
    await world.create(pool(replicas=11, scaleInStrategy=proactive("DescendingOrder")))
    await world.size(11)
    await world.change(replicas=10)
    await world.pool_of(*(f"p-{number}" for number in range(10)))
    await world.change(replicas=9)
    await world.pool_of(*(f"p-{number}" for number in range(9)))


SPECIAL = {"labelSelector": {"matchLabels": {"kind": "special"}}}
ON_SSD = {"nodeSelectorRequirementMatcher": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}


async def test_P_097_only_selected_ones(world: World) -> None:
    """P-097: With a label selector, only VMs whose VMI template matches are removed."""
    strategy = proactive("AscendingOrder", selectors=SPECIAL)
    await of_kinds(world, matching=(1, 3), replicas=2, strategy=strategy, labels=True)
    await world.pool_of("p-0", "p-2")


async def test_P_098_only_those_meant_for_a_node(world: World) -> None:
    """P-098: A node selector is compared with what the VM asks for, not with nodes."""
    strategy = proactive("AscendingOrder", selectors=ON_SSD)
    await of_kinds(world, matching=(1, 3), replicas=2, strategy=strategy, nodes={"disk": "ssd"})
    await world.pool_of("p-0", "p-2")


@pytest.mark.parametrize(
    ("operator", "values", "goes"),
    [
        ("In", ["1", "2"], {"p-0", "p-1"}),
        ("NotIn", ["1", "2"], {"p-2", "p-3"}),
        ("Exists", [], {"p-0", "p-1", "p-2"}),
        ("DoesNotExist", [], {"p-3"}),
        ("Gt", ["1"], {"p-1", "p-2"}),
        ("Lt", ["2"], {"p-0"}),
    ],
)
async def test_P_098_every_operator(world: World, operator: str, values: list[str], goes: set[str]) -> None:
    """P-098: Operators mean what they mean for nodes."""
    needs = [{"key": "rank", "operator": operator, "values": values}]
    strategy = proactive(selectors={"nodeSelectorRequirementMatcher": needs})
    mine = await world.create(pool(replicas=0, paused=True, scaleInStrategy=strategy))
    for number, rank in enumerate(("1", "2", "3", "")):
        body = vmi_template(nodeSelector={"rank": rank} if rank else {})
        await world.create(vm(f"p-{number}", owners=[owner(mine)], vmi=body), VM)
    await world.until(lambda: world.status().get("replicas") == 4)
    await world.change(replicas=4 - len(goes), paused=False)
    await world.pool_of(*({"p-0", "p-1", "p-2", "p-3"} - goes))


UNREADABLE = {"nodeSelectorRequirementMatcher": [{"key": "rank", "operator": "Gt", "values": ["1", "2"]}]}


async def test_P_098_more_than_two_numbers(world: World) -> None:
    """P-098: Where `Gt` is given two numbers nothing is deleted, and the pool says so."""
    await world.create(pool(replicas=2, scaleInStrategy=proactive(selectors=UNREADABLE)))
    await world.pool_of("p-0", "p-1")
    await world.change(replicas=1)
    found = await world.until(lambda: world.condition("ReplicaFailure"))
    assert found["reason"] == "FailedScaleIn"
    assert found["message"].startswith("error during scale in: ")
    await world.settled()
    assert world.lively() == {"p-0", "p-1"}


async def test_P_099_both_selectors(world: World) -> None:
    """P-099: Both must match, and the order applies among those that do."""
    strategy = proactive("DescendingOrder", selectors=SPECIAL | ON_SSD)
    mine = await world.create(pool(replicas=0, paused=True, scaleInStrategy=strategy))
    for number, (kind, node) in enumerate(
        [("special", "ssd"), ("special", "ssd"), ("special", "hdd"), ("plain", "ssd")]
    ):
        body = vmi_template(labels={"kind": kind}, nodeSelector={"disk": node})
        await world.create(vm(f"p-{number}", owners=[owner(mine)], vmi=body), VM)
    await world.until(lambda: world.status().get("replicas") == 4)
    await world.change(replicas=3, paused=False)
    await world.pool_of("p-0", "p-2", "p-3")


async def test_P_100_labels_of_the_vm_do_not_matter(world: World) -> None:
    """P-100: The selector looks at the VMI template's labels; those of the VM object are not asked."""
    strategy = proactive("AscendingOrder", selectors=SPECIAL)
    mine = await world.create(pool(replicas=0, paused=True, scaleInStrategy=strategy))
    kinds = ("special", "plain"), ("special", "plain"), ("plain", "special"), ("plain", "special")
    for number, (of_vm, of_guest) in enumerate(kinds):
        body = vmi_template(labels={"kind": of_guest})
        await world.create(
            vm(f"p-{number}", labels=LABELS | {"kind": of_vm}, owners=[owner(mine)], vmi=body), VM
        )
    await world.until(lambda: world.status().get("replicas") == 4)
    await world.change(replicas=2, paused=False)
    await world.pool_of("p-0", "p-1")


@pytest.mark.smoke
async def test_P_101_fewer_match_than_must_go(world: World) -> None:
    """P-101: Only those that match are removed, and the controller goes on."""
    strategy = proactive("AscendingOrder", selectors=SPECIAL)
    await of_kinds(world, matching=(1,), replicas=1, strategy=strategy, labels=True)
    await world.pool_of("p-0", "p-2", "p-3")
    await world.settled()
    assert world.lively() == {"p-0", "p-2", "p-3"}


async def test_P_101_healing_too(bare: World) -> None:
    """P-101: Of VMs that fail, only those that match are replaced as well."""
    strategy = proactive(selectors=SPECIAL)
    body = template(vmi=vmi_template(labels={"kind": "special"}))
    mine = await bare.create(
        pool(replicas=0, paused=True, template=body, scaleInStrategy=strategy, autohealing={})
    )
    for name, kind in (("p-0", "plain"), ("p-1", "special")):
        await bare.create(vm(name, owners=[owner(mine)], vmi=vmi_template(labels={"kind": kind})), VM)
    await bare.until(lambda: bare.status().get("replicas") == 2)
    for name in ("p-0", "p-1"):
        await bare.set_status(VM, name, startFailure={"consecutiveFailCount": 3})
    await bare.until(lambda: set(bare.vms) == {"p-0"})
    await bare.settled()
    assert bare.lively() == {"p-0"}


@pytest.mark.smoke
async def test_P_102_a_change_of_mind(world: World) -> None:
    """P-102: 5 to 2, and to 4 while three are still going: nothing else goes, and in the end there are 4."""
    await world.create(pool(replicas=5, scaleInStrategy=proactive("DescendingOrder")))
    await world.size(5)
    await world.hold(VM, "p-2", "p-3", "p-4")
    await world.change(replicas=2)
    await world.until(lambda: world.lively() == {"p-0", "p-1"})
    await world.change(replicas=4)
    await world.settled()
    assert world.lively() == {"p-0", "p-1"}
    await world.let_go(VM, "p-2", "p-3", "p-4")
    await world.size(4)
    assert set(world.deleted()) == {"p-2", "p-3", "p-4"}


async def nothing_is_deleted(world: World, strategy: str) -> None:
    await world.create(pool(replicas=3, scaleInStrategy={strategy: {}}))
    await world.size(3)
    before = uids(world.vms)
    await world.change(replicas=1)
    await world.settled()
    assert uids(world.vms) == before
    assert not any(map(terminating, world.vms.values()))
    assert world.status()["replicas"] == 3
    assert not world.condition("ReplicaFailure")


async def test_P_103_unmanaged(world: World) -> None:
    """P-103: unmanaged deletes nothing; the status shows the real number, and no failure."""
    await nothing_is_deleted(world, "unmanaged")


async def test_P_104_opportunistic(world: World) -> None:
    """P-104: opportunistic deletes nothing by itself."""
    await nothing_is_deleted(world, "opportunistic")


async def test_P_105_growing_again_unmanaged(world: World) -> None:
    """P-105: Raised again after lowering, only what is missing is created."""
    await nothing_is_deleted(world, "unmanaged")
    before = uids(world.vms)
    await world.change(replicas=4)
    await world.pool_of("p-0", "p-1", "p-2", "p-3")
    assert before.items() <= uids(world.vms).items()


async def test_P_106_deletions_that_fail(world: World) -> None:
    """P-106: A refused DELETE is shown and told, and repeated until it works."""
    await world.create(pool(replicas=2, template=running()))
    await world.size(2)
    async with world.refusing("DELETE", VM):
        await world.change(replicas=1)
        await world.event("FailedDelete", f"Error deleting virtual machine {world.namespace}/p-", "Warning")
        found = await world.until(lambda: world.condition("ReplicaFailure"))
        assert found["reason"] == "FailedScaleIn"
        assert found["message"].startswith("error during scale in: ")
        assert len(world.lively()) == 2
    await world.size(1)
    await world.until(lambda: not world.condition("ReplicaFailure"))


async def test_P_107_what_is_deleted_is_let_go(world: World) -> None:
    """P-107: A running VM loses the pool's finalizer right after its deletion, before its guest has ended."""
    await world.create(pool(replicas=1, template=running()))
    await world.pool_of("p-0", ready=1)
    await world.hold(VMI, "p-0")
    await world.hold(VM, "p-0")
    await world.change(replicas=0)
    await world.until(lambda: terminating(world.vms["p-0"]) and FINALIZER not in finalizers(world.vms["p-0"]))
    assert "p-0" in world.vmis
    await world.let_go(VMI, "p-0")
    await world.let_go(VM, "p-0")
    await world.until(lambda: not world.vms)


async def test_P_102_more_stay_than_go(world: World) -> None:
    """P-102: So it is where more stay than go."""
    await world.create(pool(replicas=6, scaleInStrategy=proactive("DescendingOrder")))
    await world.size(6)
    await world.hold(VM, "p-4", "p-5")
    await world.change(replicas=4)
    await world.until(lambda: world.lively() == {"p-0", "p-1", "p-2", "p-3"})
    await world.change(replicas=5)
    await world.settled()
    assert world.lively() == {"p-0", "p-1", "p-2", "p-3"}
    await world.let_go(VM, "p-4", "p-5")
    await world.pool_of("p-0", "p-1", "p-2", "p-3", "p-4")
