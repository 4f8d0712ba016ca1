"""What this machine can do at most with one constant answer: aiohttp's low-level server, or no HTTP library at all.

python -m benchmarks.bare [--raw] < body
"""

import asyncio
import sys
from collections.abc import Callable
from typing import cast

from aiohttp import web


async def main(*, raw: bool) -> None:
    body = sys.stdin.buffer.read()
    loop = asyncio.get_running_loop()
    server = _Raw.of(body) if raw else _aiohttp(body)
    listener = await loop.create_server(server, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


def _aiohttp(body: bytes) -> Callable[[], asyncio.Protocol]:
    async def handler(_: web.BaseRequest) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    return web.Server(handler, access_log=None)


class _Raw(asyncio.Protocol):
    """An answer for every end of a request's head; nothing is parsed."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._transport: asyncio.Transport | None = None

    @classmethod
    def of(cls, body: bytes) -> Callable[[], asyncio.Protocol]:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return lambda: cls(head.encode() + body)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by descent

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(self._answer * data.count(b"\r\n\r\n"))


if __name__ == "__main__":
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    try:
        import uvloop

        loop_factory = uvloop.new_event_loop
    except ImportError:
        pass
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main(raw="--raw" in sys.argv))
