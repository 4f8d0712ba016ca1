"""Faults at work between the clients and the API server: refusals, lost answers, delays, disturbed watches, old views.

In the order of registration; a delay lets the request go on to the next fault, everything else ends the matter.
"""

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace

from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery.wire import ConnectionLost, Handler, Request, Response
from fakekube.traffic import answers, views
from fakekube.traffic.faults import Armed, Fault
from fakekube.traffic.log import Recorded, Recording
from fakekube.traffic.seen import Names, Pattern, Seen, seen
from fakekube.traffic.streams import Tap

_OURS = "/fakekube/"  # where faults are removed must work whatever they do


class Hold:
    """Watch streams stand still from now until `release`, or to the end of a `with`; then everything held back comes."""

    def __init__(self, pattern: Pattern, faults: "Faults", view: int | None) -> None:
        self.pattern = pattern
        self.view = view  # the revision that reads see, too
        self.fired = 0
        self._faults = faults
        self._released = asyncio.Event()

    def release(self) -> None:
        self._faults.forget(self)
        self._released.set()

    async def passed(self) -> None:
        """Return once the hold is released."""
        self.fired += 1
        await self._released.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __str__(self) -> str:
        what = "hold watches" if self.view is None else f"view of version {self.view}"
        return f"{what} on {self.pattern}: fired {self.fired} times"


class Faults:
    """The faults of one cluster. `kinds` tells everything a kind may be called, `revision` where the store stands."""

    def __init__(
        self,
        *,
        clock: Clock,
        ids: Ids,
        names: Names,
        kinds: Callable[[], frozenset[str]],
        revision: Callable[[], int],
    ) -> None:
        self.clock = clock
        self._ids = ids
        self._names = names
        self._kinds = kinds
        self._revision = revision
        self._armed: list[Armed] = []
        self._holds: list[Hold] = []
        self._past_holds: list[Hold] = []
        self._taps: weakref.WeakSet[Tap] = (
            weakref.WeakSet()
        )  # who forgets to close a stream loses it all the same
        self._numbers = 0
        self._on_watches = 0

    # --- registering -----------------------------------------------------------------------------------------

    def add(self, fault: Fault | None = None, **members: Any) -> Armed:
        """Register a fault, given as one or by its members. Raises BadFault, BadPattern."""
        fault = Fault.parse(members) if fault is None else replace(fault, **members)
        fault.check(self._kinds())
        self._numbers += 1
        armed = Armed(self._numbers, fault)
        self._armed.append(armed)
        self._count()
        if fault.at_once:
            self._end_open(armed)
        return armed

    def hold(self, **pattern: Any) -> Hold:
        """Hold back the watch events of some clients or kinds. Raises BadPattern."""
        return self._begin(Hold(self._pattern(pattern), self, None))

    def stale(self, **pattern: Any) -> Hold:
        """Let a client see the world as it is now, whatever happens: its reads and its watches. Raises BadPattern."""
        return self._begin(Hold(self._pattern(pattern), self, self._revision()))

    def remove(self, number: int) -> None:
        """Forget a fault. Raises KeyError."""
        armed = next((one for one in self._armed if one.number == number), None)
        if armed is None:
            raise KeyError(number)
        self._armed.remove(armed)
        self._count()

    def clear(self) -> None:
        """Forget all faults and release all that is held."""
        self._armed.clear()
        for hold in list(self._holds):
            hold.release()
        self._past_holds.clear()
        self._count()

    def forget(self, hold: Hold) -> None:
        """Called by the hold itself."""
        if hold in self._holds:
            self._holds.remove(hold)
            self._past_holds.append(hold)

    def __iter__(self) -> Iterator[Armed | Hold]:
        return iter([*self._armed, *self._holds, *self._past_holds])

    @property
    def armed(self) -> list[Armed]:
        return list(self._armed)

    @property
    def unfired(self) -> list[str]:
        """What was registered for nothing, described."""
        return [str(one) for one in self._armed if one.unfired] + [
            str(one) for one in (*self._holds, *self._past_holds) if not one.fired
        ]

    @property
    def followed(self) -> bool:
        """Whether somebody outside this process watches."""
        return any(tap.outside for tap in self._taps)

    # --- at work ---------------------------------------------------------------------------------------------

    def filter(self, inner: Handler) -> Recording:
        """`inner`, disturbed."""

        async def handle(request: Request, record: Recorded) -> Response:
            outside = request.user is None
            if (self._armed or self._holds) and not request.path.startswith(_OURS):
                response = await self._disturbed(inner, request, record)
            else:
                response = await inner(request)
            if response.stream is not None:
                response.stream = self._tapped(response.stream, seen(request), outside=outside, decoded=False)
            elif response.events is not None:
                response.events = self._tapped(response.events, seen(request), outside=outside, decoded=True)
            return response

        return handle

    async def _disturbed(self, inner: Handler, request: Request, record: Recorded) -> Response:
        one = record.seen
        for armed in self._meeting(one, after_commit=False):
            record.fault = str(armed.fault)
            if (response := await self._act(armed.fault, one, request)) is not None:
                return response
        hold = self._viewing(one)
        if hold is not None and hold.view is not None and one.verb in ("get", "list"):
            hold.fired += 1
            record.fault = f"sees version {hold.view}"
            return await views.at(inner, request, one, hold.view)
        response = await inner(request)
        if response.status < 400:
            for armed in self._meeting(one, after_commit=True):
                record.fault = str(armed.fault)
                if (answer := await self._act(armed.fault, one, request)) is not None:
                    return answer
        return response

    def _meeting(self, one: Seen, *, after_commit: bool) -> Iterator[Armed]:
        for armed in self._armed:
            fault = armed.fault
            if fault.watch or fault.after_commit != after_commit or not fault.matches(one, self._names):
                continue
            if self._fires(armed):
                yield armed

    async def _act(self, fault: Fault, one: Seen, request: Request) -> Response | None:
        """None: only late."""
        if fault.seconds:
            await self.clock.sleep(fault.seconds)
        if fault.reset:
            raise ConnectionLost(f"connection reset by peer: {one.verb} {one.target} met a fault")
        if fault.status:
            return answers.response(fault.status, fault.message, fault.retry_after, one, request)
        return None

    def _fires(self, armed: Armed) -> bool:
        """Count a match; whether the fault acts on it."""
        fault = armed.fault
        armed.matched += 1
        if armed.matched < fault.nth or armed.spent:
            return False
        if fault.rate < 1 and self._ids.random.random() >= fault.rate:
            return False
        armed.fired += 1
        return True

    # --- watches ---------------------------------------------------------------------------------------------

    def idle(self) -> bool:
        return not self._on_watches and not self._holds

    async def flowing(self, one: Seen) -> None:
        while (hold := self._viewing(one)) is not None:
            await hold.passed()

    def meets(self, one: Seen, event: str, name: str, namespace: str) -> Armed | None:
        about = replace(one, name=name or one.name, namespace=namespace or one.namespace)
        for armed in self._armed:
            fault = armed.fault
            if not fault.watch or fault.event not in ("", event) or not fault.matches(about, self._names):
                continue
            if self._fires(armed):
                return armed
        return None

    def closed(self, tap: Tap) -> None:
        self._taps.discard(tap)

    def _tapped(self, stream: AsyncIterator[Any], one: Seen, *, outside: bool, decoded: bool) -> Tap:
        tap = Tap(stream, one, self, outside=outside, decoded=decoded)
        self._taps.add(tap)
        return tap

    def _end_open(self, armed: Armed) -> None:
        met = [tap for tap in self._taps if armed.fault.matches(tap.seen, self._names)]
        if met:
            armed.matched, armed.fired = len(met), armed.fault.times or len(met)
        for tap in sorted(met, key=lambda one: (one.seen.client, one.seen.target)):
            tap.end(expired=armed.fault.watch == "expire")

    def _viewing(self, one: Seen) -> Hold | None:
        return next((hold for hold in self._holds if hold.pattern.matches(one, self._names)), None)

    def _begin(self, hold: Hold) -> Hold:
        self._holds.append(hold)
        return hold

    def _pattern(self, members: dict[str, Any]) -> Pattern:
        pattern = Pattern(**members)
        pattern.check(self._kinds())
        return pattern

    def _count(self) -> None:
        self._on_watches = sum(1 for one in self._armed if one.fault.watch)
