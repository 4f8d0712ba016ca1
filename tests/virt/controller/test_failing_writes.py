"""Writes of virt-controller that fail are tried again: nothing is left half done."""

import pytest

import fakekube
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import PODS, VIRTUAL_MACHINE_INSTANCES, VIRTUAL_MACHINES

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
