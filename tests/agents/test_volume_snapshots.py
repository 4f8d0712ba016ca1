"""VolumeSnapshots become ready once their types, a class and a bound claim are there; their contents come and go with them."""

from pathlib import Path

import pytest
import yaml

from fakekube.agents.volume_snapshots import CONTENTS
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS, VOLUME_SNAPSHOT_CLASSES, VOLUME_SNAPSHOTS

NS = "default"
EXAMPLE = Path(__file__).parents[2] / "examples/csi-snapshots.yaml"
CLASS = "standard-snapshots"


def claim(name="c", **spec):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    meta = {"name": name, "namespace": NS}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def snapshot(**spec):
    spec = {"source": {"persistentVolumeClaimName": "c"}, **spec}
    meta = {"name": "s", "namespace": NS}
    return {
        "apiVersion": VOLUME_SNAPSHOTS.api_version,
        "kind": VOLUME_SNAPSHOTS.kind,
        "metadata": meta,
        "spec": spec,
    }


class World:
    def __init__(self, cluster):
        self.cluster = cluster
        self.client = cluster.client()

    async def create(self, resource, made):
        await self.client.create(resource, made)
        await self.cluster.settle()

    async def status(self):
        return (await self.client.get(VOLUME_SNAPSHOTS, "s", NS)).get("status") or {}

    async def problem(self):
        status = await self.status()
        assert status["readyToUse"] is False
        return status["error"]["message"]

    async def contents(self):
        return (await self.client.list(CONTENTS)).items


@pytest.fixture
async def world():
    async with Cluster(only=["volumes", "volume-snapshots"], clock=ManualClock(), seed=1) as cluster:
        await cluster.apply([one for one in yaml.safe_load_all(EXAMPLE.read_text()) if one])
        await cluster.settle()
        yield World(cluster)
        assert not cluster.failures


async def test_a_snapshot_is_taken(world):
    """A snapshot of a bound claim is ready, as large as the claim, and bound to a content of the class's driver."""
    await world.create(PERSISTENT_VOLUME_CLAIMS, claim())
    await world.create(VOLUME_SNAPSHOTS, snapshot(volumeSnapshotClassName=CLASS))
    status = await world.status()
    (content,) = await world.contents()
    assert status["readyToUse"] is True
    assert status["restoreSize"] == "1Gi"
    assert status["boundVolumeSnapshotContentName"] == content["metadata"]["name"]
    assert content["spec"]["driver"] == "fakekube.io/volumes"
    assert content["spec"]["volumeSnapshotRef"]["name"] == "s"
    assert content["status"]["restoreSize"] == 2**30
    assert content["status"]["readyToUse"] is True


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
async def test_its_content_goes_by_policy(world, policy):
    """The content of a removed snapshot is removed as well, unless its class says to retain it."""
    await world.client.patch(VOLUME_SNAPSHOT_CLASSES, CLASS, None, {"deletionPolicy": policy}, type="merge")
    await world.create(PERSISTENT_VOLUME_CLAIMS, claim())
    await world.create(VOLUME_SNAPSHOTS, snapshot(volumeSnapshotClassName=CLASS))
    await world.client.delete(VOLUME_SNAPSHOTS, "s", NS)
    await world.cluster.settle()
    assert len(await world.contents()) == (policy == "Retain")


async def test_its_content_goes_in_the_end(world):
    """The content goes although it could not be looked at when its snapshot was removed."""
    await world.create(PERSISTENT_VOLUME_CLAIMS, claim())
    await world.create(VOLUME_SNAPSHOTS, snapshot(volumeSnapshotClassName=CLASS))
    world.cluster.faults.add(verb="get", kind="volumesnapshotcontents", status=500, times=1)
    await world.client.delete(VOLUME_SNAPSHOTS, "s", NS)
    await world.cluster.advance("1m")
    assert await world.contents() == []


async def test_it_waits_for_its_claim(world):
    """Without its claim, or while this is not bound, a snapshot says so; then it is taken."""
    await world.create(VOLUME_SNAPSHOTS, snapshot(volumeSnapshotClassName=CLASS))
    assert "cannot get claim from snapshot" in await world.problem()
    await world.create(PERSISTENT_VOLUME_CLAIMS, claim(storageClassName=""))
    assert "the PVC c is not yet bound to a PV" in await world.problem()
    await world.client.delete(PERSISTENT_VOLUME_CLAIMS, "c", NS)
    await world.cluster.settle()
    await world.create(PERSISTENT_VOLUME_CLAIMS, claim())
    assert (await world.status())["readyToUse"] is True
    assert "error" not in await world.status()


async def test_it_waits_for_its_class(world):
    """A class that is not there is told and waited for; no class at all is the default one's part."""
    await world.create(PERSISTENT_VOLUME_CLAIMS, claim())
    await world.create(VOLUME_SNAPSHOTS, snapshot(volumeSnapshotClassName="late"))
    assert '"late" not found' in await world.problem()
    shown = await world.client.get(VOLUME_SNAPSHOT_CLASSES, CLASS)
    made = {member: shown[member] for member in ("apiVersion", "kind", "driver", "deletionPolicy")}
    await world.create(VOLUME_SNAPSHOT_CLASSES, {**made, "metadata": {"name": "late"}})
    assert (await world.status())["readyToUse"] is True


async def test_the_default_class(world):
    """A snapshot that names no class gets the default one; without one it says so."""
    await world.create(PERSISTENT_VOLUME_CLAIMS, claim())
    default = "snapshot.storage.kubernetes.io/is-default-class"
    patch = {"metadata": {"annotations": {default: "false"}}}
    await world.client.patch(VOLUME_SNAPSHOT_CLASSES, CLASS, None, patch, type="merge")
    await world.create(VOLUME_SNAPSHOTS, snapshot())
    assert "cannot find default snapshot class" in await world.problem()
    patch = {"metadata": {"annotations": {default: "true"}}}
    await world.client.patch(VOLUME_SNAPSHOT_CLASSES, CLASS, None, patch, type="merge")
    await world.cluster.settle()
    assert (await world.status())["readyToUse"] is True
