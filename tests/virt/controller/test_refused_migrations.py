"""Writes of migrations that the API server refuses: what is told of them, and that they are tried again."""

import pytest

import fakekube
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import dig, name
from fakekube.machinery.resources import (
    EVENTS,
    MIGRATIONS,
    NODES,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)

NS = "default"
MIGRATION = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachineInstanceMigration",
    "metadata": {"name": "mig", "namespace": NS},
    "spec": {"vmiName": "web"},
}


class Guest:
    """A machine named web that can move, and its migration mig."""

    def __init__(self, cluster):
        self.cluster, self.client = cluster, cluster.client()

    async def phase(self):
        try:
            return dig(await self.client.get(MIGRATIONS, "mig", NS), "status", "phase")
        except NotFound:
            return "gone"

    async def migrate(self, *wanted):
        """Until it is in one of these phases."""
        await self.client.create(MIGRATIONS, MIGRATION)
        await self.reaches(*wanted)

    async def reaches(self, *wanted):
        for _ in range(600):
            if await self.phase() in wanted:
                return
            await self.cluster.advance(0.1)
        raise AssertionError(await self.phase())

    def refuse(self, verb, kind, **more):
        return self.cluster.faults.add(
            client="virt-controller", verb=verb, kind=kind, **{"status": 500, "message": "no", **more}
        )

    async def events(self, reason):
        return {
            (one["type"], one["involvedObject"]["name"], one["message"])
            for one in (await self.client.list(EVENTS, NS)).items
            if one["reason"] == reason
        }


@pytest.fixture
async def guest():
    async with Cluster(pace="fast", clock=ManualClock(), seed=1, nodes=2) as cluster:
        await cluster.settle()
        moves = {"kubevirt.io/allow-pod-bridge-network-live-migration": ""}
        marks = {"fakekube.io/fate": "migration-takes=30s", **moves}
        await cluster.apply([fakekube.vm("web", namespace=NS, annotations=marks)])
        await cluster.advance("1m")
        yield Guest(cluster)


async def nowhere(guest):
    """The node the guest could go to takes nobody."""
    vmi = await guest.client.get(VIRTUAL_MACHINE_INSTANCES, "web", NS)
    for node in (await guest.client.list(NODES)).items:
        if name(node) != vmi["status"]["nodeName"]:
            cordon = {"spec": {"unschedulable": True}}
            await guest.client.patch(NODES, name(node), None, cordon, type="merge")


async def test_targets_where_nobody_is_privileged(guest):
    """A target that pod security does not let in says what its namespace lacks; any other refusal is told as it is."""
    text = 'violates PodSecurity "restricted:latest": x'
    guest.refuse("create", "pods", status=403, message=text, times=1)
    guest.refuse("create", "pods", status=403, message="no", times=1)
    await guest.migrate("Running")
    told = await guest.events("FailedCreate")
    own = "failed to create target pod for vmi default/web, it needs a privileged namespace to run"
    assert ("Warning", "web", f"failed to render launch manifest: {own}: pods is forbidden: {text}") in told
    assert ("Warning", "web", "Error creating pod: pods is forbidden: no") in told


async def test_handing_over_is_refused(guest):
    """A guest whose state cannot be written is told of, and handed over later."""
    await guest.migrate("Scheduling")
    guest.refuse("patch", "vmi", times=None)
    await guest.reaches("Scheduled")
    await guest.cluster.advance(5)
    assert await guest.phase() == "Scheduled"
    told = ("Warning", "mig", "Failed to set MigrationStat in VMI status. :no")
    assert told in await guest.events("FailedHandOver")
    guest.cluster.faults.clear()
    await guest.reaches("Running")


async def test_calling_off_is_refused(guest):
    """A migration that cannot be called off is told of, and called off later; the guest stays."""
    await guest.migrate("Running")
    guest.refuse("patch", "vmi", times=None)
    await guest.client.delete(MIGRATIONS, "mig", NS)
    await guest.cluster.advance(3)
    told = ("Warning", "mig", "failed to set MigrationState in VMI status. :no")
    assert told in await guest.events("FailedAbortMigration")
    guest.cluster.faults.clear()
    await guest.reaches("gone")
    state = (await guest.client.get(VIRTUAL_MACHINE_INSTANCES, "web", NS))["status"]["migrationState"]
    assert (state["abortStatus"], state["failureReason"]) == ("Succeeded", "Live migration has been aborted")
    assert (await guest.client.get(VIRTUAL_MACHINES, "web", NS))["status"]["ready"]


async def test_a_target_that_cannot_be_deleted(guest):
    """It is told of when its migration is called off, and is deleted later."""
    await nowhere(guest)
    await guest.migrate("Scheduling")
    guest.refuse("delete", "pods", times=1)
    await guest.client.delete(MIGRATIONS, "mig", NS)
    await guest.reaches("gone")
    told = ("Warning", "mig", "Error deleting canceled migration target pod: no")
    assert told in await guest.events("FailedDelete")
    assert len((await guest.client.list(PODS, NS)).items) == 1


async def test_a_target_that_waits_too_long_and_cannot_be_deleted(guest):
    """It is told of when its time is over, and is deleted later."""
    await nowhere(guest)
    await guest.migrate("Scheduling")
    guest.refuse("delete", "pods", times=1)
    await guest.cluster.advance(310)
    assert await guest.phase() == "Failed"
    told = ("Warning", "mig", "Error deleted migration target pod: no")
    assert told in await guest.events("FailedDelete")
