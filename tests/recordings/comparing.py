"""Compares two runs of a scenario: what was recorded, and what was played.

What varies between two runs of the real controllers is not compared: the order between objects, how often a repeated
event was counted (more or less by two), and times beyond a tolerance that allows for the machine of the recording.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.recordings.facts import ABSENT, Facts, Life, Told

COUNTS = 2  # how far counts of a repeated event may be apart
MOMENT = 0.06  # seconds; a state that lasts no longer may be missed by whoever writes next
NUMBERS = ("metadata.generation",)
LONG = 300  # characters of a line people still like to read
SECONDS = 0.8  # how much later things may have come in the recording, whose machine was slow


@dataclass(frozen=True, slots=True)
class Difference:
    """`where` is an object and a field of it; `recorded` and `played` say what each run has there."""

    where: str
    recorded: str
    played: str

    def __str__(self) -> str:
        return f"{self.where}\n    recorded  {self.recorded}\n    played    {self.played}"


def differences(recorded: Facts, played: Facts) -> list[Difference]:
    """Everything in which the two runs differ."""
    found: list[Difference] = []
    for own, life in recorded.lives.items():
        if own not in played.lives:
            found.append(Difference(own, "is there", "is not there"))
        else:
            found += _of_lives(own, life, played.lives[own], recorded.lives)
    found += [
        Difference(own, "is not there", "is there") for own in played.lives if own not in recorded.lives
    ]
    return [*found, *_of_events(recorded, played)]


def _of_lives(
    own: str, recorded: Life, played: Life, all_recorded: Mapping[str, Life]
) -> Iterable[Difference]:
    if (recorded.gone is None) != (played.gone is None) or (
        recorded.gone is not None and played.gone is not None and _apart(recorded.gone, played.gone)
    ):
        yield Difference(f"{own} gone", _moment(recorded.gone), _moment(played.gone))
    if _apart(recorded.born, played.born):
        yield Difference(f"{own} made", _moment(recorded.born), _moment(played.born))
    moments = 0  # values one run has and the other was too quick, or too slow, for
    for path in sorted(
        recorded.fields.keys() | played.fields.keys(), key=lambda path: (path in NUMBERS, path)
    ):
        one = trimmed(recorded.fields.get(path, []))
        other = trimmed(played.fields.get(path, []))
        if one == other:
            continue
        if _as_a_sibling(path, other, recorded, all_recorded):
            moments += 1
        elif path in NUMBERS:
            if abs(int(one[-1]) - int(other[-1])) <= moments:
                continue
            yield _sequences(f"{own} {path}", one, other)
        elif (missed := but_for_moments(recorded, played, path)) is not None:
            moments += missed
        else:
            yield _sequences(f"{own} {path}", one, other)


def but_for_moments(recorded: Life, played: Life, path: str) -> int | None:
    """How many values that only one of the runs has were there for a moment; None when one was there for longer."""
    one, other = _spans(recorded, path), _spans(played, path)
    best: dict[tuple[int, int], int] = {(0, 0): 0}
    for i in range(len(one) + 1):
        for j in range(len(other) + 1):
            if (i, j) not in best:
                continue
            steps = []
            if i < len(one) and j < len(other) and one[i][0] == other[j][0]:
                steps.append((i + 1, j + 1, 0))
            if i < len(one) and (one[i][1] < MOMENT or (j and one[i][0] == other[j - 1][0])):
                steps.append((i + 1, j, 1))
            if j < len(other) and (other[j][1] < MOMENT or (i and other[j][0] == one[i - 1][0])):
                steps.append((i, j + 1, 1))
            for x, y, more in steps:
                best[x, y] = min(best.get((x, y), 10**9), best[i, j] + more)
    return best.get((len(one), len(other)))


def _spans(life: Life, path: str) -> list[tuple[str, float]]:
    """The values of a field, and how long each was there."""
    values, moments = life.fields.get(path, []), life.moments.get(path, [])
    end = float("inf") if life.gone is None else life.gone
    if not values:
        return []
    spans = [later - begun for begun, later in zip(moments, [*moments[1:], end], strict=True)]
    told = [(json.dumps(value, sort_keys=True), span) for value, span in zip(values, spans, strict=True)]
    return told[1:] if values and values[0] == ABSENT else told


def trimmed(values: list[Any]) -> list[Any]:
    """The values without the absence they began with: objects begin small."""
    return values[1:] if values and values[0] == ABSENT else values


def _as_a_sibling(path: str, values: list[Any], like: Life, lives: Mapping[str, Life]) -> bool:
    """Whether another object of the same parentage went exactly this way: then both ways are real."""
    family = like.name.rpartition("-")[0]
    if (
        not family or like.resource == "pod"
    ):  # the pods of one instance are no siblings, but follow each other
        return False
    return any(
        trimmed(life.fields.get(path, [])) == values
        for life in lives.values()
        if life.resource == like.resource and life.name.rpartition("-")[0] == family and life is not like
    )


def _apart(recorded: float, played: float) -> bool:
    return abs(recorded - played) > SECONDS


def _moment(at: float | None) -> str:
    return "never" if at is None else f"at {at:.1f} s"


def _sequences(where: str, recorded: list[Any], played: list[Any]) -> Difference:
    """Of values that are large only the part in which they differ."""
    if len(recorded) == len(played) and len(_values(recorded)) > LONG:
        for one, other in zip(recorded, played, strict=True):
            if one != other and isinstance(one, dict | list) and type(one) is type(other):
                path, here, there = _deepest(one, other)
                return Difference(where + path, _text(here), _text(there))
    return Difference(where, _values(recorded), _values(played))


def _deepest(one: Any, other: Any) -> tuple[str, Any, Any]:
    """The innermost part in which two values differ, if it is one part."""
    if isinstance(one, dict) and isinstance(other, dict):
        apart = [
            part for part in one.keys() | other.keys() if one.get(part, ABSENT) != other.get(part, ABSENT)
        ]
        if len(apart) == 1:
            path, here, there = _deepest(one.get(apart[0], ABSENT), other.get(apart[0], ABSENT))
            return f".{apart[0]}{path}", here, there
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        apart = [index for index, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]]
        if len(apart) == 1:
            path, here, there = _deepest(one[apart[0]], other[apart[0]])
            return f"[{apart[0]}]{path}", here, there
    return "", one, other


def _values(values: list[Any]) -> str:
    return " → ".join(_text(one) for one in values) or "(none)"


def _text(value: Any) -> str:
    if isinstance(value, dict) and "status" in value and value.keys() <= _CONDITION:
        times = "".join(
            "-" if value.get(one, 0) is None else "." if one not in value else "t" for one in _TIMES
        )
        said = [value["status"], value.get("reason"), value.get("message")]
        return f"({' '.join(str(one) for one in said if one)} {times})"
    return value if isinstance(value, str) and value else json.dumps(value, sort_keys=True)


_TIMES = ("lastProbeTime", "lastTransitionTime", "lastHeartbeatTime")
_CONDITION = {"status", "reason", "message", *_TIMES}


def _of_events(recorded: Facts, played: Facts) -> Iterable[Difference]:
    for told in sorted(recorded.events.keys() | played.events.keys(), key=_sort_key):
        one, other = recorded.events.get(told, 0), played.events.get(told, 0)
        if (one == 0) != (other == 0) or abs(one - other) > COUNTS:
            where = f"event {told.about} {told.type} {told.reason} {told.message!r} from {told.source}"
            yield Difference(where, _times(one), _times(other))


def _sort_key(told: Told) -> tuple[str, ...]:
    return told.about, told.source, told.reason, told.message


def _times(count: int) -> str:
    return "never" if not count else f"{count} times"
