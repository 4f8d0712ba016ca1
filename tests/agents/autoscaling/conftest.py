"""A cluster with nothing but an API, metrics and an autoscaler; workloads and their pods are made by hand."""

import pytest

from fakekube.agents.autoscaling.controller import AUTOSCALERS
from fakekube.clock import ManualClock, rfc3339
from fakekube.cluster import Cluster
from fakekube.machinery.resources import DEPLOYMENTS, EVENTS, PODS

NS = "default"


def resource_metric(name="cpu", **target):
    kind = "Utilization" if "averageUtilization" in target else "AverageValue"
    return {"type": "Resource", "resource": {"name": name, "target": {"type": kind, **target}}}


class World:
    """The cluster, and short words for what tests do in it."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.client = cluster.client()

    async def deployment(self, name="web", replicas=2, *, pods=None, request="100m", **annotations):
        """A Deployment, and as many ready pods as it has replicas, there for an hour."""
        labels = {"app": name}
        container = {
            "name": "main",
            "image": "x",
            "resources": {"requests": {"cpu": request}} if request else {},
        }
        made = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": NS},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }
        await self.client.create(DEPLOYMENTS, made)
        await self.status(DEPLOYMENTS, name, {"replicas": replicas})
        for number in range(replicas if pods is None else pods):
            await self.pod(f"{name}-{number}", labels, container, annotations)

    async def pod(self, name, labels, container, annotations):
        marks = {f"fakekube.io/{key}": value for key, value in annotations.items()}
        meta = {"name": name, "namespace": NS, "labels": labels, "annotations": marks}
        await self.client.create(
            PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}}
        )
        long_ago = "2025-01-01T00:00:00Z"
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": long_ago}
        await self.status(PODS, name, {"phase": "Running", "startTime": long_ago, "conditions": [ready]})

    async def status(self, resource, name, status):
        await self.client.patch(resource, name, NS, {"status": status}, type="merge", subresource="status")

    async def annotate(self, resource, name, key, value):
        await self.client.patch(resource, name, NS, {"metadata": {"annotations": {key: value}}}, type="merge")

    async def autoscaler(self, name="web", *metrics, least=1, most=10, target=None, **spec):
        target = target or {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        spec = {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most, **spec}
        if metrics:
            spec["metrics"] = list(metrics)
        meta = {"name": name, "namespace": NS}
        await self.client.create(
            AUTOSCALERS,
            {
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": meta,
                "spec": spec,
            },
        )

    async def looks(self, times=1):
        """Let the autoscaler look so often."""
        await self.cluster.advance(15 * times)

    async def replicas(self, name="web"):
        return (await self.client.get(DEPLOYMENTS, name, NS))["spec"]["replicas"]

    async def read(self, name="web"):
        """The autoscaler's status."""
        return (await self.client.get(AUTOSCALERS, name, NS))["status"]

    async def said(self, name="web"):
        """Its conditions: type → (status, reason, message)."""
        status = await self.read(name)
        return {one["type"]: (one["status"], one["reason"], one["message"]) for one in status["conditions"]}

    async def events(self, name="web"):
        found = (await self.client.list(EVENTS, NS)).items
        mine = [one for one in found if one["involvedObject"]["name"] == name]
        mine.sort(key=lambda one: (one["firstTimestamp"], one["metadata"]["name"]))
        return [(one["type"], one["reason"], one["message"]) for one in mine]

    def now(self):
        return rfc3339(self.cluster.clock.now())


@pytest.fixture
async def world():
    actors = ["metrics", "horizontal-pod-autoscaler", "virt-operator"]
    async with Cluster(only=actors, clock=ManualClock(), seed=1) as cluster:
        await cluster.settle()
        yield World(cluster)
        assert not cluster.failures


@pytest.fixture
async def unmeasured():
    """The same without metrics."""
    async with Cluster(only=["horizontal-pod-autoscaler"], clock=ManualClock(), seed=1) as cluster:
        await cluster.settle()
        yield World(cluster)
        assert not cluster.failures
