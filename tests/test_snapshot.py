"""Snapshots: a cluster in a file, and real clusters' dumps as beginnings."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery import objects
from fakekube.machinery.resources import CONFIG_MAPS, PODS, VIRTUAL_MACHINES
from fakekube.snapshot import BadSnapshot

MACHINE = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {"name": "a", "namespace": "default"},
    "spec": {
        "runStrategy": "Always",
        "template": {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}},
    },
}


async def running(cluster):
    machine = await cluster.client().get(VIRTUAL_MACHINES, "a", "default")
    return objects.condition_is(machine, "Ready") and machine


@pytest.mark.parametrize("name", ["cluster.jsonl", "cluster.jsonl.gz"])
async def test_a_cluster_goes_on_where_it_was_saved(tmp_path, name):
    """Objects with uids, versions and time come back; actors take up their work; the past is compacted."""
    async with Cluster(clock=ManualClock(), seed=1) as cluster:
        await cluster.apply([MACHINE])
        before = await cluster.run_until(lambda: running(cluster))
        await cluster.advance("5m")
        await cluster.save(tmp_path / name)
        revision, now = cluster.api.store.revision, cluster.clock.now()
    async with Cluster.load(tmp_path / name, seed=2) as loaded:
        assert loaded.clock.now() == now
        after = await running(loaded)
        assert after == before
        pods = (await loaded.client().list(PODS)).items
        await loaded.advance("10m")
        assert (await loaded.client().list(PODS)).items == pods, "nothing that ran was restarted"
        assert loaded.api.store.oldest >= revision
        await loaded.client().delete(VIRTUAL_MACHINES, "a", "default")
        await loaded.advance("2m")
        assert not (await loaded.client().list(PODS, "default")).items


async def test_saving_what_was_loaded_gives_the_same_file(tmp_path):
    """Nothing is lost or added on the way, down to the byte."""
    async with Cluster(clock=ManualClock(), seed=1, only=["api"]) as cluster:
        await cluster.client().create(
            CONFIG_MAPS,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "a", "namespace": "default", "labels": {"x": "y"}},
                "data": {"text": 'quotes " and }{ and\nlines: €, "value":'},
            },
        )
        await cluster.save(tmp_path / "one")
    async with Cluster.load(tmp_path / "one", only=["api"]) as loaded:
        await loaded.save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"apiVersion: v1\n", "is no snapshot of fakekube; manifests"),
        (b'{"fakekube":99,"revision":1,"time":"2026-01-01T00:00:00Z"}\n', "was written in format 99"),
        (b'{"fakekube":1,"revision":1,"time":"2026-01-01T00:00:00Z"}\n{"key":"/x"}\n', ":2: damaged"),
        (None, "No such file"),
    ],
)
def test_what_is_no_snapshot_is_refused_with_the_way_out(tmp_path, content, hint):
    """Foreign files, other versions, damage and absence each have their sentence."""
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadSnapshot, match=hint):
        Cluster.load(file)
