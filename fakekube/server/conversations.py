"""Both ways a connection becomes a conversation: a websocket, and the bare connection under another protocol."""

import asyncio

from aiohttp import WSCloseCode, WSMsgType, web


class Connection:
    """`wire.WebSocket` over a connection itself: what aiohttp would read as requests comes here instead."""

    subprotocol = ""

    def __init__(self, http: web.BaseRequest) -> None:
        self._http = http
        self._came: asyncio.Queue[bytes | None] = asyncio.Queue()
        http.protocol.set_parser(self)  # type: ignore[arg-type]  # it is one in all but name

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """For aiohttp: more has come, and it is not to stop reading."""
        self._came.put_nowait(data)
        return False, b""

    def feed_eof(self) -> None:
        """For aiohttp: the peer has gone."""
        self._came.put_nowait(None)

    async def send(self, data: bytes | str) -> None:
        transport = self._http.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the peer has gone")
        transport.write(data.encode() if isinstance(data, str) else data)
        await self._http.writer.drain()

    async def receive(self) -> bytes | str | None:
        return await self._came.get()

    async def close(self, code: int = 1000) -> None:
        del code
        if self._http.transport is not None:
            self._http.transport.close()


class Socket:
    """`wire.WebSocket` over aiohttp's."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.BaseTransport | None = None) -> None:
        self._socket = socket
        self._transport = transport
        self.subprotocol = socket.ws_protocol or ""

    async def send(self, data: bytes | str) -> None:
        if isinstance(data, str):
            await self._socket.send_str(data)
        else:
            await self._socket.send_bytes(data)

    async def receive(self) -> bytes | str | None:
        message = await self._socket.receive()
        if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
            data: bytes | str = message.data
            return data
        return None

    async def close(self, code: int = 1000) -> None:
        if code != WSCloseCode.ABNORMAL_CLOSURE:
            await self._socket.close(code=code)
        elif self._transport is not None:
            self._transport.close()
