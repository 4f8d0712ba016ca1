"""From how many there should be to how many there may be now: windows that steady it, rates and bounds that limit it. Pure.

A `History` is what an autoscaler remembers between its looks: what it recommended, and how it scaled.

Upstream: k8s: pkg/controller/podautoscaler/horizontal.go (normalizeDesiredReplicas and what it calls)
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

DOWNSCALE_STABILISATION = 300  # seconds
_FACTOR, _LEAST = 2.0, 4.0  # an autoscaler without behaviour at most doubles, or grows to four
_DEFAULT_DOWN = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
_DEFAULT_UP = {
    "selectPolicy": "Max",
    "stabilizationWindowSeconds": 0,
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}

Said = tuple[str, str]  # reason, message
Stamped = tuple[datetime, int]
Rules = Mapping[str, Any]  # of one side of a behaviour, complete

STEADY = ("ReadyForNewScale", "recommended size matches current size")
_DOWN_STEADIED = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
_UP_STEADIED = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
_WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_UP_LIMIT = (
    "ScaleUpLimit",
    "the desired replica count is increasing faster than the maximum scale rate",
)
_DOWN_LIMIT = (
    "ScaleDownLimit",
    "the desired replica count is decreasing faster than the maximum scale rate",
)


class History(Struct, frozen=True):
    """Oldest first."""

    recommended: tuple[Stamped, ...] = ()
    grown: tuple[Stamped, ...] = ()
    shrunk: tuple[Stamped, ...] = ()


class Normalized(Struct, frozen=True):
    """How many there are to be, and what is to be said of it. `limited`: not as many as recommended."""

    replicas: int
    able: Said
    limits: Said
    limited: bool
    history: History


def begun(history: History, current: int, now: datetime) -> History:
    """The first look takes what is there for a recommendation."""
    return history if history.recommended else replace(history, recommended=((now, current),))


def normalize(
    spec: Mapping[str, Any],
    current: int,
    wanted: int,
    history: History,
    now: datetime,
    *,
    window: float = DOWNSCALE_STABILISATION,
) -> Normalized:
    """`wanted` replicas as the autoscaler's spec allows them; `window` where it does not say for how long to wait."""
    least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
    behavior = spec.get("behavior")
    if behavior is None:
        steadied, recommended = _steadied(wanted, history.recommended, now, window)
        able = _DOWN_STEADIED if steadied != wanted else STEADY
        replicas, limits = _bounded(current, steadied, least, most)
    else:
        sides = rules(behavior, window)
        steadied, recommended = _steadied_both(current, wanted, sides, history.recommended, now)
        able = STEADY
        if steadied != wanted:
            able = _UP_STEADIED if wanted >= current else _DOWN_STEADIED
        replicas, limits = _bounded_by_rate(current, steadied, (least, most), _Rates(sides, history, now))
    kept = replace(history, recommended=recommended)
    return Normalized(replicas, able, limits, replicas != steadied, kept)


def scaled(spec: Mapping[str, Any], before: int, after: int, history: History, now: datetime) -> History:
    """Remember a change of size, as long as a policy asks for it."""
    if spec.get("behavior") is None:
        return history
    up, down = rules(spec["behavior"])
    if after > before:
        return replace(history, grown=_remembered(history.grown, after - before, up, now))
    return replace(history, shrunk=_remembered(history.shrunk, before - after, down, now))


def rules(behavior: Mapping[str, Any], window: float = DOWNSCALE_STABILISATION) -> tuple[Rules, Rules]:
    """The scaling rules for growing and for shrinking, what they leave open filled in."""
    down = _DEFAULT_DOWN | {"stabilizationWindowSeconds": window}
    return _DEFAULT_UP | _given(behavior.get("scaleUp")), down | _given(behavior.get("scaleDown"))


def _given(members: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (members or {}).items() if value is not None}


def _steadied(
    wanted: int, recommended: Sequence[Stamped], now: datetime, window: float
) -> tuple[int, tuple[Stamped, ...]]:
    """The highest recommendation of the window, and those worth remembering."""
    # A look that takes place exactly a window later is one that in the real world is a little late.
    recent = [one for one in recommended if one[0] > now - timedelta(seconds=window)]
    return max([wanted, *(count for _, count in recent)]), (*recent, (now, wanted))


def _steadied_both(
    current: int, wanted: int, sides: tuple[Rules, Rules], recommended: Sequence[Stamped], now: datetime
) -> tuple[int, tuple[Stamped, ...]]:
    windows = [timedelta(seconds=one["stabilizationWindowSeconds"]) for one in sides]
    lowest = min([wanted, *_within(recommended, windows[0], now)])
    highest = max([wanted, *_within(recommended, windows[1], now)])
    steadied = min(max(current, lowest), highest)
    kept = [one for one in recommended if one[0] >= now - max(windows)]
    return steadied, (*kept, (now, wanted))


def _within(stamped: Iterable[Stamped], window: timedelta, now: datetime) -> list[int]:
    return [count for at, count in stamped if at > now - window]


def _bounded(current: int, wanted: int, least: int, most: int) -> tuple[int, Said]:
    fastest = int(max(_FACTOR * current, _LEAST))
    if wanted < least:
        return least, _TOO_FEW
    if wanted > min(most, fastest):
        return min(most, fastest), _UP_LIMIT if most > fastest else _TOO_MANY
    return wanted, _WITHIN


class _Rates(Struct, frozen=True):
    """How quickly the policies of a behaviour let it grow and shrink now."""

    sides: tuple[Rules, Rules]
    history: History
    now: datetime

    def highest(self, current: int) -> int:
        return max(current, self._reach(current, self.sides[0], _up_to, max))

    def lowest(self, current: int) -> int:
        return min(current, self._reach(current, self.sides[1], _down_to, min))

    def _reach(
        self,
        current: int,
        side: Rules,
        reach: Callable[[int, Mapping[str, Any]], int],
        furthest: Callable[[Iterable[int]], int],
    ) -> int:
        """As far as policies allow, from where their periods began."""
        if side["selectPolicy"] == "Disabled" or not side["policies"]:
            return current
        proposed: list[int] = []
        for policy in side["policies"]:
            period = timedelta(seconds=policy["periodSeconds"])
            grown = sum(_within(self.history.grown, period, self.now))
            shrunk = sum(_within(self.history.shrunk, period, self.now))
            proposed.append(reach(current - grown + shrunk, policy))
        if side["selectPolicy"] == "Min":
            return min(proposed) if furthest is max else max(proposed)
        return furthest(proposed)


def _bounded_by_rate(current: int, wanted: int, bounds: tuple[int, int], rates: _Rates) -> tuple[int, Said]:
    least, most = bounds
    if wanted > current:
        fastest = rates.highest(current)
        bound, said = (fastest, _UP_LIMIT) if most > fastest else (most, _TOO_MANY)
        return (bound, said) if wanted > bound else (wanted, _WITHIN)
    if wanted < current:
        fastest = rates.lowest(current)
        bound, said = (fastest, _DOWN_LIMIT) if least < fastest else (least, _TOO_FEW)
        return (bound, said) if wanted < bound else (wanted, _WITHIN)
    return wanted, _WITHIN


def _up_to(start: int, policy: Mapping[str, Any]) -> int:
    if policy["type"] == "Pods":
        return int(start + policy["value"])
    return math.ceil(start * (1 + int(policy["value"]) / 100))


def _down_to(start: int, policy: Mapping[str, Any]) -> int:
    if policy["type"] == "Pods":
        return int(start - policy["value"])
    return int(start * (1 - policy["value"] / 100))


def _remembered(
    stamped: Sequence[Stamped], change: int, side: Mapping[str, Any], now: datetime
) -> tuple[Stamped, ...]:
    longest = max((policy["periodSeconds"] for policy in side["policies"]), default=0)
    return (*(one for one in stamped if one[0] >= now - timedelta(seconds=longest)), (now, change))
