"""Reading a pool's spec with the defaults this controller assumes; no field of a pool is defaulted by the server.

Strategies exclude each other. Where validation was bypassed and several are given, the most cautious one counts.
Upstream: kubevirt: staging/src/kubevirt.io/api/pool/v1beta1/types.go
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from msgspec import Struct

from fakekube.machinery import durations, objects
from fakekube.machinery.wire import Object

FINALIZER = "pool.kubevirt.io/finalizer"  # on the pool and on each of its VMs
REVISION_LABEL = "kubevirt.io/vm-pool-revision-name"  # on a VM and in its VMI template

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}").fullmatch

UNMANAGED, OPPORTUNISTIC, PROACTIVE = "unmanaged", "opportunistic", "proactive"


class SpecError(ValueError):
    """Something in the spec cannot be read. Only a change of the spec can help."""


class Healing(Struct, frozen=True):
    """When a VM counts as failing."""

    threshold: int
    patience: timedelta


def _spec(pool: Object) -> Mapping[str, Any]:
    return pool.get("spec") or {}


def replicas(pool: Object) -> int:
    wanted = _spec(pool).get("replicas")
    return 1 if wanted is None else int(wanted)


def paused(pool: Object) -> bool:
    return bool(_spec(pool).get("paused"))


def template(pool: Object) -> Mapping[str, Any]:
    return _spec(pool).get("virtualMachineTemplate") or {}


def template_labels(pool: Object) -> Mapping[str, str]:
    return objects.labels(template(pool))


def _strategy(pool: Object, field: str) -> str:
    given = _spec(pool).get(field) or {}
    return next((name for name in (UNMANAGED, OPPORTUNISTIC) if given.get(name) is not None), PROACTIVE)


def scale_in_strategy(pool: Object) -> str:
    return _strategy(pool, "scaleInStrategy")


def update_strategy(pool: Object) -> str:
    return _strategy(pool, "updateStrategy")


def scale_in_policy(pool: Object) -> Mapping[str, Any]:
    found: Mapping[str, Any] = objects.dig(
        pool, "spec", "scaleInStrategy", PROACTIVE, "selectionPolicy", default={}
    )
    return found


def update_policy(pool: Object) -> Mapping[str, Any] | None:
    """The selection policy of updates; None unless the proactive strategy is spelled out."""
    given = objects.dig(pool, "spec", "updateStrategy", PROACTIVE)
    return None if given is None else given.get("selectionPolicy") or {}


def preserves_state(pool: Object) -> bool:
    """Whether the storage of a VM outlives it. `Offline` and `Online` mean the same."""
    chosen = objects.dig(pool, "spec", "scaleInStrategy", scale_in_strategy(pool), "statePreservation")
    return chosen not in (None, "", "Disabled")


def max_unavailable(pool: Object) -> int:
    """How many VMs an update may take away at a time: at least one, percentages rounded down. Raises SpecError."""
    given = _spec(pool).get("maxUnavailable")
    if given is None:
        given = "100%"
    if isinstance(given, str):
        text = given.removesuffix("%")
        if not _INTEGER(text):  # Python would read more than Go does: " 5", "5_0", digits of other scripts
            raise SpecError(
                f'invalid maxUnavailable percentage: strconv.ParseInt: parsing "{text}": invalid syntax'
            )
        given = replicas(pool) * int(text) // 100
    return max(1, int(given))


def healing(pool: Object) -> Healing | None:
    """When to replace failing VMs; None when they are to be left alone. Raises SpecError."""
    given = _spec(pool).get("autohealing")
    if given is None:
        return None
    threshold = given.get("startUpFailureThreshold")
    patience = given.get("minFailingToStartDuration")
    return Healing(
        threshold=3 if threshold is None else int(threshold),
        patience=timedelta(minutes=5) if patience is None else duration(patience),
    )


def duration(text: str) -> timedelta:
    """A duration as Go writes it: `2m0s`, `1.5h`, `-300ms`, `0`. Raises SpecError."""
    try:
        return timedelta(seconds=durations.parse(text))
    except ValueError as error:
        raise SpecError(str(error)) from None
