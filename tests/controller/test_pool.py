"""The controller against the API server: what a user of pools sees. Time is moved by hand; KubeVirt is a few lines."""

import pytest

from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import (
    CONTROLLER_REVISIONS,
    DATA_VOLUMES,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
)
from tests.controller.cluster import NS, POOL_FINALIZER, VM_FINALIZER, refusal

REVISION = "kubevirt.io/vm-pool-revision-name"


def uids(found):
    return {name: objects.uid(obj) for name, obj in found.items()}


async def running(cluster, pool, seconds=4):
    await cluster.create_pool(pool)
    await cluster.pass_time(seconds)
    return await cluster.vms()


# Creation and scaling


async def test_a_pool_gets_its_vms_after_one_second(cluster, world):
    """P-030, P-044, P-077, P-187, P-203, S-10, S-11: nothing at once; then finalizer, VMs, events and one status."""
    await cluster.create_pool(world.pool())
    await cluster.pass_time(0.9)
    assert await cluster.vms() == {}
    cluster.boots = False
    await cluster.pass_time(0.1)
    assert sorted(await cluster.vms()) == ["p-0", "p-1", "p-2"]
    pool = await cluster.pool()
    assert pool["metadata"]["finalizers"] == [POOL_FINALIZER]
    assert pool["status"] == {"labelSelector": "app=p", "replicas": 3}
    created = [("Normal", "SuccessfulCreate", f"Created VM {NS}/p-{i}") for i in range(3)]
    assert sorted(await cluster.events()) == created
    cluster.boots = True
    await cluster.pass_time(2)
    assert (await cluster.pool())["status"] == {"labelSelector": "app=p", "replicas": 3, "readyReplicas": 3}


async def test_writes_say_who_wrote(cluster, world):
    """S-12: the status is written by manager `virt-controller` through the subresource."""
    await running(cluster, world.pool())
    fields = (await cluster.pool())["metadata"]["managedFields"]
    assert ("virt-controller", "status") in {(one["manager"], one.get("subresource")) for one in fields}


async def test_a_pool_costs_few_writes(cluster, world):
    """Finalizer, revision, one request per VM, one status for the VMs and one for their being ready."""
    await running(cluster, world.pool(), 10)
    assert len(cluster.wire.writes) == 1 + 1 + 3 + 2


async def test_a_quiet_pool_asks_nothing(cluster, world):
    """P-192: once all is well there is not one request, however long it lasts."""
    await running(cluster, world.pool())
    asked = []
    cluster.wire.refuse = asked.append
    await cluster.pass_time(3600)
    assert asked == []


@pytest.mark.parametrize("replicas", [0, 3])
async def test_a_paused_or_empty_pool_is_held_without_revision(cluster, world, replicas):
    """P-030, P-069: the finalizer is there, a revision is not."""
    vms = await running(cluster, world.pool(replicas=replicas, paused=replicas == 3))
    assert (vms, await cluster.listed(CONTROLLER_REVISIONS)) == ({}, {})
    assert (await cluster.pool())["metadata"]["finalizers"] == [POOL_FINALIZER]


async def test_scaling_out_keeps_what_is_there(cluster, world):
    """P-068, P-076: new VMs name the newer revision, the old ones stay as they are."""
    before = await running(cluster, world.pool(replicas=2))
    await cluster.change_pool(replicas=3)
    await cluster.pass_time(4)
    after = await cluster.vms()
    assert uids(after) | uids(before) == uids(after)
    assert [after[f"p-{i}"]["metadata"]["labels"][REVISION] for i in range(3)] == ["p-1", "p-1", "p-2"]
    assert sorted(await cluster.listed(CONTROLLER_REVISIONS)) == ["p-1", "p-2"]


async def test_scaling_in_to_nothing(cluster, world):
    """P-086, P-087, P-088, P-107: all go, with events, and the counters disappear."""
    vms = await running(cluster, world.pool())
    await cluster.change_pool(replicas=0)
    await cluster.pass_time(4)
    assert await cluster.vms() == {}
    assert (await cluster.pool())["status"] == {"labelSelector": "app=p"}
    told = {message for _, reason, message in await cluster.events() if reason == "SuccessfulDelete"}
    assert told == {f"Deleted VM {NS}/{name} with uid {uid} from pool" for name, uid in uids(vms).items()}


async def test_foreign_names_are_left_alone(cluster, world):
    """P-034, P-047: an unowned VM keeps its name and is neither adopted, nor changed, nor counted."""
    foreign = await cluster.admin.create(VIRTUAL_MACHINES, bare_vm("p-1"))
    vms = await running(cluster, world.pool())
    assert sorted(vms) == ["p-0", "p-1", "p-2", "p-3"]
    assert objects.owners(vms["p-1"]) == []
    assert objects.uid(vms["p-1"]) == objects.uid(foreign)
    assert POOL_FINALIZER not in objects.finalizers(vms["p-1"])
    assert (await cluster.pool())["status"]["replicas"] == 3


def bare_vm(name, **meta):
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": NS, "labels": {"app": "p"}, **meta},
        "spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}},
    }


async def test_three_hundred_vms_take_two_bursts(cluster, world):
    """P-078: 250 in the first pass; the rest follows at once instead of a second later."""
    cluster.virt_works = False
    await cluster.create_pool(world.pool(replicas=300))
    await cluster.pass_time(1)
    assert len(await cluster.vms()) == 250
    await cluster.pass_time(0.1)
    assert len(await cluster.vms()) == 300


async def test_two_pools_do_not_disturb_each_other(cluster, world):
    """P-035, P-050, P-208: `p` and `p-0` with the same labels each keep their own VMs."""
    await cluster.create_pool(world.pool("p", replicas=2))
    vms = await running(cluster, world.pool("p-0", replicas=2))
    assert sorted(vms) == ["p-0", "p-0-0", "p-0-1", "p-1"]
    await cluster.change_pool("p", replicas=0)
    await cluster.pass_time(4)
    assert sorted(await cluster.vms()) == ["p-0-0", "p-0-1"]


# VMs deleted or detached by others


@pytest.mark.parametrize("strategy", ["proactive", "opportunistic", "unmanaged"])
async def test_a_deleted_vm_is_replaced_under_its_name(cluster, world, strategy):
    """P-048, P-118, P-119, P-122: it goes, and only then another one takes its place."""
    before = await running(cluster, world.pool(scaleInStrategy={strategy: {}}))
    await cluster.admin.delete(VIRTUAL_MACHINES, "p-1", NS)
    await cluster.pass_time(0.5)
    assert objects.is_terminating((await cluster.vms())["p-1"])
    assert (await cluster.pool())["status"]["replicas"] == 3
    await cluster.pass_time(5)
    after = await cluster.vms()
    assert sorted(after) == ["p-0", "p-1", "p-2"]
    assert {name for name in after if objects.uid(after[name]) != objects.uid(before[name])} == {"p-1"}
    assert (await cluster.pool())["status"]["readyReplicas"] == 3


async def test_lowering_and_then_deleting(cluster, world):
    """P-123, D6: under `opportunistic` the deleted VM goes away and is not replaced."""
    await running(cluster, world.pool(scaleInStrategy={"opportunistic": {}}))
    await cluster.change_pool(replicas=2)
    await cluster.pass_time(3)
    assert len(await cluster.vms()) == 3
    await cluster.admin.delete(VIRTUAL_MACHINES, "p-0", NS)
    await cluster.pass_time(5)
    assert sorted(await cluster.vms()) == ["p-1", "p-2"]


async def test_scaling_out_again_while_vms_are_going(cluster, world):
    """P-102, D1: 5→2→4 ends with four VMs, and nothing more is deleted meanwhile."""
    await running(cluster, world.pool(replicas=5))
    cluster.virt_works = False
    await cluster.change_pool(replicas=2)
    await cluster.pass_time(2)
    await cluster.change_pool(replicas=4)
    await cluster.pass_time(3)
    going = [vm for vm in (await cluster.vms()).values() if objects.is_terminating(vm)]
    assert len(going) == 3
    cluster.virt_works = True
    await cluster.pass_time(5)
    assert len(await cluster.vms()) == 4


async def test_a_detached_vm_is_free(cluster, world):
    """P-037, P-038, P-040, S-14, D8: it stays, is replaced, loses the pool's finalizer and can be deleted."""
    before = await running(cluster, world.pool())
    await cluster.change_vm("p-1", {"metadata": {"ownerReferences": None}})
    await cluster.pass_time(4)
    after = await cluster.vms()
    assert sorted(after) == ["p-0", "p-1", "p-2", "p-3"]
    assert objects.uid(after["p-1"]) == objects.uid(before["p-1"])
    assert objects.finalizers(after["p-1"]) == [VM_FINALIZER]
    await cluster.change_pool(replicas=0)
    await cluster.pass_time(4)
    assert sorted(await cluster.vms()) == ["p-1"]
    await cluster.admin.delete(VIRTUAL_MACHINES, "p-1", NS)
    await cluster.pass_time(1)
    assert await cluster.vms() == {}


async def test_relabelling_gives_a_vm_up(cluster, world):
    """P-041, D4: it loses owner and pool finalizer, keeps the others of both kinds, and is replaced."""
    vms = await running(cluster, world.pool())
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}
    owners = [*objects.owners(vms["p-1"]), other]
    await cluster.admin.create(VIRTUAL_MACHINES, bare_vm("keeper"))
    other["uid"] = objects.uid((await cluster.vms())["keeper"])
    await cluster.change_vm("p-1", {"metadata": {"labels": {"app": "mine"}, "ownerReferences": owners}})
    await cluster.pass_time(4)
    vms = await cluster.vms()
    assert objects.owners(vms["p-1"]) == [other]
    assert objects.finalizers(vms["p-1"]) == [VM_FINALIZER]
    assert "p-3" in vms
    assert (await cluster.pool())["status"]["readyReplicas"] == 3


async def test_a_vm_handed_from_pool_to_pool(cluster, world):
    """P-043: the old pool replaces it, the new one counts it."""
    await cluster.create_pool(world.pool("a", replicas=1))
    await running(cluster, world.pool("b", replicas=1))
    owner = {**objects.owner_reference(await cluster.pool("b"))}
    await cluster.change_pool("b", replicas=2)
    await cluster.change_vm("a-0", {"metadata": {"ownerReferences": [owner]}})
    await cluster.pass_time(4)
    assert sorted(await cluster.vms()) == ["a-0", "a-1", "b-0"]
    assert (await cluster.pool("b"))["status"]["replicas"] == 2


# Storage


def with_storage(world, **more):
    template = world.template(
        dataVolumeTemplates=[{"metadata": {"name": "d"}, "spec": {"source": {"blank": {}}}}]
    )
    volume = {"name": "root", "dataVolume": {"name": "d"}}
    template["spec"]["template"]["spec"]["volumes"] = [volume]
    return world.pool(template=template, **more)


DESCENDING = {"selectionPolicy": {"sortPolicy": "DescendingOrder"}}


async def test_storage_goes_with_its_vm(cluster, world):
    """P-055, P-108: without preservation the DataVolume is collected."""
    await running(cluster, with_storage(world, replicas=2, scaleInStrategy={"proactive": DESCENDING}))
    assert sorted(await cluster.listed(DATA_VOLUMES)) == ["d-0", "d-1"]
    await cluster.change_pool(replicas=1)
    await cluster.pass_time(4)
    assert sorted(await cluster.listed(DATA_VOLUMES)) == ["d-0"]


@pytest.mark.parametrize("mode", ["Offline", "Online"])
async def test_storage_survives_and_is_used_again(cluster, world, mode):
    """P-109…P-112, P-114: the DataVolume loses its VM as owner, and the next VM of that ordinal takes it over."""
    strategy = {"proactive": {"statePreservation": mode, **DESCENDING}}
    await running(cluster, with_storage(world, replicas=2, scaleInStrategy=strategy))
    before = uids(await cluster.listed(DATA_VOLUMES))
    await cluster.change_pool(replicas=1)
    await cluster.pass_time(4)
    volumes = await cluster.listed(DATA_VOLUMES)
    assert sorted(await cluster.vms()) == ["p-0"]
    assert uids(volumes) == before
    assert objects.owners(volumes["d-1"]) == []
    assert objects.controller_of(volumes["d-0"])
    await cluster.change_pool(replicas=2)
    await cluster.pass_time(4)
    volumes = await cluster.listed(DATA_VOLUMES)
    assert uids(volumes) == before
    assert objects.controller_of(volumes["d-1"])["uid"] == objects.uid((await cluster.vms())["p-1"])


@pytest.mark.parametrize("strategy", ["opportunistic", "proactive"])
async def test_storage_of_a_vm_deleted_by_hand(cluster, world, strategy):
    """P-116, D11: the active strategy's setting counts; the replacement takes the storage over."""
    await running(cluster, with_storage(world, scaleInStrategy={strategy: {"statePreservation": "Offline"}}))
    before = uids(await cluster.listed(DATA_VOLUMES))
    await cluster.admin.delete(VIRTUAL_MACHINES, "p-1", NS)
    await cluster.pass_time(5)
    assert uids(await cluster.listed(DATA_VOLUMES)) == before
    assert len(await cluster.vms()) == 3


# Updates


async def test_a_new_template_reaches_vms_and_vmis(cluster, world):
    """P-128, P-129, P-131, P-142, P-070: VMs keep their uid, VMIs do not, the old revision goes."""
    vms, vmis = await running(cluster, world.pool()), await cluster.listed(VIRTUAL_MACHINE_INSTANCES)
    await cluster.change_pool(virtualMachineTemplate=world.template("2Gi"))
    await cluster.pass_time(8)
    after, instances = await cluster.vms(), await cluster.listed(VIRTUAL_MACHINE_INSTANCES)
    assert uids(after) == uids(vms)
    assert not set(uids(instances).values()) & set(uids(vmis).values())
    assert {vmi["spec"]["domain"]["memory"]["guest"] for vmi in instances.values()} == {"2Gi"}
    assert {one["metadata"]["labels"][REVISION] for one in (*after.values(), *instances.values())} == {"p-2"}
    assert sorted(await cluster.listed(CONTROLLER_REVISIONS)) == ["p-2"]
    told = {(reason, message) for _, reason, message in await cluster.events()}
    assert ("SuccessfulUpdate", f"Updated VM {NS}/p-0") in told
    assert ("SuccessfulDelete", f"Successfully updated resource {NS}/p-0") in told


async def test_labels_alone_restart_nothing(cluster, world):
    """P-127, P-143: VMs get the label, VMIs keep their uid and name the new revision."""
    await running(cluster, world.pool())
    before = await cluster.listed(VIRTUAL_MACHINE_INSTANCES)
    template = world.template()
    template["metadata"]["labels"]["new"] = "x"
    await cluster.change_pool(virtualMachineTemplate=template)
    await cluster.pass_time(8)
    after = await cluster.listed(VIRTUAL_MACHINE_INSTANCES)
    assert uids(after) == uids(before)
    assert {vmi["metadata"]["labels"][REVISION] for vmi in after.values()} == {"p-2"}
    assert {vm["metadata"]["labels"]["new"] for vm in (await cluster.vms()).values()} == {"x"}


async def test_at_most_max_unavailable_at_a_time(cluster, world):
    """P-149, P-153: with one allowed, never two VMIs are away; without further input all get there."""
    await running(cluster, world.pool(replicas=4, maxUnavailable="25%"))
    before = set(uids(await cluster.listed(VIRTUAL_MACHINE_INSTANCES)).values())
    await cluster.change_pool(virtualMachineTemplate=world.template("2Gi"))
    gone = 0
    for _ in range(60):
        await cluster.pass_time(0.5)
        now = set(uids(await cluster.listed(VIRTUAL_MACHINE_INSTANCES)).values())
        assert len(before - now) - gone <= 1
        gone = len(before - now)
    assert gone == 4


async def test_changed_storage_makes_new_vms(cluster, world):
    """P-145: deleted and created again under their names, with new storage."""
    before = await running(
        cluster, with_storage(world, scaleInStrategy={"proactive": {"statePreservation": "Offline"}})
    )
    old = uids(await cluster.listed(DATA_VOLUMES))
    pool = with_storage(world)
    template = pool["spec"]["virtualMachineTemplate"]
    template["spec"]["dataVolumeTemplates"][0]["spec"] = {"source": {"http": {"url": "http://x"}}}
    await cluster.change_pool(virtualMachineTemplate=template)
    await cluster.pass_time(15)
    after, new = await cluster.vms(), uids(await cluster.listed(DATA_VOLUMES))
    assert sorted(after) == sorted(before)
    assert not set(uids(after).values()) & set(uids(before).values())
    assert sorted(new) == sorted(old)
    assert not set(new.values()) & set(old.values())


# Healing


async def fail(cluster, name, **status):
    ready = {"type": "Ready", "status": "False", "lastProbeTime": "2026-01-01T00:00:04Z"}
    await cluster.change_vm(name, {"status": {"conditions": [ready], **status}}, subresource="status")


async def test_failing_vms_are_replaced_and_others_are_not(cluster, world):
    """P-163, P-174, D3: the pool's failing VM gets a successor; a stranger's in the same state is not touched."""
    stranger = await cluster.admin.create(VIRTUAL_MACHINES, bare_vm("stranger"))
    before = await running(cluster, world.pool(autohealing={}))
    for name in ("p-0", "stranger"):
        await fail(cluster, name, startFailure={"consecutiveFailCount": 3, "lastFailedVMIUID": "x"})
    await cluster.pass_time(5)
    after = await cluster.vms()
    assert objects.uid(after["p-0"]) != objects.uid(before["p-0"])
    assert objects.uid(after["stranger"]) == objects.uid(stranger)


async def test_healing_needs_no_event(cluster, world):
    """P-177, D12: a VM old enough is healed by the pool's own timer."""
    cluster.boots = False
    before = await running(cluster, world.pool(replicas=1, autohealing={}, updateStrategy={"unmanaged": {}}))
    await fail(cluster, "p-0", printableStatus="ErrorUnschedulable")
    cluster.virt_works = False
    await cluster.pass_time(299)
    assert uids(await cluster.vms()) == uids(before)
    cluster.virt_works = True
    await cluster.pass_time(5)
    assert not set(uids(await cluster.vms()).values()) & set(uids(before).values())


# Pause


async def test_pausing_and_resuming(cluster, world):
    """P-178, P-179, P-180, P-181, P-182: nothing happens but counting, and then all of it."""
    await running(cluster, world.pool())
    await cluster.change_pool(paused=True)
    await cluster.pass_time(2)
    (condition,) = (await cluster.pool())["status"]["conditions"]
    assert condition["type"] == "ReplicaPaused"
    await cluster.change_pool(replicas=5, virtualMachineTemplate=world.template("2Gi"))
    await cluster.admin.delete(VIRTUAL_MACHINES, "p-0", NS)
    await cluster.pass_time(5)
    assert sorted(await cluster.vms()) == ["p-0", "p-1", "p-2"]
    assert (await cluster.pool())["status"]["readyReplicas"] == 2
    await cluster.change_pool(paused=None)
    await cluster.pass_time(12)
    assert sorted(await cluster.vms()) == [f"p-{i}" for i in range(5)]
    assert (await cluster.pool())["status"] == {"labelSelector": "app=p", "replicas": 5, "readyReplicas": 5}
    told = {(reason, message) for _, reason, message in await cluster.events()}
    assert told >= {("SuccessfulPaused", "Pool is paused"), ("SuccessfulResume", "Pool is unpaused")}


# Deletion


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_a_deleted_pool_goes_with_everything(cluster, world, propagation):
    """P-194, P-195: pool, VMs, VMIs and revisions disappear."""
    await running(cluster, world.pool())
    await cluster.admin.delete(VIRTUAL_MACHINE_POOLS, "p", NS, propagation=propagation)
    await cluster.pass_time(6)
    for resource in (
        VIRTUAL_MACHINE_POOLS,
        VIRTUAL_MACHINES,
        VIRTUAL_MACHINE_INSTANCES,
        CONTROLLER_REVISIONS,
    ):
        assert await cluster.listed(resource) == {}


async def test_orphaned_vms_are_free(cluster, world):
    """P-196, P-197, P-198: they run on, belong to nobody, can be deleted, and a new pool takes other names."""
    before = await running(cluster, world.pool())
    vmis = uids(await cluster.listed(VIRTUAL_MACHINE_INSTANCES))
    await cluster.admin.delete(VIRTUAL_MACHINE_POOLS, "p", NS, propagation="Orphan")
    await cluster.pass_time(3)
    with pytest.raises(NotFound):
        await cluster.pool()
    vms = await cluster.vms()
    assert uids(vms) == uids(before)
    assert uids(await cluster.listed(VIRTUAL_MACHINE_INSTANCES)) == vmis
    assert all(objects.owners(vm) == [] and objects.finalizers(vm) == [VM_FINALIZER] for vm in vms.values())
    after = await running(cluster, world.pool(replicas=1, template=world.template("2Gi")))
    assert sorted(after) == ["p-0", "p-1", "p-2", "p-3"]
    await cluster.pass_time(10)
    writes = len(cluster.wire.writes)
    await cluster.pass_time(10)
    assert len(cluster.wire.writes) == writes
    await cluster.admin.delete(VIRTUAL_MACHINES, "p-0", NS)
    await cluster.pass_time(2)
    assert "p-0" not in await cluster.vms()


async def test_foreign_finalizers_on_the_pool_are_respected(cluster, world):
    """P-031, P-200, D5: they stay when the pool is held, and the pool stays until they are gone."""
    pool = world.pool()
    pool["metadata"] |= {"finalizers": ["example.com/mine"], "foreign": True}
    await running(cluster, pool)
    assert objects.finalizers(await cluster.pool()) == ["example.com/mine", POOL_FINALIZER]
    await cluster.admin.delete(VIRTUAL_MACHINE_POOLS, "p", NS)
    await cluster.pass_time(3)
    assert objects.finalizers(await cluster.pool()) == ["example.com/mine"]
    await cluster.admin.delete(VIRTUAL_MACHINES, "p-0", NS)
    await cluster.pass_time(3)
    assert sorted(await cluster.vms()) == ["p-1", "p-2"]


async def test_a_pool_whose_selector_broke_can_be_deleted(cluster, world):
    """D13: with the webhook bypassed the pool does nothing, but it can go, and its VMs with it."""
    await running(cluster, world.pool())
    await cluster.change_pool(replicas=9, selector={"matchLabels": {"app": "other"}})
    await cluster.pass_time(3)
    assert len(await cluster.vms()) == 3
    await cluster.admin.delete(VIRTUAL_MACHINE_POOLS, "p", NS)
    await cluster.pass_time(4)
    assert await cluster.vms() == {}
    assert await cluster.listed(VIRTUAL_MACHINE_POOLS) == {}


# Failures


NO_OPERATOR = {"matchExpressions": [{"key": "a", "operator": "Foo"}]}
UNREADABLE = {"proactive": {"selectionPolicy": {"selectors": {"labelSelector": NO_OPERATOR}}}}


@pytest.mark.parametrize(
    ("mistake", "reason", "text"),
    [
        ({"selector": {"matchLabels": {"app": "other"}}}, "InvalidSelector", "does not match the labels"),
        ({"selector": NO_OPERATOR}, "InvalidSelector", "is not a valid label selector operator"),
        ({"autohealing": {"minFailingToStartDuration": "soon"}}, "InvalidSpec", 'invalid duration "soon"'),
        ({"maxUnavailable": "many%"}, "FailedUpdate", "invalid maxUnavailable percentage"),
        ({"updateStrategy": UNREADABLE}, "FailedUpdate", "is not a valid label selector operator"),
        (
            {"replicas": 1, "scaleInStrategy": UNREADABLE},
            "FailedScaleIn",
            "is not a valid label selector operator",
        ),
    ],
)
async def test_a_mistake_in_the_spec(cluster, world, mistake, reason, text):
    """It is told once, as condition and event; an hour costs no further request, others go on, and its end heals the pool."""
    await running(cluster, world.pool(replicas=2))
    good = copy_of((await cluster.pool())["spec"])
    await cluster.change_pool(**mistake)
    await cluster.pass_time(10)
    (condition,) = (await cluster.pool())["status"]["conditions"]
    assert (condition["type"], condition["reason"]) == ("ReplicaFailure", reason)
    assert text in condition["message"]
    told = [one for one in await cluster.events() if one[:2] == ("Warning", reason)]
    assert [message for _, _, message in told] == [condition["message"]]
    cluster.wire.writes.clear()
    asked = []
    cluster.wire.refuse = lambda request: asked.append(request) if "watch=" not in request.query else None
    await cluster.pass_time(3600)
    assert asked == []
    await cluster.create_pool(world.pool("other", replicas=1))
    await cluster.pass_time(5)
    assert "other-0" in await cluster.vms()
    await cluster.admin.update(VIRTUAL_MACHINE_POOLS, {**await cluster.pool(), "spec": good})
    await cluster.pass_time(5)
    assert "conditions" not in (await cluster.pool())["status"]
    assert sorted(await cluster.vms()) == ["other-0", "p-0", "p-1"]


async def test_what_a_vm_refers_to_is_missing(cluster, world):
    """A refusal that lasts is told once and asked for ever more rarely: a dozen times in the first hour, not once a second."""
    attempts = []

    def refuse(request):
        if request.method == "POST" and request.path.endswith("virtualmachines") and b'"p-' in request.body:
            attempts.append(cluster.clock.monotonic())
            return refusal(422, "Invalid", 'instancetype "none" not found')
        return None

    cluster.wire.refuse = refuse
    await cluster.create_pool(world.pool(replicas=1))
    await cluster.create_pool(world.pool("other", replicas=1))
    await cluster.pass_time(3600)
    assert sorted(await cluster.vms()) == ["other-0"]
    (condition,) = (await cluster.pool())["status"]["conditions"]
    assert condition["message"] == 'error during scale out: instancetype "none" not found'
    assert len(attempts) < 30, "bounded by the back-off of the queue"
    assert attempts[-1] - attempts[-2] > 200


async def test_refused_creations_are_shown_and_recovered_from(cluster, world):
    """P-079…P-082, P-189, P-204: condition and events; the others stay; without further input it heals."""
    cluster.wire.refuse = lambda request: (
        refusal(403, "Forbidden", "p-1 is denied")
        if request.method == "POST"
        and b'"name":"p-1"' in request.body
        and request.path.endswith("virtualmachines")
        else None
    )
    vms = await running(cluster, world.pool())
    assert sorted(vms) == ["p-0", "p-2"]
    (condition,) = (await cluster.pool())["status"]["conditions"]
    assert (condition["reason"], condition["message"]) == (
        "FailedScaleOut",
        "error during scale out: p-1 is denied",
    )
    told = await cluster.events()
    assert ("Warning", "FailedCreate", "Error creating VM: p-1 is denied") in told
    assert ("Warning", "FailedScaleOut", "error during scale out: p-1 is denied") in told
    cluster.wire.refuse = None
    await cluster.pass_time(10)
    assert sorted(await cluster.vms()) == ["p-0", "p-1", "p-2"]
    assert "conditions" not in (await cluster.pool())["status"]


async def test_refused_deletions_are_shown_and_recovered_from(cluster, world):
    """P-106: FailedDelete, FailedScaleIn, and later success."""
    await running(cluster, world.pool())
    cluster.wire.refuse = lambda request: (
        refusal(403, "Forbidden", "no") if request.method == "DELETE" else None
    )
    await cluster.change_pool(replicas=2)
    await cluster.pass_time(3)
    (condition,) = (await cluster.pool())["status"]["conditions"]
    assert (condition["reason"], condition["message"]) == ("FailedScaleIn", "error during scale in: no")
    assert any(
        reason == "FailedDelete" and message.startswith(f"Error deleting virtual machine {NS}/p-")
        for _, reason, message in await cluster.events()
    )
    cluster.wire.refuse = None
    await cluster.pass_time(10)
    assert len(await cluster.vms()) == 2
    assert "conditions" not in (await cluster.pool())["status"]


async def test_a_label_that_is_refused_is_shown(cluster, world):
    """P-143: a VMI whose revision label cannot be changed is a failure that says so, with no event of its own."""
    await running(cluster, world.pool(replicas=1))
    cluster.wire.refuse = lambda request: (
        refusal(403, "Forbidden", "no")
        if request.method == "PATCH" and request.path.endswith("virtualmachineinstances/p-0")
        else None
    )
    labelled = world.template()
    labelled["metadata"]["labels"]["more"] = "label"
    await cluster.change_pool(virtualMachineTemplate=labelled)
    await cluster.pass_time(5)
    text = "error during VMI update: patching of vmi labels with new pool revision name: no"
    (condition,) = (await cluster.pool())["status"]["conditions"]
    assert (condition["reason"], condition["message"]) == ("FailedUpdate", text)
    assert {message for _, reason, message in await cluster.events() if reason == "FailedUpdate"} == {text}
    cluster.wire.refuse = None
    await cluster.pass_time(10)
    assert "conditions" not in (await cluster.pool())["status"]


async def test_refused_updates_are_shown(cluster, world):
    """P-140, P-161: VM updates and VMI deletions that fail, each with its text."""
    await running(cluster, world.pool(replicas=1))
    cluster.wire.refuse = lambda request: (
        refusal(403, "Forbidden", "no")
        if request.method == "PUT" and request.path.endswith("virtualmachines/p-0")
        else None
    )
    await cluster.change_pool(virtualMachineTemplate=world.template("2Gi"))
    await cluster.pass_time(3)
    told = {message for _, reason, message in await cluster.events() if reason == "FailedUpdate"}
    assert told == {f"Error updating virtual machine p-0/{NS}: no", "error during VM update: no"}
    cluster.wire.refuse = lambda request: (
        refusal(403, "Forbidden", "no") if request.method == "DELETE" else None
    )
    await cluster.pass_time(10)
    told = {message for _, reason, message in await cluster.events() if reason == "FailedUpdate"}
    assert f"Error updating resource {NS}/p-0: no" in told
