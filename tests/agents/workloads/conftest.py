"""A cluster of Kubernetes alone whose time is moved by hand, and short ways to make workloads and to look at them."""

import copy

import pytest

from fakekube.agents.workloads.caches import CRON_JOBS, REPLICATION_CONTROLLERS
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import (
    BUDGETS,
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
)

KINDS = {
    one.plural: one
    for one in (
        *(BUDGETS, CRON_JOBS, JOBS, REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS),
        *(CONTROLLER_REVISIONS, DAEMON_SETS, DEPLOYMENTS, NODES, PERSISTENT_VOLUME_CLAIMS, PODS),
    )
}


def template(image="example.com/app:1", **spec):
    spec = {"containers": [{"name": "main", "image": image}], **spec}
    return {"metadata": {"labels": {"app": "a"}}, "spec": spec}


class Shop:
    """A cluster, with the API in the terms of these tests: kinds by their plural names."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.client = cluster.client()
        self.advance = cluster.advance
        self._began = cluster.clock.monotonic()

    @property
    def elapsed(self):
        """Seconds since the test began."""
        return self.cluster.clock.monotonic() - self._began

    async def create(self, plural, name, *, labels=None, annotations=None, **spec):
        resource = KINDS[plural]
        meta = {"name": name, "namespace": "default"}
        meta |= {"labels": labels} if labels else {}
        meta |= {"annotations": annotations} if annotations else {}
        obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": spec}
        made = await self.client.create(resource, obj)
        await self.advance(0)
        return made

    async def workload(self, plural, name="a", **spec):
        """One of the kinds with a selector, of pods labelled `app: a`."""
        selector = {"app": "a"} if plural == "replicationcontrollers" else {"matchLabels": {"app": "a"}}
        return await self.create(plural, name, **{"selector": selector, "template": template(), **spec})

    async def get(self, plural, name="a"):
        resource = KINDS[plural]
        try:
            return await self.client.get(resource, name, "default" if resource.namespaced else None)
        except NotFound:
            return None

    async def status(self, plural, name="a"):
        return (await self.get(plural, name))["status"]

    async def change(self, plural, name="a", **spec):
        await self.patch(plural, name, {"spec": spec})

    async def patch(self, plural, name, patch):
        resource = KINDS[plural]
        space = "default" if resource.namespaced else None
        await self.client.patch(resource, name, space, patch, type="merge")
        await self.advance(0)

    async def image(self, plural, image, name="a"):
        """What `kubectl set image` does."""
        await self.patch(
            plural, name, {"spec": {"template": {"spec": copy.deepcopy(template(image)["spec"])}}}
        )

    async def delete(self, plural, name="a", propagation="Background"):
        await self.client.delete(KINDS[plural], name, "default", propagation=propagation)
        await self.advance(0)

    async def all(self, plural):
        return (await self.client.list(KINDS[plural])).items

    async def names(self, plural="pods"):
        return [one["metadata"]["name"] for one in await self.all(plural)]

    async def images(self):
        return sorted(pod["spec"]["containers"][0]["image"] for pod in await self.all("pods"))

    async def end(self, pod, phase="Failed", **status):
        body = {"status": {"phase": phase, "containerStatuses": [], **status}}
        await self.client.patch(PODS, pod, "default", body, type="merge", subresource="status")
        await self.advance(0)

    async def nodes_ready(self, ready, *names):
        """Whether there is a kubelet on these nodes, by default on all of them."""
        for name in names or await self.names("nodes"):
            condition = {"type": "Ready", "status": str(ready)}
            body = {"status": {"conditions": [condition]}}
            await self.client.patch(NODES, name, None, body, type="strategic", subresource="status")
        await self.advance(0)

    async def events(self, name="a", kind=None):
        """(reason, message) of the events about an object, in order."""
        found = [
            one
            for one in (await self.client.list(EVENTS)).items
            if one["involvedObject"]["name"] == name and kind in (None, one["involvedObject"]["kind"])
        ]
        found.sort(key=lambda one: int(one["metadata"]["resourceVersion"]))
        return [(one["reason"], one["message"]) for one in found]

    async def conditions(self, plural, name="a"):
        """type → (status, reason, message)."""
        listed = (await self.status(plural, name)).get("conditions", [])
        return {one["type"]: (one["status"], one.get("reason"), one.get("message")) for one in listed}


@pytest.fixture
async def shop():
    async with Cluster(only=["kubernetes"], clock=ManualClock(), nodes=3, seed=1) as cluster:
        await cluster.advance(0)
        yield Shop(cluster)
        assert cluster.failures == {}
