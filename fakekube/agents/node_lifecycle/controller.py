"""Marks nodes in trouble, tells their pods, evicts those that do not bear it, and clears away what a lost node leaves.

A node is in trouble when its conditions say so. Leases are not looked at: only at pace `realistic` are there any.
Upstream: k8s: pkg/controller/{nodelifecycle,tainteviction,podgc}
"""

import asyncio
from collections.abc import Iterable

from fakekube.agents.identities import as_controller
from fakekube.agents.node_lifecycle import planning
from fakekube.agents.workloads.caches import NODE, Caches
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.recorder import NORMAL, Recorder
from fakekube.clock import Clock, rfc3339
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.errors import Conflict, NotFound
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import NODES, PODS
from fakekube.machinery.wire import Object

_QUARANTINE = 40.0  # seconds a node may be gone before its pods are


class NodeLifecycle:
    """An actor: three controllers on the caches of the workloads."""

    name = "node-lifecycle"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, caches: Caches | None = None) -> None:
        self._clock = clock
        self._client = as_controller(client, "node-controller")
        self._collector = as_controller(client, "pod-garbage-collector")
        caches = caches or Caches(client, clock)
        self._nodes, self._pods = caches.of(NODES), caches.of(PODS)
        self._recorder = Recorder(self._client, "node-controller", clock=clock, ids=ids)
        self._evictor = Recorder(self._client, "taint-eviction-controller", clock=clock, ids=ids)
        self._marking = Controller("node-lifecycle", self._mark, clock=clock)
        self._marking.source(self._nodes)
        self._evicting = Controller("taint-eviction", self._evict, clock=clock)
        self._evicting.source(self._nodes, self._pods_of_tainted)
        self._evicting.source(self._pods, self._on_tainted)
        self._collecting = Controller("pod-gc", self._collect, clock=clock)
        self._collecting.source(self._nodes, self._pods_of_gone, delay=_QUARANTINE)
        self._collecting.source(self._pods, self._on_unknown, delay=_QUARANTINE)

    @property
    def idle(self) -> bool:
        every = (self._marking, self._evicting, self._collecting, self._recorder, self._evictor)
        return all(one.idle for one in every)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for worker in (self._recorder, self._evictor, self._marking, self._evicting, self._collecting):
                tasks.create_task(worker.run())

    # --- whom a change wakes -------------------------------------------------------------------------------------

    def _pods_of_tainted(self, old: Object | None, new: Object | None) -> Iterable[str]:
        if new is None or dig(new, "spec", "taints") == dig(old or {}, "spec", "taints"):
            return ()
        return [objects.key(pod) for pod in self._pods.by_index(NODE, objects.name(new))]

    def _on_tainted(self, old: Object | None, new: Object | None) -> Iterable[str]:
        if new is None or (old is not None and old["spec"] == new["spec"]):
            return ()
        node = self._nodes.get(new["spec"].get("nodeName") or "")
        return (objects.key(new),) if node is not None and dig(node, "spec", "taints") else ()

    def _pods_of_gone(self, old: Object | None, new: Object | None) -> Iterable[str]:
        if new is not None or old is None:
            return ()
        return [objects.key(pod) for pod in self._pods.by_index(NODE, objects.name(old))]

    def _on_unknown(self, old: Object | None, new: Object | None) -> Iterable[str]:
        if new is None or (old is not None and old["spec"] == new["spec"]):
            return ()
        name = new["spec"].get("nodeName")
        return (objects.key(new),) if name and self._nodes.synced and name not in self._nodes else ()

    # --- work ----------------------------------------------------------------------------------------------------

    async def _mark(self, key: str) -> Result | None:
        """Taints by conditions; and who cannot be reached is not ready."""
        node = self._nodes.get(key)
        if node is None:
            return None
        wanted = planning.taints(node, self._clock.now())
        if wanted != dig(node, "spec", "taints", default=[]):
            version = objects.resource_version(node)
            patch = {"metadata": {"resourceVersion": version}, "spec": {"taints": wanted or None}}
            try:
                await self._client.patch(NODES, key, None, patch, type="merge")
            except (NotFound, Conflict):
                return None  # its change is on its way here
        ready = objects.condition(node, "Ready")
        if ready is not None and ready.get("status") != "True":
            for pod in self._pods.by_index(NODE, key):
                if objects.condition_is(pod, "Ready"):
                    await self._unready(pod)
            if any(one.get("timeAdded") == rfc3339(self._clock.now()) for one in wanted):
                said = f"Node {key} status is now: NodeNotReady"
                self._recorder.event(node, NORMAL, "NodeNotReady", said)
        return None

    async def _unready(self, pod: Object) -> None:
        now = rfc3339(self._clock.now())
        condition = {"type": "Ready", "status": "False", "lastTransitionTime": now}
        await self._patch_status(self._client, pod, {"conditions": [condition]})
        self._recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")

    async def _evict(self, key: str) -> Result | None:
        pod = self._pods.get(key)
        node = self._nodes.get(pod["spec"].get("nodeName") or "") if pod is not None else None
        if pod is None or node is None or objects.is_terminating(pod):
            return None
        left = planning.until_evicted(pod, node, self._clock.now())
        if left is None:
            return None
        if left > 0:
            return Result(requeue_after=left)
        said = f"Marking for deletion Pod {key}"
        self._evictor.event(pod, NORMAL, "TaintManagerEviction", said)
        why = "Taint manager: deleting due to NoExecute taint"
        await self._delete(self._client, pod, "DeletionByTaintManager", why)
        return None

    async def _collect(self, key: str) -> Result | None:
        """A pod whose node is gone: nobody will ever end it."""
        pod = self._pods.get(key)
        name = pod["spec"].get("nodeName") if pod is not None else None
        if pod is None or not name or name in self._nodes:
            return None
        if await self._collector.find(NODES, name) is None:
            why = "PodGC: node no longer exists"
            await self._delete(self._collector, pod, "DeletionByPodGC", why, phase="Failed", grace=0)
        return None

    async def _delete(
        self, client: Client, pod: Object, reason: str, why: str, *, phase: str = "", grace: int | None = None
    ) -> None:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": reason,
            "message": why,
            "lastTransitionTime": rfc3339(self._clock.now()),
        }
        final = objects.is_final(pod)
        change: Object = {"conditions": [condition]} | ({"phase": phase} if phase and not final else {})
        await self._patch_status(client, pod, change)
        try:
            await client.delete(
                PODS,
                objects.name(pod),
                objects.namespace(pod),
                uid=objects.uid(pod),
                grace_seconds=grace,
            )
        except (NotFound, Conflict):
            return

    async def _patch_status(self, client: Client, pod: Object, change: Object) -> None:
        body = {"metadata": {"uid": objects.uid(pod)}, "status": change}
        try:
            await client.patch(
                PODS, objects.name(pod), objects.namespace(pod), body, type="strategic", subresource="status"
            )
        except (NotFound, Conflict):
            return
