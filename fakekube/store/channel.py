"""Watches: cursors on the events under one prefix.

All watches of a prefix share a channel, which sorts out its events once, when they happen. A write wakes the watchers
of its own prefixes and nobody else, however many there are.

    log      41a 42b 43a 44c 45a …      every event
    /a/      41  43  45                 the channel of a prefix, since somebody began to watch it
                 ^ a watch's position
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from fakekube.store.interface import Compacted, Event, FutureRevision, Progress
from fakekube.store.log import EventLog

_MAX_BATCH = 1_000
_TRIM_EVERY = (
    1_000  # events; where nothing happens nobody else looks whether what happened once is still in the log
)
_FOLDERS = 4_096


class Channel:
    """The events under `prefix` after revision `start`, as far as they are kept."""

    __slots__ = ("_dropped", "_events", "_waiting", "prefix", "readers", "start")

    def __init__(self, prefix: str, start: int) -> None:
        self.prefix = prefix
        self.start = start
        self.readers = 0
        self._events: deque[Event] = deque()
        self._dropped = start  # the newest revision that was here and is gone
        self._waiting: list[asyncio.Future[None]] = []

    def add(self, event: Event, oldest: int) -> None:
        """Take an event and wake whoever waits for one."""
        self._events.append(event)
        self.trim(oldest)
        self.wake()

    def trim(self, oldest: int) -> None:
        """Forget what the log has forgotten: events up to revision `oldest`."""
        events = self._events
        while events and events[0].revision <= oldest:
            self._dropped = events.popleft().revision

    def after(self, revision: int) -> list[Event]:
        """Events after a revision that is not before `start`. Raises Compacted when some of them are gone."""
        if revision < self._dropped:
            raise Compacted(self._dropped)
        found: list[Event] = []
        for event in reversed(self._events):
            if event.revision <= revision:
                break
            found.append(event)
        found.reverse()
        return found

    def wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def wait(self) -> "asyncio.Future[None]":
        """Done with the next event."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future


class Channels:
    """The channels of one log, found by the prefixes of a key."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._by_prefix: dict[str, Channel] = {}
        self._by_folder: dict[str, tuple[Channel, ...]] = {}  # what was found, until a channel comes or goes
        self._odd: list[Channel] = []  # prefixes that end in the middle of a path segment
        self._untrimmed = 0

    def add(self, event: Event) -> None:
        """Give an event, already in the log, to the channels it concerns."""
        oldest, key = self._log.oldest, event.key
        folder = key[: key.rfind("/") + 1]
        channels = self._by_folder.get(folder)
        if channels is None:
            channels = self._found(folder)
        for channel in channels:
            channel.add(event, oldest)
        for channel in self._odd:
            if key.startswith(channel.prefix):
                channel.add(event, oldest)
        self._untrimmed += 1
        if self._untrimmed >= _TRIM_EVERY:
            self._untrimmed = 0
            self.trim()

    def _found(self, folder: str) -> tuple[Channel, ...]:
        """The channels of all that lies in a folder, remembered."""
        if len(self._by_folder) >= _FOLDERS:
            self._by_folder.clear()
        ends = (at for at, letter in enumerate(folder, start=1) if letter == "/")
        known = [self._by_prefix.get(folder[:end]) for end in ends]
        found = self._by_folder[folder] = tuple(one for one in known if one is not None)
        return found

    def join(self, prefix: str, newest: int) -> Channel:
        """The channel of a prefix, with one reader more."""
        found = self._by_prefix.get(prefix) or next((one for one in self._odd if one.prefix == prefix), None)
        if found is None:
            found = Channel(prefix, newest)
            if prefix.endswith("/"):
                self._by_prefix[prefix] = found
                self._by_folder.clear()
            else:
                self._odd.append(found)
        found.readers += 1
        return found

    def leave(self, channel: Channel) -> None:
        """One reader less; nobody keeps a channel for nobody."""
        channel.readers -= 1
        if channel.readers:
            return
        if channel.prefix.endswith("/"):
            self._by_prefix.pop(channel.prefix, None)
            self._by_folder.clear()
        else:
            self._odd.remove(channel)

    def trim(self) -> None:
        for channel in self._all():
            channel.trim(self._log.oldest)

    def wake(self) -> None:
        for channel in self._all():
            channel.wake()

    def _all(self) -> list[Channel]:
        return [*self._by_prefix.values(), *self._odd]


class Cursor:
    """A `Watch`: see the store's contract. `newest` tells the store's revision."""

    def __init__(self, log: EventLog, channels: Channels, prefix: str, after: int) -> None:
        self._log = log
        self._channels = channels
        self._channel: Channel | None = channels.join(prefix, log.newest)
        self._position = after
        self._told = False  # whether the present standstill has been reported
        self._waiter: asyncio.Future[None] | None = None

    def __aiter__(self) -> "Cursor":
        return self

    async def __anext__(self) -> Sequence[Event] | Progress:
        while self._channel is not None and not self._log.closed:
            news = self._news(self._channel)
            if news:
                self._told = False
                return news
            if not self._told:
                self._told = True
                self._position = self._log.newest
                return Progress(self._position)
            self._waiter = self._channel.wait()
            await self._waiter
        await self.aclose()
        raise StopAsyncIteration

    def _news(self, channel: Channel) -> Sequence[Event]:
        if self._position > self._log.newest:
            raise FutureRevision(self._log.newest)
        if self._position < channel.start:
            earlier = [
                event
                for event in self._log.after(self._position)
                if event.revision <= channel.start and event.key.startswith(channel.prefix)
            ]
            del earlier[_MAX_BATCH:]
            self._position = earlier[-1].revision if len(earlier) == _MAX_BATCH else channel.start
            if earlier:
                return earlier
        # Whoever joins a channel that others have opened finds events in it.
        news = channel.after(self._position)[:_MAX_BATCH]
        if news:
            self._position = news[-1].revision
        return news

    def nudge(self) -> None:
        """Have the next read say where the watch stands, even when nothing has happened under its prefix."""
        self._told = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def aclose(self) -> None:
        """Stop watching."""
        self._leave()

    def _leave(self) -> None:
        if self._channel is not None:
            channel, self._channel = self._channel, None
            self._channels.leave(channel)

    def __del__(self) -> None:
        self._leave()
