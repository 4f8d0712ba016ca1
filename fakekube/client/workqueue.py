"""Keys that want work. It promises four things:

-   Fair: keys are worked on in the order in which they were added.
-   Stingy: a key added several times before it is taken is worked on once.
-   Single: a key is never worked on by two workers at once. Added meanwhile, it comes again after `done`.
-   Patient: a key may be added for later. Of two delays the earlier one counts; retries wait exponentially longer.

Upstream: k8s: staging/src/k8s.io/client-go/util/workqueue/{queue,delaying_queue,default_rate_limiters}.go
"""

import asyncio
import heapq
import itertools
from collections import deque
from typing import Protocol

from fakekube.clock import Clock

_TOLERANCE = 1e-9  # seconds: "due" must not hang on the last bit of a sum of floats


class QueueClosed(Exception):
    """The queue was closed and holds nothing more."""


class QueueObserver(Protocol):
    """What metrics want to know of a queue. Called synchronously; must be quick and must not raise."""

    def added(self, key: str) -> None:
        """A key is waiting for a worker."""

    def taken(self, key: str, waited: float) -> None:
        """A worker took the key after `waited` seconds."""

    def finished(self, key: str, worked: float) -> None:
        """The worker is done after `worked` seconds."""

    def retried(self, key: str) -> None:
        """The key was added with back-off."""


class WorkQueue:
    """See the module text. For one event loop."""

    def __init__(
        self,
        clock: Clock,
        *,
        base_delay: float = 0.005,
        max_delay: float = 1000.0,
        observer: QueueObserver | None = None,
    ) -> None:
        self._clock = clock
        self._base_delay = base_delay
        self._max_delay = max_delay
        self._ready: deque[str] = deque()
        self._dirty: set[str] = set()  # wants work: in `_ready`, or being worked on and added again since
        self._processing: set[str] = set()
        self._takers: deque[asyncio.Future[None]] = deque()
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._delayed: list[tuple[float, int, str]] = []  # a heap; what `_due` does not confirm is void
        self._order = itertools.count()
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = 0.0
        self._closed = False
        self._observer = observer
        self._since: dict[str, float] = {}  # for the observer alone: added, then taken

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def idle(self) -> bool:
        """Nothing is ready and nothing is being worked on. Keys added for later do not count."""
        return not self._ready and not self._processing

    @property
    def next_due(self) -> float | None:
        """Seconds until the first delayed key becomes ready, if there is one."""
        return max(0.0, min(self._due.values()) - self._clock.monotonic()) if self._due else None

    def add(self, key: str) -> None:
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        if self._observer is not None:
            self._observer.added(key)
            if key not in self._processing:
                self._since[key] = self._clock.monotonic()
        if key not in self._processing:
            self._ready.append(key)
            self._wake()

    def add_after(self, key: str, seconds: float) -> None:
        """Add the key once `seconds` have passed; the earliest of several wishes counts."""
        if self._closed:
            return
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        known = self._due.get(key)
        if known is not None and known <= due:
            return
        self._due[key] = due
        heapq.heappush(self._delayed, (due, next(self._order), key))
        if self._alarm is None or due < self._alarm_at:
            self._set_alarm()

    def add_rate_limited(self, key: str) -> None:
        """Add the key after its back-off, which doubles with each call until `forget`."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        if self._observer is not None:
            self._observer.retried(key)
        # Beyond 2**64 times the base every sensible maximum is reached; larger powers only overflow.
        self.add_after(key, min(self._base_delay * 2.0 ** min(failures, 64), self._max_delay))

    def forget(self, key: str) -> None:
        """The key succeeded: its next back-off begins anew."""
        self._failures.pop(key, None)

    def retries(self, key: str) -> int:
        return self._failures.get(key, 0)

    async def get(self) -> str:
        """The next key, which is then being worked on until `done`. Raises QueueClosed."""
        while not self._ready:
            if self._closed:
                raise QueueClosed
            taker = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            try:
                await taker
            except asyncio.CancelledError:
                if taker.done() and not taker.cancelled():
                    self._wake()  # woken and cancelled at once: the key is for somebody else
                elif taker in self._takers:  # else a key that came in between has passed it over
                    self._takers.remove(taker)
                raise
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._processing.add(key)
        if self._observer is not None:
            now = self._clock.monotonic()
            self._observer.taken(key, now - self._since.pop(key, now))
            self._since[key] = now
        return key

    def done(self, key: str) -> None:
        """Work on the key has ended, however it ended. If it was added meanwhile it is ready again."""
        self._processing.discard(key)
        if self._observer is not None:
            now = self._clock.monotonic()
            self._observer.finished(key, now - self._since.pop(key, now))
            if key in self._dirty:
                self._since[key] = now
        if key in self._dirty:
            self._ready.append(key)
            self._wake()

    def close(self) -> None:
        """Take nothing more; workers get what is ready and then QueueClosed. Delayed keys are dropped."""
        self._closed = True
        self._due.clear()
        self._delayed.clear()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._takers:
            self._wake()

    def _wake(self) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return

    def _set_alarm(self) -> None:
        """One task sleeps until the first delayed key is due; an earlier one replaces it."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = self._delayed[0][0]
        self._alarm = asyncio.get_running_loop().create_task(self._release())

    async def _release(self) -> None:
        while self._delayed:
            self._alarm_at = self._delayed[0][0]
            await self._clock.sleep(self._alarm_at - self._clock.monotonic())
            horizon = self._clock.monotonic() + _TOLERANCE
            while self._delayed and self._delayed[0][0] <= horizon:
                due, _, key = heapq.heappop(self._delayed)
                if self._due.get(key) == due:
                    del self._due[key]
                    self.add(key)
        self._alarm = None
