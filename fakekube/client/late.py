"""Caches that begin late: empty and synced until somebody wants them, or until the resource is defined, and again after that.

Upstream: kubevirt: pkg/storage/snapshot/snapshot_base.go (dynamicInformer)
"""

import asyncio
from collections.abc import Callable

from fakekube.client.client import Client, ObjectList
from fakekube.client.discovery import without_schemas
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.objects import condition_is
from fakekube.machinery.resources import CRDS, Resource
from fakekube.machinery.wire import Object


class WantedInformer(Informer):
    """A cache for those who may never need it: it follows its resource from `begin` to `end`."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        clock: Clock,
        transform: Callable[[Object], Object] | None = None,
    ) -> None:
        super().__init__(client, resource, clock=clock, transform=transform)
        self._wanted = asyncio.Event()
        self._over = asyncio.Event()

    def begin(self) -> None:
        self._wanted.set()
        self._over.clear()

    def end(self) -> None:
        """What was known is forgotten."""
        self._wanted.clear()
        self._over.set()

    async def run(self) -> None:
        """Follow the resource while it is wanted, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                if not self._wanted.is_set():
                    self._replace(ObjectList([], "", 0))
                await self._wanted.wait()
                following = tasks.create_task(super().run())
                await self._over.wait()
                following.cancel()


class LateInformer(WantedInformer):
    """A cache of a custom resource that may be defined later, or never: it follows it while its definition is established.

    `definition` is a cache of that definition alone, for who has to know when there is one. That of another resource will do
    (`like`), where the two are always defined together."""

    def __init__(
        self, client: Client, resource: Resource, *, clock: Clock, like: "LateInformer | None" = None
    ) -> None:
        super().__init__(client, resource, clock=clock)
        own = f"metadata.name={resource.plural}.{resource.group}"
        self.definition: Informer = (
            like.definition
            if like is not None
            else Informer(client, CRDS, clock=clock, field_selector=own, transform=without_schemas)
        )
        self.definition.on_change(self._defined)

    @property
    def established(self) -> bool:
        """Whether there is such a resource."""
        return self._wanted.is_set()

    def _defined(self, _old: Object | None, new: Object | None) -> None:
        if new is not None and condition_is(new, "Established"):
            self.begin()
        else:
            self.end()

    async def run(self) -> None:
        """Follow the resource while it is defined, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.definition.run())
            await self.definition.wait_synced()
            await super().run()
