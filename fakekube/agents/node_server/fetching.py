"""`curl` as containers have it: one GET of what listens on a port of a pod, found by the pod's address; certificates are not judged.

Nothing beyond the cluster is asked, and redirections lead nowhere.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fakekube.agents.node_server.listening import Serve
from fakekube.agents.node_server.place import Done
from fakekube.agents.node_server.secured import Secured
from fakekube.machinery.wire import WebSocket

Dial = Callable[[str, int], Awaitable[Serve | None]]  # address and port

_PORTS = {"http": 80, "https": 443}
_END = b"\r\n\r\n"


@dataclass(slots=True)
class _End:
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
    path = parts.path or "/"
    asked = f"{path}?{parts.query}" if parts.query else path
    request = f"GET {asked} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    answer = await _said(serve, request.encode(), secure=parts.scheme == "https")
    if _END not in answer:
        return Done(err="curl: (52) Empty reply from server\n", code=52)
    return Done(answer.partition(_END)[2].decode(errors="replace"))


async def _said(serve: Serve, request: bytes, *, secure: bool) -> bytes:
    near, far = _End(), _End()
    far.coming, far.going = near.going, near.coming
    serving = asyncio.ensure_future(serve(far))
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
