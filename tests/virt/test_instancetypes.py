"""Instancetypes and preferences of VMs, from creation to start, with all of KubeVirt in place."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import annotations, condition, controller_of, dig, labels, name, uid
from fakekube.machinery.resources import (
    CONTROLLER_REVISIONS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from fakekube.virt.instancetypes.kinds import (
    CLUSTER_INSTANCETYPES,
    CLUSTER_PREFERENCES,
    INSTANCETYPES,
    PREFERENCES,
)

NS = "default"


def made(resource, own, **spec):
    meta = {"name": own} if not resource.namespaced else {"name": own, "namespace": NS}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": spec}


def machine(domain=None, **spec):
    template = {"spec": {"domain": {"devices": {}, **(domain or {})}}}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "vm", "namespace": NS},
        "spec": {"runStrategy": "Always", "template": template, **spec},
    }


@pytest.fixture
async def cluster():
    async with Cluster(clock=ManualClock(), seed=1, without=["pool-controller"]) as one:
        await one.settle()
        yield one


async def test_v230_v231_start_with_an_instancetype(cluster):
    """V-230, V-231: the start keeps a revision, writes the size into the VMI alone, and notes where it is from."""
    client = cluster.client()
    size = await client.create(
        CLUSTER_INSTANCETYPES,
        made(CLUSTER_INSTANCETYPES, "small", cpu={"guest": 2}, memory={"guest": "2Gi"}, nodeSelector={}),
    )
    preference = await client.create(
        PREFERENCES, made(PREFERENCES, "linux", devices={"preferredDisableHotplug": True})
    )
    given = machine(
        instancetype={"name": "small"}, preference={"name": "linux", "kind": "VirtualMachinePreference"}
    )
    before = await client.create(VIRTUAL_MACHINES, given)
    await cluster.settle()
    vm = await client.get(VIRTUAL_MACHINES, "vm", NS)
    vmi = await client.get(VIRTUAL_MACHINE_INSTANCES, "vm", NS)
    domain = vmi["spec"]["domain"]
    assert (domain["cpu"]["sockets"], domain["memory"]["guest"]) == (2, "2Gi")
    assert domain["devices"]["disableHotplug"] is True
    assert annotations(vmi)["kubevirt.io/cluster-instancetype-name"] == "small"
    assert annotations(vmi)["kubevirt.io/preference-name"] == "linux"
    assert vm["spec"]["template"] == before["spec"]["template"]
    assert vmi["status"]["phase"] == "Running"

    kept = f"vm-small-v1beta1-{uid(size)}-1"
    assert vm["status"]["instancetypeRef"] == {
        "name": "small",
        "kind": "virtualmachineclusterinstancetype",
        "controllerRevisionRef": {"name": kept},
    }
    assert vm["status"]["preferenceRef"]["controllerRevisionRef"]["name"] == (
        f"vm-linux-v1beta1-{uid(preference)}-1"
    )
    revision = await client.get(CONTROLLER_REVISIONS, kept, NS)
    assert controller_of(revision)["uid"] == uid(vm)
    assert labels(revision)["instancetype.kubevirt.io/object-kind"] == "VirtualMachineClusterInstancetype"
    assert revision["data"]["spec"] == size["spec"]


async def test_instancetype_removed_after_it_was_kept(cluster):
    """A VM with a kept revision starts with it, whatever has become of the instancetype."""
    client = cluster.client()
    await client.create(
        CLUSTER_INSTANCETYPES, made(CLUSTER_INSTANCETYPES, "small", cpu={"guest": 2}, memory={"guest": "2Gi"})
    )
    await client.create(VIRTUAL_MACHINES, machine(instancetype={"name": "small"}, runStrategy="Halted"))
    await cluster.settle()
    assert dig(await client.get(VIRTUAL_MACHINES, "vm", NS), "status", "instancetypeRef", "name") == "small"
    await client.delete(CLUSTER_INSTANCETYPES, "small")
    await client.patch(VIRTUAL_MACHINES, "vm", NS, {"spec": {"runStrategy": "Always"}}, type="merge")
    await cluster.settle()
    vmi = await client.get(VIRTUAL_MACHINE_INSTANCES, "vm", NS)
    assert vmi["spec"]["domain"]["memory"]["guest"] == "2Gi"


@pytest.mark.parametrize(
    ("member", "reason"),
    [("instancetype", "FailedFindInstancetype"), ("preference", "FailedFindPreference")],
)
async def test_v041_f17_unknown_instancetype(cluster, member, reason):
    """V-041, F-17: the VM is taken, does not start and says why; it starts once the object is there."""
    client = cluster.client()
    domain = {"memory": {"guest": "128Mi"}} if member == "preference" else None
    await client.create(VIRTUAL_MACHINES, machine(domain, **{member: {"name": "small"}}))
    await cluster.settle()
    vm = await client.get(VIRTUAL_MACHINES, "vm", NS)
    told = condition(vm, "Failure")
    assert (told["status"], told["reason"]) == ("True", reason)
    assert told["message"].endswith(
        f'virtualmachinecluster{member}s.instancetype.kubevirt.io "small" not found'
    )
    assert vm["status"]["printableStatus"] == "Stopped"
    assert (await client.list(VIRTUAL_MACHINE_INSTANCES, NS)).items == []
    spec = {"cpu": {"guest": 1}, "memory": {"guest": "1Gi"}} if member == "instancetype" else {}
    resource = CLUSTER_INSTANCETYPES if member == "instancetype" else CLUSTER_PREFERENCES
    await client.create(resource, made(resource, "small", **spec))
    await cluster.advance(60)
    vm = await client.get(VIRTUAL_MACHINES, "vm", NS)
    assert (vm["status"]["printableStatus"], condition(vm, "Failure")) == ("Running", None)


async def test_v042_conflict(cluster):
    """V-042: what the template and the instancetype both say is refused at creation."""
    client = cluster.client()
    await client.create(
        CLUSTER_INSTANCETYPES, made(CLUSTER_INSTANCETYPES, "small", cpu={"guest": 2}, memory={"guest": "2Gi"})
    )
    with pytest.raises(ApiError, match="conflicts with selected instance type") as refused:
        await client.create(VIRTUAL_MACHINES, machine({"cpu": {"cores": 2}}, instancetype={"name": "small"}))
    assert refused.value.code == 422
    assert (await client.list(CONTROLLER_REVISIONS, NS)).items == []
    assert name(await client.get(CLUSTER_INSTANCETYPES, "small")) == "small"


async def test_what_an_instancetype_annotates(cluster):
    """Annotations of instancetype and preference are the instance's; the preference decides about disks nobody named."""
    client = cluster.client()
    sized = {"cpu": {"guest": 1}, "memory": {"guest": "1Gi"}, "annotations": {"a": "size"}}
    await client.create(CLUSTER_INSTANCETYPES, made(CLUSTER_INSTANCETYPES, "small", **sized))
    preferred = {
        "devices": {"preferredDiskBus": "scsi"},
        "annotations": {"a": "preference", "b": "preference"},
    }
    await client.create(PREFERENCES, made(PREFERENCES, "linux", **preferred))
    matchers = {
        "instancetype": {"name": "small"},
        "preference": {"name": "linux", "kind": "VirtualMachinePreference"},
    }
    vm = machine(**matchers)
    vm["spec"]["template"]["spec"]["volumes"] = [{"name": "root", "containerDisk": {"image": "x"}}]
    await client.create(VIRTUAL_MACHINES, vm)
    await cluster.settle()
    vmi = await client.get(VIRTUAL_MACHINE_INSTANCES, "vm", NS)
    assert (annotations(vmi)["a"], annotations(vmi)["b"]) == ("size", "preference")
    assert vmi["spec"]["domain"]["devices"]["disks"] == [{"name": "root", "disk": {"bus": "scsi"}}]
    clashing = machine(**matchers)
    clashing["metadata"]["name"] = "other"
    clashing["spec"]["template"]["metadata"] = {"annotations": {"a": "mine"}}
    with pytest.raises(ApiError, match=r"VM field\(s\) annotations.a conflicts with selected instance type"):
        await client.create(VIRTUAL_MACHINES, clashing)


@pytest.mark.parametrize("kind", ["VirtualMachineInstancetype", "virtualmachineinstancetypes"])
async def test_a_kind_as_it_is_spelled(cluster, kind):
    """The status names the kind as the VM does, and what is kept under it is found, whatever becomes of the object."""
    client = cluster.client()
    sized = {"cpu": {"guest": 1}, "memory": {"guest": "1Gi"}}
    await client.create(INSTANCETYPES, made(INSTANCETYPES, "small", **sized))
    matcher = {"name": "small", "kind": kind}
    await client.create(VIRTUAL_MACHINES, machine(instancetype=matcher, runStrategy="Halted"))
    await cluster.settle()
    vm = await client.get(VIRTUAL_MACHINES, "vm", NS)
    assert vm["status"]["instancetypeRef"]["kind"] == kind
    await client.delete(INSTANCETYPES, "small", NS)
    await client.patch(VIRTUAL_MACHINES, "vm", NS, {"spec": {"runStrategy": "Always"}}, type="merge")
    await cluster.settle()
    vmi = await client.get(VIRTUAL_MACHINE_INSTANCES, "vm", NS)
    assert vmi["spec"]["domain"]["memory"]["guest"] == "1Gi"
    assert annotations(vmi)["kubevirt.io/instancetype-name"] == "small"


async def test_an_instancetype_that_came_too_late(cluster):
    """One that contradicts a VM it came after is not kept, and the VM says why."""
    client = cluster.client()
    await client.create(VIRTUAL_MACHINES, machine({"cpu": {"cores": 2}}, instancetype={"name": "small"}))
    await cluster.settle()
    sized = {"cpu": {"guest": 2}, "memory": {"guest": "2Gi"}}
    await client.create(CLUSTER_INSTANCETYPES, made(CLUSTER_INSTANCETYPES, "small", **sized))
    await cluster.advance(60)
    told = condition(await client.get(VIRTUAL_MACHINES, "vm", NS), "Failure")
    assert told["reason"] == "FailedCreate"
    assert told["message"] == (
        "error encountered while storing instancetype.kubevirt.io controllerRevisions: VM field(s) "
        "spec.template.spec.domain.cpu.cores conflicts with selected instance type"
    )
    assert (await client.list(CONTROLLER_REVISIONS, NS)).items == []
