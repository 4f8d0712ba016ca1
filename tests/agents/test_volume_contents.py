"""What is written on volumes: it is kept by the volume, taken by snapshots, brought by clones, and goes with them."""

from pathlib import Path

import pytest
import yaml

from fakekube.agents.volume_contents import Held, VolumeContents, snapshot, volume_of
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    STORAGE_CLASSES,
    VOLUME_SNAPSHOTS,
)

NS = "default"
EXAMPLE = Path(__file__).parents[2] / "examples/csi-snapshots.yaml"
FILES = {"a": "1\n"}


@pytest.fixture
async def cluster():
    async with Cluster(only=["volumes", "volume-snapshots"], clock=ManualClock(), seed=1) as running:
        await running.apply([one for one in yaml.safe_load_all(EXAMPLE.read_text()) if one])
        await running.settle()
        yield running
        assert not running.failures


async def claimed(cluster, name="c", **spec):
    """The volume of a new claim."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    made = {"metadata": {"name": name, "namespace": NS}, "spec": spec}
    client = cluster.client()
    await client.create(
        PERSISTENT_VOLUME_CLAIMS, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **made}
    )
    await cluster.settle()
    return volume_of(await client.get(PERSISTENT_VOLUME_CLAIMS, name, NS))


async def taken(cluster):
    body = {"apiVersion": VOLUME_SNAPSHOTS.api_version, "kind": VOLUME_SNAPSHOTS.kind}
    spec = {"source": {"persistentVolumeClaimName": "c"}, "volumeSnapshotClassName": "standard-snapshots"}
    meta = {"name": "s", "namespace": NS}
    await cluster.client().create(VOLUME_SNAPSHOTS, {**body, "metadata": meta, "spec": spec})
    await cluster.settle()


def test_parts_and_copies():
    """Files of a volume and those on a guest's disk are held apart; copies are of their moment; of what holds nothing nothing is kept."""
    contents = VolumeContents()
    contents.write("v", "files", FILES)
    contents.write("v", "disk", {"b": "2\n"})
    contents.copy("v", "w")
    contents.write("v", "files", {})
    assert contents.of("v") == Held(disk={"b": "2\n"})
    assert contents.of("w") == Held(FILES, {"b": "2\n"})
    contents.write("v", "disk", {})
    contents.copy("v", "w")
    contents.copy("nowhere", "x")
    assert contents.state() == {}


async def test_a_snapshot_keeps_what_was_there_when_it_was_taken(cluster):
    """What is written later is none of its; claims restored from it have their own from then on."""
    volume = await claimed(cluster)
    cluster.contents.write(volume, "disk", FILES)
    await taken(cluster)
    cluster.contents.write(volume, "disk", {"a": "2\n"})
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}
    restored = await claimed(cluster, "r", dataSource=source)
    assert cluster.contents.of(restored).disk == FILES
    cluster.contents.write(restored, "disk", {})
    assert cluster.contents.of(volume).disk == {"a": "2\n"}
    await cluster.client().delete(VOLUME_SNAPSHOTS, "s", NS)
    await cluster.settle()
    assert list(cluster.contents.state()) == [volume]
    assert snapshot(f"{NS}/s") not in cluster.contents.state()


async def test_a_clone_of_a_claim(cluster):
    """It holds what the claim did when its volume was made."""
    volume = await claimed(cluster)
    cluster.contents.write(volume, "files", FILES)
    clone = await claimed(cluster, "clone", dataSource={"kind": "PersistentVolumeClaim", "name": "c"})
    cluster.contents.forget(volume)
    assert cluster.contents.of(clone).files == FILES


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
async def test_contents_go_with_the_volume(cluster, policy):
    """A volume that is deleted with its claim takes them along; one that is retained keeps them until it is deleted itself."""
    await cluster.client().create(
        STORAGE_CLASSES,
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "x"},
            "provisioner": "example.com/x",
            "reclaimPolicy": policy,
        },
    )
    volume = await claimed(cluster, storageClassName="x")
    cluster.contents.write(volume, "files", FILES)
    await cluster.client().delete(PERSISTENT_VOLUME_CLAIMS, "c", NS)
    await cluster.settle()
    assert cluster.contents.of(volume).files == (FILES if policy == "Retain" else {})
    await cluster.client().delete_if_present(PERSISTENT_VOLUMES, volume)
    await cluster.settle()
    assert cluster.contents.state() == {}


async def test_forks_and_the_way_back(cluster):
    """A fork has contents of its own from then on; a reset brings back those of the beginning; files of clusters hold none."""
    volume = await claimed(cluster)
    cluster.contents.write(volume, "files", FILES)
    await cluster.keep()
    cluster.contents.write(volume, "files", {"a": "2\n"})
    async with cluster.fork(seed=2) as twin:
        twin.contents.forget(volume)
        assert cluster.contents.of(volume).files == {"a": "2\n"}
        await twin.reset()
        assert twin.contents.of(volume).files == {"a": "2\n"}
    await cluster.reset()
    assert cluster.contents.of(volume).files == FILES


async def test_a_cluster_from_a_file_has_empty_volumes(cluster, tmp_path):
    """A cluster in a file is its objects."""
    cluster.contents.write(await claimed(cluster), "files", FILES)
    await cluster.save(tmp_path / "cluster.jsonl")
    assert Cluster.load(tmp_path / "cluster.jsonl").contents.state() == {}
    await cluster.restore((tmp_path / "cluster.jsonl").read_bytes())
    assert cluster.contents.state() == {}
