"""Conversations with a guest. A serial console answers with what is typed; nothing else has a guest behind it."""

from fakekube.machinery.errors import ApiError
from fakekube.machinery.wire import Response, Upgrade, WebSocket

PROTOCOL = "plain.kubevirt.io"


def console() -> Response:
    """The serial console of a running guest."""
    return Response(101, upgrade=Upgrade(_echo, (PROTOCOL,)))


async def _echo(socket: WebSocket) -> None:
    """A terminal shows what is typed; return brings a new line."""
    while (typed := await socket.receive()) is not None:
        data = typed.encode() if isinstance(typed, str) else typed
        await socket.send(data.replace(b"\r", b"\r\n"))
    await socket.close()


def not_emulated(what: str) -> ApiError:
    """An honest no: 501 rather than a stream that never speaks."""
    return ApiError(f"the {what} of guests are not emulated", code=501, reason="NotImplemented")
