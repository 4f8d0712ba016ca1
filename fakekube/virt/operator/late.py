"""What virt-operator does for few clusters, beside components: its modules are loaded once it is wanted."""

from collections.abc import Callable
from typing import ClassVar

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
