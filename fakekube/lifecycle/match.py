"""Which stage an object is in, and how long it stays: pure functions of object, context, stages and randomness."""

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from fakekube.clock import parse_rfc3339
from fakekube.lifecycle.expressions import Expression
from fakekube.lifecycle.requirements import Key
from fakekube.lifecycle.stage import Pace, Selector, Stage
from fakekube.lifecycle.templates import Context, look_up
from fakekube.machinery import objects
from fakekube.machinery.durations import parse
from fakekube.machinery.wire import Object


def matches(selector: Selector, obj: Object, context: Context) -> bool:
    """Whether every part of the selector agrees."""
    if selector.labels and not _contains(objects.labels(obj), selector.labels):
        return False
    if selector.annotations and not _contains(objects.annotations(obj), selector.annotations):
        return False
    for holds in selector.tests:
        if not holds(obj, context):
            return False
    for condition in selector.conditions:  # noqa: SIM110 - quicker, and runs for every stage at every change
        if condition(obj, context) is not True:
            return False
    return True


Lot = tuple[Stage, Sequence[Stage]]  # the stage that was drawn, and all it was drawn from


def choose(
    stages: Iterable[Stage],
    obj: Object,
    context: Context,
    chance: random.Random,
    before: Lot | None = None,
) -> Lot | None:
    """The stage that applies now: of those that match, one drawn by weight; the first, when none has a weight.

    The lot cast before holds while its stage still matches and no other has come to match: that one is to have its chance.
    """
    fit = [stage for stage in stages if matches(stage.selector, obj, context)]
    if len(fit) < 2:
        return (fit[0], fit) if fit else None
    weights = [weight(stage, obj, context) for stage in fit]
    if not any(weights):
        return fit[0], fit
    if before is not None and _among(before[0], fit) and all(_among(one, before[1]) for one in fit):
        return before[0], fit
    return chance.choices(fit, weights)[0], fit


def weight(stage: Stage, obj: Object, context: Context) -> int:
    """The stage's weight for this object: what `weightFrom` finds, which is none if it is no number."""
    said = None if stage.weight_from is None else found(stage.weight_from, obj, context)
    if said is None:
        return stage.weight
    try:
        return max(0, int(said, 0) if isinstance(said, str) else int(said))
    except (TypeError, ValueError):
        return 0


def found(key: Key, obj: Object, context: Context) -> Any:
    """What a path finds first in the object, or what a name means; None: nothing."""
    if isinstance(key, str):
        return look_up(context, key)
    return key.first(obj) if isinstance(key, Expression) else key(obj, context)


Asked = tuple[Any, Any]  # what an object itself asks for: the delay, and its upper end
NOTHING: Asked = (None, None)


def asked(stage: Stage, obj: Object, context: Context) -> Asked:
    wait = stage.delay
    if wait.seconds_from is None and wait.upto_from is None:
        return NOTHING
    return (
        None if wait.seconds_from is None else found(wait.seconds_from, obj, context),
        None if wait.upto_from is None else found(wait.upto_from, obj, context),
    )


def delay(stage: Stage, wanted: Asked, now: datetime, pace: Pace, chance: random.Random) -> float:
    """Seconds until the stage plays. The pace scales what the stage says, never what the object itself asks for."""
    seconds, upto = (None if one is None else duration(one, now) for one in wanted)
    if seconds is None:
        factor = pace.factor if stage.scaled else 1.0
        if stage.scaled and pace.spread:
            factor *= chance.uniform(1.0 - pace.spread, 1.0 + pace.spread)
        seconds = stage.delay.seconds * factor
        if upto is None and stage.delay.upto is not None:
            upto = stage.delay.upto * factor
    if upto is None:
        return seconds
    return chance.uniform(seconds, upto) if upto > seconds else upto


def duration(said: Any, now: datetime) -> float | None:
    """Seconds of `1m30s`, of plain milliseconds, or until a moment; None for anything else. A number is seconds already."""
    if isinstance(said, float):
        return said
    if isinstance(said, timedelta):
        return max(0.0, said.total_seconds())
    if isinstance(said, datetime):
        return max(0.0, (said - now).total_seconds())
    text = str(said).strip()
    try:
        return max(0.0, parse(text, bare=0.001))
    except ValueError:
        pass
    try:
        return max(0.0, (parse_rfc3339(text) - now).total_seconds())
    except ValueError:
        return None


def _among(stage: Stage, stages: Sequence[Stage]) -> bool:
    return any(one is stage for one in stages)  # to compare two stages is to compare all they say


def _contains(present: Any, wanted: Any) -> bool:
    return all(present.get(key) == value for key, value in wanted.items())
