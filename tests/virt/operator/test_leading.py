"""Whose pod is said to lead."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import LEASES, PODS
from fakekube.virt.operator.leading import candidates_of


def pod(name, created, component="a", phase="Running", **meta):
    labels = {"kubevirt.io": component}
    return {
        "metadata": {"name": name, "creationTimestamp": created, "labels": labels, **meta},
        "status": {"phase": phase},
    }


def test_the_oldest_that_runs():
    """Those of other components, that do not run yet, or that are going, lead nobody."""
    pods = [
        pod("young", "2027-01-02T00:00:00Z"),
        pod("old", "2027-01-01T00:00:00Z"),
        pod("other", "2026-01-01T00:00:00Z", "b"),
        pod("waiting", "2026-01-01T00:00:00Z", phase="Pending"),
        pod("going", "2026-01-01T00:00:00Z", deletionTimestamp="2027-01-03T00:00:00Z"),
    ]
    assert candidates_of(pods, "a") == ["old", "young"]


@pytest.mark.parametrize(
    ("without", "wanted"),
    [
        ((), {"virt-operator", "virt-controller", "virt-synchronization-controller"}),
        (("virt-controller",), {"virt-operator", "virt-synchronization-controller"}),
    ],
)
async def test_who_has_a_lease(without, wanted):
    """Those of whom one does the work; a virt-controller from outside takes its lease by itself."""
    async with Cluster(nodes=1, clock=ManualClock(), seed=1, without=without) as cluster:
        await cluster.settle()
        leases = (await cluster.client().list(LEASES, "kubevirt")).items
        assert {one["metadata"]["name"] for one in leases} == wanted
        pods = {one["metadata"]["name"] for one in (await cluster.client().list(PODS, "kubevirt")).items}
        assert all(one["spec"]["holderIdentity"] in pods for one in leases)
