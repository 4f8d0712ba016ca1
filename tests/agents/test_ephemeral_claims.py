"""Ephemeral volumes have claims of their own, which come and go with their pods."""

from typing import Any

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import labels, name, owner_reference
from fakekube.machinery.resources import EVENTS, PERSISTENT_VOLUME_CLAIMS, PODS

SPEC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
LATE = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "late"},
    "provisioner": "example.com/x",
    "volumeBindingMode": "WaitForFirstConsumer",
}


def pod(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {**SPEC, **spec}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {
            "containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
            "volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}],
        },
    }


@pytest.mark.parametrize("rbac", [False, True])
@pytest.mark.parametrize("storage_class", ["standard", "late"])
async def test_a_claim_comes_and_goes_with_its_pod(storage_class: str, rbac: bool) -> None:
    """Made as its template says, the pod's own, bound wherever the pod goes, whatever roles allow; and gone with it."""
    async with Cluster(without=["kubevirt"], clock=ManualClock(), seed=1, rbac=rbac) as cluster:
        client = cluster.client()
        await cluster.apply([LATE, pod(storageClassName=storage_class)])
        await cluster.settle()
        made = await client.get(PODS, "p", "default")
        assert made["status"]["phase"] == "Running"
        (claim,) = (await client.list(PERSISTENT_VOLUME_CLAIMS, "default")).items
        assert (name(claim), labels(claim), claim["status"]["phase"]) == ("p-v", {"a": "b"}, "Bound")
        assert claim["metadata"]["ownerReferences"] == [owner_reference(made)]
        await client.delete(PODS, "p", "default", grace_seconds=0)
        await cluster.settle()
        with pytest.raises(NotFound):
            await client.get(PERSISTENT_VOLUME_CLAIMS, "p-v", "default")


async def test_a_claim_of_somebody_else() -> None:
    """A claim of that name that was not made for the pod is not taken, and the pod says so."""
    async with Cluster(without=["kubevirt"], clock=ManualClock(), seed=1) as cluster:
        client = cluster.client()
        await client.create(PERSISTENT_VOLUME_CLAIMS, {"metadata": {"name": "p-v"}, "spec": SPEC}, "default")
        await cluster.apply([pod()])
        await cluster.settle()
        assert (await client.get(PODS, "p", "default"))["status"]["phase"] == "Pending"
        told = [one["message"] for one in (await client.list(EVENTS, "default")).items]
        text = "PVC default/p-v was not created for pod default/p (pod is not owner)"
        assert [one for one in told if text in one]


@pytest.mark.parametrize("rbac", [False, True])
async def test_late_claims_by_roles(rbac: bool) -> None:
    """Whatever roles allow: a claim that binds late is told where its pod will be."""
    async with Cluster(without=["kubevirt"], clock=ManualClock(), seed=1, rbac=rbac) as cluster:
        spec = {**SPEC, "storageClassName": "late"}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": spec}
        late = pod()
        late["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
        await cluster.apply([LATE, claim, late])
        await cluster.settle()
        assert (await cluster.client().get(PODS, "p", "default"))["status"]["phase"] == "Running"
