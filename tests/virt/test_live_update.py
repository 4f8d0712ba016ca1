"""Changes that reach running guests: more sockets and memory come by a migration, placement without one."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.objects import annotations, condition, dig, labels, name, uid
from fakekube.machinery.resources import (
    EVENTS,
    KUBEVIRTS,
    MIGRATIONS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from fakekube.virt.quantities import whole

NS, GROWN = "default", "kubevirt.io/vmi-pod-memory-resource-requests"
VM = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {"name": "vm", "namespace": NS},
    "spec": {
        "runStrategy": "Always",
        "template": {
            "metadata": {"annotations": {"fakekube.io/fate": "migration-takes=30s"}},
            "spec": {
                "domain": {
                    "cpu": {"sockets": 1},
                    "devices": {"interfaces": [{"name": "default", "masquerade": {}}]},
                    "memory": {"guest": "1Gi"},
                },
                "networks": [{"name": "default", "pod": {}}],
            },
        },
    },
}


class Guest:
    def __init__(self, cluster):
        self.cluster, self.client = cluster, cluster.client()

    async def change(self, **spec):
        patch = {"spec": {"template": {"spec": spec}}}
        await self.client.patch(VIRTUAL_MACHINES, "vm", NS, patch, type="merge")
        await self.cluster.settle()

    async def vmi(self):
        return await self.client.get(VIRTUAL_MACHINE_INSTANCES, "vm", NS)

    async def vm(self):
        return await self.client.get(VIRTUAL_MACHINES, "vm", NS)

    async def migrations(self):
        return (await self.client.list(MIGRATIONS, NS)).items


@pytest.fixture
async def guest():
    async with Cluster(clock=ManualClock(), seed=1, nodes=2, without=["pool-controller"]) as cluster:
        made = Guest(cluster)
        await made.client.create(VIRTUAL_MACHINES, VM)
        await cluster.settle()
        assert dig(await made.vmi(), "status", "phase") == "Running"
        yield made


async def test_more_sockets_and_memory(guest):
    """The VMI's spec changes at once, conditions tell so, and a migration brings the guest what it asks for."""
    before = await guest.vmi()
    await guest.change(domain={"cpu": {"sockets": 2}, "memory": {"guest": "2Gi"}})
    vmi = await guest.vmi()
    assert vmi["spec"]["domain"]["cpu"]["sockets"] == 2
    assert vmi["spec"]["domain"]["memory"]["guest"] == "2Gi"
    assert vmi["status"]["currentCPUTopology"]["sockets"] == 1
    assert condition(vmi, "HotVCPUChange")["status"] == "True"
    assert condition(vmi, "HotMemoryChange")["status"] == "True"
    (migration,) = await guest.migrations()
    assert name(migration).startswith("kubevirt-workload-update-")
    assert annotations(migration) == annotations(migration) | {"kubevirt.io/workloadUpdateMigration": ""}
    assert migration["status"]["phase"] == "Running"
    assert migration["spec"] == {"vmiName": "vm", "priority": "user-triggered"}
    asked = labels(vmi)[GROWN]
    assert whole(asked) > whole("2Gi")
    await guest.cluster.advance(31)
    vmi, vm = await guest.vmi(), await guest.vm()
    assert (uid(vmi), vmi["status"]["currentCPUTopology"]["sockets"]) == (uid(before), 2)
    memory = vmi["status"]["memory"]
    assert (memory["guestAtBoot"], memory["guestCurrent"], memory["guestRequested"]) == ("1Gi", "2Gi", "2Gi")
    assert [condition(vmi, one) for one in ("HotVCPUChange", "HotMemoryChange")] == [None, None]
    assert condition(vm, "RestartRequired") is None
    assert GROWN not in labels(vmi)
    (migration,) = await guest.migrations()
    assert migration["status"]["phase"] == "Succeeded"


async def test_one_change_after_the_other(guest):
    """More sockets while the guest moves for others wait, which the VM tells; then they come, too."""
    await guest.change(domain={"cpu": {"sockets": 2}})
    await guest.change(domain={"cpu": {"sockets": 3}})
    told = condition(await guest.vm(), "Failure")
    assert (told["status"], told["reason"]) == ("True", "HotPlugCPUError")
    assert told["message"].endswith("another CPU hotplug is in progress")
    assert dig(await guest.vmi(), "spec", "domain", "cpu", "sockets") == 2
    await guest.cluster.advance(31)
    assert dig(await guest.vmi(), "spec", "domain", "cpu", "sockets") == 3
    assert condition(await guest.vm(), "Failure") is None
    await guest.cluster.advance(31)
    assert dig(await guest.vmi(), "status", "currentCPUTopology", "sockets") == 3


async def test_memory_reckoned_with_a_ratio(guest):
    """What the cluster reckons beside memory is noted at a guest that grows, until it has."""
    ratio = {"additionalGuestMemoryOverheadRatio": "1.5"}
    patch = {"spec": {"configuration": ratio}}
    await guest.client.patch(KUBEVIRTS, "kubevirt", "kubevirt", patch, type="merge")
    await guest.cluster.settle()
    mark = "kubevirt.io/memory-hotplug-overhead-ratio"
    assert mark not in labels(await guest.vmi())
    await guest.change(domain={"memory": {"guest": "2Gi"}})
    assert labels(await guest.vmi())[mark] == "1.5"
    await guest.cluster.advance(31)
    assert mark not in labels(await guest.vmi())


async def test_placement(guest):
    """A node selector is written into the VMI; the guest stays where it is."""
    await guest.change(nodeSelector={"disk": "fast"})
    vmi = await guest.vmi()
    assert vmi["spec"]["nodeSelector"] == {"disk": "fast"}
    assert await guest.migrations() == []
    await guest.change(nodeSelector=None)
    assert "nodeSelector" not in (await guest.vmi())["spec"]


async def test_fewer_sockets(guest):
    """Fewer sockets need a restart, and the VMI's spec stays."""
    await guest.change(domain={"cpu": {"sockets": 2}})
    await guest.cluster.advance(31)
    await guest.client.request(
        "PUT", f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}/virtualmachines/vm/restart", body={}
    )
    await guest.cluster.advance(60)
    await guest.change(domain={"cpu": {"sockets": 1}})
    told = condition(await guest.vm(), "RestartRequired")
    assert (told["status"], told["message"]) == ("True", "Reduction of CPU socket count requires a restart")
    assert (await guest.vmi())["spec"]["domain"]["cpu"]["sockets"] == 2


CALLED_OFF = {"metadata": {"annotations": {"kubevirt.io/workloadUpdateMigrationAbortion": ""}}}


async def test_calling_off_fails(guest):
    """What keeps the migration of a change that was called off is told, and tried again."""
    await guest.change(domain={"cpu": {"sockets": 2}})
    who = {"client": "virt-controller", "verb": "delete", "kind": "virtualmachineinstancemigrations"}
    fault = guest.cluster.faults.add(**who, status=500, message="no", times=1)
    await guest.client.patch(VIRTUAL_MACHINE_INSTANCES, "vm", NS, CALLED_OFF, type="merge")
    await guest.cluster.advance(10)
    assert fault.fired == 1
    assert await guest.migrations() == []
    told = [
        (one["type"], one["reason"], one["message"])
        for one in (await guest.client.list(EVENTS, NS)).items
        if one["reason"].endswith("ChangeAbortion")
    ]
    assert sorted(told) == [
        ("Normal", "FailedChangeAbortion", "Failed to abort change for vmi: vm: no"),
        ("Normal", "SuccessfulChangeAbortion", "Aborted change for vmi: vm"),
    ]


async def test_what_is_called_off_is_the_change(guest):
    """A guest of another release moves nevertheless, as what the system needs."""
    await guest.client.patch(VIRTUAL_MACHINE_INSTANCES, "vm", NS, CALLED_OFF, type="merge")
    spec = {"imageTag": "v9.9.9", "workloadUpdateStrategy": {"workloadUpdateMethods": ["LiveMigrate"]}}
    await guest.client.patch(KUBEVIRTS, "kubevirt", "kubevirt", {"spec": spec}, type="merge")
    await guest.cluster.advance(120)
    (migration,) = await guest.migrations()
    assert migration["spec"] == {"vmiName": "vm", "priority": "system-critical"}
    assert migration["status"]["phase"] == "Succeeded"
