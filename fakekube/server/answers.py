"""Answers on their way out: whole, or in pieces as they are made; compressed for those who take that."""

import asyncio
import contextlib
import gzip
import logging
import zlib
from collections.abc import AsyncGenerator, AsyncIterator

import orjson
from aiohttp import web

from fakekube.machinery.errors import ApiError
from fakekube.machinery.wire import Response

GZIP_FROM = 128 * 1024  # k8s: .../endpoints/handlers/responsewriters/writers.go: defaultGzipThresholdBytes
_PIECE = 256 * 1024

log = logging.getLogger("fakekube.server")


async def whole(http: web.BaseRequest, answer: Response) -> web.StreamResponse:
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


async def in_pieces(
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
        return await whole(http, answer)
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


def status(error: ApiError) -> web.Response:
    return web.Response(
        status=error.code,
        body=orjson.dumps(error.status()),
        headers=[*error.headers, ("Content-Type", "application/json")],
    )
