"""VMIs and their launchers: phases, conditions and texts recorded from the real virt-controller."""

import pytest

from fakekube.machinery.objects import annotations, condition, dig, finalizers, name, uid
from fakekube.machinery.resources import (
    MIGRATIONS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from fakekube.virt.controller import vmi_conditions, vmi_status

NS = "default"


def claim(own="disk"):
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "local",
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": own, "namespace": NS},
        "spec": spec,
    }


ON_CLAIM = [{"name": "root", "persistentVolumeClaim": {"claimName": "disk"}}]


def told(obj, kind):
    found = condition(obj, kind)
    return found and (found["status"], found.get("reason", ""), found.get("message", ""))


async def test_phases(world):
    """V-104, V-118: Pending, Scheduling, Scheduled, Running, each entered once."""
    vmi = await world.running_vm()
    phases = ["Pending", "Scheduling", "Scheduled", "Running"]
    assert world.history(VIRTUAL_MACHINE_INSTANCES, "vm", "status", "phase") == phases
    assert [one["phase"] for one in vmi["status"]["phaseTransitionTimestamps"]] == phases


async def test_ready_follows(world):
    """V-119: not before the guest runs, and then as the pod says."""
    vmi = await world.running_vm()
    history = world.ready_history(VIRTUAL_MACHINE_INSTANCES)
    assert history == [None, ("False", "GuestNotRunning"), ("True", "")]
    ready, pods = condition(vmi, "Ready"), condition(world.pods()[0], "Ready")
    assert ready["lastTransitionTime"] == pods["lastTransitionTime"]


@pytest.mark.parametrize(
    ("phase", "pod", "reason"),
    [
        ("Pending", None, "PodNotExists"),
        ("Scheduling", {}, "GuestNotRunning"),
        ("Scheduled", {}, "GuestNotRunning"),
        ("Succeeded", {}, "GuestNotRunning"),
        ("Running", {}, "PodConditionMissing"),
        ("Running", {"phase": "Succeeded"}, "PodTerminating"),
        ("Scheduling", {"phase": "Failed"}, "PodTerminating"),
    ],
)
def test_not_ready(phase, pod, reason):
    """V-120: why a VMI is not ready is said by whether there is a pod, whether that ends, and whether the guest runs."""
    launcher = pod if pod is None else {"metadata": {}, "status": pod}
    told = vmi_conditions.ready(phase, launcher, "2026-01-01T00:00:00Z")
    assert (told["status"], told["reason"]) == ("False", reason)


def test_volumes_are_sorted():
    """V-128: volumes are told by name, whatever their order in the spec, each with a target, which may be empty."""
    spec = {
        "volumes": [{"name": one, "containerDisk": {"image": "i"}} for one in ("root", "cloudinit", "data")]
    }
    entries = vmi_status.volume_statuses({"metadata": {}, "spec": spec}, {})
    assert entries == [{"name": one, "target": ""} for one in ("cloudinit", "data", "root")]


async def test_no_node_knows_the_machine(world):
    """V-147: where no node has the machine type the launcher has no place, until one has."""
    await world.create_vm(machine={"type": "pc-unheard-of"}, architecture="amd64")
    await world.until(lambda: world.status() == "ErrorUnschedulable")
    marks = {
        "machine-type.node.kubevirt.io/pc-unheard-of": "true",
        "kubernetes.io/arch": "amd64",
    }
    await world.client.patch(NODES, "node02", None, {"metadata": {"labels": marks}}, type="merge")
    await world.until(world.is_ready)
    assert world.vmi()["status"]["nodeName"] == "node02"


async def test_active_pods(world):
    """V-116: the launcher is listed with no node, and with its node once bound."""
    await world.running_vm()
    own = uid(world.pods()[0])
    history = world.history(VIRTUAL_MACHINE_INSTANCES, "vm", "status", "activePods")
    assert history == [None, {own: ""}, {own: "node01"}]


async def test_hand_over(world):
    """V-117, V-130: Scheduled brings node, label, transport, interfaces and volumes, and the label on the pod."""
    vmi = await world.running_vm()
    assert vmi["status"]["nodeName"] == "node01" == vmi["metadata"]["labels"]["kubevirt.io/nodeName"]
    assert vmi["status"]["migrationTransport"] == "Unix"
    assert vmi["status"]["qosClass"] == "Burstable"
    assert vmi["status"]["launcherContainerImageVersion"] == "virt-launcher:v1.9.0"
    assert vmi["status"]["memory"]["memoryOverhead"] == "288Mi"
    first = world.history(VIRTUAL_MACHINE_INSTANCES, "vm", "status", "interfaces")[1]
    assert first == [{"name": "default", "podInterfaceName": "eth0"}]
    assert world.history(VIRTUAL_MACHINE_INSTANCES, "vm", "status", "volumeStatus")[1] == [
        {"name": "containerdisk", "target": ""}
    ]
    assert world.pods()[0]["metadata"]["labels"]["kubevirt.io/nodeName"] == "node01"


async def test_gate(world):
    """The launcher's readiness gate is opened right after it was made, and only once."""
    await world.running_vm()
    gate = condition(world.pods()[0], "kubevirt.io/virtual-machine-unpaused")
    assert (gate["status"], gate["reason"], gate["message"]) == (
        "True",
        "NotPaused",
        "the virtual machine is not paused",
    )


async def test_pause(world):
    """V-070, V-149: Paused closes the gate, pod, VMI and VM follow; unpausing takes all of it back."""
    await world.running_vm()
    await world.handler.command(NS, "vm", "pause", {})
    await world.settle()
    gate = told(world.pods()[0], "kubevirt.io/virtual-machine-unpaused")
    assert gate == ("False", "Paused", "the virtual machine is paused")
    assert told(world.vmi(), "Ready")[:2] == ("False", "ReadinessGatesNotReady")
    assert told(world.vm(), "Paused") == ("True", "PausedByUser", "VMI was paused by user")
    assert (world.status(), world.is_ready()) == ("Paused", False)
    await world.handler.command(NS, "vm", "unpause", {})
    await world.settle()
    assert (world.status(), world.is_ready(), condition(world.vm(), "Paused")) == ("Running", True, None)
    assert world.statuses()[3:] == ["Running", "Paused", "Running"]


async def test_unschedulable(world):
    """V-079, F-03: what the scheduler says is told by VMI and VM, until a node fits."""
    await world.create_vm(nodeSelector={"disk": "fast"})
    await world.until(lambda: world.status() == "ErrorUnschedulable")
    pod = told(world.pods()[0], "PodScheduled")
    assert pod == told(world.vmi(), "PodScheduled") == told(world.vm(), "PodScheduled")
    assert pod[:2] == ("False", "Unschedulable")
    await world.client.patch(NODES, "node02", None, {"metadata": {"labels": {"disk": "fast"}}}, type="merge")
    await world.until(world.is_ready)
    assert world.statuses() == [None, "Stopped", "Starting", "ErrorUnschedulable", "Starting", "Running"]
    assert condition(world.vm(), "PodScheduled") is None


async def test_image_error(world):
    """V-137, F-04: what the kubelet says about an image is told, and forgotten once it is there."""
    await world.create_vm(marks={"pod": "errimagepull"})
    await world.until(lambda: world.status() == "ErrImagePull")
    assert told(world.vmi(), "Synchronized") == ("False", "ErrImagePull", "no such image")
    pod = world.pods()[0]
    await world.kubelet.write(pod, world.kubelet.ok(pod))
    await world.until(world.is_ready)
    assert condition(world.vmi(), "Synchronized") is None
    assert world.statuses()[2:] == ["Starting", "ErrImagePull", "Starting", "Running"]


async def test_missing_claim(world):
    """V-074, V-136, F-06: without the claim no pod; the claim's arrival is all it takes."""
    await world.create_vm(volumes=ON_CLAIM)
    await world.until(lambda: world.status() == "ErrorPvcNotFound")
    message = "PVC default/disk does not exist, waiting for it to appear"
    assert told(world.vmi(), "Synchronized") == ("False", "FailedPvcNotFound", message)
    assert told(world.vmi(), "PodScheduled") == ("False", "Unschedulable", message)
    assert told(world.vmi(), "Ready")[1] == "PodNotExists"
    assert (world.vmi()["status"]["phase"], world.pods()) == ("Pending", [])
    event = world.events("vm", "VirtualMachineInstance")[0]
    assert event[:3] == ("Normal", "FailedPvcNotFound", message)
    assert world.vm()["status"]["volumeSnapshotStatuses"] == [
        {"enabled": False, "name": "root", "reason": "PVC not found"}
    ]
    await world.client.create(PERSISTENT_VOLUME_CLAIMS, claim())
    await world.until(world.is_ready)
    reason = (
        "No VolumeSnapshotClass: Volume snapshots are not configured for this StorageClass [local] [root]"
    )
    assert world.vm()["status"]["volumeSnapshotStatuses"][0]["reason"] == reason


async def test_claim_info(world):
    """V-128, V-129: what the VMI tells about its claim."""
    await world.client.create(PERSISTENT_VOLUME_CLAIMS, claim())
    vmi = await world.running_vm(volumes=ON_CLAIM)
    (entry,) = vmi["status"]["volumeStatus"]
    assert (entry["name"], entry["target"]) == ("root", "vda")
    assert entry["persistentVolumeClaimInfo"] == {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "claimName": "disk",
        "filesystemOverhead": "0.06",
        "requests": {"storage": "1Gi"},
        "volumeMode": "Filesystem",
    }


async def test_launcher_removed(world):
    """V-134, F-22: a launcher that vanishes fails its VMI, which leaves no trace among the phases entered."""
    first = await world.running_vm(strategy="Once")
    await world.client.delete(PODS, name(world.pods()[0]), NS, grace_seconds=0)
    await world.settle()
    assert (uid(world.vmi()), world.vmi()["status"]["phase"]) == (uid(first), "Failed")
    entered = [one["phase"] for one in world.vmi()["status"]["phaseTransitionTimestamps"]]
    assert entered == ["Pending", "Scheduling", "Scheduled", "Running"]


async def test_deleted_while_scheduling(world):
    """V-135: a VMI deleted before it runs fails first."""
    await world.create_vm(nodeSelector={"disk": "fast"})
    await world.until(lambda: world.status() == "ErrorUnschedulable")
    await world.patch_vm({"runStrategy": "Halted"})
    await world.until(lambda: world.vmi() is None)
    assert world.history(VIRTUAL_MACHINE_INSTANCES, "vm", "status", "phase")[-1] == "Failed"


async def test_migration_of_one_before(world):
    """While a migration of an instance of the same name is under way no launcher is made; then it is."""
    kind = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration"}
    meta = {
        "name": "mig",
        "namespace": NS,
        "labels": {"kubevirt.io/vmi-name": "vm"},
        "finalizers": ["kubevirt.io/migrationJobFinalize"],
    }
    running = {"phase": "Running"}
    made = await world.client.create(MIGRATIONS, {**kind, "metadata": meta, "spec": {"vmiName": "vm"}})
    await world.client.update(MIGRATIONS, {**made, "status": running}, subresource="status")
    await world.settle()
    await world.running_vm()
    told = world.told(
        VIRTUAL_MACHINE_INSTANCES, "vm", lambda vmi: (condition(vmi, "Synchronized") or {}).get("message")
    )
    assert told == [None, "active migration exists", None]


async def test_what_keeps_descheduler_from_evicting(world):
    """A launcher that has lost the mark that it is asked to leave, not thrown out, gets it back."""
    await world.running_vm()
    (pod,) = world.pods()
    mark = "descheduler.alpha.kubernetes.io/request-evict-only"
    patch = {"metadata": {"annotations": {mark: None}}}
    await world.client.patch(PODS, name(pod), NS, patch, type="merge")
    await world.settle()
    assert annotations(world.pods()[0])[mark] == ""


async def test_final_vmi_keeps_its_pod(world):
    """V-133: the launcher of a final VMI stays until the VMI is deleted."""
    await world.running_vm(strategy="Once")
    await world.end_guest("Succeeded")
    await world.elapse(60)
    (pod,) = world.pods()
    assert pod["status"]["phase"] == "Succeeded"


async def test_events_of_a_life(world):
    """Every event about a VMI that starts, is stopped and goes."""
    await world.running_vm()
    pod = name(world.pods()[0])
    await world.patch_vm({"runStrategy": "Halted"})
    await world.until(lambda: world.vmi() is None)
    await world.settle()
    assert {one[:3] for one in world.events("vm", "VirtualMachineInstance")} == {
        ("Normal", "SuccessfulCreate", f"Created virtual machine pod {pod}"),
        ("Normal", "Created", "VirtualMachineInstance defined."),
        ("Normal", "Started", "VirtualMachineInstance started."),
        ("Normal", "SuccessfulDelete", f"Deleted virtual machine pod {pod}"),
        ("Normal", "Deleted", "Signaled Deletion"),
        ("Normal", "Stopped", "The VirtualMachineInstance was shut down."),
    }


async def test_standalone(world):
    """V-131: a VMI without a VM lives, and goes when deleted."""
    meta = {"name": "vm", "namespace": NS}
    spec = {"domain": {"devices": {}, "memory": {"guest": "128Mi"}, "resources": {}}}
    vmi = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": meta, "spec": spec}
    await world.client.create(VIRTUAL_MACHINE_INSTANCES, vmi)
    await world.until(lambda: dig(world.vmi(), "status", "phase") == "Running")
    assert finalizers(world.vmi()) == ["kubevirt.io/foregroundDeleteVirtualMachine"]
    await world.client.delete(VIRTUAL_MACHINE_INSTANCES, "vm", NS)
    await world.until(lambda: world.vmi() is None)
    phases = ["Pending", "Scheduling", "Scheduled", "Running", "Succeeded"]
    assert world.history(VIRTUAL_MACHINE_INSTANCES, "vm", "status", "phase") == phases


async def test_observed_versions(world):
    """The VMI has the observed versions, the launcher does not inherit them."""
    vmi = await world.running_vm()
    assert annotations(vmi)["kubevirt.io/latest-observed-api-version"] == "v1"
    assert "kubevirt.io/latest-observed-api-version" not in annotations(world.pods()[0])
    assert world.history(VIRTUAL_MACHINES, "vm", "status", "ready") == [None, True]


async def test_ready_is_what_the_kubelet_says(world):
    """V-243: whatever a kubelet makes of readiness gates, the instance is ready when its pod says so."""
    await world.running_vm(marks={"pod": "ok"})
    for status in ("False", "True"):
        (pod,) = world.pods()
        ready = {"type": "Ready", "status": status, "reason": "Said", "message": "so"}
        listed = [ready if one["type"] == "Ready" else one for one in pod["status"]["conditions"]]
        # A kubelet that looks at containers no more than at gates.
        listed = [one for one in listed if one["type"] != "ContainersReady"]
        listed.append({"type": "ContainersReady", "status": "False"})
        world.kubelet.controller.queue.close()
        body = {**pod, "status": {**pod["status"], "conditions": listed}}
        await world.client.update(PODS, body, subresource="status")
        await world.elapse(1)
        assert told(world.vmi(), "Ready") == (status, "Said", "so")
