"""Volumes plugged into running guests and out of them, with all of KubeVirt in place."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.objects import condition, controller_of, dig, labels, name, uid
from fakekube.machinery.resources import (
    EVENTS,
    KUBEVIRTS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from fakekube.traffic import history

NS = "default"
SUBRESOURCES = f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}/virtualmachines/vm"
VM = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {"name": "vm", "namespace": NS},
    "spec": {
        "runStrategy": "Always",
        "template": {
            "spec": {
                "domain": {"devices": {}, "memory": {"guest": "128Mi"}},
                "volumes": [{"name": "disk", "containerDisk": {"image": "registry.example/cirros:1"}}],
            }
        },
    },
}


class Plug:
    """A running VM named vm, and what is plugged into it."""

    def __init__(self, cluster):
        self.cluster, self.client = cluster, cluster.client()
        self.phases = []

    async def claim(self, own="data", fate=""):
        meta = {"name": own, "namespace": NS, "annotations": {"fakekube.io/fate": fate} if fate else {}}
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}
        await self.client.create(PERSISTENT_VOLUME_CLAIMS, claim)

    async def add(self, own="data"):
        body = {
            "name": own,
            "disk": {"disk": {"bus": "scsi"}},
            "volumeSource": {"persistentVolumeClaim": {"claimName": own}},
        }
        answer = await self.client.request("PUT", f"{SUBRESOURCES}/addvolume", body=body)
        assert answer.status == 202
        await self.cluster.settle()

    async def remove(self, own="data"):
        answer = await self.client.request("PUT", f"{SUBRESOURCES}/removevolume", body={"name": own})
        assert answer.status == 202
        await self.cluster.settle()

    async def get(self, resource=VIRTUAL_MACHINE_INSTANCES, own="vm"):
        return await self.client.get(resource, own, NS)

    async def entry(self, own="data"):
        listed = dig(await self.get(), "status", "volumeStatus", default=())
        return next((one for one in listed if one["name"] == own), None)

    async def pods(self):
        return (await self.client.list(PODS, NS, label_selector="kubevirt.io=hotplug-disk")).items

    async def seen(self, own="data"):
        """The phases the volume went through."""
        store = self.cluster.api.store
        resource = self.cluster.api.catalog.find("kubevirt.io", "v1", "virtualmachineinstances")
        states = await history.states(store, resource, f"{resource.prefix}{NS}/vm")
        found = []
        for state in states:
            for one in dig(state, "status", "volumeStatus", default=()):
                if one["name"] == own and one.get("phase") not in found[-1:]:
                    found.append(one.get("phase"))
        return found


@pytest.fixture
async def plug():
    async with Cluster(clock=ManualClock(), seed=1, without=["pool-controller"]) as cluster:
        made = Plug(cluster)
        await made.client.create(VIRTUAL_MACHINES, VM)
        await cluster.settle()
        assert dig(await made.get(), "status", "phase") == "Running"
        yield made


async def test_v238_plugged_in_and_out(plug):
    """V-238: a claim comes to the running guest in the documented phases, by a pod of the launcher's, and goes again."""
    await plug.claim()
    before = await plug.get()
    await plug.add()
    (pod,) = await plug.pods()
    assert name(pod).startswith("hp-volume-")
    owner = controller_of(pod)
    assert (owner["kind"], owner["name"].startswith("virt-launcher-vm-")) == ("Pod", True)
    assert pod["spec"]["nodeName"] == before["status"]["nodeName"]
    assert pod["spec"]["containers"][0]["image"] == before["status"]["launcherContainerImageVersion"]
    entry = await plug.entry()
    assert entry["hotplugVolume"] == {"attachPodName": name(pod), "attachPodUID": uid(pod)}
    assert (entry["phase"], entry["reason"], entry["target"]) == ("Ready", "VolumeReady", "sdb")
    assert entry["message"] == "Successfully attach hotplugged volume data to VM"
    assert entry["persistentVolumeClaimInfo"]["claimName"] == "data"
    vmi, vm = await plug.get(), await plug.get(VIRTUAL_MACHINES)
    assert uid(vmi) == uid(before)
    assert condition(vm, "RestartRequired") is None
    source = {"claimName": "data", "hotpluggable": True}
    assert {"name": "data", "persistentVolumeClaim": source} in vmi["spec"]["volumes"]

    await plug.remove()
    assert (await plug.entry(), await plug.pods()) == (None, [])
    vmi = await plug.get()
    assert [one["name"] for one in vmi["spec"]["volumes"]] == ["disk"]
    assert [one["name"] for one in vmi["spec"]["domain"]["devices"]["disks"]] == ["disk"]
    reasons = [one["reason"] for one in (await plug.client.list(EVENTS, NS)).items]
    for reason in ("VolumeMountedToPod", "VolumeReady", "VolumeUnMountedFromPod", "VolumeUnplugged"):
        assert reason in reasons
    phases = await plug.seen()
    assert [one for one in phases if one not in ("Pending", "Bound")] == [
        "AttachedToNode",
        "MountedToPod",
        "Ready",
        "Detaching",
        "UnMountedFromPod",
    ]
    assert phases[0] in ("Pending", "Bound")


async def test_a_pod_that_could_not_be_deleted(plug):
    """An attachment pod that is not needed goes although its deletion failed at first; nothing is remembered of it."""
    await plug.claim()
    await plug.add()
    (pod,) = await plug.pods()
    plug.cluster.faults.add(verb="delete", kind="pods", name=name(pod), client="virt-controller", status=500)
    await plug.remove()
    await plug.cluster.advance("1m")
    assert (await plug.entry(), await plug.pods()) == (None, [])
    instances = plug.cluster.actors["virt-controller"].controllers[1]
    attachments = instances._reconcile.__self__._attachments
    assert (attachments._deleted, {one for some in attachments._made.values() for one in some}) == (
        set(),
        set(),
    )


async def test_f50_claim_missing(plug):
    """F-50: a claim that is not there leaves the volume Pending; it is plugged in when it comes."""
    await plug.add()
    entry = await plug.entry()
    assert (entry["phase"], entry["reason"], entry["message"]) == (
        "Pending",
        "FailedPvcNotFound",
        "PVC data not found",
    )
    await plug.claim()
    await plug.cluster.settle()
    assert (await plug.entry())["phase"] == "Ready"


async def test_f51_claim_not_bound(plug):
    """F-51: a claim that nobody binds leaves the volume Pending, too."""
    await plug.claim(fate="unbound")
    await plug.add()
    entry = await plug.entry()
    assert (entry["phase"], entry["reason"], entry["message"]) == (
        "Pending",
        "PVCNotReady",
        "PVC is in phase ClaimPending",
    )
    assert await plug.pods() == []
    claim = await plug.get(PERSISTENT_VOLUME_CLAIMS, "data")
    lost = {**claim, "status": {**claim["status"], "phase": "Lost"}}
    await plug.client.update(PERSISTENT_VOLUME_CLAIMS, lost, subresource="status")
    await plug.cluster.settle()
    entry = await plug.entry()
    told = (entry["phase"], entry["reason"], entry["message"])
    assert told == ("Pending", "PVCNotReady", "PVC is in phase Lost")


async def test_v184_queued_request(plug):
    """V-184: with the gate HotplugVolumes a request waits in the status until the template has the volume."""
    kubevirt = await plug.client.get(KUBEVIRTS, "kubevirt", "kubevirt")
    kubevirt["spec"].setdefault("configuration", {})["developerConfiguration"] = {
        "featureGates": ["HotplugVolumes"]
    }
    await plug.client.update(KUBEVIRTS, kubevirt)
    await plug.claim()
    await plug.cluster.settle()
    await plug.add()
    vm = await plug.get(VIRTUAL_MACHINES)
    assert "volumeRequests" not in vm["status"]
    assert "data" in [one["name"] for one in vm["spec"]["template"]["spec"]["volumes"]]
    assert (await plug.entry())["phase"] == "Ready"


async def test_restart_with_a_plugged_volume(plug):
    """A volume that was plugged in is there after a restart, by a new pod."""
    await plug.claim()
    await plug.add()
    (old,) = await plug.pods()
    await plug.client.request("PUT", f"{SUBRESOURCES}/restart", body={})
    await plug.cluster.advance(60)
    assert dig(await plug.get(), "status", "phase") == "Running"
    assert (await plug.entry())["phase"] == "Ready"
    (new,) = await plug.pods()
    assert uid(new) != uid(old)
    assert labels(new)["kubevirt.io"] == "hotplug-disk"
