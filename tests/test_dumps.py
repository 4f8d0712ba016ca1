"""Real clusters' dumps as beginnings."""

import pytest

from fakekube import dumps
from fakekube.apply_files import ManifestError
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery import objects
from fakekube.machinery.resources import CONFIG_MAPS, PODS
from fakekube.snapshot import BadSnapshot


async def test_a_real_clusters_dump_keeps_uids_owners_and_statuses():
    """What `kubectl get -o yaml` shows is taken over as it is: nothing is orphaned, restarted or defaulted anew."""
    meta = {"namespace": "prod", "creationTimestamp": "2025-05-05T00:00:00Z", "resourceVersion": "77"}
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "u-1"}
    dump = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**meta, "name": "p", "uid": "u-2", "ownerReferences": [owner]},
            "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "elsewhere"},
            "status": {"phase": "Running"},
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**meta, "name": "owner", "uid": "u-1"}},
    ]
    async with Cluster(clock=ManualClock(), without=["kubevirt", "kubelet"]) as cluster:
        assert await cluster.take_over(dump) == 2
        await cluster.advance("1m")
        pod = await cluster.client().get(PODS, "p", "prod")
        assert (pod["metadata"]["uid"], pod["status"]["phase"]) == ("u-2", "Running")
        assert pod["metadata"]["creationTimestamp"] == "2025-05-05T00:00:00Z"
        await cluster.client().delete(CONFIG_MAPS, "owner", "prod")
        await cluster.advance("1m")
        pods = (await cluster.client().list(PODS, "prod")).items
        assert all(objects.is_terminating(one) for one in pods)


async def test_a_dump_of_unknown_kinds_is_refused():
    """The refusal names the object and what would help."""
    async with Cluster(clock=ManualClock(), only=["api"]) as cluster:
        stranger = {"apiVersion": "x.org/v1", "kind": "Stranger", "metadata": {"name": "s"}}
        with pytest.raises(
            BadSnapshot, match=r"Stranger s: the cluster serves no x\.org/v1 Stranger; put its Custom"
        ):
            await cluster.take_over([stranger])


PODS_OF_A_NAMESPACE = """
apiVersion: v1
kind: PodList
items:
- metadata: {name: p, namespace: prod, uid: u-1}
  spec: {nodeName: node, containers: [{name: c, image: i}]}
  status: {phase: Running}
"""
NODE = "apiVersion: v1\nkind: Node\nmetadata: {name: node, uid: u-2}\n"


async def test_a_must_gather_folder_is_read_whole(tmp_path):
    """Folders in folders, typed lists whose items say no kind, and in between notes that are no objects."""
    for path, text in {
        "quay-io/namespaces/prod/core/pods.yaml": PODS_OF_A_NAMESPACE,
        "quay-io/cluster-scoped-resources/core/nodes/n.yaml": NODE,
        "quay-io/namespaces/prod/pods/p/c/logs/current.log": "kind: of a log",
        "quay-io/notes.yaml": "- just\n- notes\n",
        "timestamp": "2026-01-01",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = dumps.read(str(tmp_path))
    assert [(one["kind"], one["metadata"]["name"]) for one in found] == [("Node", "node"), ("Pod", "p")]
    async with Cluster(clock=ManualClock(), only=["api"]) as cluster:
        assert await cluster.take_over(found) == 2
        assert (await cluster.client().get(PODS, "p", "prod"))["status"] == {"phase": "Running"}


def test_a_folder_without_objects_is_refused(tmp_path):
    """Whoever names the wrong folder is told."""
    with pytest.raises(ManifestError, match="no object in this folder"):
        dumps.read(str(tmp_path))
