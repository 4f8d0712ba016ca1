"""Events live for an hour by the cluster's clock, counted from their last write.

Upstream they are stored with a lease, which counts seconds, and etcd removes them. Here nobody waits for that moment: what has expired is removed when the
next request comes, so that a cluster at rest stays so.
Origin: k8s: pkg/controlplane/apiserver/options (--event-ttl), staging/src/k8s.io/apiserver/pkg/storage/etcd3/lease_manager.go
"""

import itertools
import math
from datetime import UTC, datetime, timedelta

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
        # When, by the store's own keys, as there are many and these are there anyway; the next one first.
        self._due: dict[str, int] = {}
        self._latest = 0  # the last moment given: there are many events of one second, and they share it
        self._next: datetime | None = None  # nothing expires earlier: what every request asks for

    async def written(self, _resource: ServedResource, event: Object, deleted: bool) -> None:
        """The registry's `Committed`."""
        meta = event["metadata"]
        key = self._events.key(meta.get("namespace") or "", meta["name"])
        self._due.pop(key, None)
        entry = None if deleted else await self._registry.store.get(key)
        if entry is not None:
            due = math.ceil((self._registry.clock.now() + LIFETIME).timestamp())
            if due != self._latest:
                self._latest = due
            self._due[entry.key] = self._latest  # the last of all, as all live equally long
            self._next = self._next or datetime.fromtimestamp(due, UTC)

    @property
    def due(self) -> bool:
        """Whether something may have expired."""
        now = self._registry.clock.now()
        return (self._next is not None and self._next <= now) or (
            self._inherited and self._began + LIFETIME <= now
        )

    async def sweep(self) -> None:
        now = self._registry.clock.now()
        moment = now.timestamp()
        for key in list(itertools.takewhile(lambda key: self._due[key] <= moment, self._due)):
            due = self._due.get(key)
            if due is not None and due <= moment:  # nobody has removed or written it meanwhile
                del self._due[key]
                await self._remove(key)
        first = next(iter(self._due.values()), None)
        self._next = None if first is None else datetime.fromtimestamp(first, UTC)
        if self._inherited and now >= self._began + LIFETIME:
            self._inherited = False
            await self._sweep_inherited(now)

    async def _sweep_inherited(self, now: datetime) -> None:
        for entry in (await self._registry.store.list(self._events.prefix)).entries:
            if entry.key in self._due:
                continue
            event = codec.decode(self._events, entry)
            told = (
                event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
            )
            if parse_rfc3339(told) + LIFETIME <= now:
                await self._remove(entry.key)

    async def _remove(self, key: str) -> None:
        namespace, _, name = key.removeprefix(self._events.prefix).partition("/")
        try:
            await self._registry.delete(self._events, namespace, name, DeleteOptions(grace=0))
        except NotFound:
            return
