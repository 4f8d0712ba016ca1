"""The HTTP transport against our own server: what a Handler says in memory, it says over a socket."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from fakekube.client.client import Client
from fakekube.client.http import HttpTransport, Unreachable
from fakekube.client.kubeconfig import Access
from fakekube.client.login import LoginError, Token
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.resources import PODS
from fakekube.machinery.wire import Request, Response
from fakekube.server import Server


async def mirror(request: Request) -> Response:
    if request.path == "/missing":
        raise NotFound("nothing here")
    seen = {
        "target": [request.method, request.path, request.query, request.body.decode()],
        "headers": {name.lower(): value for name, value in request.headers.items()},
    }
    return Response(
        201, json.dumps(seen).encode(), headers=[("Warning", '299 - "a"'), ("Warning", '299 - "b"')]
    )


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(mirror) as running:
        yield running


async def test_request_and_answer(server: Server) -> None:
    """Path and query travel undecoded, the token as a header, and repeated answer headers stay apart."""
    async with HttpTransport(server.url + "/", login=Token("secret")) as transport:
        answer = await transport(Request("PUT", "/a%2Fb", "x=%20&y", {"content-type": "a/b"}, b"body"))
    seen = json.loads(answer.body)
    assert seen["target"] == ["PUT", "/a%2Fb", "x=%20&y", "body"]
    assert (seen["headers"]["authorization"], seen["headers"]["content-type"]) == ("Bearer secret", "a/b")
    assert (answer.status, answer.content_type) == (201, "application/json")
    assert [value for name, value in answer.headers if name == "Warning"] == ['299 - "a"', '299 - "b"']


async def test_no_content_type_without_body(server: Server) -> None:
    """Nothing is sent that the caller did not say, apart from what HTTP needs."""
    async with HttpTransport.to(Access(server.url, login=Token("fresh"))) as transport:
        seen = json.loads((await transport(Request("GET", "/"))).body)
    assert "content-type" not in seen["headers"]
    assert seen["headers"]["authorization"] == "Bearer fresh"


async def test_refusals_are_answers(server: Server) -> None:
    """A refusal of the server is a Response here and an ApiError in the Client."""
    async with HttpTransport(server.url) as transport:
        assert (await transport(Request("GET", "/missing"))).status == 404
        with pytest.raises(NotFound, match="nothing here"):
            await Client(transport).request("GET", "/missing")


async def test_unreachable() -> None:
    """A server that is not there is an ApiError of code 503, which whoever retries the server's refusals retries too."""
    server = Server(mirror)
    await server.start()
    await server.stop()
    async with HttpTransport(server.url) as transport:
        with pytest.raises(Unreachable, match=r"cannot reach http://127\S+: Connection refused$") as refused:
            await transport(Request("GET", "/"))
    assert isinstance(refused.value, ApiError)
    assert (refused.value.code, refused.value.reason) == (503, "ServiceUnavailable")


@pytest.mark.parametrize("token", ["two\nlines", "more\r\nX-Header: x", "\0", "\udcff"])
async def test_tokens_that_are_none(server: Server, token: str) -> None:
    """They are not sent, and not said: whoever tries again later does so with what there is then."""
    async with HttpTransport(server.url, login=Token(token)) as transport:
        with pytest.raises(LoginError, match=r"what should be a token is none") as refused:
            await transport(Request("GET", "/"))
    assert (refused.value.code, token in str(refused.value)) == (503, False)


class Watch:
    """A handler whose watch sends one event and then waits, noting when it is closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.ends = asyncio.Event()

    async def __call__(self, request: Request) -> Response:
        return Response(stream=self._events())

    async def _events(self) -> AsyncGenerator[bytes, None]:
        try:
            yield b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n'
            await self.ends.wait()
        finally:
            self.closed.set()


async def test_watch_streams() -> None:
    """Events arrive as they are sent, and letting go of the stream ends the server's side."""
    handler = Watch()
    async with Server(handler) as server, HttpTransport(server.url) as transport:
        events = Client(transport).watch(PODS)
        kind, obj = await asyncio.wait_for(anext(events), 30)
        assert (kind, obj["metadata"]["name"]) == ("ADDED", "a")
        await events.aclose()
        await asyncio.wait_for(handler.closed.wait(), 30)


async def test_watch_ends() -> None:
    """The end of a watch on the server is the end of the iteration."""
    handler = Watch()
    async with Server(handler) as server, HttpTransport(server.url) as transport:
        handler.ends.set()
        assert [kind async for kind, _ in Client(transport).watch(PODS)] == ["ADDED"]


async def test_broken_watch() -> None:
    """A connection that breaks in the middle is an error, not an end."""

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(half, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, HttpTransport(f"http://127.0.0.1:{port}") as transport:
        answer = await transport(Request("GET", "/api/v1/pods", "watch=true"))
        assert answer.stream is not None
        with pytest.raises(Unreachable):
            async for _ in answer.stream:
                pass


async def read_to_the_end(transport: HttpTransport, query: str) -> None:
    answer = await transport(Request("GET", "/api/v1/pods", query))
    if answer.stream is not None:
        async for _ in answer.stream:
            pass


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"])
@pytest.mark.parametrize("query", ["", "watch=true"])
async def test_a_server_that_falls_silent(begun: bytes, query: str) -> None:
    """A connection nobody answers on, or that says no more, is given up: it must not hold a controller for ever."""
    over = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)
        await over.wait()
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    access = Access(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    async with listener, HttpTransport.to(access, patience=0.02) as transport:
        with pytest.raises(Unreachable):
            await read_to_the_end(transport, query)
        over.set()


async def test_connections_are_reused() -> None:
    """Requests after one another share a connection, and a closed transport opens a new one when used again."""
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listener:
        transport = HttpTransport(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
        for _ in range(3):
            await transport(Request("GET", "/"))
        assert connections == 1
        await transport.close()
        await transport(Request("GET", "/"))
        assert connections == 2
        await transport.close()
