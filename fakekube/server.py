"""One Handler on a port. Sockets, HTTP/1.1, TLS, websockets and shutdown live here; what a request means does not.

The handler sits directly on aiohttp's low-level server: there is no router to freeze, and a request costs one
translation each way. Only a browser can be lured to a loopback port by a foreign page, so requests naming a foreign
Host (DNS rebinding) or Origin are refused before the handler sees them.
"""

import asyncio
import contextlib
import gzip
import ipaddress
import logging
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import WSMsgType, web

from fakekube.machinery.errors import ApiError, Forbidden, InternalError, TooLarge
from fakekube.machinery.wire import ConnectionLost, Handler, Request, Response, Upgrade, User

BODY_LIMIT = 3 * 1024 * 1024  # k8s: staging/src/k8s.io/apiserver/pkg/server/config.go: MaxRequestBodyBytes
_SNAPSHOT = "/fakekube/snapshot"
_SNAPSHOT_LIMIT = 256 * 1024 * 1024
_PIECE = 256 * 1024
GZIP_FROM = 128 * 1024  # k8s: .../endpoints/handlers/responsewriters/writers.go: defaultGzipThresholdBytes
_HEADER_LIMIT = 1024 * 1024  # Go's http.DefaultMaxHeaderBytes
_GRACE = 0.5  # seconds running requests get when the server stops; watches are ended at once
_WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - recognised here, bound only when the user asks
_KNOWN_HOSTS = 256

log = logging.getLogger("fakekube.server")

Certified = Callable[[Mapping[str, Any]], User | None]  # a client's certificate, checked → who that is


class CannotListen(Exception):
    """The address cannot be had; the text is one sentence for people."""


class Server:
    """Serves `handler` between `start` and `stop`, or inside `async with`. Port 0 takes a free one: see `url`."""

    def __init__(
        self,
        handler: Handler,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        *,
        allowed_hosts: Iterable[str] = (),
        certified: Certified | None = None,
    ) -> None:
        self._certified = certified
        self._handler = handler
        self._bind = (host, port)
        self._ssl = ssl_context
        self._doors = _Doors(host, allowed_hosts)
        self._sockets: asyncio.Server | None = None
        self._web: web.Server | None = None
        self._long: set[asyncio.Task[None]] = set()  # tasks that stream, or talk over a websocket
        self._stopping = False
        self.host, self.port = host, port

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._ssl else 'http'}://{host}:{self.port}"

    async def start(self) -> None:
        """Listen. Raises CannotListen."""
        host, port = self._bind
        loop = asyncio.get_running_loop()
        self._stopping = False
        self._web = web.Server(
            self._serve,
            request_factory=self._request,
            handler_cancellation=True,  # a client that goes away ends its watch
            access_log=None,
            auto_decompress=False,
            max_line_size=_HEADER_LIMIT,
            max_field_size=_HEADER_LIMIT,
            lingering_time=1.0,
        )
        try:
            self._sockets = await loop.create_server(self._web, host, port, ssl=self._ssl, backlog=1024)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise CannotListen(f"cannot listen on {host}:{port}: {_plain(why)}") from error
        self.host, self.port = self._sockets.sockets[0].getsockname()[:2]
        if self.host in _WILDCARDS:
            self.host = "127.0.0.1" if self.host != "::" else "::1"

    async def stop(self) -> None:
        """End every watch and websocket, let running requests finish briefly, close all sockets."""
        if self._sockets is None or self._web is None:
            return
        self._stopping = True
        self._sockets.close()
        long = list(self._long)
        for task in long:
            task.cancel()
        if long:
            await asyncio.wait(long, timeout=_GRACE)
        self._web.pre_shutdown()
        await self._web.shutdown(_GRACE)
        await self._sockets.wait_closed()
        self._sockets = self._web = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _request(self, message, payload, protocol, writer, task) -> web.BaseRequest:  # type: ignore[no-untyped-def]  # noqa: ANN001 - aiohttp's own, unexported types
        return web.BaseRequest(
            message,
            payload,
            protocol,
            writer,
            task,
            asyncio.get_running_loop(),
            client_max_size=_body_limit(message.path),
        )

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        headers = http.headers
        refusal = self._doors.refusal(headers.get("Host"), headers.get("Origin"))
        if refusal is not None:
            return _status(refusal)
        path, _, query = http.raw_path.partition("?")
        if not path.startswith("/"):  # the absolute form, as proxies send it
            path = http.rel_url.raw_path
        try:
            body = await _body(http) if http.can_read_body else b""
            answer = await self._handler(
                Request(http.method, path, query, headers, body, self._user(http), http.remote or "")
            )
        except ApiError as error:
            return _status(error)
        except ConnectionLost:
            if http.transport is not None:
                http.transport.abort()
            return web.Response()  # to nobody
        except Exception as error:
            log.exception("%s %s failed", http.method, http.raw_path)
            return _status(InternalError(f"Internal error occurred: {type(error).__name__}: {error}"))
        if answer.stream is not None:
            return await self._stream(http, answer)
        if answer.upgrade is not None and answer.upgrade.raw:
            return await self._converse_raw(http, answer)
        if answer.upgrade is not None:
            return await self._converse(http, answer.upgrade)
        if answer.pieces is not None:
            return await _in_pieces(http, answer, answer.pieces)
        return await _whole(http, answer)

    def _user(self, http: web.BaseRequest) -> User | None:
        if self._certified is None or http.transport is None:
            return None
        shown = http.transport.get_extra_info("peercert")
        return self._certified(shown) if shown else None

    async def _stream(self, http: web.BaseRequest, answer: Response) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.headers["Content-Type"] = answer.content_type
        chunks = answer.stream
        assert chunks is not None
        task = asyncio.current_task()
        assert task is not None
        self._long.add(task)
        try:
            await response.prepare(http)
            if http.method != "HEAD":
                async for chunk in chunks:
                    await response.write(chunk)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            task.uncancel()  # the server ends: finish the body properly, so that clients see an end and not a break
        except ConnectionError:
            pass
        except Exception:
            log.exception("the stream of %s %s broke off", http.method, http.raw_path)
            response.force_close()
        finally:
            self._long.discard(task)
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()
        return response

    async def _converse(self, http: web.BaseRequest, upgrade: Upgrade) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=upgrade.protocols, autoclose=True, max_msg_size=BODY_LIMIT)
        if not socket.can_prepare(http):
            return _status(ApiError("websocket upgrade expected", code=400, reason="BadRequest"))
        with self._conversation(http):
            await socket.prepare(http)
            await upgrade.serve(_Socket(socket))
        if not socket.closed:
            await socket.close()
        return socket

    async def _converse_raw(self, http: web.BaseRequest, answer: Response) -> web.StreamResponse:
        """Another protocol takes the connection over. Its client waits for our 101 before it says anything."""
        assert answer.upgrade is not None
        response = web.StreamResponse(status=101, headers=answer.headers)
        response.headers["Upgrade"] = answer.upgrade.raw
        response.headers["Connection"] = "Upgrade"
        pipe = _Connection(http)
        with self._conversation(http):
            await response.prepare(http)
            await answer.upgrade.serve(pipe)
        response.force_close()
        return response

    @contextlib.contextmanager
    def _conversation(self, http: web.BaseRequest) -> Iterator[None]:
        """However it ends, it ends alone: the server's own end cuts it short, a client may go, a fault is logged."""
        task = asyncio.current_task()
        assert task is not None
        self._long.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            task.uncancel()
        except ConnectionError:
            pass
        except Exception:
            log.exception("the conversation of %s broke off", http.raw_path)
        finally:
            self._long.discard(task)


class _Connection:
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


class _Socket:
    """`wire.WebSocket` over aiohttp's."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
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
        await self._socket.close(code=code)


class _Doors:
    """Which Host and Origin may come in: loopback, the bound host, and what the user added."""

    def __init__(self, bound: str, allowed: Iterable[str]) -> None:
        self._names = {bound.lower(), "localhost", *(name.lower() for name in allowed)}
        self._any_address = bound in _WILDCARDS
        self._known: dict[str, bool] = {}

    def refusal(self, host: str | None, origin: str | None) -> Forbidden | None:
        """None for a welcome request."""
        if host is not None and not self._welcome(host):
            return Forbidden(
                f"the Host {host!r} is not one this server answers to; use localhost or 127.0.0.1, "
                f"or start it with --allow-host {_host_of(host) or 'NAME'}"
            )
        if origin is not None and not self._welcome(origin.partition("://")[2]):
            return Forbidden(
                f"web pages of {origin!r} may not use this server; "
                f"start it with --allow-host {_host_of(origin.partition('://')[2]) or 'NAME'} to let them"
            )
        return None

    def _welcome(self, host: str) -> bool:
        known = self._known.get(host)
        if known is None:
            if len(self._known) >= _KNOWN_HOSTS:
                self._known.clear()
            known = self._known[host] = self._judge(_host_of(host))
        return known

    def _judge(self, name: str) -> bool:
        if name in self._names or name.endswith(".localhost"):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or self._any_address  # a name can be rebound, a bare address cannot


def _host_of(authority: str) -> str:
    """The host of `host:port`, lower case, IPv6 brackets and the root's dot removed."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    return authority.partition(":")[0].lower().removesuffix(".")


async def _body(http: web.BaseRequest) -> bytes:
    upload = _is_upload(http)
    if "Expect" in http.headers and http.headers["Expect"].lower() == "100-continue":
        if not upload and (http.content_length or 0) > _body_limit(http.raw_path):
            raise _too_large(http)
        await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        http.writer.output_size = 0  # what aiohttp's own application does: the answer is yet to come
    if upload:
        return await _image(http)
    try:
        return await http.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise _too_large(http) from error


def _is_upload(http: web.BaseRequest) -> bool:
    """A disk image on its way through a Service's proxy: gigabytes that nobody behind it would keep."""
    return http.content_type == "application/octet-stream" and "/proxy/" in http.raw_path


async def _image(http: web.BaseRequest) -> bytes:
    """What was sent, if it is small; of a large image nothing, once all of it has come."""
    kept = bytearray()
    async for chunk in http.content.iter_any():
        if len(kept) <= BODY_LIMIT:
            kept += chunk
    return bytes(kept) if len(kept) <= BODY_LIMIT else b""


def _body_limit(path: str) -> int:
    return _SNAPSHOT_LIMIT if path == _SNAPSHOT else BODY_LIMIT


def _too_large(http: web.BaseRequest) -> TooLarge:
    return TooLarge(f"Request entity too large: limit is {_body_limit(http.raw_path)}")


async def _whole(http: web.BaseRequest, answer: Response) -> web.StreamResponse:
    body = answer.body
    if len(body) <= GZIP_FROM:
        whole = web.Response(status=answer.status, body=body, headers=answer.headers)
        whole.headers["Content-Type"] = answer.content_type
        return whole
    response = _head(answer)
    if _zips(http, response):
        body = await asyncio.to_thread(gzip.compress, body, 1, mtime=0)  # others need not wait for it
    response.content_length = len(body)
    with contextlib.suppress(ConnectionError):
        await response.prepare(http)
        if http.method != "HEAD":
            for start in range(
                0, len(body), _PIECE
            ):  # as fast as the client reads; meanwhile others are served
                await response.write(body[start : start + _PIECE])
        await response.write_eof()
    return response


async def _in_pieces(
    http: web.BaseRequest, answer: Response, pieces: AsyncIterator[bytes]
) -> web.StreamResponse:
    """A long body, sent as fast as it is made and the client reads."""
    first: list[bytes] = []
    size = 0
    async for piece in pieces:
        first.append(piece)
        size += len(piece)
        if size > GZIP_FROM:
            break
    else:
        answer.body = b"".join(first)
        return await _whole(http, answer)
    response = _head(answer)
    pieces = _resumed(b"".join(first), pieces)
    sent = _zipped(pieces) if _zips(http, response) else pieces
    try:
        await response.prepare(http)
        if http.method != "HEAD":
            async for piece in sent:
                await response.write(piece)
        await response.write_eof()
    except ConnectionError:
        pass
    except Exception:
        log.exception("the answer to %s %s broke off", http.method, http.raw_path)
        response.force_close()
        if http.transport is not None:
            http.transport.close()  # without an end, so that nobody takes it for the whole
    finally:
        for one in (sent, pieces):
            if (close := getattr(one, "aclose", None)) is not None:
                await close()
    return response


async def _resumed(first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    yield first
    async for piece in rest:
        yield piece


async def _zipped(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Compressed in another thread, enough of them at once to be worth the way there."""
    packer = zlib.compressobj(1, wbits=31)
    waiting: list[bytes] = []
    size = 0
    async for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size > GZIP_FROM:
            if done := await asyncio.to_thread(packer.compress, b"".join(waiting)):
                yield done
            waiting, size = [], 0
    yield await asyncio.to_thread(lambda: packer.compress(b"".join(waiting)) + packer.flush())


def _head(answer: Response) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.headers["Content-Type"] = answer.content_type
    return response


def _zips(http: web.BaseRequest, response: web.StreamResponse) -> bool:
    """Whether the client takes a compressed body; said in the answer's head."""
    head = response.headers
    if "gzip" not in http.headers.get("Accept-Encoding", "") or "Content-Encoding" in head:
        return False
    head["Content-Encoding"] = "gzip"
    head["Vary"] = "Accept-Encoding"
    return True


def _status(error: ApiError) -> web.Response:
    return web.Response(
        status=error.code,
        body=orjson.dumps(error.status()),
        headers=[*error.headers, ("Content-Type", "application/json")],
    )


def _plain(why: str) -> str:
    """The system's reason without the address, which has been said."""
    return "the address is already in use" if "in use" in why.lower() else why
