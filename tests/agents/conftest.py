"""A real API server over a store in memory, a clock moved by hand, and agents running beside the test."""

import asyncio

import pytest

from fakekube.api.apiserver import ApiServer
from fakekube.client.client import Client
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import CONFIG_MAPS, EVENTS, NAMESPACES, NODES, PODS
from fakekube.store.memory import MemoryStore


class World:
    """The API, a client of it, and whoever was started."""

    def __init__(self, api, clock):
        self.api = api
        self.clock = clock
        self.client = Client(api)
        self.actors = []
        self._tasks = []

    def start(self, kind, **options):
        actor = kind(self.client, clock=self.clock, ids=Ids(1), **options)
        self.actors.append(actor)
        self._tasks.append(asyncio.ensure_future(actor.run()))
        return actor

    async def settle(self):
        """Return once nobody has anything to do: no write and no busy actor for some turns of the loop."""
        quiet = 0
        for _ in range(100_000):
            before = self.api.store.revision
            await asyncio.sleep(0)
            for task in self._tasks:
                if task.done() and task.exception():
                    raise task.exception()
            busy = self.api.store.revision != before or not all(actor.idle for actor in self.actors)
            quiet = 0 if busy else quiet + 1
            if quiet > 30:
                return
        raise AssertionError([actor.name for actor in self.actors if not actor.idle])

    async def advance(self, seconds):
        self.clock.advance(seconds)
        await self.settle()

    async def stop(self):
        for task in self._tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        assert [one for one in outcomes if isinstance(one, Exception)] == []
        assert asyncio.all_tasks() == {asyncio.current_task()}, "an actor left tasks behind"

    async def pod(self, name="p", **spec):
        metadata = {"name": name, "namespace": "default", **spec.pop("metadata", {})}
        spec.setdefault("containers", [{"name": "main", "image": "example.com/app:1"}])
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        return await self.client.create(PODS, pod)

    async def config_map(self, name, *owners, namespace="default", **metadata):
        references = [
            {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                "blockOwnerDeletion": True,
            }
            for owner in owners
        ]
        meta = {"name": name, "namespace": namespace, **metadata}
        if references:
            meta["ownerReferences"] = references
        return await self.client.create(
            CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}
        )

    async def namespace(self, name):
        return await self.client.create(
            NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        )

    async def node(self, name, *, ready=True, capacity=None, labels=None, **spec):
        status = {
            "capacity": capacity or {"cpu": "4", "memory": "8Gi", "pods": "10"},
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
        }
        metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec, "status": status}
        return await self.client.create(NODES, node)

    async def find(self, resource, name, namespace="default"):
        """The object, or None."""
        try:
            return await self.client.get(resource, name, namespace if resource.namespaced else None)
        except NotFound:
            return None

    async def names(self, resource, namespace=None):
        return [one["metadata"]["name"] for one in (await self.client.list(resource, namespace)).items]

    async def events(self, name, namespace="default"):
        """(reason, message) of the events about an object, in order."""
        found = [
            one
            for one in (await self.client.list(EVENTS, namespace)).items
            if one["involvedObject"]["name"] == name
        ]
        found.sort(key=lambda one: int(one["metadata"]["resourceVersion"]))
        return [(one["reason"], one["message"]) for one in found]


@pytest.fixture
async def world():
    clock = ManualClock()
    api = ApiServer(MemoryStore(), clock=clock, ids=Ids(7))
    await api.start()
    world = World(api, clock)
    yield world
    await world.stop()


def conditions(obj):
    """type → (status, reason, message)."""
    return {
        one["type"]: (one["status"], one.get("reason"), one.get("message"))
        for one in obj["status"].get("conditions", [])
    }


@pytest.fixture(name="conditions")
def conditions_fixture():
    return conditions
