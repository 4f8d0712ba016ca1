"""Failures that are provoked by one admin call, as a test in any language makes it."""

import aiohttp
import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.objects import condition, dig
from fakekube.machinery.resources import VIRTUAL_MACHINE_INSTANCES, VIRTUAL_MACHINES
from fakekube.server import Server

NS = "default"


@pytest.fixture
async def cluster():
    """All of KubeVirt, at rest."""
    async with Cluster(clock=ManualClock(), seed=1) as running:
        await running.settle()
        yield running


async def arm(cluster, kind):
    """Refuse the next two creations of a kind."""
    async with Server(cluster) as server, aiohttp.ClientSession() as session:
        fault = {"verb": "create", "kind": kind, "status": 403, "times": 2}
        async with session.post(f"{server.url}/fakekube/faults", json=fault) as answer:
            assert answer.status == 201


async def create(cluster):
    spec = {
        "runStrategy": "Always",
        "template": {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}},
    }
    kind = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine"}
    await cluster.client().create(
        VIRTUAL_MACHINES, {**kind, "metadata": {"name": "vm", "namespace": NS}, "spec": spec}
    )


async def vm(cluster):
    return await cluster.client().get(VIRTUAL_MACHINES, "vm", NS)


async def recovered(cluster):
    return dig(await vm(cluster), "status", "ready", default=False)


async def test_f12_instances_are_refused(cluster):
    """F-12: one call has instances refused; the VM says so, tries again, and runs once the fault is used up."""
    await arm(cluster, "vmi")
    await create(cluster)
    await cluster.settle()
    failure = condition(await vm(cluster), "Failure")
    assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
    assert failure["message"].startswith("Failure while starting VMI: ")
    await cluster.run_until(lambda: recovered(cluster))
    assert condition(await vm(cluster), "Failure") is None


async def test_f13_launchers_are_refused(cluster):
    """F-13: one call has launcher pods refused; the instance says so, and runs once the fault is used up."""
    await arm(cluster, "pod")
    await create(cluster)
    await cluster.settle()
    found = await cluster.client().get(VIRTUAL_MACHINE_INSTANCES, "vm", NS)
    told = condition(found, "Synchronized")
    assert (found["status"]["phase"], told["status"], told["reason"]) == ("Pending", "False", "FailedCreate")
    assert (await vm(cluster))["status"]["printableStatus"] == "Starting"
    await cluster.run_until(lambda: recovered(cluster))
