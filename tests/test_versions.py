"""Versions are shown wherever a real cluster shows them, and nowhere else."""

import json

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import KUBEVIRTS, NODES
from fakekube.machinery.versions import BadVersion, Versions


async def test_a_cluster_shows_the_releases_it_was_given():
    """/version, nodes, the KubeVirt object, its components and virt-api's own version."""
    versions = Versions("1.33.4", "v1.6.0")
    async with Cluster(clock=ManualClock(), seed=1, versions=versions) as cluster:
        await cluster.settle()
        client = cluster.client()

        async def said(path):
            return json.loads((await client.request("GET", path)).body)

        version = await said("/version")
        assert (version["major"], version["minor"]) == ("1", "33")
        assert version["gitVersion"].startswith("v1.33.4")
        node = (await client.list(NODES)).items[0]
        assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.33.4"
        kubevirt = (await client.list(KUBEVIRTS, "kubevirt")).items[0]
        assert kubevirt["status"]["observedKubeVirtVersion"] == "v1.6.0"
        assert (await said("/apis/subresources.kubevirt.io/v1/version"))["gitVersion"] == "v1.6.0"
        workloads = json.dumps(await said("/apis/apps/v1/namespaces/kubevirt/deployments"))
        assert "v1.6.0" in workloads
        assert "v1.9.0" not in workloads
        fork = cluster.fork()
    assert fork._setting.versions == versions


@pytest.mark.parametrize("wrong", ["", "1.33", "latest", "v1.x.0", "1.2.3.4"])
def test_what_is_no_version_is_refused(wrong):
    """The refusal shows what one looks like."""
    with pytest.raises(BadVersion, match="write it like v1"):
        Versions(kubernetes=wrong)
