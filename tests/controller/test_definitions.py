"""Definitions that come late, go, and come back while the controller runs: it waits, says so once, and goes on."""

import pytest

from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import (
    CRDS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
)
from tests.controller.cluster import DEFINITIONS

WAIT = 31  # the longest an informer waits before it looks again


def definition(resource):
    return copy_of(next(one for one in DEFINITIONS if objects.name(one) == resource.qualified))


async def withdraw(cluster, resource):
    """Delete the definition, and with it what is defined; whoever holds instances back is given the time to let go."""
    await cluster.admin.delete(CRDS, resource.qualified)
    for _ in range(20):
        await cluster.pass_time(0.5)
        try:
            await cluster.admin.get(CRDS, resource.qualified)
        except NotFound:
            return
    raise AssertionError(f"{resource.qualified} does not go")


def waited_for(caplog):
    return [one for one in caplog.messages if "is not served" in one]


@pytest.fixture(autouse=True)
def listening(caplog):
    caplog.set_level("INFO", "fakekube.client.informer")


async def test_it_may_be_started_before_anything_is_defined(bare_cluster, world, caplog):
    """It is not ready until all it looks at is there, and works from then on without being started anew."""
    cluster = bare_cluster
    for resource in (VIRTUAL_MACHINE_POOLS, VIRTUAL_MACHINES, VIRTUAL_MACHINE_INSTANCES):
        await cluster.admin.delete(CRDS, resource.qualified)
    await cluster.control()
    _, _, controller = cluster.controllers["a"]
    await cluster.pass_time(600)
    assert not controller.synced
    assert len(waited_for(caplog)) == 3
    for resource in (VIRTUAL_MACHINE_POOLS, VIRTUAL_MACHINES, VIRTUAL_MACHINE_INSTANCES):
        await cluster.admin.create(CRDS, definition(resource))
        assert not controller.synced
    await cluster.create_pool(world.pool(replicas=2))
    await cluster.pass_time(WAIT)
    assert controller.synced
    assert (await cluster.pool())["status"]["readyReplicas"] == 2
    assert len(waited_for(caplog)) == 3


@pytest.mark.parametrize("resource", [VIRTUAL_MACHINE_POOLS, VIRTUAL_MACHINES, VIRTUAL_MACHINE_INSTANCES])
async def test_a_definition_goes_and_comes_back(cluster, world, caplog, resource):
    """What was defined by it is gone with it; pools of afterwards are kept as those of before were."""
    await cluster.create_pool(world.pool(replicas=2))
    await cluster.pass_time(4)
    await withdraw(cluster, resource)
    await cluster.pass_time(600)
    assert len(waited_for(caplog)) == 1
    await cluster.admin.create(CRDS, definition(resource))
    await cluster.create_pool(world.pool("q", replicas=2))
    await cluster.pass_time(1100)  # a pool that was refused all the time is tried again, ever more rarely
    assert (await cluster.pool("q"))["status"]["readyReplicas"] == 2
    if resource is not VIRTUAL_MACHINE_POOLS:
        pool = await cluster.pool()
        assert pool["status"]["readyReplicas"] == 2
        assert not pool["status"].get("conditions")
    caplog.clear()
    await cluster.change_pool("q", replicas=3)
    await cluster.pass_time(3)
    assert (await cluster.pool("q"))["status"]["readyReplicas"] == 3
    assert not caplog.messages


async def test_requests_do_not_run_hot_while_a_definition_is_gone(cluster, world):
    """An hour without VMs to be made is a few dozen requests for each pool, not thousands."""
    await cluster.create_pool(world.pool(replicas=2))
    await cluster.pass_time(4)
    await withdraw(cluster, VIRTUAL_MACHINES)
    asked = []
    cluster.wire.refuse = asked.append  # gives no answer of its own
    await cluster.pass_time(3600)
    lists = [one for one in asked if one.method == "GET"]
    assert len(lists) < 3600 / 30 + 20
    assert len(asked) - len(lists) < 100


@pytest.mark.parametrize(("versions", "works"), [(["v1beta1"], True), (["v1alpha1"], False)])
async def test_which_versions_are_served(bare_cluster, world, caplog, versions, works):
    """v1beta1 is enough; where there is only v1alpha1, as before KubeVirt 1.7, the log says what is waited for."""
    cluster = bare_cluster
    await cluster.admin.delete(CRDS, VIRTUAL_MACHINE_POOLS.qualified)
    served = definition(VIRTUAL_MACHINE_POOLS)
    served["spec"]["versions"] = [
        one | {"storage": True} for one in served["spec"]["versions"] if one["name"] in versions
    ]
    await cluster.admin.create(CRDS, served)
    await cluster.control()
    await cluster.pass_time(100)
    if works:
        await cluster.create_pool(world.pool(replicas=2))
        await cluster.pass_time(4)
        assert (await cluster.pool())["status"]["readyReplicas"] == 2
        assert waited_for(caplog) == []
    else:
        (line,) = waited_for(caplog)
        assert line.startswith("virtualmachinepools.pool.kubevirt.io/v1beta1 is not served")
