"""A watch stream that can be held back, cut, and whose events can be lost, doubled, delayed or overtaken.

A stream's chunks are lines, or lists of events for caches in this process: both are taken apart and put together here.
Nothing is looked at as long as no fault is about watches: a chunk then passes for the price of one more call.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

import orjson

from fakekube.api.registry import watching
from fakekube.clock import Clock
from fakekube.machinery.errors import ApiError
from fakekube.machinery.wire import WatchEvent
from fakekube.traffic.faults import Armed
from fakekube.traffic.seen import Seen


class Valve(Protocol):
    """What decides about a stream's events."""

    clock: Clock

    def idle(self) -> bool:
        """Whether there is nothing to decide."""
        ...

    async def flowing(self, one: Seen) -> None:
        """Return as soon as the stream may go on."""
        ...

    def meets(self, one: Seen, event: str, name: str, namespace: str) -> Armed | None:
        """The fault that is to act on this event, counted as fired."""
        ...

    def closed(self, tap: "Tap") -> None:
        """The stream has ended."""
        ...


class Tap:
    """See the module text."""

    def __init__(
        self, inner: AsyncIterator[Any], one: Seen, valve: Valve, *, outside: bool, decoded: bool
    ) -> None:
        self.seen = one
        self.outside = outside
        self._inner = inner
        self._valve = valve
        self._decoded = decoded
        self._expired = False  # whether words to that effect are still to be sent before the end
        self._overtaken: dict[
            tuple[str, str], Any
        ] = {}  # (namespace, name) → its event that waits for another's
        self._ending = False
        self._reader: asyncio.Task[object] | None = None

    def __aiter__(self) -> "Tap":
        return self

    async def __anext__(self) -> Any:
        valve = self._valve
        while not self._ending:
            chunk = await self._read()
            if chunk is None:
                break
            if valve.idle() and not self._overtaken:
                return chunk
            await valve.flowing(self.seen)
            chunk = await self._disturbed(chunk)
            if chunk:
                return chunk
        if self._overtaken:  # the end of the stream lets nobody down
            return self._chunk(self._late())
        if self._expired:
            self._expired = False
            return [_event(_EXPIRED)] if self._decoded else _EXPIRED
        await self.aclose()
        raise StopAsyncIteration

    def end(self, *, expired: bool) -> None:
        """End the stream now, on request with the words that send a client back to listing."""
        self._ending = True
        self._expired = expired
        if self._reader is not None:
            self._reader.cancel()  # it waits for an event in `_read`, which knows what this means

    async def aclose(self) -> None:
        self._ending = True
        self._valve.closed(self)
        close = getattr(self._inner, "aclose", None)
        if close is not None:
            await close()

    async def _read(self) -> Any:
        self._reader = task = asyncio.current_task()
        try:
            return await anext(self._inner)
        except StopAsyncIteration:
            return None
        except asyncio.CancelledError:
            if not self._ending or task is None or task.uncancel() > 0:
                raise
            return None
        finally:
            self._reader = None

    async def _disturbed(self, chunk: Any) -> Any:
        passed: list[Any] = []
        for piece in chunk if self._decoded else chunk.splitlines(keepends=True):
            kind, obj = piece if self._decoded else _event(piece)
            meta = obj.get("metadata") or {}  # tables and bookmarks have no name
            name, namespace = meta.get("name") or "", meta.get("namespace") or ""
            known = (namespace, name)
            if known in self._overtaken:  # the events of one object keep their order
                passed.append(self._overtaken.pop(known))
            armed = self._valve.meets(self.seen, kind, name, namespace)
            what = armed.fault.watch if armed is not None else ""
            if armed is not None and what == "delay":
                await self._valve.clock.sleep(armed.fault.seconds)
            elif what in ("close", "expire"):
                self.end(expired=what == "expire")
                break
            if what == "reorder":
                self._overtaken[known] = piece
                continue
            if what != "drop":
                passed.append(piece)
            if what == "duplicate":
                passed.append(piece)
            if name:
                passed += self._late()
        return self._chunk(passed)

    def _chunk(self, pieces: list[Any]) -> Any:
        return pieces if self._decoded else b"".join(pieces)

    def _late(self) -> list[Any]:
        """The events that others have overtaken, in their order."""
        late = list(self._overtaken.values())
        self._overtaken.clear()
        return late


def _event(line: bytes) -> WatchEvent:
    event = orjson.loads(line)
    return event["type"], event["object"]


_EXPIRED = watching.error(ApiError("too old resource version: 1 (2)", code=410, reason="Expired").status())
