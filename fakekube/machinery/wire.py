"""The one seam: a Handler takes a Request and answers with a Response.

The API server is a Handler, so is the HTTP transport of the client, an aggregated API and an admission webhook.
Whatever works against one works against all of them, in memory or over a socket.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

# Begins what is no protocol of a websocket, but its caller's token: pages in browsers can set no other header.
BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io."


class User(Struct, frozen=True):
    """Who asks, as authentication established it."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Request(Struct):
    """One request. `path` is the undecoded path without the query, `query` the undecoded text behind the `?`."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(
        default_factory=dict
    )  # asked for in lower case; case-insensitive over HTTP
    body: bytes = b""
    user: User | None = (
        None  # set by in-process clients and by the authentication filter, never by the network
    )
    remote: str = ""
    secure: bool = True  # came over TLS, or from this process
    shares: bool = False  # whoever asks is in this process, and changes nothing of what it is handed
    sent: Any = None  # what a client in this process made the body from, until it has its answer


class ConnectionLost(ConnectionResetError):
    """Raised by a Handler instead of an answer: the connection breaks, and the client never learns what happened."""


class WebSocket(Protocol):
    """The server's end of an upgraded connection: console, vnc, exec, port-forward."""

    subprotocol: str

    async def send(self, data: bytes | str) -> None:
        """Send one message: binary for bytes, text for str."""
        ...

    async def receive(self) -> bytes | str | None:
        """The next message, or None once the peer has gone."""
        ...

    async def close(self, code: int = 1000) -> None:
        """End the conversation. 1006, which nobody may send, breaks the connection off instead."""
        ...


class Upgrade(Struct):
    """A response that turns the connection into a conversation: over a websocket, or with `raw`, over the bare
    connection under that protocol's name, where messages are whatever bytes came together."""

    serve: Callable[[WebSocket], Awaitable[None]]
    protocols: Sequence[str] = ()
    raw: str = ""


class Response(Struct):
    """One answer: a body, or a stream of chunks (watches), or an upgrade to a websocket."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
    stream: AsyncIterator[bytes] | None = None
    obj: "Object | None" = None  # in place of a body, where the request `shares`; without managedFields
    events: AsyncIterator["Events"] | None = None  # in place of a watch's stream, likewise
    upgrade: Upgrade | None = None
    pieces: AsyncIterator[bytes] | None = None  # in place of a long body, which is made while it is sent


async def whole(response: Response) -> Response:
    """The same with its body, for readers that want all of it at once."""
    if response.pieces is not None:
        response.body, response.pieces = b"".join([one async for one in response.pieces]), None
    return response


Handler = Callable[[Request], Awaitable[Response]]

Object = dict[str, Any]  # a Kubernetes object: plain, decoded JSON, fresh on every read
WatchEvent = tuple[str, Object]
Events = list[WatchEvent]  # as many as came at once
