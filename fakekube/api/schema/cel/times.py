"""Timestamps and durations: reading, printing, and their parts in any time zone.

Timestamps are aware datetimes, durations timedeltas: microseconds, where upstream has nanoseconds.
cel-go: common/types/{timestamp,duration}.go
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from fakekube.api.schema.cel.overloads import Library
from fakekube.api.schema.cel.types import DURATION, INT, STRING, TIMESTAMP
from fakekube.api.schema.cel.values import CelError
from fakekube.machinery import durations

_OFFSET = re.compile(r"([+-]?)(\d{2}):(\d{2})")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def parse_timestamp(text: str) -> datetime:
    """RFC 3339. Raises CelError."""
    if not _MOMENT.fullmatch(text):
        raise CelError(
            f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"'
        )
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        raise CelError(f'parsing time "{text}": out of range') from None


def parse_duration(text: str) -> timedelta:
    """Go's notation, `1h30m`. Raises CelError."""
    try:
        return timedelta(seconds=durations.parse(text))
    except (ValueError, OverflowError) as error:
        raise CelError(str(error)) from None


def timestamp_text(moment: datetime) -> str:
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{moment.microsecond:06}".rstrip("0") if moment.microsecond else ""
    return f"{text}{fraction}Z"


def duration_text(span: timedelta) -> str:
    sign = "-" if span < timedelta() else ""
    whole, rest = divmod(abs(span) // timedelta(microseconds=1), 1_000_000)
    return f"{sign}{whole}{f'.{rest:06}'.rstrip('0') if rest else ''}s"


def _zone(name: str) -> tzinfo:
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        minutes = int(offset[2]) * 60 + int(offset[3])
        return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - few expressions name a zone

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CelError(f"unknown time zone {name}") from None


_PARTS: dict[str, Callable[[datetime], int]] = {
    "getFullYear": lambda moment: moment.year,
    "getMonth": lambda moment: moment.month - 1,
    "getDayOfYear": lambda moment: moment.timetuple().tm_yday - 1,
    "getDayOfMonth": lambda moment: moment.day - 1,
    "getDate": lambda moment: moment.day,
    "getDayOfWeek": lambda moment: moment.isoweekday() % 7,
    "getHours": lambda moment: moment.hour,
    "getMinutes": lambda moment: moment.minute,
    "getSeconds": lambda moment: moment.second,
    "getMilliseconds": lambda moment: moment.microsecond // 1000,
}
_SPANS: dict[str, Callable[[timedelta], int]] = {
    "getHours": lambda span: int(span.total_seconds() / 3600),
    "getMinutes": lambda span: int(span.total_seconds() / 60),
    "getSeconds": lambda span: int(span.total_seconds()),
    # The specification means the rest below a second; cel-go counts all of them.
    "getMilliseconds": lambda span: int(span.total_seconds() * 1000),
}


def _zoned(part: Callable[[datetime], int]) -> Callable[[datetime, str], int]:
    return lambda moment, zone: part(moment.astimezone(_zone(zone)))


def _utc(part: Callable[[datetime], int]) -> Callable[[datetime], int]:
    return lambda moment: part(moment.astimezone(UTC))


def install(library: Library) -> None:
    def same(value: Any) -> Any:
        return value

    library.add("timestamp", (STRING,), TIMESTAMP, parse_timestamp)
    library.add("timestamp", (INT,), TIMESTAMP, lambda seconds: datetime.fromtimestamp(seconds, UTC))
    library.add("timestamp", (TIMESTAMP,), TIMESTAMP, same)
    library.add("duration", (STRING,), DURATION, parse_duration)
    library.add("duration", (DURATION,), DURATION, same)
    for name, part in _PARTS.items():
        library.member(name, (TIMESTAMP,), INT, _utc(part))
        library.member(name, (TIMESTAMP, STRING), INT, _zoned(part))
    for name, of in _SPANS.items():
        library.member(name, (DURATION,), INT, of)
