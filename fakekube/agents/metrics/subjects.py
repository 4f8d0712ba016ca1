"""Whom metrics are about: pods, nodes, and the chain of owners behind a pod. Caches that begin when first asked for.

A cluster in which nobody asks for metrics pays nothing for them.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from fakekube.agents.metrics.usage import groups
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.client.selecting import Selecting
from fakekube.clock import Clock
from fakekube.machinery import objects
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import Obj
from fakekube.machinery.resources import (
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NODES,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
    VMI_REPLICA_SETS,
    Resource,
    split_api_version,
)
from fakekube.machinery.selectors import Selector
from fakekube.machinery.wire import Object

T = TypeVar("T")

_OWNERS = {
    (one.group, one.kind): one
    for one in (
        VIRTUAL_MACHINES,
        VIRTUAL_MACHINE_INSTANCES,
        VIRTUAL_MACHINE_POOLS,
        VMI_REPLICA_SETS,
        REPLICA_SETS,
        STATEFUL_SETS,
        JOBS,
        DEPLOYMENTS,
        DAEMON_SETS,
    )
}
_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "annotations", "ownerReferences")
_DEEPEST = 8  # owners of owners: nobody has as many, and a circle must end


class Subjects:
    """See the module text. Whoever looks something up does so through `found`."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._tasks: asyncio.TaskGroup | None = None
        self._running = asyncio.Event()
        self._fetching = asyncio.Lock()
        self._caches: dict[Resource, Informer | None] = {}  # None: nobody serves it
        self.pods = Informer(client, PODS, clock=clock)
        self.nodes = Informer(client, NODES, clock=clock)
        self._by_label = Selecting(self.pods)
        self._missing: set[Resource] = {PODS, NODES}
        self._counted: tuple[tuple[str, ...], dict[str, int]] = ((), {})

    async def run(self) -> None:
        """Keep the caches that are wanted going, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._running.set()
            await asyncio.Event().wait()

    async def found(self, look: Callable[[], T]) -> T:
        """What `look` finds once every cache it looked into was there. Raises what it raises."""
        while True:
            if self._missing:
                await self._fetch()
            try:
                answer = look()
            except ApiError:
                if not self._missing:
                    raise
            else:
                if not self._missing:
                    return answer

    async def _fetch(self) -> None:
        """Return once what was missing is there."""
        await self._running.wait()
        async with self._fetching:
            for resource in sorted(self._missing, key=lambda one: one.qualified):
                await self._begin(resource)
                self._missing.discard(resource)

    async def _begin(self, resource: Resource) -> None:
        assert self._tasks is not None
        cache = {PODS: self.pods, NODES: self.nodes}.get(resource) or Informer(
            self._client, resource, clock=self._clock, transform=_without_body
        )
        self._caches[resource] = cache if await self._is_served(resource) else None
        if self._caches[resource] is not None:
            self._tasks.create_task(cache.run(), name=f"metrics: {resource.qualified}")
            await cache.wait_synced()

    def select(self, selector: Selector, namespace: str = "") -> Sequence[Object]:
        """Pods by their labels."""
        return self._by_label.select(selector, namespace)

    def owners(self, pod: Obj) -> list[Object]:
        """The controller of a pod, its controller, and so on."""
        found: list[Object] = []
        obj: Obj = pod
        while (reference := objects.controller_of(obj)) is not None and len(found) < _DEEPEST:
            group, _ = split_api_version(reference["apiVersion"])
            resource = _OWNERS.get((group, reference["kind"]))
            if resource is None:
                break
            cache = self._caches.get(resource)
            if cache is None:
                if resource not in self._caches:
                    self._missing.add(resource)
                break
            owner = cache.get(f"{objects.namespace(pod)}/{reference['name']}")
            if owner is None or objects.uid(owner) != reference["uid"]:
                break
            found.append(owner)
            obj = owner
        return found

    def members(self, group: Obj) -> int:
        """How many ready pods an object owns, directly or through others."""
        version = tuple(cache.resource_version for cache in self._caches.values() if cache is not None)
        if self._counted[0] != version:
            counts: dict[str, int] = {}
            for pod in self.pods.objects():
                if objects.condition_is(pod, "Ready") and not objects.is_terminating(pod):
                    for owner in groups(self.owners(pod)):
                        counts[objects.uid(owner)] = counts.get(objects.uid(owner), 0) + 1
            self._counted = version, counts
        return self._counted[1].get(objects.uid(group), 0)

    async def _is_served(self, resource: Resource) -> bool:
        try:
            await self._client.list(resource, limit=1)
        except ApiError:
            return False
        return True


def _without_body(obj: Object) -> Object:
    meta = obj["metadata"]
    kept = {name: meta[name] for name in _KEPT if name in meta}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": kept}
