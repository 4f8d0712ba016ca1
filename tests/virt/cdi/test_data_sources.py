"""DataSources: whether what they stand for can be cloned."""

import pytest

from fakekube.machinery.objects import condition
from fakekube.machinery.resources import (
    CRDS,
    DATA_SOURCES,
    DATA_VOLUMES,
    PERSISTENT_VOLUME_CLAIMS,
    VOLUME_SNAPSHOTS,
)
from fakekube.virt.cdi import data_sources

NS = "default"
READY = ("True", "Ready", "DataSource is ready to be consumed")
CLAIM, SNAPSHOT = {"pvc": "default/gold"}, {"snapshot": "default/gold"}
GOLD = {"name": "gold", "namespace": NS}


def volume(phase):
    return {"status": {"phase": phase}}


@pytest.mark.parametrize(
    ("keys", "there", "state"),
    [
        ({}, {}, ("False", "NoSource", "No source PVC set")),
        (CLAIM, {}, ("False", "NotFound", "PVC not found")),
        (CLAIM, {"claim": {}}, READY),
        (
            CLAIM,
            {"claim": {}, "volume": volume("ImportInProgress")},
            ("False", "ImportInProgress", "Import DataVolume phase ImportInProgress"),
        ),
        (CLAIM, {"volume": volume("Succeeded")}, READY),
        (SNAPSHOT, {}, ("False", "NotFound", "Snapshot not found")),
        (SNAPSHOT, {"snapshot": {}}, ("False", "SnapshotNotReady", "Snapshot phase is not ready")),
        (SNAPSHOT, {"snapshot": {"status": {"readyToUse": True}}}, READY),
    ],
)
def test_state(keys, there, state):
    """A claim is ready once its DataVolume has succeeded, or at once if it has none; a snapshot when it says so."""
    assert data_sources.judge(keys, **{"volume": None, "claim": None, "snapshot": None, **there}) == state


def source(own="gold", **of):
    meta = {"name": own, "namespace": NS}
    body = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataSource", "metadata": meta}
    return {**body, "spec": {"source": of}}


def test_what_was_told_of_another_source_is_forgotten():
    """The times of a condition go on while it says the same of the same source, and only then."""
    first = data_sources.status(source(), {"pvc": {"name": "a"}}, READY, "1")
    again = data_sources.status({**source(), "status": first}, {"pvc": {"name": "a"}}, READY, "2")
    other = data_sources.status({**source(), "status": first}, {"pvc": {"name": "b"}}, READY, "2")
    assert again == first
    assert [one["conditions"][0]["lastTransitionTime"] for one in (first, other)] == ["1", "2"]


async def told(world, own="gold"):
    await world.settle()
    found = await world.client.get(DATA_SOURCES, own, NS)
    ready = condition(found, "Ready")
    return ready["status"], ready["reason"], ready["message"]


async def test_follows_its_claim(world):
    """It is told when the claim comes, is filled, and goes; another source is judged anew."""
    await world.client.create(DATA_SOURCES, source(pvc=GOLD))
    assert await told(world) == ("False", "NotFound", "PVC not found")
    meta = {"name": "gold", "namespace": NS}
    storage = {"resources": {"requests": {"storage": "1Gi"}}}
    spec = {"source": {"blank": {}}, "storage": storage}
    body = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "metadata": meta, "spec": spec}
    await world.client.create(DATA_VOLUMES, body)
    assert (await told(world))[0] == "False"
    for _ in range(60):
        await world.elapse(1)
    assert await told(world) == READY
    await world.client.delete(DATA_VOLUMES, "gold", NS)
    await world.client.delete(PERSISTENT_VOLUME_CLAIMS, "gold", NS)
    for _ in range(5):
        await world.elapse(1)
    assert await told(world) == ("False", "NotFound", "PVC not found")
    await world.client.patch(DATA_SOURCES, "gold", NS, {"spec": {"source": {"pvc": None}}}, type="merge")
    assert await told(world) == ("False", "NoSource", "No source PVC set")


async def test_points_to_another(world):
    """One that points to another one stands for the same, and is ready when that is; but only one step, and at home."""
    gold = {"name": "gold", "namespace": NS}
    await world.client.create(DATA_SOURCES, source("pointer", dataSource=gold))
    text = 'datasources.cdi.kubevirt.io "gold" not found'
    assert await told(world, "pointer") == ("False", "NotFound", text)
    await world.client.create(DATA_SOURCES, source(pvc=GOLD))
    assert await told(world, "pointer") == ("False", "NotFound", "PVC not found")
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": gold}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await world.client.create(PERSISTENT_VOLUME_CLAIMS, {**body, "spec": spec})
    assert await told(world, "pointer") == READY
    assert (await world.client.get(DATA_SOURCES, "pointer", NS))["status"]["source"] == {"pvc": GOLD}
    for own, other, reason in (
        ("twice", {"name": "pointer", "namespace": NS}, "MaxReferenceDepthReached"),
        ("self", {"name": "self", "namespace": NS}, "SelfReference"),
        ("abroad", {"name": "gold", "namespace": "other"}, "CrossNamespaceReference"),
    ):
        await world.client.create(DATA_SOURCES, source(own, dataSource=other))
        assert (await told(world, own))[1] == reason
        assert (await world.client.get(DATA_SOURCES, own, NS))["status"]["source"] == {}


async def test_follows_its_snapshot(world):
    """Snapshots are followed, too, once their definition is there."""
    await world.client.create(DATA_SOURCES, source(snapshot=GOLD))
    assert await told(world) == ("False", "NotFound", "Snapshot not found")
    open_ = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": open_}}
    names = {"plural": "volumesnapshots", "singular": "volumesnapshot", "kind": "VolumeSnapshot"}
    await world.client.create(
        CRDS,
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": "volumesnapshots.snapshot.storage.k8s.io",
                "annotations": {"api-approved.kubernetes.io": "unapproved, a test"},
            },
            "spec": {
                "group": "snapshot.storage.k8s.io",
                "names": {**names, "listKind": "VolumeSnapshotList"},
                "scope": "Namespaced",
                "versions": [version],
            },
        },
    )
    await world.settle()
    snapshot = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot"}
    meta = {"name": "gold", "namespace": NS}
    await world.client.create(
        VOLUME_SNAPSHOTS, {**snapshot, "metadata": meta, "status": {"readyToUse": True}}
    )
    assert await told(world) == READY
