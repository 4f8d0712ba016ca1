"""What a server answers, read: pages, refusals, and the events of a watch as many at a time as came together."""

import gc
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import orjson

from fakekube.machinery.errors import ApiError, from_status
from fakekube.machinery.wire import Events, Response

_LARGE = 100_000  # bytes


def loads(body: bytes) -> Any:
    """Decode a page. Python's cycle collector looks again and again at what is being built, and there are no cycles in
    JSON: for a megabyte of CRDs that is ten times the work of decoding."""
    if len(body) < _LARGE or not gc.isenabled():
        return orjson.loads(body)
    gc.disable()
    try:
        return orjson.loads(body)
    finally:
        gc.enable()


async def events(response: Response) -> AsyncGenerator[Events, None]:
    """The events of a watch, until the server ends it. An ERROR event is raised as the ApiError it carries."""
    if response.events is not None:
        async for batch in _until_error(response.events):
            yield batch
        return
    stream = response.stream if response.stream is not None else _once(response.body)
    lines = _lines(stream)
    try:
        async for some in lines:
            found, error = _decoded(some)
            if found:
                yield found
            if error is not None:
                raise error
    finally:
        await close(lines)
        await close(stream)


async def _once(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


async def _lines(stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Whole lines, as many as arrived together. A chunk may hold many lines, or part of one."""
    unfinished = []  # the beginning of a line whose end has not come yet; joined once, when it has
    async for chunk in stream:
        head, newline, tail = chunk.rpartition(b"\n")
        if not newline:
            unfinished.append(chunk)
            continue
        if unfinished:
            unfinished.append(head)
            head = b"".join(unfinished)
            unfinished.clear()
        if tail:
            unfinished.append(tail)
        yield head
    if unfinished:
        yield b"".join(unfinished)


async def _until_error(stream: AsyncIterator[Events]) -> AsyncGenerator[Events, None]:
    """Events of a server in this process. Raises an ERROR event as the error it carries."""
    try:
        async for events in stream:
            if events[-1][0] == "ERROR":  # the last there is
                if events[:-1]:
                    yield events[:-1]
                raise from_status(events[-1][1])
            yield events
    finally:
        await close(stream)


def _decoded(lines: bytes) -> tuple[Events, ApiError | None]:
    """The events of some whole lines, up to an ERROR event, and that one as an error."""
    events: Events = []
    for line in lines.split(b"\n"):
        if not line or line.isspace():
            continue
        event = orjson.loads(line)
        if event["type"] == "ERROR":
            return events, from_status(event["object"])
        events.append((event["type"], event["object"]))
    return events, None


async def refusal(response: Response) -> ApiError:
    """The error behind an answer from 400 on; answers that hold no Status (proxies, plain text) are told as they are."""
    body = response.body
    if response.stream is not None:
        body = b"".join([chunk async for chunk in response.stream])
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        status = {"message": body.decode(errors="replace").strip()}
    error = from_status(status, response.status)
    error.headers = list(response.headers)
    return error


async def close(stream: AsyncIterator[Any]) -> None:
    """End a stream now rather than when it is collected: the server's cursor is released with it."""
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()
