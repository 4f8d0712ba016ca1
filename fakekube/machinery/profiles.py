"""How much of something is used, told by a line of text and computed from the time alone. Pure.

    250m                              always so much
    60%                               of what the container requests
    ramp 50m 400m 10m                 from, to, in so long; then it stays there
    sine 100m 300m 5m                 between the two, once in so long, beginning at the lower
    replay 0s=50m 2m=300m 10m=10m     from each moment on so much

Amounts are quantities or percentages, all of a profile the same. In front, `shared`: so much for all pods of the pool,
Deployment, … together, of which each takes an equal part. At the end, `every 15m`: over and over again; and
`since 2026-01-01T00:10:00Z`: begins then, not when the object came into being that carries the text.

Objects carry it as an annotation, `fakekube.io/cpu` and `fakekube.io/memory`, `metrics.fakekube.io/NAME` for all else.
"""

import math
from datetime import datetime
from functools import lru_cache

from msgspec import Struct

from fakekube.clock import parse_rfc3339, rfc3339
from fakekube.machinery import quantities
from fakekube.machinery.durations import seconds_of

CPU, MEMORY = "cpu", "memory"
_BILLION = 10**9
_FORMS = "write an amount (250m, 64Mi, 60%), or ramp, sine or replay"


class BadProfile(ValueError):
    """A text that is no profile; says what would be one."""


class Profile(Struct, frozen=True):
    """`points` are (seconds, amount): of a ramp its ends, of a sine its extremes, else steps."""

    shape: str
    points: tuple[tuple[float, float], ...]
    percent: bool = False  # amounts are hundredths of a request
    shared: bool = False
    every: float = 0.0
    since: datetime | None = None

    def at(self, seconds: float) -> float:
        """The amount so long after the beginning. Before it: what it begins with."""
        seconds = max(0.0, seconds)
        if self.every:
            seconds %= self.every
        first, last = self.points[0], self.points[-1]
        if self.shape == "ramp":
            done = min(1.0, seconds / last[0])
            return first[1] + (last[1] - first[1]) * done
        if self.shape == "sine":
            turn = math.cos(2 * math.pi * seconds / last[0])
            return first[1] + (last[1] - first[1]) * (1 - turn) / 2
        return next(amount for at, amount in reversed(self.points) if at <= seconds or at == first[0])


def annotation(metric: str) -> str:
    """The annotation that tells a metric of the object that carries it."""
    return f"fakekube.io/{metric}" if metric in (CPU, MEMORY) else f"metrics.fakekube.io/{metric}"


def beginning(text: str, now: datetime) -> str:
    """The same profile, begun now where it does not say when. Raises BadProfile."""
    profile = read(text)
    moves = len(profile.points) > 1 and profile.since is None
    return f"{text} since {rfc3339(now)}" if moves else text


@lru_cache(maxsize=4096)
def read(text: str) -> Profile:
    """The profile a text describes. Raises BadProfile."""
    words = text.split()
    shared = words[:1] == ["shared"]
    words, since = _ending(words[shared:], "since")
    words, every = _ending(words, "every")
    if not words:
        raise BadProfile(f"{text!r} is no profile: {_FORMS}")
    shape, pairs = _shape(words, text)
    amounts = [amount for _, amount in pairs]
    percent = {amount.endswith("%") for amount in amounts}
    if len(percent) > 1:
        raise BadProfile(f"{text!r} mixes percentages with other amounts")
    return Profile(
        shape,
        tuple((at, _amount(amount)) for at, amount in pairs),
        percent=percent == {True},
        shared=shared,
        every=_span(every) if every else 0.0,
        since=_moment(since) if since else None,
    )


def _shape(words: list[str], text: str) -> tuple[str, list[tuple[float, str]]]:
    match words:
        case ["ramp" | "sine" as shape, low, high, span]:
            return shape, [(0.0, low), (_span(span), high)]
        case ["ramp" | "sine" as shape, *_]:
            raise BadProfile(f"{text!r}: write {shape} AMOUNT AMOUNT SPAN, as in {shape} 50m 400m 10m")
        case ["replay", _, *_]:
            return "steps", _steps(words[1:], text)
        case [amount]:
            return "steps", [(0.0, amount)]
    raise BadProfile(f"{text!r} is no profile: {_FORMS}")


def _steps(words: list[str], text: str) -> list[tuple[float, str]]:
    pairs = []
    for word in words:
        at, equals, amount = word.partition("=")
        if not equals:
            raise BadProfile(f"{text!r}: write replay SPAN=AMOUNT …, as in replay 0s=50m 2m=300m")
        pairs.append((_span(at, least=0.0), amount))
    if [at for at, _ in pairs] != sorted({at for at, _ in pairs}):
        raise BadProfile(f"{text!r}: the moments of a replay must come in their order, each once")
    return pairs


def _ending(words: list[str], word: str) -> tuple[list[str], str]:
    return (words[:-2], words[-1]) if words[-2:-1] == [word] else (words, "")


def _amount(text: str) -> float:
    number = text.removesuffix("%")
    try:
        amount = quantities.parse(number)[0] / _BILLION
    except ValueError:
        raise BadProfile(f"{text!r} is no amount; examples: 250m, 64Mi, 60%") from None
    if amount < 0:
        raise BadProfile(f"{text!r}: nobody uses less than nothing")
    return amount


def _span(text: str, least: float = 1e-3) -> float:
    try:
        seconds = seconds_of(text)
    except ValueError:
        raise BadProfile(f"{text!r} is no span of time; examples: 90s, 10m, 1h30m") from None
    if seconds < least:
        raise BadProfile(f"{text!r} is too short a span of time")
    return seconds


def _moment(text: str) -> datetime:
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise BadProfile(f"{text!r} is no moment; example: 2026-01-01T00:10:00Z") from None
