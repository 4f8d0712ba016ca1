"""KubeVirt's definitions: which changes virt-operator undoes, and which it takes for somebody's decision."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.copying import copy_of
from fakekube.machinery.resources import CRDS, VIRTUAL_MACHINE_POOLS, VIRTUAL_MACHINES
from fakekube.virt.operator import crds
from fakekube.virt.operator.defining import is_replaced

MACHINES, POOLS = "virtualmachines.kubevirt.io", "virtualmachinepools.pool.kubevirt.io"
POOL = {
    "apiVersion": "pool.kubevirt.io/v1beta1",
    "kind": "VirtualMachinePool",
    "metadata": {"name": "p"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"pool": "p"}},
        "virtualMachineTemplate": {
            "metadata": {"labels": {"pool": "p"}},
            "spec": {
                "runStrategy": "Always",
                "template": {
                    "metadata": {"labels": {"pool": "p"}},
                    "spec": {"domain": {"memory": {"guest": "64Mi"}, "devices": {}}},
                },
            },
        },
    },
}


@pytest.mark.parametrize("name", [MACHINES, POOLS])
async def test_definitions_brought_by_others_stay(name):
    """Another release's schemas are not put back, though that definition is no longer as it was installed; pools go on."""
    async with Cluster(clock=ManualClock(), seed=7) as cluster:
        await cluster.settle()
        client = cluster.client()
        found = await client.get(CRDS, name)
        for version in found["spec"]["versions"]:
            properties = version["schema"]["openAPIV3Schema"]["properties"]
            properties["spec"]["properties"]["ofAnotherRelease"] = {"type": "string"}
        changed = await client.update(CRDS, found)
        await client.create(VIRTUAL_MACHINE_POOLS, POOL, "default")
        await cluster.advance("10m")
        left = await client.get(CRDS, name)
        assert left["metadata"]["generation"] == changed["metadata"]["generation"]
        assert left["spec"] == changed["spec"]
        machines = (await client.list(VIRTUAL_MACHINES, "default")).items
        assert [one["status"]["printableStatus"] for one in machines] == ["Running", "Running"]


def test_what_the_server_adds_is_no_replacement():
    """Defaults in a definition are nobody's decision; a version less is one."""
    wanted = crds.named(POOLS)
    known = copy_of(wanted)
    known["spec"]["conversion"] = {"strategy": "None"}
    known["spec"]["versions"][0]["deprecated"] = False
    assert not is_replaced(known, wanted)
    del known["spec"]["versions"][0]
    assert is_replaced(known, wanted)
