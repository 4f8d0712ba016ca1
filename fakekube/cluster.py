"""The composition root: one store, one API server, the chosen actors. Everything else is reached through clients.

    async with Cluster() as cluster:
        await cluster.apply([...])
        pods = await cluster.client().list(PODS)

A Cluster is a Handler too: give it to a `Server` to put it on a port.
"""

import asyncio
import base64
import logging
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fakekube.actors import ActorSpec, Made, Pace, Setting, choose
from fakekube.api.access.authentication import Authentication
from fakekube.api.apiserver import ApiServer
from fakekube.api.services import Services
from fakekube.apply_files import Manifest, apply
from fakekube.client.client import Client
from fakekube.client.controller import Actor
from fakekube.clock import Clock, RealClock
from fakekube.ids import Ids
from fakekube.machinery.wire import Handler, Object, Request, Response, User
from fakekube.store.interface import Store
from fakekube.store.memory import MemoryStore

_ADMIN = User("kubernetes-admin", ("kubeadm:cluster-admins", "system:masters", "system:authenticated"))
_FIRST = 100  # revisions before it count as compacted: a cluster has a past nobody can list
_GRACE = 1.0  # seconds actors get to end

if TYPE_CHECKING:
    from fakekube.client.http import HttpTransport

log = logging.getLogger("fakekube.cluster")


class Cluster:
    """See the module text. `only` and `without` name actors or groups of them; raises UnknownActor."""

    def __init__(
        self,
        *,
        only: Iterable[str] = (),
        without: Iterable[str] = (),
        pace: Pace = "instant",
        nodes: int = 1,
        seed: int | None = None,
        clock: Clock | None = None,
        store: Store | None = None,
        authentication: Authentication | None = None,
        rbac: bool = False,
    ) -> None:
        self.clock = clock or RealClock()
        self.ids = Ids(seed)
        self._network = _Network()
        self.services = Services(dial=self._network)
        self.api = ApiServer(
            store or MemoryStore(revision=_FIRST),
            clock=self.clock,
            ids=self.ids,
            services=self.services,
            authentication=authentication,
            rbac=rbac,
        )
        self.actors: dict[str, Actor] = {}
        self.failures: dict[str, Exception] = {}  # actors that died, and of what
        self._specs: list[ActorSpec] = choose(only, without)
        chosen = frozenset(spec.name for spec in self._specs)
        preload = self.api.preload_crds
        self._setting = Setting(
            self.client(), self.clock, self.ids, pace, nodes, preload, chosen, self.actors
        )
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def __call__(self, request: Request) -> Response:
        return await self.api(request)

    def client(self, user: User = _ADMIN) -> Client:
        """A client in this process, by default as the cluster's admin."""
        return Client(self.api, user=user)

    async def start(self) -> None:
        """Install what belongs to the chosen actors, then let them work."""
        await self.api.start()
        made: list[Made] = []
        for spec in self._specs:
            one = spec.make(self._setting)
            made.append(one)
            self.actors[spec.name] = one.actor
            for (namespace, name), handler in one.services.items():
                self.services.set(namespace, name, handler)
        for one in made:
            if one.prepare is not None:
                await one.prepare()
        for name, actor in self.actors.items():
            self._tasks[name] = asyncio.create_task(self._supervise(name, actor), name=name)

    async def apply(self, what: Iterable[Object | Manifest]) -> list[Object]:
        """Server-side apply of objects or manifests, in order. Raises ManifestError."""
        manifests = [one if isinstance(one, Manifest) else Manifest(one, "object") for one in what]
        return await apply(self.client(), manifests, self.clock)

    @property
    def idle(self) -> bool:
        """Whether every actor that can tell says it has nothing to do."""
        return all(getattr(actor, "idle", True) for actor in self.actors.values())

    async def close(self) -> None:
        """End actors and watches. Prompt: nobody is waited for longer than a moment."""
        self.api.close()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_GRACE)
            for task in late:
                log.error("%s did not end in time", task.get_name())
        self._tasks.clear()
        await self._network.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _supervise(self, name: str, actor: Actor) -> None:
        """Run one actor; should it die, say so loudly and let the others go on."""
        try:
            await actor.run()
        except Exception as error:
            self.failures[name] = error
            log.exception("%s died; the other actors go on", name)


class _Network:
    """Webhooks and aggregated APIs outside this process: one transport for each, made when first asked."""

    def __init__(self) -> None:
        self._transports: dict[tuple[str, str, str], HttpTransport] = {}

    def __call__(self, url: str, ca_bundle: str, server_name: str) -> Handler:
        found = self._transports.get((url, ca_bundle, server_name))
        if found is None:
            from fakekube.client.http import HttpTransport  # noqa: PLC0415 - few clusters need it

            ca_data = base64.b64decode(ca_bundle) if ca_bundle else None
            found = HttpTransport(url, ca_data=ca_data, server_name=server_name)
            self._transports[url, ca_bundle, server_name] = found
        return found

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.close()
        self._transports.clear()
