"""Which stage an object is in, and how long it stays: pure functions of object, context, stages and randomness."""

import random
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from fakekube.clock import parse_rfc3339
from fakekube.lifecycle.expressions import Expression
from fakekube.lifecycle.stage import Pace, Requirement, Selector, Stage
from fakekube.lifecycle.templates import Context, look_up
from fakekube.machinery import objects
from fakekube.machinery.wire import Object

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def matches(selector: Selector, obj: Object, context: Context) -> bool:
    """Whether every part of the selector agrees."""
    if selector.labels and not _contains(objects.labels(obj), selector.labels):
        return False
    if selector.annotations and not _contains(objects.annotations(obj), selector.annotations):
        return False
    for one in selector.requirements:  # noqa: SIM110 - quicker, and runs for every stage at every change
        if not _holds(one, obj, context):
            return False
    return True


def choose(
    stages: Iterable[Stage],
    obj: Object,
    context: Context,
    chance: random.Random,
    current: Stage | None = None,
) -> Stage | None:
    """The stage that applies now: of those that match, one drawn by weight; the first, when none has a weight.

    `current` is the one drawn before: the lot is not cast again while it is still among them.
    """
    found = [stage for stage in stages if matches(stage.selector, obj, context)]
    if len(found) < 2:
        return found[0] if found else None
    weights = [weight(stage, obj) for stage in found]
    if not any(weights):
        return found[0]
    if current is not None and any(one is current for one in found):
        return current
    return chance.choices(found, weights)[0]


def weight(stage: Stage, obj: Object) -> int:
    """The stage's weight for this object; what `weightFrom` finds counts if it is a number."""
    if stage.weight_from is not None:
        try:
            return max(0, int(stage.weight_from.first(obj)))
        except (TypeError, ValueError):
            pass
    return stage.weight


def delay(stage: Stage, obj: Object, now: datetime, pace: Pace, chance: random.Random) -> float:
    """Seconds until the stage plays. The pace scales what the stage says, never what the object itself asks for."""
    seconds = _asked(stage.delay.seconds_from, obj, now)
    upto = _asked(stage.delay.upto_from, obj, now)
    if seconds is None:
        seconds = stage.delay.seconds * pace.factor
        if upto is None and stage.delay.upto is not None:
            upto = stage.delay.upto * pace.factor
    if upto is not None and upto > seconds:
        return chance.uniform(seconds, upto)
    return seconds


def duration(text: str, now: datetime) -> float | None:
    """Seconds of `1m30s`, of plain milliseconds, or until a moment; None for anything else."""
    text = text.strip()
    if text.isdigit():
        return int(text) / 1000
    pieces = _DURATION.findall(text)
    if pieces and "".join(number + unit for number, unit in pieces) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in pieces)
    try:
        return max(0.0, (parse_rfc3339(text) - now).total_seconds())
    except ValueError:
        return None


def for_resource(stages: Sequence[Stage], group: str, kind: str, pace: Pace) -> tuple[Stage, ...]:
    """The stages of one kind that play at this pace."""
    return tuple(one for one in stages if (one.group, one.kind) == (group, kind) and pace.name in one.paces)


def _asked(expression: Expression | None, obj: Object, now: datetime) -> float | None:
    found = expression.first(obj) if expression is not None else None
    return None if found is None else duration(str(found), now)


def _contains(present: Any, wanted: Any) -> bool:
    return all(present.get(key) == value for key, value in wanted.items())


def _holds(requirement: Requirement, obj: Object, context: Context) -> bool:
    key, operator = requirement.key, requirement.operator
    if isinstance(key, str):
        value = look_up(context, key)
        found = [] if value is None else [value]
    else:
        found = key.values(obj)
    if operator == "Exists":
        return bool(found)
    if operator == "DoesNotExist":
        return not found
    values = requirement.values
    for value in found:
        if (value if isinstance(value, str) else _text(value)) in values:
            return operator == "In"
    return operator == "NotIn"


def _text(value: Any) -> str:
    if value is True:
        return "true"
    return "false" if value is False else str(value)
