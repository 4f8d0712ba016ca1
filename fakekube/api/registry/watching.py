"""Store events → watch events: which type an event has under a selector, and its line of JSON.

A line is made once per event, resource version and representation, and kept on the event: a hundred watchers send the
same bytes. Only the events rendered last keep theirs: watchers are at the end of the log, or will be soon. Caches in this
process are not sent lines but objects, and all of them the same ones.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/storage/cacher/cache_watcher.go
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import orjson

from fakekube.api.registry import codec, kept
from fakekube.api.registry.matching import Match
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery.wire import Object, WatchEvent
from fakekube.store.interface import Entry, Event

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"
_RENDERED = 2_000
_SHARED = 256  # objects are ten times as large as their lines, and caches read them at once
_rendered: deque[Event] = deque()
_shared: deque[tuple[dict[object, object], object]] = deque()
Shape = Callable[[Object], Object]  # what of an object is shown


def as_it_is(obj: Object) -> Object:
    """The shape of whole objects."""
    return obj


def change(event: Event, match: Match | None) -> tuple[str, Entry] | None:
    """(type, entry to show) of an event for a watcher with this selector; None when it is none of its business."""
    new, old = event.entry, event.previous
    if match is not None:
        new = new if new is not None and match(new) else None
        old = old if old is not None and match(old) else None
    if new is not None:
        return (ADDED if old is None else MODIFIED), new
    if old is None:
        return None
    # Leaving the selection shows the state before, as a real deletion does, at the version of the change.
    return DELETED, old


def line(resource: ServedResource, event: Event, kind: str, entry: Entry) -> bytes:
    """The event in plain JSON, made once."""
    made = _made(event)
    key = (resource.api_version, kind)
    known = made.get(key)
    if known is None:
        known = made[key] = b'{"type":"%b","object":%b}\n' % (
            kind.encode(),
            codec.serve(resource, entry, event.revision),
        )
    return known


def shared(resource: ServedResource, event: Event, kind: str, entry: Entry, shape: Shape) -> WatchEvent:
    """The event for readers in this process that change nothing, its object in this shape, made once."""
    made = _made(event)
    key = (resource.api_version, kind, shape)
    known = made.get(key)
    if known is None:
        if shape is as_it_is:
            obj = codec.shared(resource, entry, event.revision)
            if not resource.strategy.shares_parts:  # else it is of shared parts already
                kept.share_metadata(obj["metadata"])
        else:  # of the same metadata
            obj = shape(shared(resource, event, kind, entry, as_it_is)[1])
        known = made[key] = (kind, obj)
        _shared.append((made, key))
        if len(_shared) > _SHARED:
            old, gone = _shared.popleft()
            old.pop(gone, None)
    return known


def _made(event: Event) -> dict[Any, Any]:
    """What was made of an event so far."""
    made: dict[Any, Any] | None = event.memo
    if made is None:
        made = event.memo = {}
        _rendered.append(event)
        if len(_rendered) > _RENDERED:
            _rendered.popleft().memo = None
    return made


def forget() -> None:
    """What was made of events, so that those of closed servers are kept no longer. Who still needs a line makes it again."""
    for event in _rendered:
        event.memo = None
    _rendered.clear()
    _shared.clear()


def initial(resource: ServedResource, entry: Entry) -> bytes:
    """An object that was there when the watch began."""
    return b'{"type":"ADDED","object":%b}\n' % codec.serve(resource, entry)


def wrap(kind: str, body: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), body)


def bookmark(resource: ServedResource, revision: int, *, initial_end: bool = False) -> bytes:
    """Everything up to `revision` has been sent."""
    meta: dict[str, object] = {"resourceVersion": str(revision)}
    if initial_end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    body: dict[str, object] = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
    if not resource.custom:
        body.update(resource.strategy.empty_members)
    return wrap("BOOKMARK", orjson.dumps(body))


def error(status: dict[str, object]) -> bytes:
    return wrap("ERROR", orjson.dumps(status))
