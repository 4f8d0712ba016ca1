"""Requests through `kubectl port-forward`, as virtctl and the specs make them: a websocket to a port of a pod, and TLS in it."""

import ssl
from typing import Any

import aiohttp
from msgspec import Struct

from fakekube.agents.node_server.secured import Secured
from tests.upstream.conftest import Suite

_V4 = "v4.channel.k8s.io"
_MOST = 32 * 1024  # bytes in one message


class Got(Struct, frozen=True):
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Channel:
    """The data of the first port of a websocket."""

    subprotocol = ""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._begun = False

    async def send(self, data: bytes | str) -> None:
        sent = data.encode() if isinstance(data, str) else data
        for at in range(0, len(sent), _MOST):
            await self._socket.send_bytes(b"\x00" + sent[at : at + _MOST])

    async def receive(self) -> bytes | None:
        while (message := await self._socket.receive()).type is aiohttp.WSMsgType.BINARY:
            channel, data = message.data[0], message.data[1:]
            if channel == 1 and len(data) > 2:
                raise AssertionError(data.decode())
            if channel == 0 and self._begun:
                return bytes(data)
            self._begun = self._begun or channel == 0  # what comes first is the port's number
        return None

    async def close(self, code: int = 1000) -> None:
        await self._socket.close(code=code)


async def asked(
    suite: Suite,
    pod: str,
    target: str,
    *,
    method: str = "GET",
    port: int = 8443,
    body: bytes = b"",
    **headers: str,
) -> Got:
    """One request to a port of a pod, which shows whatever certificate it likes. `pod`: its path."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        "Transfer-Encoding: chunked",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    sent = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    url = f"{suite.url}{pod}/portforward?ports={port}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=[_V4]) as socket:
        secured = Secured(_Channel(socket), context, server_side=False)
        await secured.send("\r\n".join(lines).encode() + b"\r\n\r\n" + sent + b"0\r\n\r\n")
        got = b""
        while (data := await secured.receive()) is not None:
            got += data.encode() if isinstance(data, str) else data
    head, _, rest = got.partition(b"\r\n\r\n")
    first, *named = head.decode().split("\r\n")
    told: dict[str, Any] = {
        name.lower(): value.strip() for name, _, value in (one.partition(":") for one in named)
    }
    return Got(int(first.split()[1]), told, _whole(rest) if "transfer-encoding" in told else rest)


def _whole(data: bytes) -> bytes:
    """A body out of its chunks."""
    found = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        found, data = found + data[: int(size, 16)], data[int(size, 16) + 2 :]
    return found
