"""CEL in stage files: the expressions of kwok, by the engine that CRDs and policies have.

`self` is the object. Beside the usual functions there are kwok's, also as methods: `Now()`, `Rand()`, `SinceSecond(self)`,
`UnixSecond(time)`, `Quantity("1Gi")`. Times of Pods and Nodes are times, as they are for kwok, which knows these two by their
Go types; everywhere else they are texts. Quantities are texts until `Quantity` reads them.
What fails for an object has no value: a condition does not hold. kwok gives up on the object, where we try other stages.
Origin: kwok: pkg/utils/cel/default.go
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from typing import Any

from fakekube.api.schema.cel import CelError, CompileError, compile  # noqa: A004
from fakekube.api.schema.cel.library import LIBRARY, Environment
from fakekube.api.schema.cel.overloads import Library
from fakekube.api.schema.cel.quantities import parse_quantity
from fakekube.api.schema.cel.times import parse_timestamp
from fakekube.api.schema.cel.types import DOUBLE, DYN, QUANTITY, STRING, TIMESTAMP
from fakekube.clock import parse_rfc3339
from fakekube.machinery.wire import Object

_TYPED = (("v1", "Pod"), ("v1", "Node"))
_TIMES = frozenset(
    (
        "creationTimestamp",
        "deletionTimestamp",
        "finishedAt",
        "lastHeartbeatTime",
        "lastProbeTime",
        "lastTransitionTime",
        "startTime",
        "startedAt",
        "time",
        "timeAdded",
    )
)

log = logging.getLogger("fakekube.stages")


class _Around:
    """What functions without arguments look at: set before each evaluation, which nothing interrupts."""

    now: datetime
    chance: Random


class Condition:
    """An expression; see the module text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._around = _Around()
        try:
            self._program = compile(text, {"self": DYN}, Environment(_library(self._around)))
        except CompileError as error:
            raise ValueError(str(error).partition("\n")[0]) from None
        self._timed = any(name in text for name in _TIMES) or "SinceSecond" in text

    def __call__(self, obj: Object, context: Mapping[str, Any], /) -> Any:
        self._around.now = parse_rfc3339(context["now"])
        self._around.chance = context.get("random") or Random(0)  # noqa: S311 - not for secrets
        typed = self._timed and (obj.get("apiVersion"), obj.get("kind")) in _TYPED
        try:
            return self._program({"self": _with_times(obj) if typed else obj})
        except CelError as error:
            _tell(self.text, str(error))
            return None


def _library(around: _Around) -> Library:
    def since(obj: Mapping[str, Any]) -> float:
        moment = (obj.get("metadata") or {}).get("creationTimestamp")
        if isinstance(moment, str):
            moment = parse_timestamp(moment)
        if not isinstance(moment, datetime):
            raise CelError("SinceSecond: there is no metadata.creationTimestamp")
        return (around.now - moment).total_seconds()

    library = LIBRARY.copy()
    library.add("Now", (), TIMESTAMP, lambda: around.now)
    library.add("Rand", (), DOUBLE, lambda: around.chance.random())  # noqa: PLW0108 - whose it is then
    for add in (library.add, library.member):
        add("SinceSecond", (DYN,), DOUBLE, since)
        add("UnixSecond", (TIMESTAMP,), DOUBLE, lambda moment: moment.astimezone(UTC).timestamp())
        add("Quantity", (STRING,), QUANTITY, parse_quantity)
    return library


def _with_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: parse_timestamp(one) if key in _TIMES and isinstance(one, str) else _with_times(one)
            for key, one in value.items()
        }
    return [_with_times(one) for one in value] if isinstance(value, list) else value


@lru_cache(maxsize=256)
def _tell(text: str, error: str) -> None:
    """Once for each."""
    log.warning("a stage's expression %r failed: %s", text, error)
