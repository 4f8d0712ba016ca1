"""Certificates of a cluster: kept, renewed, and known after a restart."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import CONFIG_MAPS, DEPLOYMENTS, SECRETS, VALIDATING_WEBHOOKS

SPACE = "kubevirt"


@pytest.fixture
async def cluster():
    async with Cluster(only=["virt-operator", "virt-api"], clock=ManualClock(), seed=1) as cluster:
        await cluster.settle()
        yield cluster


async def bundle_of_hooks(client):
    found = await client.get(VALIDATING_WEBHOOKS, "virt-api-validator")
    return found["metadata"]["resourceVersion"], found["webhooks"][0]["clientConfig"]["caBundle"]


async def test_a_restart_changes_nothing(cluster):
    """Who begins anew trusts those that were renewed before, and writes nothing."""
    client = cluster.client()
    _, packaged = await bundle_of_hooks(client)
    await client.delete(SECRETS, "kubevirt-ca", SPACE)
    await cluster.settle()
    before = await bundle_of_hooks(client)
    assert before[1] != packaged
    async with cluster.fork() as other:
        await other.settle()
        assert await bundle_of_hooks(other.client()) == before


async def test_bundles_come_back(cluster):
    """A bundle that somebody has emptied or deleted says whom to trust again; the external one is blank."""
    client = cluster.client()
    before = await client.get(CONFIG_MAPS, "kubevirt-ca", SPACE)
    await client.update(CONFIG_MAPS, {**before, "data": {}})
    await cluster.settle()
    assert (await client.get(CONFIG_MAPS, "kubevirt-ca", SPACE))["data"] == before["data"]
    for own, data in (("kubevirt-ca", before["data"]), ("kubevirt-external-ca", {"ca-bundle": ""})):
        await client.delete(CONFIG_MAPS, own, SPACE)
        await cluster.settle()
        assert (await client.get(CONFIG_MAPS, own, SPACE))["data"] == data


async def test_resting(cluster):
    """While virt-operator is scaled to nothing, what is lost stays lost; then it is made anew."""
    client = cluster.client()
    operator = await client.get(DEPLOYMENTS, "virt-operator", SPACE)
    await client.update(DEPLOYMENTS, {**operator, "spec": {**operator["spec"], "replicas": 0}})
    await cluster.settle()
    await client.delete(SECRETS, "kubevirt-virt-api-certs", SPACE)
    await cluster.settle()
    with pytest.raises(NotFound):
        await client.get(SECRETS, "kubevirt-virt-api-certs", SPACE)
    operator = await client.get(DEPLOYMENTS, "virt-operator", SPACE)
    await client.update(DEPLOYMENTS, {**operator, "spec": {**operator["spec"], "replicas": 1}})
    await cluster.settle()
    assert (await client.get(SECRETS, "kubevirt-virt-api-certs", SPACE))["data"]["tls.crt"]
