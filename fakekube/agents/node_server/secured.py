"""TLS inside a conversation: for whoever connects to a port of a pod and begins a handshake there, and for who does so here."""

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from fakekube.machinery.wire import WebSocket

_AT_ONCE = 65536

T = TypeVar("T")


class Secured:
    """A WebSocket whose messages are what the peer said once it is decrypted. It has gone when it speaks no TLS."""

    def __init__(self, socket: WebSocket, context: ssl.SSLContext, *, server_side: bool = True) -> None:
        self.subprotocol = socket.subprotocol
        self._socket = socket
        self._came, self._due = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._due, server_side=server_side)

    async def send(self, data: bytes | str) -> None:
        text = data.encode() if isinstance(data, str) else data
        await self._do(lambda: self._tls.write(text))

    async def receive(self) -> bytes | str | None:
        return await self._do(lambda: self._tls.read(_AT_ONCE)) or None

    async def close(self, code: int = 1000) -> None:
        with suppress(ssl.SSLError):  # we do not wait for the peer's farewell
            self._tls.unwrap()
        await self._flush()
        await self._socket.close(code)

    async def _do(self, step: Callable[[], T]) -> T | None:
        """Take a step, feeding TLS what comes for as long as it wants more; None once nothing comes."""
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._socket.receive()
                if data is None:
                    return None
                self._came.write(data.encode() if isinstance(data, str) else data)
            except ssl.SSLError:
                await self._flush()  # the alert that says why
                return None
            else:
                await self._flush()
                return done

    async def _flush(self) -> None:
        if data := self._due.read():
            await self._socket.send(data)
