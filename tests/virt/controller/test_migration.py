"""Live migrations, replica sets and silent nodes."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from fakekube.clock import parse_rfc3339, rfc3339
from fakekube.machinery.objects import annotations, condition, dig, name, uid
from fakekube.machinery.resources import (
    DAEMON_SETS,
    KUBEVIRTS,
    MIGRATIONS,
    NODES,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
    VMI_REPLICA_SETS,
)
from fakekube.virt.controller import migration_plan, replicaset_plan
from fakekube.virt.handler import launcher

NS = "default"
MOVABLE = [{"name": "default", "masquerade": {}}]
NETWORKS = [{"name": "default", "pod": {}}]


def phases(world, own="mig"):
    return world.history(MIGRATIONS, own, "status", "phase")


async def migrating_world(world):
    import asyncio

    tasks = [
        asyncio.ensure_future(world.informer(one).run()) for one in (MIGRATIONS, VMI_REPLICA_SETS, NODES)
    ]
    await world.settle()
    return tasks


@pytest.fixture
async def world(world):
    """The cluster, with migrations, replica sets and nodes remembered."""
    tasks = await migrating_world(world)
    yield world
    for task in tasks:
        task.cancel()


async def migrate(world, own="mig"):
    """Create a migration as virt-api's webhook leaves it."""
    meta = {
        "name": own,
        "namespace": NS,
        "labels": {"kubevirt.io/vmi-name": "vm"},
        "finalizers": ["kubevirt.io/migrationJobFinalize"],
    }
    kind = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration"}
    return await world.client.create(MIGRATIONS, {**kind, "metadata": meta, "spec": {"vmiName": "vm"}})


def migration(world, own="mig"):
    return world.informer(MIGRATIONS).get(f"{NS}/{own}")


def brief(found):
    return found and found["status"]


def is_final(world, own="mig"):
    return dig(migration(world, own), "status", "phase") in ("Succeeded", "Failed")


async def test_success(world):
    """V-200, V-201, V-202, V-203, V-204, V-205: every phase once, the guest on the other node, the VMI the same."""
    vmi = await world.running_vm(interfaces=MOVABLE, networks=NETWORKS)
    await migrate(world)
    await world.until(lambda: is_final(world))
    await world.elapse(5)
    wanted = ["Pending", "Scheduling", "Scheduled", "PreparingTarget", "TargetReady", "Running", "Succeeded"]
    assert phases(world) == [None, *wanted]
    entered = migration(world)["status"]["phaseTransitionTimestamps"]
    assert [one["phase"] for one in entered] == wanted
    after = world.vmi()
    assert (uid(after), after["status"]["phase"], after["status"]["nodeName"]) == (
        uid(vmi),
        "Running",
        "node02",
    )
    assert after["metadata"]["labels"]["kubevirt.io/nodeName"] == "node02"
    assert "kubevirt.io/migrationTargetNodeName" not in after["metadata"]["labels"]
    state = after["status"]["migrationState"]
    assert (state["completed"], state.get("failed"), state["mode"]) == (True, None, "PreCopy")
    assert state["migrationConfiguration"]["completionTimeoutPerGiB"] == 150
    copied = migration(world)["status"]["migrationState"]
    assert copied == state
    assert "finalizers" not in migration(world)["metadata"]
    assert world.statuses()[-3:] == ["Running", "Migrating", "Running"]
    assert world.is_ready()
    source = next(pod for pod in world.pods() if dig(pod, "spec", "nodeName") == "node01")
    assert source["status"]["phase"] == "Succeeded"
    assert annotations(after)["kubevirt.io/nonroot"] == "true"
    target = next(pod for pod in world.pods() if dig(pod, "spec", "nodeName") == "node02")
    assert target["metadata"]["labels"]["kubevirt.io/migrationJobUID"] == uid(migration(world))
    assert {uid(source): "node01", uid(target): "node02"} in world.history(
        VIRTUAL_MACHINE_INSTANCES, "vm", "status", "activePods"
    )
    handed_over = world.told(
        VIRTUAL_MACHINE_INSTANCES,
        "vm",
        lambda obj: obj["metadata"].get("labels", {}).get("kubevirt.io/migrationTargetNodeName"),
    )
    assert handed_over == [None, "node02", None]
    assert (state["migrationUid"], bool(state["endTimestamp"])) == (uid(migration(world)), True)


async def test_events_of_a_migration(world):
    """What migration and VMI tell on the way, in upstream's words."""
    await world.running_vm(interfaces=MOVABLE, networks=NETWORKS)
    await migrate(world)
    await world.until(lambda: is_final(world))
    await world.settle()
    target = dig(migration(world), "status", "migrationState", "targetPod")
    assert [one[:3] for one in world.events("mig", "VirtualMachineInstanceMigration")] == [
        ("Normal", "SuccessfulCreate", f"Created migration target pod {target}"),
        ("Normal", "SuccessfulHandOver", "Migration target pod is ready for preparation by virt-handler."),
        ("Normal", "SuccessfulMigration", "Source node reported migration succeeded"),
    ]
    told = [one[1:3] for one in world.events("vm", "VirtualMachineInstance")]
    for wanted in (
        ("PreparingTarget", "VirtualMachineInstance Migration Target Prepared."),
        ("PreparingTarget", "Migration Target is listening at 10.0.0.1, on ports: 41111,42222"),
        ("Migrating", "VirtualMachineInstance is migrating."),
        ("Migrated", "The VirtualMachineInstance migrated to node node02."),
    ):
        assert wanted in told


async def test_failure(world):
    """V-206, F-43: a failed migration leaves the guest where it was."""
    await world.running_vm(fate="fail-migration", interfaces=MOVABLE, networks=NETWORKS)
    await migrate(world)
    await world.until(lambda: is_final(world))
    await world.elapse(5)
    assert phases(world)[-2:] == ["Running", "Failed"]
    state = world.vmi()["status"]["migrationState"]
    assert (state["failed"], state["completed"]) == (True, True)
    assert "libvirt api call" in state["failureReason"]
    assert (world.vmi()["status"]["nodeName"], world.status(), world.is_ready()) == (
        "node01",
        "Running",
        True,
    )
    event = ("Warning", "FailedMigration", "source node reported migration failed", 1)
    assert event in world.events("mig", "VirtualMachineInstanceMigration")


async def test_canceled_before_hand_over(world):
    """V-207: deleted before the hand-over it fails, takes its pod with it, and goes."""
    await world.running_vm(interfaces=MOVABLE, networks=NETWORKS)
    await world.client.patch(NODES, "node02", None, {"spec": {"unschedulable": True}}, type="merge")
    await migrate(world)
    await world.until(lambda: dig(migration(world), "status", "phase") == "Scheduling")
    await world.settle()
    message = "Migration target pod for VMI [default/vm] is currently unschedulable."
    told = [one[:3] for one in world.events("mig", "VirtualMachineInstanceMigration")]
    assert ("Warning", "migrationTargetPodUnschedulable", message) in told
    await world.client.delete(MIGRATIONS, "mig", NS)
    await world.until(lambda: migration(world) is None)
    assert phases(world)[-1] == "Failed"
    aborted = world.told(MIGRATIONS, "mig", lambda obj: condition(obj, "migrationAbortRequested") is not None)
    assert aborted == [False, True]
    assert len(world.pods()) == 1


async def test_aborted_while_running(world):
    """F-45: deleted while the memory is copied, the nodes stop it and the guest stays."""
    await world.running_vm(fate="migration-takes=30s", interfaces=MOVABLE, networks=NETWORKS)
    await migrate(world)
    await world.until(lambda: world.status() == "Migrating")
    await world.client.delete(MIGRATIONS, "mig", NS)
    await world.until(lambda: migration(world) is None)
    state = world.vmi()["status"]["migrationState"]
    assert (state["abortRequested"], state["abortStatus"]) == (True, "Succeeded")
    assert state["failureReason"] == "Live migration has been aborted"
    assert (world.status(), world.vmi()["status"]["nodeName"]) == ("Running", "node01")
    assert phases(world)[-1] == "Failed"
    asked = world.told(MIGRATIONS, "mig", lambda obj: brief(condition(obj, "migrationAbortRequested")))
    assert asked == [None, "True"]
    event = ("Normal", "SuccessfulAbortMigration", "Migration is ready to be canceled by virt-handler.", 1)
    assert event in world.events("mig", "VirtualMachineInstanceMigration")


async def test_images_without_a_digest(world, caplog):
    """V-244: a guest whose image the kubelet tells no digest of cannot move: no target, and tried again."""
    await world.running_vm(interfaces=MOVABLE, networks=NETWORKS)
    (pod,) = world.pods()
    known = pod["status"]["initContainerStatuses"]
    told = [{**one, "imageID": "rubbish"} for one in known]
    status = {**pod["status"], "initContainerStatuses": told}
    await world.client.update(PODS, {**pod, "status": status}, subresource="status")
    await migrate(world)
    await world.elapse(5)
    assert (migration(world)["status"]["phase"], len(world.pods())) == ("Pending", 1)
    assert (
        'failed to identify image digest for container "registry.example/cirros:devel" with id "rubbish"'
        in caplog.text
    )
    (pod,) = world.pods()
    status = {**pod["status"], "initContainerStatuses": known}
    await world.client.update(PODS, {**pod, "status": status}, subresource="status")
    await world.until(lambda: is_final(world), seconds=120)
    assert phases(world)[-1] == "Succeeded"


@pytest.mark.parametrize(
    ("context", "options"),
    [("system_u:object_r:container_file_t:s0:c1,c2", {"level": "s0:c1,c2"}), ("none", None), ("", "refused")],
)
async def test_selinux(world, caplog, context, options):
    """V-246: the target shares the source's SELinux level; without a context there is none to share, and no migration."""
    await world.running_vm(interfaces=MOVABLE, networks=NETWORKS)
    vmi = world.vmi()
    await world.client.update(
        VIRTUAL_MACHINE_INSTANCES, {**vmi, "status": {**vmi["status"], "selinuxContext": context}}
    )
    await migrate(world)
    await world.elapse(3)
    targets = [pod for pod in world.pods() if "kubevirt.io/migrationJobUID" in pod["metadata"]["labels"]]
    if options == "refused":
        assert targets == []
        assert "SELinux context not set on VMI status" in caplog.text
    else:
        assert targets[0]["spec"]["securityContext"].get("seLinuxOptions") == options


async def test_selinux_levels_of_their_own(world):
    """Where the configuration has it, targets get no level, and none is asked for."""
    await world.running_vm(interfaces=MOVABLE, networks=NETWORKS)
    vmi = world.vmi()
    configuration = {"migrations": {"matchSELinuxLevelOnMigration": False}}
    kubevirt = await world.client.create(
        KUBEVIRTS,
        {
            "apiVersion": "kubevirt.io/v1",
            "kind": "KubeVirt",
            "metadata": {"name": "kubevirt", "namespace": NS},
            "spec": {"configuration": configuration},
        },
    )
    await world.client.update(KUBEVIRTS, {**kubevirt, "status": {"phase": "Deployed"}}, subresource="status")
    status = {key: value for key, value in vmi["status"].items() if key != "selinuxContext"}
    await world.client.update(VIRTUAL_MACHINE_INSTANCES, {**vmi, "status": status})
    await migrate(world)
    await world.until(lambda: is_final(world))
    assert phases(world)[-1] == "Succeeded"
    assert not any(dig(pod, "spec", "securityContext", "seLinuxOptions") for pod in world.pods())


def test_what_is_plugged_in_goes_first():
    """A migration leaves Pending once the target's attachment pod runs, and fails if that ends before the guest is there."""
    running = {"metadata": {}, "status": {"phase": "Running"}}
    seen = migration_plan.Seen(
        migration={"metadata": {"uid": "m", "namespace": NS}, "spec": {}, "status": {"phase": "Pending"}},
        vmi={"metadata": {}, "status": {"phase": "Running"}},
        target={"metadata": {"name": "t"}, "spec": {}, "status": {"phase": "Running"}},
        source_pod="s",
        now="now",
        plugs=True,
    )
    assert migration_plan.lacks_attachment(seen)
    assert migration_plan.plan(seen).status["phase"] == "Pending"
    waits = replace(seen, attachment={"metadata": {}, "status": {"phase": "Pending"}})
    assert not migration_plan.lacks_attachment(waits)
    assert migration_plan.plan(waits).status["phase"] == "Pending"
    there = replace(seen, attachment=running)
    assert migration_plan.plan(there).status["phase"] == "Scheduling"
    ended = migration_plan.plan(replace(seen, attachment={"metadata": {}, "status": {"phase": "Failed"}}))
    assert ended.status["phase"] == "Failed"
    assert ended.events == [
        (
            "Warning",
            "FailedMigration",
            "Migration failed because target attachment pod shutdown during migration",
        )
    ]


async def test_few_are_kept(world):
    """V-211: of six finished migrations of one VMI five remain."""
    await world.running_vm(interfaces=MOVABLE, networks=NETWORKS)
    for number in range(6):
        await migrate(world, f"mig{number}")
        await world.until(lambda number=number: is_final(world, f"mig{number}"))
        await world.elapse(2)
    kept = sorted(name(one) for one in world.informer(MIGRATIONS).objects())
    assert kept == [f"mig{number}" for number in range(1, 6)]


def test_host_model():
    """V-245: a host-model guest cannot leave a node that does not tell its CPU model."""
    vmi = {"spec": {"domain": {"cpu": {"model": "host-model"}}}, "status": {"machine": {"type": "pc-q35"}}}
    with pytest.raises(migration_plan.NoHostModelError, match="unable to locate host cpu model"):
        migration_plan.target_selector(vmi, {"metadata": {"labels": {}}}, {})
    marks = {
        "host-model-cpu.node.kubevirt.io/Haswell": "true",
        "host-model-required-features.node.kubevirt.io/vmx": "true",
        "cpu-vendor.node.kubevirt.io/Intel": "true",
    }
    assert migration_plan.target_selector(vmi, {"metadata": {"labels": marks}}, {"a": "b"}) == {
        "a": "b",
        "machine-type.node.kubevirt.io/pc-q35": "true",
        "cpu-vendor.node.kubevirt.io/Intel": "true",
        "cpu-model-migration.node.kubevirt.io/Haswell": "true",
        "cpu-feature.node.kubevirt.io/vmx": "true",
    }


async def test_a_host_that_does_not_tell_its_cpu(world, caplog):
    """V-245: no target is made for a host-model guest whose node does not tell its CPU model; it is, once the node does."""
    await world.running_vm(cpu={"model": "host-model"}, interfaces=MOVABLE, networks=NETWORKS)
    own = "host-model-cpu.node.kubevirt.io/Cascadelake-Server"
    fate = {"annotations": {"fakekube.io/fate": "no-heartbeat"}}  # or virt-handler labels it again
    silent = {"metadata": {"labels": {own: None}, **fate}}
    await world.client.patch(NODES, "node01", None, silent, type="merge")
    await migrate(world)
    await world.elapse(5)
    assert (migration(world)["status"]["phase"], len(world.pods())) == ("Pending", 1)
    assert "unable to locate host cpu model" in caplog.text


async def test_no_other_node_has_the_cpu(world):
    """Where no other node has what the guest's host has, the migration waits, and the instance is told why."""
    await world.running_vm(cpu={"model": "host-model"}, interfaces=MOVABLE, networks=NETWORKS)
    lacking = {"metadata": {"labels": {"cpu-feature.node.kubevirt.io/vmx": "false"}}}
    await world.client.patch(NODES, "node02", None, lacking, type="merge")
    await migrate(world)
    await world.until(lambda: dig(migration(world), "status", "phase") == "Scheduling")
    await world.settle()
    told = [one[:3] for one in world.events("vm", "VirtualMachineInstance")]
    message = (
        "Migration cannot proceed since no node is suitable to run the required CPU model / required features: "
        "map[cpu-feature.node.kubevirt.io/pcid:true cpu-feature.node.kubevirt.io/vmx:true "
        "cpu-model-migration.node.kubevirt.io/Cascadelake-Server:true]"
    )
    assert ("Warning", "NoSuitableNodesForHostModelMigration", message) in told


# Replica sets.


def replica_set(replicas=2, **spec):
    domain = {"devices": {}, "memory": {"guest": "128Mi"}, "resources": {}}
    template = {
        "metadata": {"labels": {"set": "rs"}},
        "spec": {"domain": domain, "terminationGracePeriodSeconds": 0},
    }
    kind = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceReplicaSet"}
    body = {"replicas": replicas, "selector": {"matchLabels": {"set": "rs"}}, "template": template, **spec}
    return {**kind, "metadata": {"name": "rs", "namespace": NS}, "spec": body}


def set_status(world):
    return dig(world.informer(VMI_REPLICA_SETS).get(f"{NS}/rs"), "status", default={})


async def test_replica_set(world):
    """V-226, V-227: names without a dash, as many as wanted, finished ones replaced, surplus ones deleted."""
    await world.client.create(VMI_REPLICA_SETS, replica_set())
    await world.until(lambda: set_status(world).get("readyReplicas") == 2)
    vmis = world.informer(VIRTUAL_MACHINE_INSTANCES).objects()
    assert all(len(name(one)) == 7 and name(one).startswith("rs") for one in vmis)
    assert set_status(world)["labelSelector"] == "set=rs"
    first = vmis[0]
    assert all(name(one)[2:].isalnum() and name(one).islower() for one in vmis)
    await world.end_guest("Failed", name(first))
    await world.until(lambda: world.vmi(name(first)) is None and set_status(world).get("readyReplicas") == 2)
    counted = world.history(VMI_REPLICA_SETS, "rs", "status", "replicas")
    assert counted[-2:] == [1, 2], "a final one counts for nothing"
    told = [one[:3] for one in world.events("rs", "VirtualMachineInstanceReplicaSet")]
    assert ("Normal", "SuccessfulDelete", f"Deleted finished virtual machine: {uid(first)}") in told
    await world.client.patch(VMI_REPLICA_SETS, "rs", NS, {"spec": {"replicas": 1}}, type="merge")
    await world.until(lambda: len(world.informer(VIRTUAL_MACHINE_INSTANCES).objects()) == 1)
    assert set_status(world)["replicas"] == 1


async def test_paused_replica_set(world):
    """V-228: paused it tells so, and neither makes nor deletes."""
    await world.client.create(VMI_REPLICA_SETS, replica_set(paused=True))
    await world.elapse(5)
    found = world.informer(VMI_REPLICA_SETS).get(f"{NS}/rs")
    told = condition(found, "ReplicaPaused")
    assert (told["status"], told["reason"], told["message"]) == ("True", "Paused", "Controller got paused")
    assert world.informer(VIRTUAL_MACHINE_INSTANCES).objects() == []
    await world.client.patch(VMI_REPLICA_SETS, "rs", NS, {"spec": {"paused": False}}, type="merge")
    await world.until(lambda: set_status(world).get("replicas") == 2)
    assert condition(world.informer(VMI_REPLICA_SETS).get(f"{NS}/rs"), "ReplicaPaused") is None


def test_plan_counts_the_living():
    """Terminating VMIs count for nothing, final ones are replaced in the same pass."""
    alive, final = (
        {"metadata": {}, "status": {"phase": "Running"}},
        {"metadata": {}, "status": {"phase": "Failed"}},
    )
    dying = {"metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Running"}}
    assert replicaset_plan.plan(3, [alive, final, dying]) == replicaset_plan.Plan(2, (), (final,))
    assert replicaset_plan.plan(0, [alive]) == replicaset_plan.Plan(0, (alive,), ())
    losing = {"type": "Ready", "status": "False", "reason": "PodTerminating"}
    lost = {"metadata": {}, "status": {"phase": "Running", "conditions": [losing]}}
    assert replicaset_plan.plan(1, [lost]) == replicaset_plan.Plan(1, (), (lost,)), "its pod goes, so will it"


# Nodes.


def node(world, own="node01"):
    return world.informer(NODES).get(own)


async def silence(world):
    patch = {"metadata": {"annotations": {"fakekube.io/fate": "no-heartbeat"}}}
    await world.client.patch(NODES, "node01", None, patch, type="merge")


async def test_nodes_are_marked(world):
    """V-216: schedulable, alive, with machine types and devices."""
    for _ in range(5):
        await world.elapse(97)
        for own in ("node01", "node02"):
            marks = node(world, own)["metadata"]["labels"]
            assert marks["kubevirt.io/schedulable"] == marks["machine-type.node.kubevirt.io/q35"] == "true"
            assert int(node(world, own)["status"]["allocatable"]["devices.kubevirt.io/kvm"].strip("k")) > 0
            beat = parse_rfc3339(annotations(node(world, own))["kubevirt.io/heartbeat"])
            assert timedelta(0) <= world.clock.now() - beat < timedelta(minutes=5)


async def test_silent_node(world):
    """V-217, V-219, F-25: after five minutes the node takes no more guests; those it has run on, new ones go elsewhere."""
    await world.running_vm()
    await silence(world)
    await world.elapse(230)
    assert node(world)["metadata"]["labels"]["kubevirt.io/schedulable"] == "true"
    assert world.events("node01", "Node") == []
    await world.elapse(170)
    assert node(world)["metadata"]["labels"]["kubevirt.io/schedulable"] == "false"
    message = "virt-handler is not responsive, marking node as unresponsive"
    assert world.events("node01", "Node")[0][:3] == ("Normal", "NodeUnresponsive", message)
    assert (world.vmi()["status"]["phase"], world.status()) == ("Running", "Running")
    assert "reason" not in world.vmi()["status"]
    for number in range(3):
        vmi = await world.running_vm(f"new{number}")
        assert vmi["status"]["nodeName"] == "node02"


HANDLER = {"kubevirt.io": "virt-handler"}
HANDLING = {"containers": [{"name": "virt-handler", "image": "virt-handler"}]}


async def has_handlers(world, **status):
    """A DaemonSet of virt-handlers, and how far it has come."""
    spec = {
        "selector": {"matchLabels": HANDLER},
        "template": {"metadata": {"labels": HANDLER}, "spec": HANDLING},
    }
    meta = {"name": "virt-handler", "namespace": NS, "labels": HANDLER}
    made = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": spec}
    found = await world.client.create(DAEMON_SETS, made)
    await world.client.update(
        DAEMON_SETS, {**found, "status": {**found["status"], **status}}, subresource="status"
    )


async def loses_its_launcher(world):
    """On a node that is silent."""
    await silence(world)
    (pod,) = world.pods()
    status = launcher.ended(pod, launcher.COMPLETED, rfc3339(world.clock.now()))
    await world.client.update(PODS, {**pod, "status": status}, subresource="status")


def is_lost(world):
    vmi = world.vmi()["status"]
    return (vmi["phase"], vmi.get("reason")) == ("Failed", "NodeUnresponsive")


def orphans_told(world):
    return any("there are orphaned vmis on this node" in one[2] for one in world.events("node01", "Node"))


@pytest.mark.parametrize(
    ("desired", "current", "told"), [(0, 0, True), (2, 2, True), (2, 1, False)], ids=["none", "all", "some"]
)
async def test_lost_guest(world, desired, current, told):
    """V-218, F-24: on a silent node a guest whose launcher has ended is lost. That nobody is there to look after guests is told,
    unless somebody is still to come."""
    await world.running_vm(strategy="Once")
    await has_handlers(
        world, desiredNumberScheduled=desired, currentNumberScheduled=current, numberReady=current
    )
    await loses_its_launcher(world)
    await world.elapse(400)
    assert is_lost(world)
    message = "virt-handler on node node01 is not responsive, marking VMI as failed"
    events = [one[:3] for one in world.events("vm", "VirtualMachineInstance")]
    assert ("Normal", "NodeUnresponsive", message) in events
    assert orphans_told(world) is told


async def test_lost_guest_of_a_handler(world):
    """V-218: where there is a virt-handler, silent as it is, nobody looks at what it belongs to, and no guest is an orphan."""
    await world.running_vm(strategy="Once")
    meta = {"name": "handler", "namespace": NS, "labels": HANDLER}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {**HANDLING, "nodeName": "node01"}}
    await world.client.create(PODS, pod)
    await loses_its_launcher(world)
    await world.elapse(400)
    assert is_lost(world)
    assert not orphans_told(world)


async def test_node_without_heartbeat(world):
    """V-220: a node that never had a heartbeat is nobody's business."""
    meta = {"name": "other", "annotations": {"fakekube.io/fate": "no-heartbeat"}}
    await world.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": meta})
    await world.elapse(700)
    assert "kubevirt.io/schedulable" not in node(world, "other")["metadata"].get("labels", {})
