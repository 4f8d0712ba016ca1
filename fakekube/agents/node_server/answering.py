"""A Handler behind a port of a pod: HTTP/1.1 over a conversation. Of bodies of requests that are very large nothing is kept."""

from http import HTTPStatus

from msgspec import Struct

from fakekube.agents.node_server.sparse import Body
from fakekube.machinery.wire import Handler, Request, Response, WebSocket, whole

_END, _LINE = b"\r\n\r\n", b"\r\n"
_LONGEST_HEAD = 65536
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class _GoneError(Exception):
    """The peer has gone, or speaks no HTTP."""


class _Reader(Struct):
    """What comes, as far as it has been read."""

    socket: WebSocket
    rest: bytes = b""

    async def until(self, end: bytes) -> bytes:
        while end not in self.rest:
            if len(self.rest) > _LONGEST_HEAD:
                raise _GoneError
            await self._more()
        found, _, self.rest = self.rest.partition(end)
        return found

    async def take(self, size: int, body: Body) -> None:
        while size > len(self.rest):
            size -= len(self.rest)
            body.add(self.rest)
            self.rest = b""
            await self._more()
        body.add(self.rest[:size])
        self.rest = self.rest[size:]

    async def _more(self) -> None:
        data = await self.socket.receive()
        if data is None:
            raise _GoneError
        self.rest += data.encode() if isinstance(data, str) else data


async def answer(handler: Handler, socket: WebSocket, begun: bytes = b"") -> None:
    """Answer one request after the other, until the peer goes or has enough. `begun`: what has been read already."""
    reader = _Reader(socket, begun)
    try:
        while True:
            request, version = _request(await reader.until(_END))
            if request.headers.get("expect", "").lower() == "100-continue":
                await socket.send(_CONTINUE)
            request.body = await _body(reader, request)
            ends = version == "HTTP/1.0" or request.headers.get("connection", "").lower() == "close"
            await _send(socket, request, await whole(await handler(request)), ends=ends)
            if ends:
                return
    except _GoneError:
        return
    finally:
        await socket.close()


def _request(head: bytes) -> tuple[Request, str]:
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3:
        raise _GoneError
    path, _, query = words[1].partition("?")
    named = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in named}
    return Request(words[0], path, query, headers), words[2]


async def _body(reader: _Reader, request: Request) -> bytes:
    body = Body()
    if "chunked" not in request.headers.get("transfer-encoding", "").lower():
        await reader.take(_number(request.headers.get("content-length", "0"), 10), body)
        return body.whole()
    while size := _number((await reader.until(_LINE)).partition(b";")[0].decode("latin-1"), 16):
        await reader.take(size, body)
        await reader.until(_LINE)
    while await reader.until(_LINE):
        pass  # trailers
    return body.whole()


def _number(text: str, base: int) -> int:
    try:
        return max(0, int(text.strip(), base))
    except ValueError:
        raise _GoneError from None


async def _send(socket: WebSocket, request: Request, answer: Response, *, ends: bool) -> None:
    headers = dict(answer.headers)
    if answer.content_type:
        headers["Content-Type"] = answer.content_type
    chunked = answer.stream is not None and "Content-Length" not in headers
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif answer.stream is None:
        headers["Content-Length"] = str(len(answer.body))
    headers["Connection"] = "close" if ends else "keep-alive"
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = ""
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    shown = b"" if request.method == "HEAD" else answer.body
    await socket.send(f"HTTP/1.1 {answer.status} {phrase}\r\n{told}\r\n".encode("latin-1") + shown)
    if answer.stream is None or request.method == "HEAD":
        return
    async for piece in answer.stream:
        await socket.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
    if chunked:
        await socket.send(b"0\r\n\r\n")
