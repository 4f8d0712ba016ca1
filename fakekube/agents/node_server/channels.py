"""The streams of a command in a container: input, output, errors, the verdict and the terminal's size.

Two ways of carrying them, alike for whoever runs the command: numbered channels of one websocket (only the fifth version can
close its input; browsers like base64), and SPDY streams named by a header. Before v4 a verdict was a text, and none if all went well.
Origin: k8s: staging/src/k8s.io/apimachinery/pkg/util/remotecommand/constants.go, staging/src/k8s.io/kubelet/pkg/cri/streaming,
staging/src/k8s.io/apimachinery/pkg/util/httpstream/wsstream/conn.go
"""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

import orjson

from fakekube.agents.node_server import spdy
from fakekube.clock import RealClock
from fakekube.machinery.wire import Object, WebSocket

V5, V4, V4_BASE64 = "v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"
BEFORE_V5 = ("", V4, V4_BASE64, "channel.k8s.io", "base64.channel.k8s.io")
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


def packed(protocol: str, channel: int, data: bytes) -> bytes | str:
    """A message on a channel, as a subprotocol writes it."""
    if "base64" in protocol:
        return f"{channel}{base64.b64encode(data).decode()}"
    return bytes((channel,)) + data


def unpacked(protocol: str, message: bytes | str) -> tuple[int, bytes]:
    """The channel of a message, and what it says there; nothing where it is not written as the subprotocol wants."""
    data = message.encode() if isinstance(message, str) else message
    if "base64" not in protocol:
        return (data[0], data[1:]) if data else (-1, b"")
    try:
        return int(data[:1]), base64.b64decode(data[1:], validate=True)
    except (ValueError, binascii.Error):
        return -1, b""


def _written(protocol: str, status: Object) -> bytes:
    """A verdict."""
    if protocol.startswith(("v4.", "v5.")):
        return orjson.dumps(status)
    return str(status.get("message", "")).encode()


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

    def __init__(self, socket: WebSocket, wanted: Collection[str]) -> None:
        super().__init__()
        self._socket = socket
        self._wanted = frozenset(wanted)

    async def follow(self) -> None:
        """Take in what comes, until the peer goes."""
        while (message := await self._socket.receive()) is not None:
            channel, data = unpacked(self._socket.subprotocol, message)
            if channel == _STDIN and data and "stdin" in self._wanted:
                self._input.put_nowait(data)
            elif channel == _RESIZE:
                self.resized(data)
            elif channel == _CLOSE and data == bytes((_STDIN,)):
                self._input.put_nowait(None)

    async def write(self, data: bytes, *, error: bool = False) -> None:
        if ("stderr" if error else "stdout") in self._wanted:
            await self._send(_STDERR if error else _STDOUT, data)

    async def greet(self) -> None:
        """Nothing, on the first channel there is: the client learns that the command runs."""
        first = (
            number for name, number in (("stdout", _STDOUT), ("stderr", _STDERR)) if name in self._wanted
        )
        await self._send(next(first, _ERROR), b"")

    async def verdict(self, status: Object) -> None:
        if text := _written(self._socket.subprotocol, status):
            await self._send(_ERROR, text)

    async def _send(self, channel: int, data: bytes) -> None:
        await self._socket.send(packed(self._socket.subprotocol, channel, data))


async def over_websocket(socket: WebSocket, wanted: Collection[str], run: Run) -> None:
    """Run a command until it ends or the peer goes. `wanted`: the streams the client named."""
    talk = _Channels(socket, wanted)

    async def work() -> None:
        await talk.greet()
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
