"""What would happen to an object now if nothing else did: what tests of stages look at."""

import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from fakekube.lifecycle.effects import Told, events, writes
from fakekube.lifecycle.match import asked, choose, delay
from fakekube.lifecycle.script import Script
from fakekube.lifecycle.stage import REALISTIC, Pace
from fakekube.machinery.wire import Object


class Prospect(Struct, frozen=True):
    """What is next on one track: which stage, after how long at the shortest, and what it will do."""

    track: str
    stage: str
    after: float
    events: tuple[Told, ...]
    writes: tuple[Any, ...]
    deletes: bool


def prospects(
    script: Script, obj: Object, context: Mapping[str, Any], now: datetime, pace: Pace = REALISTIC
) -> list[Prospect]:
    """What would happen to an object if nothing else did, track by track."""
    found, chance = [], _Shortest()
    for track, stages in script.tracks(context).items():
        lot = choose(stages, obj, context, chance)
        if lot is not None:
            stage = lot[0]
            after = delay(stage, asked(stage, obj, context), now, pace, chance)
            bodies = tuple(sent for sent, _ in writes(stage, obj, context))
            told = tuple(events(stage, context))
            found.append(Prospect(track, stage.name, after, told, bodies, stage.next.delete))
    return found


class _Shortest(random.Random):
    """Chance that always falls on the lower end."""

    def random(self) -> float:
        return 0.0
