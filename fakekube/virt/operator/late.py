"""What virt-operator does for few clusters, beside components: its modules are loaded once it is wanted."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.clock import Clock
from fakekube.machinery.objects import Obj


class Late:
    """One such concern, looked after as a whole. `kubevirt` tells the object in force, `resting` whether virt-operator rests."""

    concern: ClassVar[str]  # as its controller is called

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        namespace: str,
        release: str,
        kubevirt: Callable[[], Obj],
        resting: Callable[[], bool],
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._release = release
        self._kubevirt = kubevirt
        self._resting = resting
        self.controller = Controller(f"virt-operator: {self.concern}", self._reconcile, clock=clock)
        self._follow(client, clock)
        self.look()

    def _follow(self, client: Client, clock: Clock) -> None:
        """Make the caches there are to be, sources of the controller."""
        raise NotImplementedError

    def look(self) -> None:
        """At everything."""
        self.controller.queue.add(self._namespace)

    async def _reconcile(self, _space: str) -> Result | None:
        raise NotImplementedError


class Parts:
    """All of them: each begins once it is wanted. `classes` are loaded then, by name; what else there is each is made with."""

    def __init__(self, classes: Mapping[str, Callable[[], type[Late]]], client: Client, **given: Any) -> None:
        self._classes, self._client, self._given = classes, client, given
        self._wanted = {part: asyncio.Event() for part in classes}
        self._begun: list[Late] = []

    @property
    def idle(self) -> bool:
        return all(one.controller.idle for one in self._begun)

    def want(self, part: str) -> None:
        self._wanted[part].set()

    def look(self) -> None:
        """At everything those that have begun look after."""
        for one in self._begun:
            one.look()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for part in self._wanted:
                tasks.create_task(self._run(part), name=f"virt-operator: {part}")

    async def _run(self, part: str) -> None:
        await self._wanted[part].wait()
        made = self._classes[part]()(self._client, **self._given)
        self._begun.append(made)
        await made.controller.run()
