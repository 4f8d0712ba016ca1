"""One Handler on a port. Sockets, HTTP/1.1, TLS, websockets and shutdown live here; what a request means does not.

The handler sits directly on aiohttp's low-level server: there is no router to freeze, and a request costs one
translation each way. Foreign pages are turned away at the `doors`.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from fakekube.machinery.errors import ApiError, InternalError
from fakekube.machinery.wire import ConnectionLost, Handler, Request, Response, Upgrade, User
from fakekube.server import answers, bodies, framing
from fakekube.server.conversations import Connection, Socket
from fakekube.server.doors import WILDCARDS, Doors

_HEADER_LIMIT = 1024 * 1024  # Go's http.DefaultMaxHeaderBytes
_GRACE = 0.5  # seconds running requests get when the server stops; watches are ended at once

log = logging.getLogger("fakekube.server")

Certified = Callable[[Mapping[str, Any]], User | None]  # a client's certificate, checked → who that is


class _Log(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's log. A client that speaks no HTTP is told so, and no error of the server."""

    def exception(self, msg: object, *args: object, exc_info: Any = True, **more: Any) -> None:
        if isinstance(exc_info, HttpProcessingError):
            self.info(f"{msg}: %s", *args, " ".join(exc_info.message.split()))
        else:
            super().exception(msg, *args, exc_info=exc_info, **more)


class _Connect(web.BaseRequest):
    """A CONNECT, answered as Go does: like any other request. aiohttp would leave the body out, and its end with it."""

    @property
    def keep_alive(self) -> bool:
        return False  # what follows may be meant for the other end of a tunnel


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
        self._doors = Doors(host, allowed_hosts)
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
            logger=_Log(log, {}),
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
        if self.host in WILDCARDS:
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
        kind = web.BaseRequest
        if message.method == "CONNECT":
            kind, message = _Connect, message._replace(method="GET")
        return kind(
            message,
            payload,
            protocol,
            writer,
            task,
            asyncio.get_running_loop(),
            client_max_size=bodies.limit(message.path),
        )

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        headers = http.headers
        refusal = self._doors.refusal(headers.get("Host"), headers.get("Origin"))
        if refusal is not None:
            return answers.status(refusal)
        path, _, query = http.raw_path.partition("?")
        method = http.method
        if isinstance(http, _Connect):
            method, path = (
                "CONNECT",
                path if path.startswith("/") else "",
            )  # host and port, which are no path of ours
        elif not path.startswith("/"):  # the absolute form, as proxies send it
            path = http.rel_url.raw_path
        try:
            body = await bodies.read(http) if http.can_read_body else b""
            answer = await self._handler(
                Request(
                    method,
                    path,
                    query,
                    headers,
                    body,
                    self._user(http),
                    http.remote or "",
                    secure=self._ssl is not None,
                )
            )
        except ApiError as error:
            return answers.status(error)
        except ConnectionLost:
            if http.transport is not None:
                http.transport.abort()
            return web.Response()  # to nobody
        except Exception as error:
            log.exception("%s %s failed", http.method, http.raw_path)
            return answers.status(InternalError(f"Internal error occurred: {type(error).__name__}: {error}"))
        if answer.stream is not None and framing.wanted(http.headers):
            answer.upgrade = framing.framed(answer, http.headers)
        elif answer.stream is not None:
            return await self._stream(http, answer)
        if answer.upgrade is not None and answer.upgrade.raw:
            return await self._converse_raw(http, answer)
        if answer.upgrade is not None:
            return await self._converse(http, answer.upgrade)
        if answer.pieces is not None:
            return await answers.in_pieces(http, answer, answer.pieces)
        return await answers.whole(http, answer)

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
        socket = web.WebSocketResponse(
            protocols=upgrade.protocols, autoclose=True, max_msg_size=bodies.BODY_LIMIT
        )
        if not socket.can_prepare(http):
            return answers.status(ApiError("websocket upgrade expected", code=400, reason="BadRequest"))
        with self._conversation(http):
            await socket.prepare(http)
            await upgrade.serve(Socket(socket, http.transport))
        if not socket.closed:
            await socket.close()
        return socket

    async def _converse_raw(self, http: web.BaseRequest, answer: Response) -> web.StreamResponse:
        """Another protocol takes the connection over. Its client waits for our 101 before it says anything."""
        assert answer.upgrade is not None
        response = web.StreamResponse(status=101, headers=answer.headers)
        response.headers["Upgrade"] = answer.upgrade.raw
        response.headers["Connection"] = "Upgrade"
        pipe = Connection(http)
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


def _plain(why: str) -> str:
    """The system's reason without the address, which has been said."""
    return "the address is already in use" if "in use" in why.lower() else why
