"""Deletes what has no owner any more; lets owners go once their dependents have, or have been orphaned.

    DELETE owner, Background   the owner goes; its DELETED event sends us to its dependents
    DELETE owner, Foreground   it stays with finalizer foregroundDeletion until every dependent that blocks is gone
    DELETE owner, Orphan       it stays with finalizer orphan until no dependent names it any more

It watches the metadata of every resource that can be listed, watched and deleted, custom ones as they come and go, and
keeps `ownership`'s graph of it. Decisions are made on the graph and guarded by preconditions (uid and resourceVersion),
so a decision on old news is refused by the server and made again. Whether an unknown owner exists is asked of the server.
Upstream: k8s: pkg/controller/garbagecollector/garbagecollector.go
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal

from fakekube.agents.identities import as_controller
from fakekube.agents.ownership import FOREGROUND, ORPHAN, Node, Ownership, affected, is_waiting
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.discovery import discover, of_crd, without_schemas
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.errors import Conflict, NotFound
from fakekube.machinery.resources import CRDS, Resource, split_api_version
from fakekube.machinery.wire import Object

_IGNORED = {("", "events"), ("events.k8s.io", "events")}  # they own nothing and are owned by nothing
_GONE_REMEMBERED = 10_000
_SYNC_PATIENCE = 30.0  # a resource that cannot be listed must not stop the collection of all others

Standing = Literal["solid", "waiting", "gone", "unknown"]

log = logging.getLogger("fakekube.agents.garbage_collector")


class GarbageCollector:
    """An actor. See the module text."""

    name = "garbage-collector"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, workers: int = 4) -> None:
        del ids
        self._client = as_controller(client, "generic-garbage-collector")
        self._metadata = self._client.metadata_only()
        self._clock = clock
        self._graph = Ownership()
        self._gone: OrderedDict[str, None] = OrderedDict()  # uids known to be deleted: uids never return
        self._unresolved: set[str] = set()  # uids whose owner is of a kind nobody serves yet
        self._by_kind: dict[tuple[str, str], Resource] = {}
        self._monitors: dict[tuple[str, str], tuple[Informer, asyncio.Task[None]]] = {}
        self.definitions = Informer(self._client, CRDS, clock=clock, transform=without_schemas)
        self._controller = Controller(self.name, self._attend, clock=clock, workers=workers)
        self._ready = False

    @property
    def idle(self) -> bool:
        """Everything seen has been attended to."""
        return self._ready and self._controller.idle

    @property
    def informers(self) -> Sequence[Informer]:
        return [self.definitions, *(informer for informer, _ in self._monitors.values())]

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._monitor_everything(tasks)
                self.definitions.on_change(lambda old, new: self._follow_crd(tasks, old, new))
                tasks.create_task(self.definitions.run(), name="gc: customresourcedefinitions")
                await self._wait_synced()
                self._ready = True
                for node in self._graph.without_owner():
                    self._controller.queue.add(node.uid)
                await self._controller.run()
        finally:
            self._ready = False

    async def _monitor_everything(self, tasks: asyncio.TaskGroup) -> None:
        delay = 1.0
        while True:
            try:
                found = await discover(self._client)
                break
            except Exception as error:  # noqa: BLE001 - the server may not be up yet; actors outlive it
                log.info("cannot discover resources: %s; trying again in %.0f s", error, delay)
                await self._clock.sleep(delay)
                delay = min(delay * 2, 30.0)
        for one in found.served:
            self._by_kind.setdefault((one.resource.group, one.resource.kind), one.resource)
        for resource in found.with_verbs("list", "watch", "delete"):
            self._monitor(tasks, resource)

    async def _wait_synced(self) -> None:
        async def all_synced() -> None:
            for informer in self.informers:
                await informer.wait_synced()

        everything = asyncio.create_task(all_synced())
        patience = asyncio.ensure_future(self._clock.sleep(_SYNC_PATIENCE))
        try:
            await asyncio.wait((everything, patience), return_when=asyncio.FIRST_COMPLETED)
        finally:
            patience.cancel()
            everything.cancel()

    def _monitor(self, tasks: asyncio.TaskGroup, resource: Resource) -> None:
        self._by_kind[resource.group, resource.kind] = resource
        where = (resource.group, resource.plural)
        if where in _IGNORED or where in self._monitors:
            return
        informer = Informer(self._metadata, resource, clock=self._clock)
        informer.on_change(lambda old, new: self._changed(resource, old, new))
        task = tasks.create_task(informer.run(), name=f"gc: {resource.qualified}")
        self._monitors[where] = (informer, task)
        for uid in sorted(self._unresolved):
            self._controller.queue.add(uid)
        self._unresolved.clear()

    def _follow_crd(self, tasks: asyncio.TaskGroup, old: Object | None, new: Object | None) -> None:
        before, now = of_crd(old) if old else None, of_crd(new) if new else None
        if now is None:
            if before is not None:
                self._forget(before)
            return
        if before is not None and before != now:  # the same objects in another version
            self._stop_monitor(before)
        self._monitor(tasks, now)

    def _forget(self, resource: Resource) -> None:
        """A resource is no longer served: neither are its objects."""
        self._by_kind.pop((resource.group, resource.kind), None)
        self._stop_monitor(resource)
        where = (resource.group, resource.plural)
        for node in list(self._graph.nodes.values()):
            if (node.resource.group, node.resource.plural) == where:
                self._changed(resource, node.obj, None)

    def _stop_monitor(self, resource: Resource) -> None:
        monitor = self._monitors.pop((resource.group, resource.plural), None)
        if monitor is not None:
            monitor[1].cancel()

    def _changed(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        queue, graph = self._controller.queue, self._graph
        if new is not None:
            if old is not None and graph.renew(old, new):
                return
            node = Node(resource, new)
            before = graph.put(node)
            if self._ready or node.orphaning or node.waiting:
                for uid in affected(graph, before, node):
                    queue.add(uid)
            return
        uid = objects.uid(old or {})
        gone = graph.remove(uid)
        self._remember_gone(uid)
        for dependent in graph.dependents(uid):
            queue.add(dependent.uid)
        for owner in gone.owners if gone else ():
            if is_waiting(graph, owner.get("uid")):
                queue.add(owner["uid"])

    def _remember_gone(self, uid: str) -> None:
        self._gone[uid] = None
        if len(self._gone) > _GONE_REMEMBERED:
            self._gone.popitem(last=False)

    async def _attend(self, uid: str) -> Result | None:
        """Do for one object what its state asks for."""
        node = self._graph.nodes.get(uid)
        if node is None:
            return None
        try:
            if node.orphaning:
                await self._orphan_dependents(node)
            elif node.waiting:
                await self._release_when_alone(node)
            elif node.owners and (not node.terminating or self._overtaken(node)):
                await self._collect(node)
        except NotFound:
            return None  # gone already: the watch will tell
        except Conflict:
            if not await self._refresh(node):
                raise
            self._controller.queue.add(uid)
        return None

    def _overtaken(self, node: Node) -> bool:
        """Whether somebody else deletes it because its owner is deleted in the foreground, and was quicker than we.

        Upstream does not know that yet when its own request comes, and adds the finalizer: so its dependents go first, too.
        """
        since = node.obj["metadata"]["deletionTimestamp"]
        owners = (self._graph.nodes.get(owner.get("uid") or "") for owner in node.owners)
        return any(
            owner is not None and owner.waiting and owner.obj["metadata"]["deletionTimestamp"] <= since
            for owner in owners
        ) and bool(self._graph.dependents(node.uid))

    async def _refresh(self, node: Node) -> bool:
        """The cache may have been behind: take what the server has now; whether that is news."""
        live = await self._metadata.find(node.resource, node.name, node.namespace)
        if live is None:
            return True
        known = self._graph.nodes.get(node.uid, node)
        if objects.uid(live) != node.uid or live == known.obj:
            return False
        self._graph.put(Node(node.resource, live))
        return True

    async def _collect(self, node: Node) -> None:
        """Delete an object without a living owner, or take the dead ones off it."""
        standings = [(owner, await self._standing(owner, node)) for owner in node.owners]
        kinds = {standing for _, standing in standings}
        if "unknown" in kinds:
            self._unresolved.add(node.uid)
            return
        if kinds == {"solid"}:
            return
        if "solid" in kinds:
            kept = [owner for owner, standing in standings if standing == "solid"]
            await self._write(node, {"ownerReferences": kept})
            return
        policy = "Background"
        if "waiting" in kinds and self._graph.dependents(node.uid):
            if any(dependent.waiting for dependent in self._graph.dependents(node.uid)):
                # A circle: two objects would wait for each other. This one stops blocking its owners.
                freed = [{**owner, "blockOwnerDeletion": False} for owner in node.owners]
                await self._write(node, {"ownerReferences": freed})
                node = self._graph.nodes[node.uid]
            policy = "Foreground"
        else:
            present = objects.finalizers(node.obj)
            policy = (
                "Orphan" if ORPHAN in present else "Foreground" if FOREGROUND in present else "Background"
            )
        log.debug("deleting %s %s/%s (%s)", node.resource.qualified, node.namespace, node.name, policy)
        await self._client.delete(
            node.resource,
            node.name,
            node.namespace,
            propagation=policy,
            uid=node.uid,
            resource_version=objects.resource_version(node.obj),
        )

    async def _standing(self, reference: dict[str, Any], node: Node) -> Standing:
        """What the owner is: alive, waiting for its dependents, gone, or of a kind nobody serves."""
        uid = reference.get("uid") or ""
        known = self._graph.nodes.get(uid)
        if known is not None and known.is_at(reference, node.namespace):
            return "waiting" if known.waiting else "solid"
        if known is None and uid in self._gone:
            return "gone"
        group, _ = split_api_version(reference.get("apiVersion") or "")
        resource = self._by_kind.get((group, reference.get("kind") or ""))
        if resource is None or (resource.namespaced and not node.namespace):
            return "unknown"  # a namespaced owner of a cluster-scoped object cannot be looked up: never collected
        live = await self._metadata.find(resource, reference.get("name") or "", node.namespace)
        if live is None or objects.uid(live) != uid:
            if known is None:
                self._remember_gone(uid)
            return "gone"
        return "waiting" if Node(resource, live).waiting else "solid"

    async def _release_when_alone(self, node: Node) -> None:
        """Foreground: delete the dependents; without blocking ones left, let the owner go."""
        blocking = self._graph.blocking(node.uid)
        for dependent in blocking:
            if not dependent.waiting:
                self._controller.queue.add(dependent.uid)
        if not blocking:
            await self._drop_finalizer(node, FOREGROUND)

    async def _orphan_dependents(self, node: Node) -> None:
        """Orphan: take the owner off its dependents, then let it go."""
        for dependent in self._graph.dependents(node.uid):
            try:
                await self._disown(dependent, node.uid)
            except NotFound:
                continue
            except Conflict:
                await self._refresh(dependent)
                await self._disown(self._graph.nodes.get(dependent.uid, dependent), node.uid)
        await self._drop_finalizer(node, ORPHAN)

    async def _disown(self, dependent: Node, uid: str) -> None:
        kept = [owner for owner in dependent.owners if owner.get("uid") != uid]
        if kept != dependent.owners:
            await self._write(dependent, {"ownerReferences": kept or None})

    async def _drop_finalizer(self, node: Node, finalizer: str) -> None:
        kept = objects.without(objects.finalizers(node.obj), finalizer)
        await self._write(node, {"finalizers": kept or None})

    async def _write(self, node: Node, metadata: dict[str, Any]) -> None:
        """Change metadata of the version the graph knows, and know the result before the watch tells it."""
        guard = {"uid": node.uid, "resourceVersion": objects.resource_version(node.obj)}
        written = await self._metadata.patch(
            node.resource, node.name, node.namespace, {"metadata": {**guard, **metadata}}, type="merge"
        )
        if node.uid in self._graph.nodes and objects.uid(written) == node.uid:
            self._graph.put(Node(node.resource, written))
