"""An autoscaler on a pool, against what the real controllers did: 2 to 5 VMs, 100m each, load 50m, then 300m, then 10m.

Recorded with looks every 5 s and 10 s of patience before shrinking. The sequences of values are compared, not the times.
"""

import asyncio

import pytest

from fakekube.agents.autoscaling.controller import AUTOSCALERS, HorizontalPodAutoscaler
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.ids import Ids
from fakekube.machinery.resources import EVENTS, PODS, VIRTUAL_MACHINE_POOLS

from .conftest import NS, resource_metric

RECORDED_POOL = {"spec.replicas": [2, 4, 5, 2], "status.replicas": [0, 2, 4, 5, 2]}
RECORDED_NUMBERS = [  # currentReplicas, desiredReplicas, averageValue
    (0, 0, ""),
    (2, 2, "50m"),
    (2, 4, "300m"),
    (4, 5, "300m"),
    (5, 5, "300m"),
    (5, 5, "10m"),
    (5, 2, "10m"),
    (2, 2, "10m"),
]
RECORDED_CONDITIONS = [  # AbleToScale, ScalingActive, ScalingLimited
    (),
    ("ScaleDownStabilized", "ValidMetricFound", "DesiredWithinRange"),
    ("SucceededRescale", "ValidMetricFound", "ScaleUpLimit"),
    ("SucceededRescale", "ValidMetricFound", "TooManyReplicas"),
    ("ReadyForNewScale", "ValidMetricFound", "TooManyReplicas"),
    ("ScaleDownStabilized", "ValidMetricFound", "TooManyReplicas"),
    ("SucceededRescale", "ValidMetricFound", "TooFewReplicas"),
    ("ReadyForNewScale", "ValidMetricFound", "TooFewReplicas"),
]
RECORDED_EVENTS = [
    "New size: 4; reason: cpu resource above target",
    "New size: 5; reason: cpu resource above target",
    "New size: 2; reason: All metrics below target",
]
LABELS = {"kubevirt.io/vmpool": "seed"}


def pool():
    domain = {"devices": {}, "memory": {"guest": "128Mi"}}
    template = {
        "metadata": {"labels": LABELS},
        "spec": {"domain": domain, "terminationGracePeriodSeconds": 0},
    }
    return {
        "apiVersion": "pool.kubevirt.io/v1beta1",
        "kind": "VirtualMachinePool",
        "metadata": {"name": "seed", "namespace": NS, "annotations": {"fakekube.io/cpu": "50m"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": LABELS},
            "virtualMachineTemplate": {
                "metadata": {"labels": LABELS},
                "spec": {"runStrategy": "Always", "template": template},
            },
        },
    }


def autoscaler():
    target = {"apiVersion": "pool.kubevirt.io/v1beta1", "kind": "VirtualMachinePool", "name": "seed"}
    metrics = [resource_metric(averageValue="100m")]
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5, "metrics": metrics}
    meta = {"name": "seed", "namespace": NS}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}


def distinct(values):
    return [value for n, value in enumerate(values) if n == 0 or value != values[n - 1]]


@pytest.fixture
async def cluster():
    async with Cluster(without=["horizontal-pod-autoscaler"], clock=ManualClock(), seed=1) as running:
        timing = {"sync": 5, "window": 10}
        actor = HorizontalPodAutoscaler(running.client(), clock=running.clock, ids=Ids(2), **timing)
        task = asyncio.create_task(actor.run())
        yield running
        task.cancel()
        assert not running.failures


async def load(cluster, amount):
    body = {"metadata": {"annotations": {"fakekube.io/cpu": amount}}}
    await cluster.client().patch(VIRTUAL_MACHINE_POOLS, "seed", NS, body, type="merge")
    await cluster.advance("30s")


async def test_a_pool_grows_and_shrinks_as_recorded(cluster):
    """Sizes of the pool, numbers, reasons and events follow in the recorded order."""
    await cluster.apply([pool()])
    await cluster.advance("1m")
    await cluster.apply([autoscaler()])
    await cluster.advance("12s")
    await load(cluster, "300m")
    await load(cluster, "10m")
    pools = await cluster.history(VIRTUAL_MACHINE_POOLS, "seed", NS)
    sizes = {
        "spec.replicas": distinct([one["spec"]["replicas"] for one in pools]),
        "status.replicas": distinct([(one.get("status") or {}).get("replicas", 0) for one in pools]),
    }
    assert sizes == RECORDED_POOL
    statuses = [one["status"] for one in await cluster.history(AUTOSCALERS, "seed", NS)]
    numbers = [
        (
            one.get("currentReplicas", 0),
            one["desiredReplicas"],
            one["currentMetrics"][0]["resource"]["current"]["averageValue"]
            if one.get("currentMetrics")
            else "",
        )
        for one in statuses
    ]
    reasons = [tuple(condition["reason"] for condition in one.get("conditions") or ()) for one in statuses]
    assert distinct(numbers) == RECORDED_NUMBERS
    assert distinct(reasons) == RECORDED_CONDITIONS
    events = (await cluster.client().list(EVENTS, NS)).items
    told = sorted(
        (one["firstTimestamp"], one["message"])
        for one in events
        if one["involvedObject"]["kind"] == "HorizontalPodAutoscaler"
    )
    assert [message for _, message in told] == RECORDED_EVENTS


async def test_a_deployment_shares_its_load():
    """With the workload controllers beside it: new pods count once they have been ready for a window, and then share."""
    async with Cluster(without=["kubevirt"], clock=ManualClock(), seed=1) as cluster:
        container = {"name": "main", "image": "x", "resources": {"requests": {"cpu": "100m"}}}
        labels = {"app": "web"}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": NS, "annotations": {"fakekube.io/cpu": "shared 450m"}},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }
        scaler = autoscaler()
        scaler["metadata"]["name"] = "web"
        scaler["spec"] |= {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 20,
            "metrics": [resource_metric(averageUtilization=50)],
        }
        await cluster.apply([deployment, scaler])
        await cluster.advance("3m")
        told = [one["status"] for one in await cluster.history(AUTOSCALERS, "web", NS)]
        assert distinct([one["desiredReplicas"] for one in told]) == [0, 4, 8, 10]
        pods = (await cluster.client().list(PODS, NS)).items
        assert len(pods) == 10
        assert not cluster.failures
