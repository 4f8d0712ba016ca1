"""The event log: an append-only sequence with a movable beginning.

    forgotten   | kept events, one per revision        | not yet
    … 40 41 42  | 43  44  45  46  47                   | 48 …
              ^ oldest                ^ newest

A slow reader costs nothing and cannot lose an event silently: once its position lies before `oldest`, it is told so.

What the past costs is the values that have been replaced or deleted since, of whatever size; so it is bounded by their
size, too. The newest events are kept even then, for objects may be a megabyte.
"""

from collections import deque
from itertools import islice

from fakekube.store.interface import Compacted, Event

_MOST_BYTES = 64 << 20
_LEAST_EVENTS = 100  # what a watch cache of upstream's holds at the least


class EventLog:
    """Events by consecutive revision, bounded to the newest `retention` of them, and to `most_bytes` of the past."""

    def __init__(self, start: int, retention: int, *, most_bytes: int = _MOST_BYTES) -> None:
        self._events: deque[Event] = deque()
        self._first = start + 1  # the revision of _events[0], or of the next event when there are none
        self._retention = retention
        self._most_bytes = most_bytes
        self._bytes = 0
        self.closed = False

    @property
    def oldest(self) -> int:
        """The oldest revision a reader may stand at: all events after it are still here."""
        return self._first - 1

    @property
    def newest(self) -> int:
        """The revision of the last event."""
        return self._first - 1 + len(self._events)

    def append(self, event: Event) -> None:
        """Add the event of the next revision."""
        self._events.append(event)
        self._bytes += _past(event)
        if len(self._events) > self._retention:
            self._forget()
        while self._bytes > self._most_bytes and len(self._events) > _LEAST_EVENTS:
            self._forget()

    def after(self, revision: int) -> list[Event]:
        """Events after `revision`, oldest first. Raises Compacted when some of them are gone."""
        if revision < self.oldest:
            raise Compacted(self.oldest)
        start = revision + 1 - self._first
        missing = len(self._events) - start
        if missing <= 0:
            return []
        if missing * 2 < len(self._events):  # near the end: a deque is quick to read from its nearer side
            tail = list(islice(reversed(self._events), missing))
            tail.reverse()
            return tail
        return list(islice(self._events, start, None))

    def fork(self) -> "EventLog":
        """A log with the same events, which goes its own way."""
        twin = EventLog(self._first - 1, self._retention, most_bytes=self._most_bytes)
        twin._events, twin._bytes = self._events.copy(), self._bytes
        return twin

    def compact(self, revision: int) -> None:
        """Forget the events up to and including `revision`."""
        while self._events and self._first <= revision:
            self._forget()

    def _forget(self) -> None:
        self._bytes -= _past(self._events.popleft())
        self._first += 1


def _past(event: Event) -> int:
    """Bytes that nobody but the log holds, because of this event."""
    return len(event.previous.value) if event.previous is not None else 0
