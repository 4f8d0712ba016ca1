"""A cache of a custom resource that may be defined later, or never: empty and synced until its definition is established.

Upstream: kubevirt: pkg/storage/snapshot/snapshot_base.go (dynamicInformer)
"""

import asyncio

from fakekube.client.client import Client, ObjectList
from fakekube.client.discovery import without_schemas
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.objects import condition_is
from fakekube.machinery.resources import CRDS, Resource
from fakekube.machinery.wire import Object


class LateInformer(Informer):
    """See the module text. When the definition goes, so does what was known."""

    def __init__(self, client: Client, resource: Resource, *, clock: Clock) -> None:
        super().__init__(client, resource, clock=clock)
        own = f"metadata.name={resource.plural}.{resource.group}"
        self._definition = Informer(client, CRDS, clock=clock, field_selector=own, transform=without_schemas)
        self._definition.on_change(self._defined)
        self._established = asyncio.Event()
        self._gone = asyncio.Event()

    @property
    def established(self) -> bool:
        """Whether there is such a resource."""
        return self._established.is_set()

    def _defined(self, _old: Object | None, new: Object | None) -> None:
        if new is not None and condition_is(new, "Established"):
            self._established.set()
            self._gone.clear()
        else:
            self._established.clear()
            self._gone.set()

    async def run(self) -> None:
        """Follow the resource while it is defined, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._definition.run())
            await self._definition.wait_synced()
            while True:
                if not self.established:
                    self._replace(ObjectList([], "", 0))
                await self._established.wait()
                following = tasks.create_task(super().run())
                await self._gone.wait()
                following.cancel()
