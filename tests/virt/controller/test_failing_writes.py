"""Writes of virt-controller that fail are tried again: nothing is left half done."""

import pytest

import fakekube
from fakekube.clock import ManualClock, rfc3339
from fakekube.cluster import Cluster
from fakekube.machinery.objects import condition, name
from fakekube.machinery.resources import (
    EVENTS,
    NODES,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
    VMI_REPLICA_SETS,
)
from fakekube.virt.handler import launcher

NS = "default"


@pytest.mark.parametrize("status", [409, 500])
async def test_a_launcher_whose_deletion_failed_is_deleted_later(status):
    """A VM goes in the end, though the first deletions of its launcher pod are refused."""
    async with Cluster(pace="fast", clock=ManualClock(), seed=1) as cluster:
        await cluster.settle()
        await cluster.apply([fakekube.vm("web", namespace=NS)])
        await cluster.advance("1m")
        client = cluster.client()
        assert (await client.get(VIRTUAL_MACHINES, "web", NS))["status"]["ready"]
        refused = {"verb": "delete", "kind": "pods", "client": "virt-controller"}
        fault = cluster.faults.add(**refused, status=status, times=2)
        await client.delete(VIRTUAL_MACHINES, "web", NS)
        await cluster.advance("2m")
        assert fault.fired == 2
        for resource in (VIRTUAL_MACHINES, VIRTUAL_MACHINE_INSTANCES, PODS):
            assert (await client.list(resource, NS)).items == []


async def test_a_launcher_that_cannot_be_deleted_is_told_of():
    """An instance whose pod cannot be deleted says so, as long as no node has it."""
    async with Cluster(pace="fast", clock=ManualClock(), seed=1) as cluster:
        await cluster.settle()
        await cluster.apply(
            [fakekube.vm("web", namespace=NS, annotations={"fakekube.io/fate": "unschedulable"})]
        )
        await cluster.advance("10s")
        client = cluster.client()
        (pod,) = (await client.list(PODS, NS)).items
        cluster.faults.add(
            verb="delete", kind="pods", client="virt-controller", status=500, message="no", times=None
        )
        await client.delete(VIRTUAL_MACHINE_INSTANCES, "web", NS)
        await cluster.advance("5s")
        told = condition(await client.get(VIRTUAL_MACHINE_INSTANCES, "web", NS), "Synchronized")
        assert (told["status"], told["reason"]) == ("False", "FailedDelete")
        assert told["message"].startswith("failed to delete pod: ")
        text = f"Failed to delete virtual machine pod {name(pod)}"
        events = [
            (one["type"], one["reason"], one["message"]) for one in (await client.list(EVENTS, NS)).items
        ]
        assert ("Warning", "FailedDelete", text) in events


async def test_an_instance_that_has_gone_is_told_of():
    """A replica set that deletes an instance that is not there any more says so, as upstream's does, and goes on."""
    async with Cluster(pace="fast", clock=ManualClock(), seed=1) as cluster:
        await cluster.settle()
        labels = {"app": "web"}
        template = {
            "metadata": {"labels": labels},
            "spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}},
        }
        body = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstanceReplicaSet",
            "metadata": {"name": "web", "namespace": NS},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
        }
        await cluster.apply([body])
        await cluster.advance("10s")
        client = cluster.client()
        (vmi,) = (await client.list(VIRTUAL_MACHINE_INSTANCES, NS)).items
        who = {"verb": "delete", "kind": "virtualmachineinstances", "client": "virt-controller"}
        cluster.faults.add(**who, status=404, times=1)
        await client.patch(VMI_REPLICA_SETS, "web", NS, {"spec": {"replicas": 0}}, type="merge")
        await cluster.advance("10s")
        gone = f'virtualmachineinstances.kubevirt.io "{name(vmi)}" not found'
        text = f"Error deleting virtual machine instance {name(vmi)}: {gone}"
        events = [
            (one["type"], one["reason"], one["message"]) for one in (await client.list(EVENTS, NS)).items
        ]
        assert ("Warning", "FailedDelete", text) in events
        assert (await client.list(VIRTUAL_MACHINE_INSTANCES, NS)).items == []
        left = await client.get(VMI_REPLICA_SETS, "web", NS)
        assert condition(left, "ReplicaFailure") is None


@pytest.mark.parametrize("refused", ["a", "b"])
async def test_a_lost_guest_that_cannot_be_told_keeps_no_other(refused):
    """On a silent node every guest without a launcher has failed, though one of them cannot be written; that is tried again."""
    async with Cluster(pace="fast", clock=ManualClock(), seed=1, nodes=1) as cluster:
        await cluster.settle()
        await cluster.apply([fakekube.vm(own, namespace=NS, run_strategy="Once") for own in "ab"])
        await cluster.advance("1m")
        client = cluster.client()
        (node,) = (await client.list(NODES)).items
        silent = {"metadata": {"annotations": {"fakekube.io/fate": "no-heartbeat"}}}
        await client.patch(NODES, name(node), None, silent, type="merge")
        for pod in (await client.list(PODS, NS)).items:
            ended = launcher.ended(pod, launcher.COMPLETED, rfc3339(cluster.clock.now()))
            await client.update(PODS, {**pod, "status": ended}, subresource="status")
        who = {"verb": "patch", "kind": "vmi", "client": "virt-controller", "name": refused}
        fault = cluster.faults.add(**who, status=500, message="no", times=None)

        async def phases():
            found = (await client.list(VIRTUAL_MACHINE_INSTANCES, NS)).items
            return {name(one): (one["status"]["phase"], one["status"].get("reason")) for one in found}

        assert set((await phases()).values()) == {("Running", None)}
        await cluster.advance("6m")
        lost = ("Failed", "NodeUnresponsive")
        assert await phases() == {"a": lost, "b": lost, refused: ("Running", None)}
        assert fault.fired
        cluster.faults.clear()
        await cluster.advance("2m")
        assert await phases() == dict.fromkeys("ab", lost)
