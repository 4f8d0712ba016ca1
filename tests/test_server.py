"""The server, with toy handlers behind it: what HTTP does before and after a Handler."""

import asyncio
import gzip
import io
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from fakekube.machinery.errors import NotFound
from fakekube.machinery.wire import Request, Response, Upgrade, WebSocket
from fakekube.server import BODY_LIMIT, GZIP_FROM, CannotListen, Server


async def echo(request: Request) -> Response:
    seen = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "body": request.body.decode(),
    }
    return Response(body=json.dumps(seen).encode())


async def raw(server: Server, head: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """One request written by hand and the answer to it; the connection is closed afterwards."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
    status, headers = await answer_head(reader)
    content = await reader.readexactly(int(headers.get("content-length", 0)))
    writer.close()
    return status, headers, content


async def answer_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).decode().split("\r\n")
    return int(lines[0].split()[1]), {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
    }


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(echo) as running:
        yield running


async def test_get(server: Server) -> None:
    """A request reaches the handler undecoded, and JSON is answered without a charset."""
    status, headers, body = await raw(server, "GET /api/v1/a%2Fb/./x?q=a%20b&c HTTP/1.1\nHost: localhost")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == {
        "method": "GET",
        "path": "/api/v1/a%2Fb/./x",
        "query": "q=a%20b&c",
        "body": "",
    }


@pytest.mark.parametrize(
    "target",
    [
        "//",
        "//x//y",
        "/../../etc/passwd",
        "/%00",
        "/a%2F..%2Fb",
        "/%zz",
        "/?",
        "/?%",
        "/a;b",
        "/%F0%28",
        "/a?b?c",
        "/" + "x" * 20_000,
    ],
)
async def test_odd_paths(server: Server, target: str) -> None:
    """No spelling of a path is rewritten or makes the server stumble."""
    status, _, body = await raw(server, f"GET {target} HTTP/1.1\nHost: localhost")
    path, _, query = target.partition("?")
    assert status == 200
    assert (json.loads(body)["path"], json.loads(body)["query"]) == (path, query)


async def test_absolute_form(server: Server) -> None:
    """A proxy's absolute request target is read as its path."""
    _, _, body = await raw(server, "GET http://localhost/api?x=1 HTTP/1.1\nHost: localhost")
    assert json.loads(body)["path"] == "/api"
    assert json.loads(body)["query"] == "x=1"


@pytest.mark.parametrize(
    ("target", "path"), [("localhost:443", ""), ("/healthz", "/healthz"), ("[::1]:80", "")]
)
async def test_connect(server: Server, target: str, path: str) -> None:
    """A CONNECT opens no tunnel: its target is a path, or none at all, and the answer has an end, after which all is over."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    head = f"CONNECT {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nGET "
    writer.write(f"{head}GET / HTTP/1.1\r\n\r\n".encode())
    status, headers = await answer_head(reader)
    body = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert (status, int(headers["content-length"]), headers["connection"]) == (200, len(body), "close")
    assert json.loads(body) | {"body": ""} == {"method": "CONNECT", "path": path, "query": "", "body": ""}


@pytest.mark.parametrize(
    "noise",
    [
        b"\x16\x03\x01\x02",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\0\0",
    ],
)
async def test_noise(server: Server, noise: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes that are no HTTP do not stop the server, and leave no more than a line in the log of those who want it."""
    caplog.set_level(logging.INFO)
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(noise)
    writer.write_eof()
    await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert (await raw(server, "GET /ok HTTP/1.1\nHost: localhost"))[0] == 200
    assert all(one.levelno < logging.WARNING and one.exc_info is None for one in caplog.records)


async def test_security() -> None:
    """Whoever answers is told whether a request came over TLS: documents name addresses by it."""
    seen = []

    async def answer(request: Request) -> Response:
        seen.append(request.secure)
        return Response(200, b"{}")

    async with Server(answer) as server:
        await raw(server, "GET / HTTP/1.1\nHost: localhost")
    assert seen == [False]


async def test_head(server: Server) -> None:
    """HEAD is answered without a body."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"HEAD /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    status, _ = await answer_head(reader)
    assert status == 200
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:80", "127.0.0.1", "127.8.8.8:1", "[::1]:6443", "api.localhost", "localhost."],
)
async def test_loopback_hosts(server: Server, host: str) -> None:
    """Every name of the loopback is welcome."""
    assert (await raw(server, f"GET / HTTP/1.1\nHost: {host}"))[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:80", "10.1.2.3", "", "localhost.evil", "[::2]"]
)
async def test_foreign_hosts(server: Server, host: str) -> None:
    """A page that rebinds its name to the loopback is refused, with a Status that says what to do."""
    status, headers, body = await raw(server, f"GET / HTTP/1.1\nHost: {host}")
    assert (status, headers["content-type"]) == (403, "application/json")
    assert json.loads(body)["reason"] == "Forbidden"
    assert "--allow-host" in json.loads(body)["message"]


async def test_origins(server: Server) -> None:
    """Pages of other sites, and sandboxed ones, are refused; local tools with a web page are not."""
    for origin, expected in [
        ("http://evil.example", 403),
        ("null", 403),
        ("http://localhost:4466", 200),
        ("https://127.0.0.1", 200),
    ]:
        status, _, _ = await raw(
            server, f"POST / HTTP/1.1\nHost: localhost\nOrigin: {origin}\nContent-Length: 0"
        )
        assert status == expected, origin


async def test_allowed_hosts() -> None:
    """Names the user allows are welcome as Host and as Origin."""
    async with Server(echo, allowed_hosts=["kube.example"]) as server:
        head = "GET / HTTP/1.1\nHost: Kube.Example:1\nOrigin: https://kube.example"
        assert (await raw(server, head))[0] == 200


async def test_wildcard_address() -> None:
    """Bound to every address, the server answers to any bare address, which no page can rebind, but to no name."""
    async with Server(echo, host="0.0.0.0") as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert (await raw(server, "GET / HTTP/1.1\nHost: 10.1.2.3"))[0] == 200
        assert (await raw(server, "GET / HTTP/1.1\nHost: evil.example"))[0] == 403


async def test_body_limit(server: Server) -> None:
    """A body of 3 MiB is read, one byte more is refused as the real server refuses it."""
    async with aiohttp.ClientSession() as session:
        async with session.post(server.url, data=io.BytesIO(b"x" * BODY_LIMIT)) as answer:
            assert answer.status == 200
        async with session.post(server.url, data=io.BytesIO(b"x" * (BODY_LIMIT + 1))) as answer:
            assert answer.status == 413
            body = await answer.json()
    assert (body["reason"], body["message"]) == (
        "RequestEntityTooLarge",
        "Request entity too large: limit is 3145728",
    )


async def test_expect_continue(server: Server) -> None:
    """A client that asks before it sends its body is told to go on."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert (await answer_head(reader))[0] == 100
    writer.write(b"hi")
    status, headers = await answer_head(reader)
    body = json.loads(await reader.readexactly(int(headers["content-length"])))
    assert (status, body["body"]) == (200, "hi")
    writer.close()


async def test_gzip() -> None:
    """Only large answers are compressed, and only for clients that ask."""

    async def sized(request: Request) -> Response:
        return Response(body=b"x" * int(request.query))

    async with Server(sized) as server:
        for size, accept, compressed in [
            (GZIP_FROM + 1, "gzip", True),
            (GZIP_FROM, "gzip", False),
            (GZIP_FROM + 1, "identity", False),
        ]:
            head = f"GET /?{size} HTTP/1.1\nHost: localhost\nAccept-Encoding: {accept}"
            _, headers, body = await raw(server, head)
            assert (headers.get("content-encoding") == "gzip") is compressed
            assert len(gzip.decompress(body) if compressed else body) == size


@pytest.mark.parametrize(("size", "accept"), [(10, "gzip"), (GZIP_FROM, "gzip"), (GZIP_FROM, "identity")])
async def test_pieces(size: int, accept: str) -> None:
    """An answer in pieces arrives as one in one piece would, compressed if it is large and the client asks."""

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(5):
            yield b"%d" % number * size

    async def handler(_request: Request) -> Response:
        return Response(pieces=pieces())

    async with Server(handler) as server, aiohttp.ClientSession(auto_decompress=False) as session:
        async with session.get(server.url, headers={"Accept-Encoding": accept}) as answer:
            body = await answer.read()
        packed = answer.headers.get("Content-Encoding") == "gzip"
        assert packed is (size > 10 and accept == "gzip")
        assert (gzip.decompress(body) if packed else body) == b"".join(b"%d" % one * size for one in range(5))
        async with session.head(server.url) as answer:
            assert answer.status == 200


async def test_pieces_that_break_off(caplog: pytest.LogCaptureFixture) -> None:
    """An answer that cannot be made to its end is not given one, so nobody takes it for the whole; the server lives on."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * (GZIP_FROM + 1)
        raise ValueError("spilt")

    async def handler(request: Request) -> Response:
        return Response(pieces=pieces()) if request.path == "/long" else await echo(request)

    async with Server(handler) as server, aiohttp.ClientSession(server.url) as session:
        async with session.get("/long") as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
        async with session.get("/") as answer:
            assert answer.status == 200
    assert "spilt" in caplog.text


async def test_errors(caplog: pytest.LogCaptureFixture) -> None:
    """An ApiError becomes its Status; any other exception a logged 500, and the server lives on."""

    async def failing(request: Request) -> Response:
        if request.path == "/api":
            raise NotFound("nothing here", headers=[("Retry-After", "1")])
        if request.path == "/bug":
            raise ZeroDivisionError("by zero")
        return Response()

    async with Server(failing) as server:
        status, headers, body = await raw(server, "GET /api HTTP/1.1\nHost: localhost")
        assert (status, headers["retry-after"], json.loads(body)["message"]) == (404, "1", "nothing here")
        status, _, body = await raw(server, "GET /bug HTTP/1.1\nHost: localhost")
        assert (status, json.loads(body)["kind"], json.loads(body)["reason"]) == (
            500,
            "Status",
            "InternalError",
        )
        assert "ZeroDivisionError" in caplog.text
        assert (await raw(server, "GET / HTTP/1.1\nHost: localhost"))[0] == 200


class Ticker:
    """A handler whose stream sends what it is told, and notes that it was closed."""

    def __init__(self) -> None:
        self.chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def __call__(self, request: Request) -> Response:
        return Response(stream=self._stream())

    async def _stream(self) -> AsyncIterator[bytes]:
        try:
            while (chunk := await self.chunks.get()) is not None:
                yield chunk
        finally:
            self.closed.set()


async def open_stream(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"GET /watch HTTP/1.1\r\nHost: localhost\r\n\r\n")
    status, headers = await answer_head(reader)
    assert (status, headers["transfer-encoding"]) == (200, "chunked")
    return reader, writer


async def test_stream() -> None:
    """The head of a stream is sent before the first chunk, each chunk at once, and its end ends the body."""
    ticker = Ticker()
    async with Server(ticker) as server:
        reader, writer = await open_stream(server)
        for chunk in (b"one\n", b"two\n"):
            await ticker.chunks.put(chunk)
            assert await asyncio.wait_for(reader.readuntil(chunk + b"\r\n"), 30) == b"4\r\n" + chunk + b"\r\n"
        await ticker.chunks.put(None)
        assert await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 30) == b"0\r\n\r\n"
        writer.close()


async def test_client_leaves() -> None:
    """A watcher that goes away has its stream closed without waiting for the next event."""
    ticker = Ticker()
    async with Server(ticker) as server:
        _, writer = await open_stream(server)
        writer.close()
        await asyncio.wait_for(ticker.closed.wait(), 30)


async def test_stop_with_open_streams() -> None:
    """Stopping ends open watches at once and properly: the reader sees an end, not a break."""
    ticker = Ticker()
    server = Server(ticker)
    await server.start()
    reader, writer = await open_stream(server)
    idle = await asyncio.open_connection(server.host, server.port)
    await asyncio.wait_for(server.stop(), 30)
    assert await asyncio.wait_for(reader.read(), 30) == b"0\r\n\r\n"
    assert ticker.closed.is_set()
    assert await asyncio.wait_for(idle[0].read(), 30) == b""
    for one in (writer, idle[1]):
        one.close()
    with pytest.raises(OSError, match=r".*"):
        await asyncio.open_connection(server.host, server.port)


async def test_stream_over_http_1_0() -> None:
    """A client too old for chunks gets the stream as it is, ended by the end of the connection."""

    async def two(request: Request) -> Response:
        async def stream() -> AsyncIterator[bytes]:
            yield b"a"
            yield b"b"

        return Response(stream=stream())

    async with Server(two) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert (await answer_head(reader))[0] == 200
        assert await asyncio.wait_for(reader.read(), 30) == b"ab"
        writer.close()


async def test_broken_stream(caplog: pytest.LogCaptureFixture) -> None:
    """A stream that fails half-way is logged, its connection closed, and the server lives on."""

    async def breaking(request: Request) -> Response:
        async def stream() -> AsyncIterator[bytes]:
            yield b"a"
            raise ZeroDivisionError

        return Response(stream=stream()) if request.path == "/watch" else Response()

    async with Server(breaking) as server:
        reader, writer = await open_stream(server)
        await asyncio.wait_for(reader.read(), 30)
        writer.close()
        assert "broke off" in caplog.text
        assert (await raw(server, "GET / HTTP/1.1\nHost: localhost"))[0] == 200


def conversation(serve: Callable[[WebSocket], Awaitable[None]]) -> Callable[[Request], Awaitable[Response]]:
    async def handler(request: Request) -> Response:
        return Response(upgrade=Upgrade(serve, ["plain.kubevirt.io", "v5.channel.k8s.io"]))

    return handler


async def test_websocket() -> None:
    """An upgrade negotiates a subprotocol and carries text and bytes both ways until the peer has gone."""
    ended = asyncio.Event()

    async def parrot(socket: WebSocket) -> None:
        await socket.send(socket.subprotocol)
        while (message := await socket.receive()) is not None:
            await socket.send(message)
        ended.set()

    async with Server(conversation(parrot)) as server, aiohttp.ClientSession() as session:
        async with session.ws_connect(server.url, protocols=["plain.kubevirt.io"]) as peer:
            assert await peer.receive_str() == "plain.kubevirt.io"
            await peer.send_bytes(b"\0\1")
            assert await peer.receive_bytes() == b"\0\1"
        await asyncio.wait_for(ended.wait(), 30)
        status, _, _ = await raw(server, "GET / HTTP/1.1\nHost: localhost")
        assert status == 400


@pytest.mark.parametrize(
    ("media", "protocols", "sent"),
    [
        ("application/json", [], ["one", "two", "three"]),
        ("application/json", ["base64.binary.k8s.io", "base64url.bearer.authorization.k8s.io.dA"], None),
        ("text/plain", [], [b"one\ntwo\n", b"three\n"]),
        ("text/plain", ["binary.k8s.io"], [b"one\ntwo\n", b"three\n"]),
        ("text/plain", ["base64.binary.k8s.io"], ["b25lCnR3bwo=", "dGhyZWUK"]),
    ],
)
async def test_streams_over_websockets(
    media: str, protocols: list[str], sent: list[str | bytes] | None
) -> None:
    """A watch is a text for each event, a log is bytes, or base64 for those who say so; the end of the stream ends both."""
    ticker = Ticker()

    async def handle(request: Request) -> Response:
        response = await ticker(request)
        response.content_type = media
        return response

    for chunk in (b"one\ntwo\n", b"three\n", None):
        ticker.chunks.put_nowait(chunk)
    async with (
        Server(handle) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.url, protocols=protocols) as peer,
    ):
        assert peer.protocol == (protocols[0] if protocols else None)
        assert [one.data async for one in peer] == (sent or ["one", "two", "three"])
        await asyncio.wait_for(ticker.closed.wait(), 30)


async def test_a_watcher_leaves_its_websocket() -> None:
    """One that closes a quiet websocket has its stream closed, too."""
    ticker = Ticker()
    async with Server(ticker) as server, aiohttp.ClientSession() as session:
        async with session.ws_connect(server.url):
            pass
        await asyncio.wait_for(ticker.closed.wait(), 30)


async def test_stop_with_open_websocket() -> None:
    """Stopping closes open conversations at once."""

    async def wait(socket: WebSocket) -> None:
        await socket.receive()

    server = Server(conversation(wait))
    await server.start()
    async with aiohttp.ClientSession() as session, session.ws_connect(server.url) as peer:
        stop = asyncio.create_task(server.stop())
        message = await asyncio.wait_for(peer.receive(), 30)
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        await asyncio.wait_for(stop, 30)


async def test_port_in_use(server: Server) -> None:
    """A taken port is said in one sentence."""
    with pytest.raises(CannotListen) as refused:
        await Server(echo, port=server.port).start()
    assert str(refused.value) == f"cannot listen on 127.0.0.1:{server.port}: the address is already in use"


async def test_unknown_address() -> None:
    """An address that cannot be bound is said in one sentence."""
    with pytest.raises(CannotListen, match=r"cannot listen on 203\.0\.113\.7:0: .+"):
        await Server(echo, host="203.0.113.7").start()


async def test_ipv6() -> None:
    """An IPv6 address is served and spelled with brackets."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
    async with Server(echo, host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}"
        assert (await raw(server, f"GET / HTTP/1.1\nHost: [::1]:{server.port}"))[0] == 200


async def test_restart() -> None:
    """A stopped server can be started again; stopping twice is no error."""
    server = Server(echo)
    await server.start()
    await server.stop()
    await server.stop()
    await server.start()
    assert (await raw(server, "GET / HTTP/1.1\nHost: localhost"))[0] == 200
    await server.stop()
