"""What a foreign virt-controller meets: the node side alone. The test writes what the real controller writes, no more.

It is the contract of observed controllers: each write of theirs, and what scheduler, kubelet, virt-handler, virt-api and
CDI answer it with, field by field.
"""

import asyncio

import pytest

from fakekube.clock import ManualClock, rfc3339
from fakekube.cluster import Cluster
from fakekube.machinery.objects import condition, dig, finalizers, labels
from fakekube.machinery.resources import (
    DATA_VOLUMES,
    EVENTS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from fakekube.virt.controller import launcher_pod
from fakekube.virt.controller.app import VirtController
from fakekube.virt.controller.launcher_facts import Settings
from tests.recordings.scene import SPEC

NS = "default"
GATE = "kubevirt.io/virtual-machine-unpaused"
HELD = "kubevirt.io/foregroundDeleteVirtualMachine"
OWN = "kubevirt.io/virtualMachineControllerFinalize"


class Controller:
    """The writes of a virt-controller for one VMI, each when the test wants it."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.client = cluster.client(user_agent="go-virt-controller")  # by the kubeconfig everybody gets

    async def vmi(self):
        return await self.client.get(VIRTUAL_MACHINE_INSTANCES, "vm", NS)

    async def pod(self):
        return (await self.client.list(PODS, NS)).items[-1]

    async def create_vmi(self, grace=0):
        spec = {**SPEC, "terminationGracePeriodSeconds": grace}
        meta = {"name": "vm", "namespace": NS, "finalizers": [OWN]}
        body = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstance",
            "metadata": meta,
            "spec": spec,
        }
        return await self.client.create(VIRTUAL_MACHINE_INSTANCES, body)

    async def create_pod(self):
        return await self.client.create(PODS, launcher_pod.build(await self.vmi(), Settings()))

    async def open_gate(self, pod):
        now = rfc3339(self.cluster.clock.now())
        made = {"type": GATE, "status": "True", "lastProbeTime": now, "lastTransitionTime": now}
        made |= {"reason": "NotPaused", "message": "the virtual machine is not paused"}
        listed = dig(pod, "status", "conditions", default=[])
        operations = [{"op": "add", "path": "/status/conditions", "value": [*listed, made]}]
        return await self.client.patch(
            PODS, pod["metadata"]["name"], NS, operations, type="json", subresource="status"
        )

    async def enter(self, phase, **status):
        """A PUT of the whole VMI, as up to Scheduled."""
        vmi = await self.vmi()
        entry = {"phase": phase, "phaseTransitionTimestamp": rfc3339(self.cluster.clock.now())}
        entered = [*vmi["status"].get("phaseTransitionTimestamps", []), entry]
        vmi["status"] |= {"phase": phase, "phaseTransitionTimestamps": entered, **status}
        if node := status.get("nodeName"):
            vmi["metadata"].setdefault("labels", {})["kubevirt.io/nodeName"] = node
        return await self.client.update(VIRTUAL_MACHINE_INSTANCES, vmi)

    async def run(self, grace=0):
        await self.create_vmi(grace)
        await self.cluster.settle()
        await self.open_gate(await self.create_pod())
        await self.cluster.advance(3)
        await self.enter("Scheduling")
        await self.enter("Scheduled", nodeName=dig(await self.pod(), "spec", "nodeName"))
        await self.cluster.advance(3)
        return await self.vmi()

    async def told(self, kind):
        listed = (await self.client.list(EVENTS, NS)).items
        return [one["reason"] for one in listed if one["involvedObject"]["kind"] == kind]


@pytest.fixture
async def controller():
    """A cluster whose virt-controller is the test."""
    cluster = Cluster(
        clock=ManualClock(), seed=1, pace="fast", without=["virt-controller", "pool-controller"]
    )
    async with cluster:
        await cluster.settle()
        yield Controller(cluster)


async def test_nobody_else_is_virt_controller(controller):
    """Without virt-controller a VM is stored and nothing becomes of it."""
    spec = {"runStrategy": "Always", "template": {"spec": SPEC}}
    vm = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": "vm"}, "spec": spec}
    await controller.client.create(VIRTUAL_MACHINES, {**vm, "metadata": {"name": "vm", "namespace": NS}})
    await controller.cluster.advance(30)
    assert "status" not in await controller.client.get(VIRTUAL_MACHINES, "vm", NS)
    assert not (await controller.client.list(VIRTUAL_MACHINE_INSTANCES, NS)).items
    assert not (await controller.client.list(PODS, NS)).items


async def test_people_may_not_act_for_components_that_are_there():
    """Where all of KubeVirt is fakekube's, an instance's status is nobody else's, not even an admin's."""
    async with Cluster(clock=ManualClock(), seed=1) as cluster:
        await cluster.settle()
        controller = Controller(cluster)
        await controller.create_vmi()
        await cluster.settle()
        before = await controller.vmi()
        await controller.enter("Failed")
        assert (await controller.vmi())["status"] == before["status"]


async def test_a_new_instance(controller):
    """virt-api: the finalizer is appended, the phase is Pending since now."""
    vmi = await controller.create_vmi()
    assert finalizers(vmi) == [OWN, HELD]
    assert vmi["status"]["phase"] == "Pending"
    assert [one["phase"] for one in vmi["status"]["phaseTransitionTimestamps"]] == ["Pending"]


async def test_a_pod_is_bound_and_runs(controller):
    """Scheduler and kubelet: bound, then running with digests in every imageID, Ready only when the gate is open."""
    await controller.create_vmi()
    made = await controller.create_pod()
    await controller.cluster.advance(3)
    pod = await controller.pod()
    assert pod["spec"]["nodeName"]
    assert condition(pod, "PodScheduled")["status"] == "True"
    status = pod["status"]
    assert status["phase"] == "Running"
    compute = status["containerStatuses"][0]
    assert (compute["name"], compute["ready"], "running" in compute["state"]) == ("compute", True, True)
    assert all(one["ready"] for one in status["initContainerStatuses"])
    every = [*status["containerStatuses"], *status["initContainerStatuses"]]
    assert all("sha256:" in one["imageID"] for one in every)
    ready = condition(pod, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ReadinessGatesNotReady")
    await controller.open_gate(pod)
    await controller.cluster.advance(1)
    assert condition(await controller.pod(), "Ready")["status"] == "True"
    assert pod["metadata"]["generation"] == made["metadata"]["generation"] == 1


async def test_a_guest_waits_until_it_is_handed_over(controller):
    """virt-handler touches nothing before Scheduled."""
    await controller.create_vmi()
    await controller.open_gate(await controller.create_pod())
    await controller.enter("Scheduling")
    await controller.cluster.advance(10)
    assert (await controller.vmi())["status"]["phase"] == "Scheduling"


async def test_a_guest_boots(controller):
    """virt-handler: Running with its entry, what it tells of the guest, two events, no finalizer touched."""
    vmi = await controller.run()
    status = vmi["status"]
    entered = [one["phase"] for one in status["phaseTransitionTimestamps"]]
    assert (status["phase"], entered) == ("Running", ["Pending", "Scheduling", "Scheduled", "Running"])
    for type_ in ("LiveMigratable", "StorageLiveMigratable"):
        assert condition(vmi, type_) is not None
    for member in ("guestOSInfo", "machine", "memory", "migrationMethod", "selinuxContext"):
        assert member in status
    assert condition(vmi, "Ready") is None  # that is virt-controller's
    assert finalizers(vmi) == [OWN, HELD]
    assert await controller.told("VirtualMachineInstance") == ["Created", "Started"]


@pytest.mark.parametrize(
    ("grace", "told"),
    [(0, ["Deleted", "Stopped"]), (30, ["ShuttingDown", "Deleted", "Stopped"])],
)
async def test_a_guest_is_deleted(controller, grace, told):
    """virt-handler: Succeeded with its entry, its events; the launcher ends; the kubelet removes it once deleted."""
    await controller.run(grace)
    await controller.client.delete(VIRTUAL_MACHINE_INSTANCES, "vm", NS)
    await controller.cluster.advance(1)
    vmi = await controller.vmi()
    assert vmi["status"]["phase"] == "Succeeded"
    assert vmi["status"]["phaseTransitionTimestamps"][-1]["phase"] == "Succeeded"
    assert finalizers(vmi) == [OWN, HELD]
    assert (await controller.told("VirtualMachineInstance"))[2:] == told
    pod = await controller.pod()
    assert pod["status"]["phase"] == "Succeeded"
    await controller.client.delete(PODS, pod["metadata"]["name"], NS)
    await controller.cluster.advance(1)
    assert not (await controller.client.list(PODS, NS)).items
    assert (await controller.vmi())["status"]["phase"] == "Succeeded"


async def test_a_pod_is_deleted_under_its_guest(controller):
    """As controllers do: pods are deleted first. Guest, pod and object end in this order."""
    await controller.run()
    await controller.client.delete(VIRTUAL_MACHINE_INSTANCES, "vm", NS)
    pod = await controller.pod()
    await controller.client.delete(PODS, pod["metadata"]["name"], NS)
    marked = await controller.pod()
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    await controller.cluster.advance(2)
    assert not (await controller.client.list(PODS, NS)).items
    assert (await controller.vmi())["status"]["phase"] == "Succeeded"


async def test_a_guest_is_paused(controller):
    """virt-api and virt-handler: the condition Paused comes and goes; gate and pod follow the controller."""
    await controller.run()
    path = f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}/virtualmachineinstances/vm"
    await controller.client.request("PUT", f"{path}/pause", body={})
    await controller.cluster.advance(1)
    paused = condition(await controller.vmi(), "Paused")
    assert (paused["status"], paused["reason"], paused["message"]) == (
        "True",
        "PausedByUser",
        "VMI was paused by user",
    )
    assert condition(await controller.pod(), "Ready")["status"] == "True"
    await controller.client.request("PUT", f"{path}/unpause", body={})
    await controller.cluster.advance(1)
    assert condition(await controller.vmi(), "Paused") is None


async def test_a_launcher_dies(controller):
    """A pod that is only Failed leaves phase and finalizers to the node, which loses the guest."""
    await controller.run()
    pod = await controller.pod()
    pod["status"]["phase"] = "Failed"
    await controller.client.update(PODS, pod, subresource="status")
    await controller.cluster.advance(2)
    vmi = await controller.vmi()
    assert vmi["status"]["phase"] == "Failed"
    assert finalizers(vmi) == [OWN, HELD]


async def test_a_data_volume_is_filled(controller):
    """CDI: the claim of the same name belongs to it, and phases lead to Succeeded while the claim is Bound."""
    source = {"http": {"url": "http://example/disk.img"}}
    spec = {"source": source, "storage": {"resources": {"requests": {"storage": "1Gi"}}}}
    meta = {
        "name": "root",
        "namespace": NS,
        "annotations": {"cdi.kubevirt.io/storage.bind.immediate.requested": ""},
    }
    volume = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "metadata": meta, "spec": spec}
    made = await controller.client.create(DATA_VOLUMES, volume)
    await controller.cluster.advance(10)
    found = await controller.client.get(DATA_VOLUMES, "root", NS)
    assert (found["status"]["phase"], found["status"]["progress"]) == ("Succeeded", "100.0%")
    assert {one: condition(found, one)["status"] for one in ("Ready", "Bound", "Running")} == {
        "Ready": "True",
        "Bound": "True",
        "Running": "False",
    }
    claim = await controller.client.get(PERSISTENT_VOLUME_CLAIMS, "root", NS)
    assert claim["status"]["phase"] == "Bound"
    assert claim["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]


async def test_without_the_nodes():
    """Without virt-handler an instance stays Scheduled; without virt-api and CDI requests are stored as they are."""
    without = ["virt-handler", "virt-api", "cdi", "virt-controller"]
    async with Cluster(clock=ManualClock(), seed=1, without=without) as cluster:
        await cluster.settle()
        controller = Controller(cluster)
        vmi = await controller.create_vmi()
        assert (finalizers(vmi), "status" in vmi) == ([OWN], False)
        vmi["status"] = {"phase": "Pending"}
        await controller.client.update(VIRTUAL_MACHINE_INSTANCES, vmi)
        await controller.create_pod()
        await cluster.advance(5)
        placed = condition(await controller.pod(), "PodScheduled")
        assert (placed["status"], placed["reason"]) == (
            "False",
            "Unschedulable",
        )  # whose label makes nodes eligible?
        node = (await controller.client.list(NODES)).items[0]["metadata"]["name"]
        await controller.enter("Scheduled", nodeName=node)
        await cluster.advance(60)
        found = await controller.vmi()
        assert found["status"]["phase"] == "Scheduled"
        assert labels(found) == {"kubevirt.io/nodeName": node}


async def test_a_whole_controller_from_outside(controller):
    """virt-controller by the identity of the kubeconfig: a VM runs, stops and goes."""
    cluster = controller.cluster
    foreign = VirtController(controller.client, clock=cluster.clock, ids=cluster.ids)
    task = asyncio.create_task(foreign.run())
    try:
        spec = {"runStrategy": "Always", "template": {"spec": SPEC}}
        meta = {"name": "vm", "namespace": NS}
        vm = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": meta, "spec": spec}
        await controller.client.create(VIRTUAL_MACHINES, vm)
        await cluster.advance(5)
        found = await controller.client.get(VIRTUAL_MACHINES, "vm", NS)
        assert (found["status"]["printableStatus"], found["status"]["ready"]) == ("Running", True)
        await controller.client.delete(VIRTUAL_MACHINES, "vm", NS)
        await cluster.advance(5)
        for resource in (VIRTUAL_MACHINES, VIRTUAL_MACHINE_INSTANCES, PODS):
            assert not (await controller.client.list(resource, NS)).items
    finally:
        task.cancel()
