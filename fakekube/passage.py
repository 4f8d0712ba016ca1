"""How time passes in a cluster whose clock is moved by hand: to each next moment somebody waits for, and settling there.

A cluster is settled when nothing in it can happen before time moves on or somebody outside speaks up. Actors, caches and
the API server live in one event loop and wake each other through it, so that is the case exactly when the loop has
nothing left to run and no request to a server outside the process is on its way: a cache that has not seen the newest
event, a key on a queue, an event that waits to be sent would each be something to run.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol, TypeVar

from fakekube.clock import Clock, FlowingClock, ManualClock, RealClock
from fakekube.machinery.durations import seconds_of

Span = float | str | timedelta
T = TypeVar("T")

_TURNS = 1_000_000  # of the event loop, at one moment: more is a circle
_QUIET_TURNS = 50  # for loops that do not tell what they have left to run
_LOOK_EVERY = 0.02  # seconds, where time is not moved
_PATIENCE = 0.001  # seconds between two looks while an answer from outside is awaited
_MACHINE = RealClock()


class NeverSettles(Exception):
    """The cluster keeps itself busy without time passing; the text says with what."""


class WrongLoop(Exception):
    """A cluster is asked from another event loop than it lives in, where nothing of it would ever happen."""


class CannotMoveTime(Exception):
    """This clock is not ours to move; the text names the way out."""


class Watched(Protocol):
    """What has to be known of a cluster to tell that it is settled."""

    clock: Clock

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where it lives."""
        ...

    @property
    def outward(self) -> int:
        """Requests on their way to servers outside this process."""
        ...

    @property
    def followed(self) -> bool:
        """Whether somebody outside this process watches, and so wants time to act before it moves on."""
        ...

    @property
    def busy(self) -> bool:
        """Whether an actor says that it has work to do now."""
        ...

    def mark(self) -> object:
        """A value that changes whenever something happens."""
        ...

    def busiest(self) -> str:
        """Who has been asking for what, most often, of late; for people."""
        ...


async def settle(cluster: Watched) -> None:
    """Return once nothing more happens without time passing. Raises NeverSettles, WrongLoop."""
    loop = asyncio.get_running_loop()
    if loop is not cluster.loop:
        raise WrongLoop(
            "this cluster lives in another event loop than this code: test and fixture need the same one (of pytest-asyncio, "
            "`loop_scope` and `asyncio_default_fixture_loop_scope`; in its auto mode, no test with anyio's mark)"
        )
    left = getattr(loop, "_ready", None)  # uvloop keeps it to itself
    quiet, mark = 0, cluster.mark()
    for _ in range(_TURNS):
        await _MACHINE.sleep(_PATIENCE if cluster.outward else 0)
        if cluster.outward:
            continue
        if left is not None:
            if not left:
                return
        else:
            before, mark = mark, cluster.mark()
            quiet = quiet + 1 if mark == before and not cluster.busy else 0
            if quiet >= _QUIET_TURNS:
                return
    raise NeverSettles(
        f"the cluster is still busy after {_TURNS} turns without time passing; busiest: {cluster.busiest()}"
    )


async def advance(cluster: Watched, span: Span) -> None:
    """Move on by `span`, stopping at each moment somebody waits for. Raises CannotMoveTime, NeverSettles, ValueError."""
    seconds = seconds_of(span)
    clock = _movable(cluster.clock)
    await settle(cluster)
    end = clock.monotonic() + seconds
    while (due := clock.next_due()) is not None and clock.monotonic() + due <= end:
        clock.advance(due)
        await settle(cluster)
    clock.advance(max(0.0, end - clock.monotonic()))
    await settle(cluster)


async def run_until(
    cluster: Watched,
    condition: Callable[[], T | Awaitable[T]],
    *,
    timeout: Span = "1h",  # noqa: ASYNC109 - of the cluster's time, which asyncio does not know
) -> T:
    """Let as much time pass as it takes for `condition` to hold, looking whenever the cluster has settled; its value.

    Raises TimeoutError after `timeout` of the cluster's time, or at once when nobody waits for any later moment.
    """
    clock = cluster.clock
    start, seconds = clock.monotonic(), seconds_of(timeout)
    while True:
        await settle(cluster)
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        spent = clock.monotonic() - start
        if not isinstance(clock, ManualClock) or (isinstance(clock, FlowingClock) and cluster.followed):
            if spent >= seconds:
                raise TimeoutError(f"not so within {_said(timeout)} of the cluster's time")
            await clock.sleep(min(_LOOK_EVERY, seconds - spent))
            continue
        due = clock.next_due()
        if due is None:
            raise TimeoutError(
                f"not so after {spent:g} s, and nothing is going to happen any more: nobody waits"
            )
        if spent + due > seconds:
            clock.advance(max(0.0, seconds - spent))
            raise TimeoutError(
                f"not so within {_said(timeout)} of the cluster's time; the next change is due later"
            )
        clock.advance(due)


def _said(span: Span) -> str:
    return f"{span:g} s" if isinstance(span, int | float) else str(span)


def _movable(clock: Clock) -> ManualClock:
    if not isinstance(clock, ManualClock):
        kind = "the machine's" if isinstance(clock, RealClock) else f"a {type(clock).__name__}"
        raise CannotMoveTime(
            f"this cluster's time is {kind}; make it with Cluster(clock=ManualClock()) to move it by hand"
        )
    return clock
