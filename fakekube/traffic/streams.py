"""A watch stream that can be held back, cut, and whose events can be lost, doubled, delayed or overtaken.

Nothing is looked at as long as no fault is about watches: a chunk then passes for the price of one more call.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import orjson

from fakekube.api.registry import watching
from fakekube.clock import Clock
from fakekube.machinery.errors import ApiError
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

    def __init__(self, inner: AsyncIterator[bytes], one: Seen, valve: Valve, *, outside: bool) -> None:
        self.seen = one
        self.outside = outside
        self._inner = inner
        self._valve = valve
        self._last: bytes | None = None  # what is still to be sent before the end
        self._overtaken: dict[
            tuple[str, str], bytes
        ] = {}  # (namespace, name) → its event that waits for another's
        self._ending = False
        self._reader: asyncio.Task[object] | None = None

    def __aiter__(self) -> "Tap":
        return self

    async def __anext__(self) -> bytes:
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
            return self._late()
        last, self._last = self._last, None
        if last is not None:
            return last
        await self.aclose()
        raise StopAsyncIteration

    def end(self, *, expired: bool) -> None:
        """End the stream now, on request with the words that send a client back to listing."""
        self._ending = True
        if expired:
            self._last = _EXPIRED
        if self._reader is not None:
            self._reader.cancel()  # it waits for an event in `_read`, which knows what this means

    async def aclose(self) -> None:
        self._ending = True
        self._valve.closed(self)
        close = getattr(self._inner, "aclose", None)
        if close is not None:
            await close()

    async def _read(self) -> bytes | None:
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

    async def _disturbed(self, chunk: bytes) -> bytes:
        passed: list[bytes] = []
        for line in chunk.splitlines(keepends=True):
            kind, name, namespace = _about(line)
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
                self._overtaken[known] = line
                continue
            if what != "drop":
                passed.append(line)
            if what == "duplicate":
                passed.append(line)
            if name:
                passed.append(self._late())
        return b"".join(passed)

    def _late(self) -> bytes:
        """The events that others have overtaken, in their order."""
        late = b"".join(self._overtaken.values())
        self._overtaken.clear()
        return late


def _about(line: bytes) -> tuple[str, str, str]:
    """Type, name and namespace of an event; tables and bookmarks have no name."""
    event = orjson.loads(line)
    meta = event["object"].get("metadata") or {}
    return event["type"], meta.get("name") or "", meta.get("namespace") or ""


_EXPIRED = watching.error(ApiError("too old resource version: 1 (2)", code=410, reason="Expired").status())
