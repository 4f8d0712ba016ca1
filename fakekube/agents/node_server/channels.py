"""The streams of a command in a container: input, output, errors, the verdict and the terminal's size.

Two ways of carrying them, alike for whoever runs the command: numbered channels of one websocket (v4 and v5; the fifth version
can also close its input), and SPDY streams named by a header.
Origin: k8s: staging/src/k8s.io/apimachinery/pkg/util/remotecommand/constants.go, staging/src/k8s.io/kubelet/pkg/cri/streaming
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

import orjson

from fakekube.agents.node_server import spdy
from fakekube.clock import RealClock
from fakekube.machinery.wire import Object, WebSocket

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
SPDY_VERSIONS = (V4, "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255

# kubectl begins to read before it has made its channels, and drops what comes for those it lacks; with SPDY it says which
# it has. No container starts a command in no time, so nobody has met this. Of the machine's seconds, as the client's are.
_HEAD_START = 0.05
_MACHINE = RealClock()

Size = tuple[int, int]  # columns, rows


class Talk(Protocol):
    """What a command holds."""

    size: Size | None

    async def read(self) -> bytes | None:
        """What was typed, or sent; None at its end."""
        ...

    async def write(self, data: bytes, *, error: bool = False) -> None:
        """To standard output, or to standard error."""
        ...


Run = Callable[[Talk], Awaitable[Object]]  # its answer is the Status that goes to the error channel


class _Base:
    def __init__(self) -> None:
        self.size: Size | None = None
        self._input: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def read(self) -> bytes | None:
        data = await self._input.get()
        if data is None:
            self._input.put_nowait(None)
        return data

    def resized(self, text: bytes) -> None:
        try:
            given = orjson.loads(text)
            self.size = int(given["Width"]), int(given["Height"])
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return  # nobody's terminal has such a size


class _Channels(_Base):
    """Over a websocket."""

    def __init__(self, socket: WebSocket) -> None:
        super().__init__()
        self._socket = socket

    async def follow(self) -> None:
        """Take in what comes, until the peer goes."""
        while (message := await self._socket.receive()) is not None:
            data = message.encode() if isinstance(message, str) else message
            if not data:
                continue
            if data[0] == _STDIN and len(data) > 1:
                self._input.put_nowait(data[1:])
            elif data[0] == _RESIZE:
                self.resized(data[1:])
            elif data[0] == _CLOSE and data[1:] == bytes((_STDIN,)):
                self._input.put_nowait(None)

    async def write(self, data: bytes, *, error: bool = False) -> None:
        await self._socket.send(bytes((_STDERR if error else _STDOUT,)) + data)

    async def verdict(self, status: Object) -> None:
        await self._socket.send(bytes((_ERROR,)) + orjson.dumps(status))


async def over_websocket(socket: WebSocket, run: Run) -> None:
    """Run a command until it ends or the peer goes."""
    talk = _Channels(socket)

    async def work() -> None:
        await _MACHINE.sleep(_HEAD_START)
        await talk.verdict(await run(talk))

    await first_of(work(), talk.follow())
    await socket.close()


class _Streams(_Base):
    """Over SPDY."""

    def __init__(self, wanted: Collection[str]) -> None:
        super().__init__()
        self._streams: dict[str, spdy.Stream] = {}
        self._wanted = frozenset(wanted)
        self.complete = asyncio.Event()

    def opened(self, stream: spdy.Stream) -> None:
        self._streams[stream.headers.get("streamtype", "")] = stream
        if self._wanted <= self._streams.keys():
            self.complete.set()

    async def follow(self) -> None:
        """Take in what comes on stdin and resize."""
        await asyncio.gather(self._follow_input(), self._follow_size())

    async def _follow_input(self) -> None:
        stream = self._streams.get("stdin")
        while stream is not None and (data := await stream.receive()) is not None:
            self._input.put_nowait(data.encode() if isinstance(data, str) else data)
        self._input.put_nowait(None)

    async def _follow_size(self) -> None:
        stream = self._streams.get("resize")
        while stream is not None and (data := await stream.receive()) is not None:
            self.resized(data.encode() if isinstance(data, str) else data)

    async def write(self, data: bytes, *, error: bool = False) -> None:
        stream = self._streams.get("stderr" if error else "stdout")
        if stream is not None:
            await stream.send(data)

    async def verdict(self, status: Object) -> None:
        await self._streams["error"].send(orjson.dumps(status))
        for name, stream in self._streams.items():
            if name not in ("stdin", "resize"):
                await stream.close()


async def over_spdy(pipe: spdy.Pipe, wanted: Collection[str], run: Run) -> None:
    """The same once all `wanted` streams are open."""
    talk = _Streams({"error", *wanted})
    session = spdy.Session(pipe, talk.opened)

    async def work() -> None:
        await talk.complete.wait()
        following = asyncio.ensure_future(talk.follow())
        try:
            await talk.verdict(await run(talk))
        finally:
            following.cancel()
        await asyncio.Event().wait()  # the client hangs up: it may not have read everything yet

    await first_of(work(), session.run())


async def first_of(*work: Awaitable[None]) -> None:
    """Wait for whichever ends first, and end the others. What it raised is raised here."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
