"""Time as a dependency: nobody outside this module asks the machine what time it is.

`RealClock` is the machine's time. `ManualClock` stands still until `advance` moves it; it knows who sleeps on it and
until when, so a test can ask for "the next thing that is due" instead of guessing durations. `FlowingClock` is both: it
runs with the machine's time, and can be pushed ahead.
"""

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What actors and the server may know about time. Durations are seconds."""

    def now(self) -> datetime:
        """The wall clock, timezone-aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once this clock has moved on by `seconds`."""
        ...


class RealClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


_MOST_CANCELLED = 64  # sleepers that are kept all the same: their moment may be a month away


class ManualClock:
    """A clock moved by hand. Sleepers wake in due order, each at exactly its own moment."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._elapsed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._cancelled = 0  # how many of them do not sleep any more

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiter = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), waiter))
        try:
            await waiter
        finally:
            if waiter.cancelled():
                self._gave_up()

    def next_due(self) -> float | None:
        """Seconds until the first sleeper is due, or None when nobody sleeps."""
        self._drop_cancelled()
        return max(0.0, self._sleepers[0][0] - self._elapsed) if self._sleepers else None

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`, waking every sleeper due on the way. Raises ValueError for a negative step."""
        if seconds < 0:
            raise ValueError(f"time cannot go back: advance({seconds}); give a step of 0 or more seconds")
        target = self._elapsed + seconds
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, waiter = heapq.heappop(self._sleepers)
            if waiter.done():
                self._cancelled -= 1
            else:
                self._elapsed = max(self._elapsed, due)
                waiter.set_result(None)
        self._elapsed = target

    def _gave_up(self) -> None:
        """A sleeper was cancelled. Once they are most of all, they are let go of."""
        self._cancelled += 1
        if self._cancelled > max(_MOST_CANCELLED, len(self._sleepers) // 2):
            self._sleepers = [one for one in self._sleepers if not one[2].done()]
            heapq.heapify(self._sleepers)
            self._cancelled = 0

    def _drop_cancelled(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
            self._cancelled -= 1


class FlowingClock(ManualClock):
    """A manual clock that moves on by itself, as quickly as the machine's time; `advance` comes on top.

    For those who cannot say when time is to pass: clients in other threads and other processes.
    """

    def __init__(self, start: datetime | None = None) -> None:
        super().__init__(start)
        self._seen = time.monotonic()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0  # what `monotonic` will say then; who it was set for may have stopped sleeping

    def now(self) -> datetime:
        self._flow()
        return super().now()

    def monotonic(self) -> float:
        self._flow()
        return super().monotonic()

    async def sleep(self, seconds: float) -> None:
        self._flow()
        if seconds > 0 and (self._alarm is None or self._elapsed + seconds < self._alarm_at):
            self._set_alarm(seconds)
        await super().sleep(seconds)

    def next_due(self) -> float | None:
        self._flow()
        return super().next_due()

    def advance(self, seconds: float) -> None:
        self._flow()
        super().advance(seconds)
        self._ring()

    def _flow(self) -> None:
        moment = time.monotonic()
        self._elapsed += moment - self._seen
        self._seen = moment

    def _ring(self) -> None:
        """Wake who is due, and come again when the next one is."""
        self._flow()
        super().advance(0.0)
        due = super().next_due()
        if due is None:
            self._cancel_alarm()
        else:
            self._set_alarm(due)

    def _set_alarm(self, seconds: float) -> None:
        self._cancel_alarm()
        self._alarm_at = self._elapsed + seconds
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


def rfc3339(moment: datetime) -> str:
    """A metav1.Time: whole seconds, UTC, `Z`."""
    global _second  # noqa: PLW0603 - a busy server asks a thousand times in one second
    first, last, text = _second
    if first <= moment <= last:
        return text
    first = moment.astimezone(UTC).replace(microsecond=0)
    text = f"{first.isoformat()[:19]}Z"  # several times quicker than strftime
    _second = (first, first.replace(microsecond=999_999), text)
    return text


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The second told last: its first moment, its last, and its text.
_second = (_EPOCH, _EPOCH, "1970-01-01T00:00:00Z")


def rfc3339_micro(moment: datetime) -> str:
    """A metav1.MicroTime: six decimals, UTC, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> datetime:
    """Read a metav1.Time or MicroTime. Raises ValueError when it is none."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
