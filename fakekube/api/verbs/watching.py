"""WATCH: a stream of events from a version on, or from what there is now.

The stream is a cursor on the store's log. A watcher that falls behind what the log keeps gets an ERROR event (410) and the
end of the stream, never a gap. Where a resource is not served any more, its watches end after the last event.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/watch.go, storage/cacher/cacher.go,
    apiextensions-apiserver/pkg/apiserver/customresource_handler.go (tearDown, a second later)
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import orjson
from msgspec import Struct

from fakekube.api import tables
from fakekube.api.negotiation import PLAIN, Representation
from fakekube.api.options import ListOptions, parse_version
from fakekube.api.registry import codec, watching
from fakekube.api.registry.matching import Match, matcher
from fakekube.api.registry.reading import Range
from fakekube.api.verbs import list_body
from fakekube.api.verbs.call import Call
from fakekube.api.verbs.get import too_large
from fakekube.machinery.errors import ApiError, NotAcceptable
from fakekube.machinery.wire import Events, Response, WatchEvent
from fakekube.store import interface as stores
from fakekube.store.interface import Entry, Event, Progress

_INITIAL = list_body.DECODED
_BOOKMARK_EVERY = 60.0
_DEFAULT_TIMEOUT = 45 * 60.0  # upstream: a random 30 to 60 minutes


class _Start(Struct):
    """Where the stream begins."""

    after: int
    initial: Sequence[Entry]
    announce_end: bool  # a bookmark marks the end of the initial objects


async def watch(call: Call, options: ListOptions) -> Response:
    """The stream. Raises BadRequest and friends before it begins; later errors are ERROR events."""
    resource = call.resource
    match = matcher(resource, options, name=call.info.name)
    chosen = call.representation(watch=True)
    if chosen.media != "json":
        raise NotAcceptable(
            "only the following media types are accepted: application/json;stream=watch, "
            "application/vnd.kubernetes.protobuf;stream=watch"
        )
    start: _Start | ApiError
    try:
        start = await _start(call, options, match)
    except _TooOld as old:
        start = old.error
    if call.request.shares and chosen.convert in ("", "PartialObjectMetadata"):
        pieces = _pieces(call, options, start, match, _sharing(call, chosen))
        return call.finish(Response(200, events=_events(pieces)))
    pieces = _pieces(call, options, start, match, _renderer(call, chosen))
    return call.finish(Response(200, stream=_stream(pieces)))


class _TooOld(Exception):
    """The starting version is forgotten: told inside the stream, as the real server does."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.message)
        self.error = error


def too_old(asked: int, oldest: int) -> ApiError:
    return ApiError(f"too old resource version: {asked} ({oldest})", code=410, reason="Expired")


async def _start(call: Call, options: ListOptions, match: Match | None) -> _Start:
    store = call.registry.store
    prefix = _prefix(call)
    text = options.version
    if text:
        try:
            version = parse_version(text)
        except ValueError as error:
            raise ApiError(f'resourceVersion: Invalid value: "{text}": {error}') from None
    else:
        version = 0
    with_initial = options.initial_events if options.initial_events is not None else version == 0
    if with_initial:
        if version > store.revision:
            raise too_large(version, store.revision)
        page = await call.registry.reading.select(call.resource, Range(prefix), match, options.labels)
        # Without a version, a legacy watch that wants bookmarks is also told where the initial objects end.
        announce = options.bookmarks and (options.initial_events is True or not text)
        return _Start(page.revision, page.entries, announce)
    if not text or version == 0:
        return _Start(store.revision, (), announce_end=False)
    if version > store.revision:
        raise too_large(version, store.revision)
    if version < store.oldest:
        raise _TooOld(too_old(version, store.oldest))
    return _Start(version, (), announce_end=False)


def _prefix(call: Call) -> str:
    return call.resource.key(call.info.namespace, "") if call.info.namespace else call.resource.prefix


_Piece = bytes | WatchEvent  # a line, or what a reader in this process gets in place of it
_Render = Callable[[str, Event | None, Entry], _Piece]


async def _stream(pieces: AsyncGenerator[list[Any], None]) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(pieces):
        async for some in pieces:
            yield b"".join(some)


async def _events(pieces: AsyncGenerator[list[Any], None]) -> AsyncGenerator[Events, None]:
    """Bookmarks and errors are few, and come as lines."""
    async with contextlib.aclosing(pieces):
        async for some in pieces:
            yield [_decoded(one) if type(one) is bytes else one for one in some]


def _decoded(line: bytes) -> WatchEvent:
    event = orjson.loads(line)
    return event["type"], event["object"]


async def _pieces(
    call: Call, options: ListOptions, start: _Start | ApiError, match: Match | None, render: _Render
) -> AsyncGenerator[list[_Piece], None]:
    if isinstance(start, ApiError):
        yield [watching.error(start.status())]
        return
    store, conversion = call.registry.store, call.resource.conversion
    for some in _INITIAL.of(start.initial):
        lines = [render(watching.ADDED, None, entry) for entry in some]
        more = bool(some) and some[-1] is not start.initial[-1]
        if start.announce_end and not more:
            lines.append(_mark(call, start.after, initial_end=True))
        if lines:
            yield lines
        if more:
            await call.registry.reading.turns.next()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (options.timeout or _DEFAULT_TIMEOUT)
    position = start.after
    tick = min(deadline, loop.time() + _BOOKMARK_EVERY)
    news = store.watch(_prefix(call), position)
    rung = withdrawn = False

    def ring() -> None:
        nonlocal rung
        rung = True
        news.nudge()

    def withdraw() -> None:
        nonlocal withdrawn
        withdrawn = True
        news.nudge()

    timer = loop.call_at(tick, ring)
    stack = contextlib.ExitStack()
    if call.resource.custom:
        withdrawn = not stack.enter_context(call.catalog.following(call.resource, withdraw))
    try:
        async for batch in news:
            if not isinstance(batch, Progress):
                position = batch[-1].revision
                lines = []
                if conversion is not None:
                    batch = await conversion.events(batch)  # noqa: PLW2901 - the same batch, in our version
                for event in batch:
                    change = watching.change(event, match)
                    if change is not None:
                        lines.append(render(change[0], event, change[1]))
                if lines:
                    yield lines
                continue
            if withdrawn:
                return
            position = batch.revision
            if not rung:  # asking the time would not do: loops ring a fraction early, and nobody rings again
                continue
            if options.bookmarks:
                yield [_mark(call, position)]
            if tick >= deadline:
                return
            rung = False
            tick = min(deadline, loop.time() + _BOOKMARK_EVERY)
            timer = loop.call_at(tick, ring)
    except stores.Compacted as compacted:
        yield [watching.error(too_old(position, compacted.oldest).status())]
    except ApiError as unconverted:
        yield [watching.error(unconverted.status())]
    finally:
        stack.close()
        timer.cancel()
        await news.aclose()


def _mark(call: Call, revision: int, *, initial_end: bool = False) -> bytes:
    chosen = call.representation(watch=True)
    if chosen.convert == "Table":
        body = tables.bookmark_table(call.resource, revision, initial_end=initial_end, version=chosen.version)
        return watching.wrap("BOOKMARK", orjson.dumps(body))
    if chosen.convert:
        meta: dict[str, object] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_end:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        partial = {
            "kind": "PartialObjectMetadata",
            "apiVersion": f"meta.k8s.io/{chosen.version}",
            "metadata": meta,
        }
        return watching.wrap("BOOKMARK", orjson.dumps(partial))
    return watching.bookmark(call.resource, revision, initial_end=initial_end)


def _sharing(call: Call, chosen: Representation) -> _Render:
    resource, shape = call.resource, tables.partial_metadata if chosen.convert else watching.as_it_is

    def render(kind: str, event: Event | None, entry: Entry) -> WatchEvent:
        if event is not None:
            return watching.shared(resource, event, kind, entry, shape)
        return kind, shape(codec.shared(resource, entry, entry.modified))

    return render


def _renderer(call: Call, chosen: Representation) -> _Render:
    resource = call.resource
    if chosen is PLAIN:

        def plain(kind: str, event: Event | None, entry: Entry) -> bytes:
            return (
                watching.initial(resource, entry)
                if event is None
                else watching.line(resource, event, kind, entry)
            )

        return plain
    first = [True]

    def converted(kind: str, event: Event | None, entry: Entry) -> bytes:
        obj = codec.decode(resource, entry)
        revision = str(entry.modified if event is None else event.revision)
        obj["metadata"]["resourceVersion"] = revision
        if chosen.convert != "Table":
            return watching.wrap(kind, orjson.dumps(tables.partial_metadata(obj, version=chosen.version)))
        table = call.table([obj], chosen, {"resourceVersion": revision})
        if not first[0]:
            table["columnDefinitions"] = None  # sent once per stream
        first[0] = False
        return watching.wrap(kind, orjson.dumps(table))

    return converted
