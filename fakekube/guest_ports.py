"""Real connections to emulated pods: every port of a Service listens on the loopback, and leads to the pods behind it in turn.

A NodePort listens under its own number where that is free, any other port under one that is. Where, the Service's annotation
`fakekube.io/guest-ports` says: `http=127.0.0.1:30080,22=127.0.0.1:40123`. Connections go to ready endpoints, one after
the other, as kube-proxy spreads them; without any they are refused by closing them.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Iterator

from fakekube.agents.endpoints import SLICES, service_of_slice
from fakekube.agents.node_server.listening import Serve
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery import objects
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import PODS, SERVICES
from fakekube.machinery.wire import Object

ANNOTATION = "fakekube.io/guest-ports"
_HOST = "127.0.0.1"
_CHUNK = 65536

Dial = Callable[[Object, int], Awaitable[Serve | None]]
Port = tuple[str, int]  # name, number

log = logging.getLogger("fakekube.guest_ports")


class GuestPorts:
    """See the module text. `dial` connects to a port of a pod."""

    name = "guest-ports"

    def __init__(self, client: Client, clock: Clock, dial: Dial) -> None:
        self._client = client
        self._dial = dial
        self._services = Informer(client, SERVICES, clock=clock)
        self._slices = Informer(client, SLICES, clock=clock)
        self._slices.add_index("service", service_of_slice)
        self._listening: dict[str, dict[Port, asyncio.Server]] = {}
        self._turns: dict[str, Iterator[int]] = {}
        self._talking: set[asyncio.Task[None]] = set()
        self.controller = Controller(self.name, self._reconcile, clock=clock)
        self.controller.source(self._services)
        self.controller.reads(self._slices)

    async def run(self) -> None:
        """Listen until cancelled."""
        try:
            await self.controller.run()
        finally:
            for key in list(self._listening):
                await self._close(key)
            for task in list(self._talking):
                task.cancel()

    async def _reconcile(self, key: str) -> Result | None:
        service = self._services.get(key)
        if service is None:
            await self._close(key)
            return None
        present = self._listening.setdefault(key, {})
        wanted = dict(_ports(service))
        for port in [port for port in present if port not in wanted]:
            present.pop(port).close()
        for port, preferred in wanted.items():
            if port not in present:
                present[port] = await self._listen(key, port, preferred)
        await self._tell(service, present)
        return None

    async def _listen(self, key: str, port: Port, preferred: int) -> asyncio.Server:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._talking.add(task)
            try:
                await self._connected(key, port, _Connection(reader, writer))
            except ConnectionError:
                return  # it went in the middle of a word
            finally:
                self._talking.discard(task)
                writer.close()

        if preferred:
            try:
                return await asyncio.start_server(connected, _HOST, preferred)
            except OSError:
                log.info("port %d of %s is taken on this machine", preferred, key)
        return await asyncio.start_server(connected, _HOST, 0)

    async def _connected(self, key: str, port: Port, socket: "_Connection") -> None:
        """One connection, for whichever endpoint's turn it is."""
        found = sorted(self._ready(key, port))
        if not found:
            return
        turn = next(self._turns.setdefault(key, itertools.count()))
        namespace, name, number = found[turn % len(found)]
        pod = await self._client.find(PODS, name, namespace)
        if pod is None:
            return
        serve = await self._dial(pod, number)
        if serve is not None:
            await serve(socket)

    def _ready(self, key: str, port: Port) -> Iterator[tuple[str, str, int]]:
        """(namespace, name, port) of the pods that are ready behind a port of a Service."""
        for slice_ in self._slices.by_index("service", key):
            numbers = [
                int(one["port"]) for one in slice_.get("ports") or () if (one.get("name") or "") == port[0]
            ]
            for endpoint in slice_.get("endpoints") or ():
                target = endpoint.get("targetRef") or {}
                if numbers and dig(endpoint, "conditions", "ready") and target.get("kind") == "Pod":
                    yield str(target["namespace"]), str(target["name"]), numbers[0]

    async def _tell(self, service: Object, present: dict[Port, asyncio.Server]) -> None:
        said = ",".join(
            f"{name or number}={_HOST}:{server.sockets[0].getsockname()[1]}"
            for (name, number), server in present.items()
        )
        if said == objects.annotations(service).get(ANNOTATION, ""):
            return
        patch = {"metadata": {"annotations": {ANNOTATION: said or None}}}
        try:
            await self._client.patch(
                SERVICES, objects.name(service), objects.namespace(service), patch, type="merge"
            )
        except NotFound:
            return

    async def _close(self, key: str) -> None:
        self._turns.pop(key, None)
        for server in self._listening.pop(key, {}).values():
            server.close()
        self._turns.pop(key, None)


class _Connection:
    """`wire.WebSocket` over a TCP connection."""

    subprotocol = ""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes | str) -> None:
        self._writer.write(data.encode() if isinstance(data, str) else data)
        await self._writer.drain()

    async def receive(self) -> bytes | str | None:
        return await self._reader.read(_CHUNK) or None

    async def close(self, code: int = 1000) -> None:
        del code
        self._writer.close()


def _ports(service: Object) -> Iterator[tuple[Port, int]]:
    """The TCP ports of a Service that has pods and an address, each with the number it would rather have here."""
    spec = service["spec"]
    if not spec.get("selector") or spec.get("clusterIP") in (None, "", "None"):
        return
    for one in spec.get("ports") or ():
        if one.get("protocol", "TCP") == "TCP":
            yield (one.get("name") or "", int(one["port"])), int(one.get("nodePort") or 0)
