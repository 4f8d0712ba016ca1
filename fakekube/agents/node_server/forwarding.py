"""Ports of a pod: for every connection a pair of streams, one for data and one for what goes wrong.

kubectl opens them over SPDY, whenever it likes. Libraries (kubernetes for Python, kr8s, kube-rs) name their ports in the query and
have two channels of a websocket for each.
Upstream: k8s: staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward/httpstream.go and websocket.go, containerd's CRI
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from fakekube.agents.node_server import channels, spdy
from fakekube.agents.node_server.listening import Serve
from fakekube.machinery import digits
from fakekube.machinery.wire import WebSocket

PROTOCOL = "portforward.k8s.io"
TUNNEL = f"SPDY/3.1+{PROTOCOL}"
CHANNELS = ("", channels.V4, channels.V4_BASE64)

Dial = Callable[[int], Awaitable[Serve | None]]


def refused(port: int, pod_uid: str) -> str:
    """The text of what happens where nothing listens."""
    space = f"/var/run/netns/cni-{pod_uid}"
    return (
        f"error forwarding port {port} to pod {pod_uid}, uid : failed to execute portforward in network namespace "
        f'"{space}": failed to connect to localhost:{port} inside namespace "{pod_uid}", IPv4: dial tcp4 127.0.0.1:{port}: '
        f"connect: connection refused IPv6 dial tcp6 [::1]:{port}: connect: connection refused"
    )


async def forward(pipe: spdy.Pipe, dial: Dial, pod_uid: str) -> None:
    """Connect whatever streams the client opens, until it goes."""
    errors: dict[str, spdy.Stream] = {}
    running: set[asyncio.Task[None]] = set()

    def opened(stream: spdy.Stream) -> None:
        own = stream.headers.get("requestid", "")
        if stream.headers.get("streamtype") == "error":
            errors[own] = stream
            return
        task = asyncio.ensure_future(connect(stream, own))
        running.add(task)
        task.add_done_callback(running.discard)

    async def connect(stream: spdy.Stream, own: str) -> None:
        text = stream.headers.get("port", "")
        port = digits.number(text) or 0
        serve = await dial(port)
        error = errors.pop(own, None)
        with contextlib.suppress(ConnectionError):  # who has gone need not be told
            if serve is not None:
                await serve(stream)
            elif error is not None:
                await error.send(refused(port, pod_uid))
            await stream.close()
            if error is not None:
                await error.close()

    try:
        await spdy.Session(pipe, opened).run()
    finally:
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


# --- over a websocket ----------------------------------------------------------------------------------------------


class BadPorts(Exception):
    """The ports a websocket names are none."""


def named(texts: Sequence[str]) -> list[int]:
    """The ports of a query. Raises BadPorts, in the kubelet's words."""
    if not texts:
        raise BadPorts('query parameter "ports" is required')
    found = []
    for text in texts:
        if not text:
            raise BadPorts('query parameter "ports" cannot be empty')
        for one in text.split(","):
            try:
                port = digits.parsed("ParseUint", one, bits=16)
            except ValueError as error:
                raise BadPorts(f'unable to parse "{text}" as a port: {error}') from None
            if port == 0:
                raise BadPorts(f'port "{text}" must be > 0')
            found.append(port)
    return found


class _Channel:
    """One of many connections over a websocket, as who listens at its end holds it."""

    subprotocol = ""

    def __init__(self, socket: WebSocket, number: int) -> None:
        self._socket = socket
        self._number = number
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    async def receive(self) -> bytes:
        return await self.came.get()

    async def send(self, data: bytes | str) -> None:
        data = data.encode() if isinstance(data, str) else data
        await self._socket.send(channels.packed(self._socket.subprotocol, self._number, data))

    async def close(self, code: int = 1000) -> None:
        """Nothing tells of the end of one."""


async def over_channels(socket: WebSocket, ports: Sequence[int], dial: Dial, pod_uid: str) -> None:
    """Connect the ports a client has named, until it goes or nobody has anything more to say."""
    pairs = [(_Channel(socket, 2 * at), _Channel(socket, 2 * at + 1)) for at in range(len(ports))]
    for (data, error), port in zip(pairs, ports, strict=True):
        await data.send(port.to_bytes(2, "little"))
        await error.send(port.to_bytes(2, "little"))

    async def connect(at: int) -> None:
        data, error = pairs[at]
        serve = await dial(ports[at])
        if serve is not None:
            await serve(data)
        else:
            await error.send(refused(ports[at], pod_uid))

    async def follow() -> None:
        while (message := await socket.receive()) is not None:
            number, data = channels.unpacked(socket.subprotocol, message)
            at, kind = divmod(number, 2)
            if kind == 0 and 0 <= at < len(pairs):
                pairs[at][0].came.put_nowait(data)

    async def connect_all() -> None:
        await asyncio.gather(*map(connect, range(len(ports))))

    await channels.first_of(connect_all(), follow())
    await socket.close()
