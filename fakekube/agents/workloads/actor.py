"""What every workload controller consists of: its identity, an event recorder, one controller on the shared caches."""

import asyncio

from fakekube.agents.identities import as_controller
from fakekube.agents.workloads.caches import Caches
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.expectations import Expectations
from fakekube.client.freshness import Freshness
from fakekube.client.recorder import Recorder
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery.errors import NotFound
from fakekube.machinery.wire import Object


class Workload:
    """Base of the actors."""

    name = ""
    account = ""
    component = ""

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, caches: Caches | None = None) -> None:
        self.clock = clock
        self.client = as_controller(client, self.account)
        self.caches = caches or Caches(client, clock)
        self.recorder = Recorder(self.client, self.component or self.account, clock=clock, ids=ids)
        self.expected = Expectations(clock)
        self.controller = Controller(self.name, self.reconcile, clock=clock)

    @property
    def idle(self) -> bool:
        return self.controller.idle and self.recorder.idle

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.recorder.run(), name=f"{self.name}: events")
            tasks.create_task(self.controller.run(), name=f"{self.name}: work")

    async def tell(
        self, fresh: Freshness, obj: Object, status: Object, *, changed: bool = False
    ) -> Object | None:
        """Write a status where it says something else, or where more than it has `changed`; None where the object has gone."""
        if not changed and status == (obj.get("status") or {}):
            return obj
        try:
            body = {**obj, "status": status}
            return fresh.wrote(await self.client.update(fresh.resource, body, subresource="status"))
        except NotFound:
            return None

    async def reconcile(self, key: str) -> Result | None:
        """One look at the object of that key."""
        raise NotImplementedError
