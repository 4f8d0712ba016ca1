"""Streams for clients that follow them over a websocket, as dashboards in browsers do.

The events of a watch come as texts, one a message; other streams, logs, as bytes, or as base64 for those who ask for that.
Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/watch.go (HandleWS), .../pkg/util/wsstream/stream.go
"""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Mapping

from fakekube.machinery.wire import BEARER_PROTOCOL, Response, Upgrade, WebSocket

_BASE64 = "base64.binary.k8s.io"


def wanted(headers: Mapping[str, str]) -> bool:
    """Whether the client asks for a websocket."""
    return headers.get("Upgrade", "").lower() == "websocket"


def framed(answer: Response, headers: Mapping[str, str]) -> Upgrade:
    """`answer.stream` as a conversation in which only the server speaks."""
    stream = answer.stream
    assert stream is not None
    offered = [one.strip() for one in headers.get("Sec-WebSocket-Protocol", "").split(",")]
    events = answer.content_type.startswith("application/json")

    async def serve(socket: WebSocket) -> None:
        gone = asyncio.create_task(_until_gone(socket))
        sending = asyncio.create_task(_send(stream, socket, events=events))
        try:
            await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (gone, sending):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await sending

    return Upgrade(serve, [one for one in offered if one and not one.startswith(BEARER_PROTOCOL)])


async def _send(stream: AsyncIterator[bytes], socket: WebSocket, *, events: bool) -> None:
    try:
        async for chunk in stream:
            if events:
                for line in chunk.splitlines():
                    await socket.send(line.decode())
            elif socket.subprotocol == _BASE64:
                await socket.send(base64.b64encode(chunk).decode())
            else:
                await socket.send(chunk)
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


async def _until_gone(socket: WebSocket) -> None:
    while await socket.receive() is not None:
        pass
