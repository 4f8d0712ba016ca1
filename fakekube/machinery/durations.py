"""Durations, as Go writes them: `1h30m`, `1.5s`, `-300ms`, `0`. Seconds here; what differs where is said by whoever asks.

Upstream: Go: time.ParseDuration
"""

import re
from collections.abc import Mapping
from datetime import timedelta

GO: Mapping[str, float] = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
WITH_DAYS: Mapping[str, float] = {**GO, "d": 86_400.0}

_LONGEST = (2**63 - 1) / 1e9  # seconds: Go counts nanoseconds in 64 bits
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)")


def parse(text: str, *, units: Mapping[str, float] = GO, bare: float | None = None) -> float:
    """How many seconds a text means. Raises ValueError, in Go's words.

    `bare` is what a number without a unit counts in, where there may be one; Go knows only 0.
    """
    sign, body = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if body == "0":
        return 0.0
    at, seconds = 0, 0.0
    while at < len(body):
        part = _PART.match(body, at)
        if part is None:
            break
        at, unit = part.end(), part[2]
        if unit in units:
            seconds += float(part[1]) * units[unit]
        elif unit:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        elif bare is None or part[0] != body:
            raise ValueError(f'time: missing unit in duration "{text}"')
        else:
            seconds = float(part[1]) * bare
    if at == 0 or at < len(body) or seconds > _LONGEST:
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * seconds


def given(text: str | None, default: float) -> float:
    """The same of a member that may be absent, and has been looked at before."""
    try:
        return default if not text else parse(text)
    except ValueError:
        return default


def spelled(seconds: float) -> str:
    """As Go writes a duration of whole seconds."""
    minutes, rest = divmod(int(seconds), 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours}h{left}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def seconds_of(span: float | str | timedelta) -> float:
    """Seconds from a number of them, a timedelta, or a text like `90s`, `1h30m`, `7d`. Raises ValueError, TypeError."""
    if isinstance(span, timedelta):
        seconds = span.total_seconds()
    elif isinstance(span, str):
        try:
            seconds = parse(span.strip(), units=WITH_DAYS)
        except ValueError:
            said = f"{span!r} is no span of time; write it like '90s', '10m', '1h30m' or '250ms'"
            raise ValueError(said) from None
    elif isinstance(span, int | float):
        seconds = float(span)
    else:
        raise TypeError(f"{span!r} is no span of time; give seconds, a text like '10m', or a timedelta")
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"time cannot go back: {span!r}; give a span of 0 or more")
    return seconds
