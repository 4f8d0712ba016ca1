"""Cron schedules: five fields or a word. What is wrong with one, in the words of the parser Kubernetes uses; and when it is due.

A schedule is a matter of a wall clock: `next_after` takes and gives moments in a time zone, and passes over those the zone's
clock skips.
Origin: github.com/robfig/cron v3 {parser,spec,constantdelay}.go
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo

from msgspec import Struct

from fakekube.machinery import digits, durations

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_DAYS = {name: number for number, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS: tuple[tuple[int, int, Mapping[str, int]], ...] = (
    (0, 59, {}), (0, 23, {}), (1, 31, {}), (1, 12, _MONTHS), (0, 6, _DAYS),
)  # fmt: skip
_EVERY = "@every "


_MEANINGS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_HORIZON = 5 * 366  # days: what is not due within five years never is


class Refused(ValueError):
    """A schedule that cannot be read; the text is the parser's error."""


class Schedule(Struct, frozen=True):
    """Minutes, hours, days of the month, months and days of the week that suit; or a fixed delay."""

    fields: tuple[frozenset[int], ...] = ()
    any_day: tuple[bool, bool] = (True, True)  # whether the days of month and of week were left open
    every: float = 0.0  # seconds
    zone: str = ""

    def next_after(self, moment: datetime, zone: tzinfo = UTC) -> datetime | None:
        """The first moment after `moment` that suits, by the clock of `zone`; None when there is none for years."""
        if self.every:
            return moment.replace(microsecond=0) + timedelta(seconds=self.every)
        minutes, hours, days, months, weekdays = self.fields
        local = moment.astimezone(zone)
        day = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        for _ in range(_HORIZON):
            if day.month in months and self._suits(day, days, weekdays):
                for hour in sorted(hours):
                    for minute in sorted(minutes):
                        found = day.replace(hour=hour, minute=minute, tzinfo=zone)
                        there = found.astimezone(UTC)
                        exists = there.astimezone(zone).replace(tzinfo=None) == found.replace(tzinfo=None)
                        if exists and there > moment:
                            return there
            day += timedelta(days=1)
        return None

    def _suits(self, day: datetime, days: frozenset[int], weekdays: frozenset[int]) -> bool:
        """Where both are given, either day will do."""
        of_month, of_week = day.day in days, (day.weekday() + 1) % 7 in weekdays
        return (of_month and of_week) if any(self.any_day) else (of_month or of_week)


def problem(schedule: str) -> str:
    """What the parser says of a schedule it cannot read; empty for a sound one."""
    try:
        parse(schedule)
    except Refused as refused:
        return str(refused)
    return ""


def parse(schedule: str) -> Schedule:
    """Raises Refused."""
    zone = ""
    if not schedule:
        raise Refused("empty spec string")
    if schedule.startswith(("TZ=", "CRON_TZ=")):
        given, _, schedule = schedule.partition(" ")
        zone = given.partition("=")[2]
        if not zone:
            raise Refused("provided bad location : unknown time zone ")
        schedule = schedule.strip()
    if schedule.startswith("@"):
        schedule, every = _word(schedule)
        if every:
            return Schedule(every=every, zone=zone)
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        raise Refused(f"expected exactly {len(_FIELDS)} fields, found {len(fields)}: [{' '.join(fields)}]")
    found = tuple(
        frozenset(number for part in text.split(",") if part for number in _range(part, *bounds))
        for text, bounds in zip(fields, _FIELDS, strict=True)
    )
    return Schedule(found, (_is_open(fields[2]), _is_open(fields[4])), zone=zone)


def _is_open(field: str) -> bool:
    return any(part[:1] in ("*", "?") and part.partition("/")[2] in ("", "1") for part in field.split(","))


def _word(text: str) -> tuple[str, float]:
    """The fields a word stands for, or the seconds of a delay."""
    if text in _MEANINGS:
        return _MEANINGS[text], 0.0
    if not text.startswith(_EVERY):
        raise Refused(f"unrecognized descriptor: {text}")
    duration = text.removeprefix(_EVERY)
    try:
        seconds = durations.parse(duration)
    except ValueError as error:
        raise Refused(f"failed to parse duration {text}: {error}") from None
    return "", float(max(1, int(seconds)))


def _range(text: str, low: int, high: int, names: Mapping[str, int]) -> range:
    span, *steps = text.split("/")
    ends = span.split("-")
    if ends[0] in ("*", "?"):
        start, end = low, high
        if len(ends) > 1:
            _number(ends[0], {})  # refuses it
    else:
        start = _number(ends[0], names)
        if len(ends) > 2:
            raise Refused(f"too many hyphens: {text}")
        end = _number(ends[1], names) if len(ends) > 1 else (high if steps else start)
    if len(steps) > 1:
        raise Refused(f"too many slashes: {text}")
    step = _number(steps[0], {}) if steps else 1
    if start < low:
        raise Refused(f"beginning of range ({start}) below minimum ({low}): {text}")
    if end > high:
        raise Refused(f"end of range ({end}) above maximum ({high}): {text}")
    if start > end:
        raise Refused(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise Refused(f"step of range should be a positive number: {text}")
    return range(start, end + 1, step)


def _number(text: str, names: Mapping[str, int]) -> int:
    named = names.get(text.lower())
    if named is not None:
        return named
    try:
        number = digits.parsed("Atoi", text)
    except ValueError as error:
        raise Refused(f"failed to parse int from {text}: {error}") from None
    if number < 0:
        raise Refused(f"negative number ({number}) not allowed: {text}")
    return number
