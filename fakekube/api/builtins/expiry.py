"""Events live for an hour by the cluster's clock, counted from their last write.

Upstream they are stored with a lease, and etcd removes them. Here nobody waits for that moment: what has expired is removed when the
next request comes, so that a cluster at rest stays so.
Origin: k8s: pkg/controlplane/apiserver/options (--event-ttl), staging/src/k8s.io/apiserver/pkg/storage/etcd3/lease_manager.go
"""

from datetime import datetime, timedelta

from fakekube.api.registry import codec
from fakekube.api.registry.deletion import DeleteOptions
from fakekube.api.registry.registry import Registry
from fakekube.api.registry.strategy import ServedResource
from fakekube.clock import parse_rfc3339
from fakekube.machinery.errors import NotFound
from fakekube.machinery.wire import Object

LIFETIME = timedelta(hours=1)


class Expiry:
    """See the module text. `written` is told of every write of an event, `sweep` removes what is over, if anything is `due`."""

    def __init__(self, registry: Registry, events: ServedResource) -> None:
        self._registry = registry
        self._events = events
        self._began = registry.clock.now()
        self._inherited = True  # whether there may be events from before this server
        self._due: dict[str, datetime] = {}  # by `namespace/name`, the next one first

    async def written(self, _resource: ServedResource, event: Object, deleted: bool) -> None:
        """The registry's `Committed`."""
        meta = event["metadata"]
        key = f"{meta.get('namespace') or ''}/{meta['name']}"
        self._due.pop(key, None)
        if not deleted:
            self._due[key] = (
                self._registry.clock.now() + LIFETIME
            )  # the last of all, as all live equally long

    @property
    def due(self) -> bool:
        """Whether something has expired."""
        now = self._registry.clock.now()
        first = next(iter(self._due.values()), None)
        return (first is not None and first <= now) or (self._inherited and self._began + LIFETIME <= now)

    async def sweep(self) -> None:
        now = self._registry.clock.now()
        while self._due:
            key, due = next(iter(self._due.items()))
            if due > now:
                break
            del self._due[key]
            await self._remove(*key.split("/", 1))
        if self._inherited and now >= self._began + LIFETIME:
            self._inherited = False
            await self._sweep_inherited(now)

    async def _sweep_inherited(self, now: datetime) -> None:
        for entry in (await self._registry.store.list(self._events.prefix)).entries:
            event = codec.decode(self._events, entry)
            meta = event["metadata"]
            if f"{meta.get('namespace') or ''}/{meta['name']}" in self._due:
                continue
            told = event.get("lastTimestamp") or event.get("eventTime") or meta["creationTimestamp"]
            if parse_rfc3339(told) + LIFETIME <= now:
                await self._remove(meta.get("namespace") or "", meta["name"])

    async def _remove(self, namespace: str, name: str) -> None:
        try:
            await self._registry.delete(self._events, namespace, name, DeleteOptions(grace=0))
        except NotFound:
            return
