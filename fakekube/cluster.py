"""The composition root: one store, one API server, the chosen actors. Everything else is reached through clients.

    async with Cluster() as cluster:
        await cluster.apply([...])
        pods = await cluster.client().list(PODS)

A Cluster is a Handler too: give it to a `Server` to put it on a port.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from os import PathLike
from types import TracebackType
from typing import Any, Self, TypeVar

from fakekube import dumps, passage, restoring, snapshot
from fakekube.actors import API, ActorSpec, Made, Setting, choose
from fakekube.admin import Admin
from fakekube.agents.volume_contents import VolumeContents, Whole
from fakekube.api.access.authentication import ADMIN, Authentication
from fakekube.api.apiserver import ApiServer
from fakekube.api.services import Services
from fakekube.apply_files import Manifest, apply
from fakekube.client.client import Client
from fakekube.client.controller import Actor
from fakekube.clock import Clock, ManualClock, RealClock
from fakekube.ids import Ids
from fakekube.lifecycle.stage import Stage
from fakekube.machinery.paces import PaceName
from fakekube.machinery.resources import Resource
from fakekube.machinery.versions import Versions
from fakekube.machinery.wire import Object, Request, Response, User
from fakekube.outward import Network
from fakekube.passage import NeverSettles, Span
from fakekube.restoring import CannotReset
from fakekube.store.interface import Entry, Store
from fakekube.store.memory import MemoryStore
from fakekube.traffic.controls import Controls
from fakekube.traffic.history import states
from fakekube.traffic.injector import Faults
from fakekube.traffic.kinds import Kinds
from fakekube.traffic.log import RequestLog

T = TypeVar("T")
Stages = Iterable[str | PathLike[str] | Stage]  # files, folders, and stages that have been read

_FIRST = 100  # revisions before it count as compacted: a cluster has a past nobody can list
_GRACE = 1.0  # seconds actors get to end
_ROUNDS = 3  # of going back, before what actors make of it is left to them

log = logging.getLogger("fakekube.cluster")


class Cluster:
    """See the module text. `only` and `without` name actors or groups of them; raises UnknownActor. `stages` are files
    and folders of stages that take the place of standard ones, or come before them; raises StageError."""

    def __init__(
        self,
        *,
        only: Iterable[str] = (),
        without: Iterable[str] = (),
        pace: PaceName = "instant",
        nodes: int = 1,
        stages: Stages = (),
        seed: int | None = None,
        clock: Clock | None = None,
        store: Store | None = None,
        retention: int = 50_000,
        authentication: Authentication | None = None,
        rbac: bool = False,
        service_accounts: bool = False,  # whether pods get the account of their namespace, and its token
        services: Mapping[tuple[str, str], str] | None = None,  # where Services really listen
        versions: Versions | None = None,  # to be shown
    ) -> None:
        self._forked_from: ApiServer | None = None
        self._installed = False  # whether the store came with everything actors prepare
        self.born = 0  # the revision a fork began at
        self._beginning: Sequence[Entry] | None = None  # what `reset` goes back to
        self.contents = VolumeContents()
        self._held = self.contents.whole()  # at the beginning
        self._keeping = asyncio.Lock()
        self._access = (authentication, rbac, service_accounts)
        self._elsewhere = dict(services or {})
        self.clock = clock or RealClock()
        self.ids = Ids(seed, since=store.revision if store else 0)
        self._network = Network()
        self.services = Services(dial=self._network)
        self.api = ApiServer(
            store or MemoryStore(revision=_FIRST, retention=retention),
            clock=self.clock,
            ids=self.ids,
            services=self.services,
            authentication=authentication,
            rbac=rbac,
            service_accounts=service_accounts,
            versions=versions,
        )
        kinds = Kinds(self.api.catalog)
        self.requests = RequestLog(
            self.clock, kinds.names, lambda: self.api.store.revision, kinds=kinds.every_name
        )
        self.faults = Faults(
            clock=self.clock,
            ids=self.ids,
            names=kinds.names,
            kinds=kinds.every_name,
            revision=lambda: self.api.store.revision,
        )
        self._front = self.requests.filter(self.faults.filter(self.api))  # what everybody talks to
        controls = Controls(self.requests, self.store, self.clock)
        self.api.controls = Admin(self, Client(self.api, user=ADMIN, user_agent="fakekube"), controls)
        self.actors: dict[str, Actor] = {}
        self.failures: dict[str, Exception] = {}  # actors that died, and of what
        self._specs: list[ActorSpec] = choose(only, without)
        chosen = frozenset(spec.name for spec in self._specs)
        preload = self.api.preload
        self._setting = Setting(
            self.client(),
            self.clock,
            self.ids,
            pace,
            nodes,
            preload,
            chosen,
            frozenset(self._elsewhere),
            self.actors,
            stages=_read(stages),
            versions=versions or Versions(),
            contents=self.contents,
        )
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.loop: asyncio.AbstractEventLoop  # where it lives, from its start on

    async def __call__(self, request: Request) -> Response:
        return await self._front(request)

    def client(self, user: User = ADMIN, *, user_agent: str = "fakekube") -> Client:
        """A client in this process, by default as the cluster's admin."""
        return Client(self._front, user=user, user_agent=user_agent)

    async def start(self) -> None:
        """Install what belongs to the chosen actors, then let them work. A fork finds it installed."""
        self.loop = asyncio.get_running_loop()
        await self.api.start(like=self._forked_from)
        if self._installed:
            self._beginning, self._held = (await self.store.list("")).entries, self.contents.whole()
        made: list[Made] = []
        for spec in self._specs:
            one = spec.make(self._setting)
            made.append(one)
            self.actors[spec.name] = one.actor
            for (namespace, name), handler in one.services.items():
                self.services.set(namespace, name, handler)
        for (namespace, name), url in self._elsewhere.items():
            self.services.set(namespace, name, url)
        for one in made:
            if one.prepare is not None and not self._installed:
                await one.prepare()
        for name, actor in self.actors.items():
            self._tasks[name] = asyncio.create_task(self._supervise(name, actor), name=name)
        for one in made:
            if one.begun is not None and not self._installed:
                await one.begun()

    async def apply(self, what: Iterable[Object | Manifest]) -> list[Object]:
        """Server-side apply of objects or manifests, in order. Raises ManifestError."""
        manifests = [one if isinstance(one, Manifest) else Manifest(one, "object") for one in what]
        return await apply(self.client(), manifests, self.clock)

    async def history(
        self, resource: Resource, name: str, namespace: str | None = None
    ) -> list[Object | None]:
        """Every state of an object that is remembered, oldest first; None where it was gone."""
        served = self.api.catalog.find(resource.group, resource.version, resource.plural)
        if served is None:
            raise ValueError(f"the cluster serves no {resource.qualified}")
        return await states(self.api.store, served, served.key(namespace or "", name))

    # --- time ------------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Return once nothing more happens without time passing. Raises NeverSettles."""
        await passage.settle(self)

    async def advance(self, span: Span) -> None:
        """Let `span` (seconds, "10m", a timedelta) pass. Raises CannotMoveTime on a clock that is not moved by hand."""
        await passage.advance(self, span)

    async def run_until(
        self,
        condition: Callable[[], T | Awaitable[T]],
        *,
        timeout: Span = "1h",  # noqa: ASYNC109 - of the cluster's time, which asyncio does not know
    ) -> T:
        """Let time pass until `condition` holds; its value. Raises TimeoutError."""
        return await passage.run_until(self, condition, timeout=timeout)

    def fork(
        self,
        *,
        seed: int | None = None,
        clock: Clock | None = None,
        pace: PaceName | None = None,
        stages: Stages | None = None,
    ) -> "Cluster":
        """A cluster that begins as this one is now and goes its own way; its actors begin anew. To be started.

        Its clock stands where this one's does, unless one is given. Faults and recorded requests stay behind.
        """
        store = self.api.store
        if not isinstance(store, MemoryStore):
            raise TypeError(f"a {type(store).__name__} cannot be forked; a MemoryStore can")
        twin = Cluster(
            only=[spec.name for spec in self._specs] or [API],
            pace=pace or self._setting.pace,
            nodes=self._setting.nodes,
            stages=self._setting.stages if stages is None else stages,
            seed=seed,
            clock=clock or ManualClock(self.clock.now()),
            store=store.fork(),
            authentication=self._access[0],
            rbac=self._access[1],
            service_accounts=self._access[2],
            services=self._elsewhere,
            versions=self._setting.versions,
        )
        twin._forked_from = self.api
        twin._installed = True
        twin.born = store.revision
        twin.contents.become(self.contents.whole())
        return twin

    async def save(self, path: str | PathLike[str]) -> None:
        """Write everything there is to a file; see `snapshot`."""
        snapshot.write(path, await snapshot.dump(self.api.store, self.clock.now()))

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        clock: Callable[[datetime], Clock] = ManualClock,
        retention: int = 50_000,
        **members: Any,
    ) -> "Cluster":
        """A cluster that goes on where a saved one was, by a clock made from that moment. Raises BadSnapshot.

        What else the constructor takes can be said here, too.
        """
        store, moment = snapshot.parse(snapshot.read(path), str(path), retention=retention)
        cluster = cls(clock=clock(moment), store=store, **members)
        cluster._installed = True
        cluster.born = store.revision
        return cluster

    async def take_over(self, found: Iterable[Object]) -> int:
        """Have objects of a real cluster as they are; see `dumps`. How many. Raises BadSnapshot."""
        return await dumps.take_over(self.api, found)

    # --- going back ------------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Come to rest, and remember this state as the beginning: what `reset` goes back to."""
        async with self._keeping:
            with contextlib.suppress(NeverSettles):  # somebody is in a hurry; as it is, then
                await self.settle()
            self._beginning, self._held = (await self.store.list("")).entries, self.contents.whole()

    async def reset(self) -> None:
        """Go back to the beginning: objects, what is written on volumes, in containers and in guests, faults, remembered
        requests. Time and versions go on.

        The beginning is where a fork or a snapshot began, or what was last kept; without either, raises CannotReset.
        Raises NeverSettles.
        """
        async with self._keeping:
            if self._beginning is None:
                raise CannotReset("this cluster has kept no state to go back to; call keep() first")
            await self._lead_to(self._beginning)
            self.contents.become(self._held)
            self.requests.clear()

    async def restore(self, data: bytes) -> None:
        """Go to the state of a snapshot; see `snapshot.dump`. Raises BadSnapshot, NeverSettles."""
        await self._lead_to(snapshot.entries(data))
        self.contents.become(Whole())

    async def _lead_to(self, wanted: Sequence[Entry]) -> None:
        self.faults.clear()
        # What actors had begun before may still be written after; they see the world as it is now, and rest.
        for _ in range(_ROUNDS):
            if not await restoring.restore(self.api, wanted):
                return
            await self.settle()

    @property
    def store(self) -> Store:
        return self.api.store

    # --- what settling looks at --------------------------------------------------------------------------------

    @property
    def outward(self) -> int:
        return self._network.busy

    @property
    def followed(self) -> bool:
        return self.faults.followed

    @property
    def busy(self) -> bool:
        return not self.idle

    def mark(self) -> object:
        return self.api.store.revision, self.requests.count

    def busiest(self) -> str:
        return self.requests.busiest()

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


def _read(stages: Stages) -> tuple[Stage, ...]:
    if not (given := tuple(stages)):
        return ()
    from fakekube import stage_files  # noqa: PLC0415 - few clusters need it

    paths = [one for one in given if not isinstance(one, Stage)]
    return (*(one for one in given if isinstance(one, Stage)), *stage_files.load(paths))
