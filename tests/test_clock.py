"""Clocks: time by hand, and the texts Kubernetes writes."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakekube.clock import ManualClock, RealClock, parse_rfc3339, rfc3339, rfc3339_micro

MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_time_stands_still() -> None:
    """A manual clock moves only when it is told to, wall time and monotonic time alike."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    assert (clock.now(), clock.monotonic()) == (datetime(2026, 1, 1, tzinfo=UTC), 0.0)
    clock.advance(90)
    assert (clock.now(), clock.monotonic()) == (datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC), 90.0)


async def test_sleepers_wake_in_order() -> None:
    """Sleepers wake when they are due, in the order in which they are, and not before."""
    clock = ManualClock()
    woken: list[int] = []

    async def sleeper(seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2)]
    await settle()
    assert clock.next_due() == 1
    clock.advance(2)
    await settle()
    assert woken == [1, 2]
    clock.advance(0.5)
    await settle()
    assert (woken, clock.next_due()) == ([1, 2], 0.5)
    clock.advance(100)
    await asyncio.gather(*tasks)
    assert (woken, clock.next_due()) == ([1, 2, 3], None)


async def test_cancelled_sleeper() -> None:
    """Somebody who no longer sleeps is not due any more."""
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(5))
    await settle()
    task.cancel()
    await settle()
    assert clock.next_due() is None
    clock.advance(10)


async def test_many_cancelled_sleepers() -> None:
    """Those who no longer sleep are let go of although their moment is far away; who sleeps on wakes at its own."""
    clock = ManualClock()
    staying = [asyncio.create_task(clock.sleep(days * 86_400)) for days in (9, 2)]
    for _ in range(10):
        tasks = [asyncio.create_task(clock.sleep(30 * 86_400)) for _ in range(50)]
        await settle()
        for task in tasks:
            task.cancel()
        await settle()
        assert len(clock._sleepers) <= 2 + 50 + 64
    for due in (2, 7):
        assert clock.next_due() == due * 86_400
        clock.advance(due * 86_400)
        await settle()
    assert [task.done() for task in staying] == [True, True]
    assert clock.next_due() is None


async def test_no_sleep() -> None:
    """Sleeping for no time lets others run and returns without the clock moving."""
    clock = ManualClock()
    await asyncio.wait_for(clock.sleep(0), 30)
    await asyncio.wait_for(clock.sleep(-1), 30)
    assert clock.monotonic() == 0


def test_time_cannot_go_back() -> None:
    """A negative step is a mistake."""
    with pytest.raises(ValueError, match="time cannot go back"):
        ManualClock().advance(-1)


async def test_real_clock() -> None:
    """The machine's time is in UTC and its seconds go up."""
    clock = RealClock()
    before = clock.monotonic()
    await clock.sleep(0)
    assert clock.monotonic() >= before
    assert clock.now().utcoffset() == timedelta(0)


@given(MOMENTS)
def test_round_trip(moment: datetime) -> None:
    """MicroTime keeps everything, Time whole seconds."""
    assert parse_rfc3339(rfc3339_micro(moment)) == moment
    assert parse_rfc3339(rfc3339(moment)) == moment.replace(microsecond=0)


def test_all_of_a_second_is_told_alike() -> None:
    """From its first microsecond to its last a second has one text, whatever was told before, and its neighbours another."""
    second = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for micros in (0, 1, 999_999):
        assert rfc3339(second + timedelta(microseconds=micros)) == "2026-01-02T03:04:05Z"
    assert rfc3339(second + timedelta(seconds=1)) == "2026-01-02T03:04:06Z"
    assert rfc3339(second - timedelta(microseconds=1)) == "2026-01-02T03:04:04Z"


def test_texts() -> None:
    """Times are written in UTC with a `Z`, and read with any offset."""
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2)))
    assert rfc3339(moment) == "2026-01-02T01:04:05Z"
    assert rfc3339_micro(moment) == "2026-01-02T01:04:05.000006Z"
    assert parse_rfc3339("2026-01-02T03:04:05+02:00") == parse_rfc3339("2026-01-02T01:04:05Z")
    assert parse_rfc3339("2026-01-02T01:04:05").tzinfo is UTC
    with pytest.raises(ValueError, match="Invalid"):
        parse_rfc3339("yesterday")
