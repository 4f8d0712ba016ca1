"""Claims and volumes wait for whoever uses them, and for nobody else."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import finalizers, is_terminating
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS

CLAIM = {
    "metadata": {"name": "c", "namespace": "default"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
POD = {
    "metadata": {"name": "p", "namespace": "default"},
    "spec": {
        "nodeName": "n",
        "containers": [{"name": "c", "image": "i"}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
    },
}


@pytest.fixture
async def cluster():
    async with Cluster(only=["volumes"], clock=ManualClock(), seed=1) as running:
        await running.client().create(PERSISTENT_VOLUME_CLAIMS, CLAIM)
        await running.settle()
        yield running


async def test_a_claim_nobody_uses_goes_with_its_volume(cluster: Cluster) -> None:
    """Deleting an unused claim removes it at once, and the volume made for it."""
    client = cluster.client()
    claim = await client.get(PERSISTENT_VOLUME_CLAIMS, "c", "default")
    assert finalizers(claim) == ["kubernetes.io/pvc-protection"]
    assert len((await client.list(PERSISTENT_VOLUMES)).items) == 1
    await client.delete(PERSISTENT_VOLUME_CLAIMS, "c", "default")
    await cluster.settle()
    with pytest.raises(NotFound):
        await client.get(PERSISTENT_VOLUME_CLAIMS, "c", "default")
    assert (await client.list(PERSISTENT_VOLUMES)).items == []


async def test_a_claim_in_use_waits_for_its_pod(cluster: Cluster) -> None:
    """A claim a living pod names stays Terminating until the pod has gone."""
    client = cluster.client()
    await client.create(PODS, POD)
    await client.delete(PERSISTENT_VOLUME_CLAIMS, "c", "default")
    await cluster.settle()
    assert is_terminating(await client.get(PERSISTENT_VOLUME_CLAIMS, "c", "default"))
    await client.delete(PODS, "p", "default", grace_seconds=0)
    await cluster.settle()
    with pytest.raises(NotFound):
        await client.get(PERSISTENT_VOLUME_CLAIMS, "c", "default")


async def test_a_claim_waits_for_no_pod_that_has_ended(cluster: Cluster) -> None:
    """A pod that has ended keeps no claim: of guests that have moved it stays, and the claims they left are to go."""
    client = cluster.client()
    await client.create(PODS, POD)
    ended = {"status": {"phase": "Succeeded"}}
    await client.patch(PODS, "p", "default", ended, type="merge", subresource="status")
    await client.delete(PERSISTENT_VOLUME_CLAIMS, "c", "default")
    await cluster.settle()
    with pytest.raises(NotFound):
        await client.get(PERSISTENT_VOLUME_CLAIMS, "c", "default")


async def test_a_claim_waits_for_nobody_without_a_node(cluster: Cluster) -> None:
    """Pods that have not been placed keep no claim."""
    client = cluster.client()
    await client.create(PODS, {**POD, "spec": {**POD["spec"], "nodeName": ""}})
    await client.delete(PERSISTENT_VOLUME_CLAIMS, "c", "default")
    await cluster.settle()
    with pytest.raises(NotFound):
        await client.get(PERSISTENT_VOLUME_CLAIMS, "c", "default")


async def test_a_claim_of_an_ephemeral_volume_waits_for_its_pod(cluster: Cluster) -> None:
    """A claim that is named after a pod and its ephemeral volume is that pod's."""
    client = cluster.client()
    wanted = {"spec": CLAIM["spec"]}
    volumes = [{"name": "v", "ephemeral": {"volumeClaimTemplate": wanted}}]
    await client.create(
        PERSISTENT_VOLUME_CLAIMS, {**CLAIM, "metadata": {"name": "p-v", "namespace": "default"}}
    )
    await client.create(PODS, {**POD, "spec": {**POD["spec"], "volumes": volumes}})
    await client.delete(PERSISTENT_VOLUME_CLAIMS, "p-v", "default")
    await cluster.settle()
    assert is_terminating(await client.get(PERSISTENT_VOLUME_CLAIMS, "p-v", "default"))
    await client.delete(PODS, "p", "default", grace_seconds=0)
    await cluster.settle()
    with pytest.raises(NotFound):
        await client.get(PERSISTENT_VOLUME_CLAIMS, "p-v", "default")


async def test_a_bound_volume_waits_for_its_claim(cluster: Cluster) -> None:
    """A volume deleted while it is bound stays until its claim has gone."""
    client = cluster.client()
    (volume,) = (await client.list(PERSISTENT_VOLUMES)).items
    await client.delete(PERSISTENT_VOLUMES, volume["metadata"]["name"])
    await cluster.settle()
    assert is_terminating(await client.get(PERSISTENT_VOLUMES, volume["metadata"]["name"]))
    await client.delete(PERSISTENT_VOLUME_CLAIMS, "c", "default")
    await cluster.settle()
    assert (await client.list(PERSISTENT_VOLUMES)).items == []
