"""Claims that CDI's populators fill: what is on their volumes, how long it takes, and what becomes of those of before."""

from pathlib import Path

import pytest
import yaml

from fakekube.agents.volume_contents import volume_of
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.objects import annotations, dig, finalizers
from fakekube.machinery.resources import DATA_VOLUMES, PERSISTENT_VOLUME_CLAIMS, SERVICES, Resource
from fakekube.virt.cdi import clone_claims

NS = "default"
CLONES = Resource("cdi.kubevirt.io", "v1beta1", "volumeclonesources", "VolumeCloneSource")
IMPORTS = Resource("cdi.kubevirt.io", "v1beta1", "volumeimportsources", "VolumeImportSource")
DATA_VOLUME = {
    "apiVersion": "cdi.kubevirt.io/v1beta1",
    "kind": "DataVolume",
    "metadata": {"name": "target", "namespace": NS},
}
_CSI = Path(__file__).parents[3] / "examples/csi-snapshots.yaml"


def claim(own, kind="", **notes):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    if kind:
        spec["dataSourceRef"] = {"apiGroup": "cdi.kubevirt.io", "kind": kind, "name": "source"}
    meta = {"name": own, "namespace": NS, "annotations": notes}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def source(resource, **spec):
    meta = {"name": "source", "namespace": NS}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": spec}


@pytest.mark.parametrize("way", ["csi-clone", "snapshot", "copy"])
async def test_what_clones_hold(way):
    """Whichever way a claim is cloned, there is on its volume what is on its source's."""
    async with Cluster(clock=ManualClock(), seed=1) as cluster:
        await cluster.apply([one for one in yaml.safe_load_all(_CSI.read_text()) if one])
        client = cluster.client()
        await client.create(PERSISTENT_VOLUME_CLAIMS, claim("gold"))
        await cluster.settle()
        gold = await client.get(PERSISTENT_VOLUME_CLAIMS, "gold", NS)
        cluster.contents.write(volume_of(gold), "files", {"/a": "b"})
        named = {"kind": "PersistentVolumeClaim", "name": "gold"}
        await client.create(CLONES, source(CLONES, source=named))
        notes = {"cdi.kubevirt.io/cloneType": way}
        await client.create(PERSISTENT_VOLUME_CLAIMS, claim("target", CLONES.kind, **notes))
        await cluster.advance(10)
        target = await client.get(PERSISTENT_VOLUME_CLAIMS, "target", NS)
        assert annotations(target)[clone_claims.PHASE] == clone_claims.SUCCEEDED
        assert cluster.contents.read(volume_of(target), "files") == {"/a": "b"}


async def test_what_has_been_copied_is_not_copied_again():
    """Once a copy is its claim's somebody may write on it, though nobody has been told yet that it is; other finalizers stay."""
    async with Cluster(clock=ManualClock(), seed=1) as cluster:
        client = cluster.client()
        await client.create(PERSISTENT_VOLUME_CLAIMS, claim("gold"))
        await cluster.settle()
        gold = await client.get(PERSISTENT_VOLUME_CLAIMS, "gold", NS)
        cluster.contents.write(volume_of(gold), "files", {"/a": "b"})
        named = {"kind": "PersistentVolumeClaim", "name": "gold"}
        await client.create(CLONES, source(CLONES, source=named))
        told = {"verb": "patch", "kind": "pvc", "name": "target", "subresource": "status"}
        cluster.faults.add(**told, status=500, times=None)
        wanted = claim("target", CLONES.kind, **{"cdi.kubevirt.io/cloneType": "copy"})
        wanted["metadata"]["finalizers"] = ["example.com/mine"]
        target = await client.create(PERSISTENT_VOLUME_CLAIMS, wanted)
        await cluster.advance(10)
        target = await client.get(PERSISTENT_VOLUME_CLAIMS, "target", NS)
        assert annotations(target)[clone_claims.PHASE] == clone_claims.REBINDING
        assert {"example.com/mine", clone_claims.FINALIZER} <= set(finalizers(target))
        filled = await client.get(PERSISTENT_VOLUME_CLAIMS, clone_claims.temporary(target), NS)
        assert cluster.contents.read(volume_of(filled), "files") == {"/a": "b"}
        cluster.contents.write(volume_of(filled), "files", {"/a": "c"})
        again = {"metadata": {"annotations": {"example.com/looked-at": "again"}}}
        await client.patch(PERSISTENT_VOLUME_CLAIMS, "target", NS, again, type="merge")
        await cluster.settle()
        cluster.faults.clear()
        await cluster.advance("5m")
        target = await client.get(PERSISTENT_VOLUME_CLAIMS, "target", NS)
        assert annotations(target)[clone_claims.PHASE] == clone_claims.SUCCEEDED
        assert cluster.contents.read(volume_of(target), "files") == {"/a": "c"}
        assert "example.com/mine" in finalizers(target)
        assert clone_claims.FINALIZER not in finalizers(target)


async def test_how_long_it_takes():
    """The fate of the claim says so."""
    async with Cluster(clock=ManualClock(), seed=1) as cluster:
        client = cluster.client()
        await client.create(IMPORTS, source(IMPORTS, source={"blank": {}}))
        fate = {"fakekube.io/fate": "takes=1m"}
        await client.create(PERSISTENT_VOLUME_CLAIMS, claim("target", IMPORTS.kind, **fate))
        for seconds, phase in ((55, "Pending"), (10, "Bound")):
            await cluster.advance(seconds)
            found = await client.get(PERSISTENT_VOLUME_CLAIMS, "target", NS)
            assert dig(found, "status", "phase") == phase


async def test_forks():
    """What has begun goes on in a cluster that is made from this one."""
    async with Cluster(clock=ManualClock(), seed=1, pace="realistic") as cluster:
        client = cluster.client()
        await client.create(IMPORTS, source(IMPORTS, source={"blank": {}}))
        await client.create(PERSISTENT_VOLUME_CLAIMS, claim("target", IMPORTS.kind))
        await cluster.advance(8)
        async with cluster.fork() as fork:
            await fork.advance(30)
            found = await fork.client().get(PERSISTENT_VOLUME_CLAIMS, "target", NS)
            assert dig(found, "status", "phase") == "Bound"


def test_sources_nobody_can_clone():
    """Only claims and snapshots are cloned."""
    named = {"metadata": {"namespace": NS}, "spec": {"source": {"kind": "ConfigMap", "name": "x"}}}
    assert clone_claims.origin_of(named) is None


@pytest.mark.parametrize("asked", ["claim", "DataVolume"])
async def test_nodes_that_pull_from_a_service_that_comes_later(asked):
    """A pull that fails changes nothing anybody would be told of: it is tried again all the same."""
    url = "docker://files.default.svc/x"
    async with Cluster(clock=ManualClock(), seed=1) as cluster:
        client = cluster.client()
        if asked == "claim":
            prefix = "cdi.kubevirt.io/storage.import."
            notes = {"source": "registry", "endpoint": url, "registryImportMethod": "node"}
            marks = {f"{prefix}{one}": value for one, value in notes.items()}
            restarts = {"cdi.kubevirt.io/storage.pod.restarts": "often"}
            await client.create(PERSISTENT_VOLUME_CLAIMS, claim("target", **marks, **restarts))
        else:
            pvc = claim("target")["spec"]
            spec = {"source": {"registry": {"url": url, "pullMethod": "node"}}, "pvc": pvc}
            await client.create(DATA_VOLUMES, {**DATA_VOLUME, "spec": spec})
        await cluster.advance("1m")
        found = await client.get(PERSISTENT_VOLUME_CLAIMS, "target", NS)
        assert annotations(found)["cdi.kubevirt.io/storage.pod.phase"] == "Pending"
        service = {"metadata": {"name": "files", "namespace": NS}, "spec": {"ports": [{"port": 80}]}}
        await client.create(SERVICES, {"apiVersion": "v1", "kind": "Service", **service})
        await cluster.advance("1m")
        found = await client.get(PERSISTENT_VOLUME_CLAIMS, "target", NS)
        assert annotations(found)["cdi.kubevirt.io/storage.pod.phase"] == "Succeeded"
