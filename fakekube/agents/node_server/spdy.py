"""SPDY/3.1 as far as Kubernetes uses it: streams with headers over one connection, opened by the client.

There is no flow control: neither side of it does any (moby/spdystream). Whoever listens is told of every new stream and reads
and writes its bytes; frames are decoded and encoded by `Codec`, which holds the two directions' compression.
Origin: draft-mbelshe-httpbis-spdy-00; k8s: staging/src/k8s.io/apimachinery/pkg/util/httpstream/spdy
"""

import asyncio
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from msgspec import Struct, field

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS = 1, 2, 3, 4, 6, 7, 8
FIN = 0x01
_VERSION = 0x8003
_LARGEST = 32 * 1024  # bytes of data in one frame of ours
_LONGEST = 1024 * 1024  # what is taken for a frame at all

# What compression begins with: names with their lengths, and words without.
_NAMES = (
    *[
        "options",
        "head",
        "post",
        "put",
        "delete",
        "trace",
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
    ],
    *[
        "accept-ranges",
        "age",
        "allow",
        "authorization",
        "cache-control",
        "connection",
        "content-base",
        "content-encoding",
    ],
    *[
        "content-language",
        "content-length",
        "content-location",
        "content-md5",
        "content-range",
        "content-type",
        "date",
    ],
    *[
        "etag",
        "expect",
        "expires",
        "from",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
    ],
    *["if-unmodified-since", "last-modified", "location", "max-forwards", "pragma", "proxy-authenticate"],
    *[
        "proxy-authorization",
        "range",
        "referer",
        "retry-after",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ],
    *["user-agent", "vary", "via", "warning", "www-authenticate", "method", "get", "status"],
    *("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"),
)
_WORDS = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative "
    "Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal "
    "Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, "
    "Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,"
    "text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(len(name).to_bytes(4, "big") + name.encode() for name in _NAMES) + _WORDS.encode()


class NotSpdy(Exception):
    """The peer does not speak SPDY, or not as it should."""


class Frame(Struct, frozen=True):
    """One frame: `kind` 0 is data. `headers` where the kind has such."""

    kind: int
    stream: int = 0
    flags: int = 0
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Codec:
    """Bytes to frames and back. One for each connection."""

    def __init__(self) -> None:
        self._rest = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def fed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now. Raises NotSpdy."""
        self._rest += data
        while len(self._rest) >= 8:
            length = int.from_bytes(self._rest[5:8], "big")
            if length > _LONGEST:
                raise NotSpdy(f"a frame of {length} bytes")
            if len(self._rest) < 8 + length:
                return
            head, body, self._rest = self._rest[:8], self._rest[8 : 8 + length], self._rest[8 + length :]
            yield self._frame(head, body)

    def _frame(self, head: bytes, body: bytes) -> Frame:
        flags = head[4]
        if not head[0] & 0x80:
            return Frame(0, int.from_bytes(head[:4], "big"), flags, body)
        if int.from_bytes(head[:2], "big") != _VERSION:
            raise NotSpdy("another version than 3")
        kind = int.from_bytes(head[2:4], "big")
        stream = int.from_bytes(body[:4], "big") & 0x7FFFFFFF
        before = {SYN_STREAM: 10, SYN_REPLY: 4, HEADERS: 4}.get(kind)
        if before is None:
            return Frame(kind, stream, flags, body)
        return Frame(kind, stream, flags, b"", self._headers(body[before:]))

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            text = self._inflate.decompress(block)
        except zlib.error as error:
            raise NotSpdy(str(error)) from error
        at = 0

        def word() -> str:
            nonlocal at
            end = at + 4 + int.from_bytes(text[at : at + 4], "big")
            found, at = text[at + 4 : end], end
            return found.decode("latin-1")

        count = int.from_bytes(text[:4], "big")
        at = 4
        if count > len(text):
            raise NotSpdy("more headers than bytes")
        return {word().lower(): word() for _ in range(count)}

    def control(self, kind: int, body: bytes, flags: int = 0) -> bytes:
        head = _VERSION.to_bytes(2, "big") + kind.to_bytes(2, "big")
        return head + bytes((flags,)) + len(body).to_bytes(3, "big") + body

    def with_headers(self, kind: int, stream: int, headers: Mapping[str, str], flags: int = 0) -> bytes:
        """A SYN_STREAM, SYN_REPLY or HEADERS frame."""
        text = len(headers).to_bytes(4, "big")
        for name, value in headers.items():
            for word in (name.encode("latin-1"), value.encode("latin-1")):
                text += len(word).to_bytes(4, "big") + word
        block = self._deflate.compress(text) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        begin = stream.to_bytes(4, "big") + (bytes(6) if kind == SYN_STREAM else b"")
        return self.control(kind, begin + block, flags)

    @staticmethod
    def data(stream: int, data: bytes, flags: int = 0) -> bytes:
        return stream.to_bytes(4, "big") + bytes((flags,)) + len(data).to_bytes(3, "big") + data


class Pipe(Protocol):
    """Bytes both ways: a connection, or a websocket used as one."""

    async def send(self, data: bytes | str) -> None:
        """Send bytes."""
        ...

    async def receive(self) -> bytes | str | None:
        """What has come; None once the peer has gone."""
        ...


class Stream:
    """One stream: reads with `receive`, ends with None; writes with `send`, ends with `close`. A `wire.WebSocket`."""

    subprotocol = ""

    def __init__(self, session: "Session", number: int, headers: Mapping[str, str]) -> None:
        self.number, self.headers = number, headers
        self._session = session
        self._came: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._closed = False

    def came(self, data: bytes | None) -> None:
        """For the session: data has come, or None: the peer's side is closed."""
        self._came.put_nowait(data)

    async def receive(self) -> bytes | str | None:
        data = await self._came.get()
        if data is None:
            self._came.put_nowait(None)  # it stays so
        return data

    async def send(self, data: bytes | str) -> None:
        raw = data.encode() if isinstance(data, str) else data
        for at in range(0, len(raw), _LARGEST):
            if not self._closed:
                await self._session.send(Codec.data(self.number, raw[at : at + _LARGEST]))

    async def close(self, code: int = 1000) -> None:
        del code
        if not self._closed:
            self._closed = True
            await self._session.send(Codec.data(self.number, b"", FIN))


class Session:
    """See the module text. `opened` is told of every stream the client opens; it must not wait."""

    def __init__(self, pipe: Pipe, opened: Callable[[Stream], None]) -> None:
        self._pipe = pipe
        self._opened = opened
        self._codec = Codec()
        self._streams: dict[int, Stream] = {}

    async def send(self, data: bytes) -> None:
        await self._pipe.send(data)

    async def run(self) -> None:
        """Read until the peer goes, or says something that is not SPDY."""
        try:
            while (data := await self._pipe.receive()) is not None:
                for frame in self._codec.fed(data.encode() if isinstance(data, str) else data):
                    await self._take(frame)
                    if frame.kind == GOAWAY:
                        return
        except NotSpdy:
            return
        finally:
            for stream in self._streams.values():
                stream.came(None)

    async def _take(self, frame: Frame) -> None:
        if frame.kind == SYN_STREAM:
            stream = self._streams[frame.stream] = Stream(self, frame.stream, frame.headers)
            await self.send(self._codec.with_headers(SYN_REPLY, frame.stream, {}))
            self._opened(stream)
        elif frame.kind == PING:
            await self.send(self._codec.control(PING, frame.data))
        known = self._streams.get(frame.stream)
        if known is None or frame.kind not in (0, SYN_STREAM, RST_STREAM):
            return
        if frame.data and frame.kind == 0:
            known.came(frame.data)
        if frame.flags & FIN or frame.kind == RST_STREAM:
            known.came(None)
            if frame.kind == RST_STREAM:
                del self._streams[frame.stream]
