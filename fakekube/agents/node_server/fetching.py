"""One GET of what listens on a port of a pod: for `curl` as containers have it, which finds the pod by its address, and for the
API server's proxy. Certificates are not judged.

Nothing beyond the cluster is asked, and redirections lead nowhere.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct, field

from fakekube.agents.node_server.listening import Serve
from fakekube.agents.node_server.place import Done
from fakekube.agents.node_server.secured import Secured
from fakekube.machinery.wire import Response, WebSocket

Dial = Callable[[str, int], Awaitable[Serve | None]]  # address and port

_PORTS = {"http": 80, "https": 443}
_END = b"\r\n\r\n"


class _End(Struct, eq=False):
    """One end of a connection within this process."""

    coming: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    going: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    subprotocol: str = ""

    async def send(self, data: bytes | str) -> None:
        self.going.put_nowait(data.encode() if isinstance(data, str) else data)

    async def receive(self) -> bytes | str | None:
        data = await self.coming.get()
        if data is None:
            self.coming.put_nowait(None)  # who has gone has gone
        return data

    async def close(self, code: int = 1000) -> None:
        del code
        self.going.put_nowait(None)


async def curl(words: Sequence[str], dial: Dial) -> Done:
    """What the command says. Of its options none makes a difference."""
    url = next((word for word in words if "://" in word), "")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    if not host or not port:
        return Done(err="curl: (3) URL rejected: Malformed input to a URL function\n", code=3)
    serve = await dial(host, port)
    if serve is None:
        return Done(err=f"curl: (7) Failed to connect to {host} port {port}: Connection refused\n", code=7)
    answer = await fetched(serve, parts)
    if answer is None:
        return Done(err="curl: (52) Empty reply from server\n", code=52)
    return Done(answer.body.decode(errors="replace"))


async def fetched(serve: Serve, url: SplitResult) -> Response | None:
    """What is answered; None: nothing that is HTTP."""
    path = url.path or "/"
    asked = f"{path}?{url.query}" if url.query else path
    request = f"GET {asked} HTTP/1.1\r\nHost: {url.netloc}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    answer = await _said(serve, request.encode(), secure=url.scheme == "https")
    head, end, body = answer.partition(_END)
    status, *headers = head.decode(errors="replace").split("\r\n")
    words = status.split(" ")
    if not end or len(words) < 2 or not words[1].isdigit():
        return None
    kinds = [one.partition(":")[2].strip() for one in headers if one.lower().startswith("content-type:")]
    return Response(int(words[1]), body, kinds[0] if kinds else "")


async def _said(serve: Serve, request: bytes, *, secure: bool) -> bytes:
    near, far = _End(), _End()
    far.coming, far.going = near.going, near.coming
    serving = asyncio.ensure_future(serve(far))
    serving.add_done_callback(lambda _: near.coming.put_nowait(None))
    socket: WebSocket = Secured(near, _trusting(), server_side=False) if secure else near
    answer = b""
    try:
        await socket.send(request)
        while data := await socket.receive():
            answer += data.encode() if isinstance(data, str) else data
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    return answer


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
