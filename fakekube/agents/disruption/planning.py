"""What a budget allows: pods that are well, pods that have to be, and the difference. Pure.

Upstream: k8s: pkg/controller/disruption/disruption.go
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from fakekube.agents.workloads import conditions, pods
from fakekube.agents.workloads.counts import scaled
from fakekube.clock import parse_rfc3339, rfc3339
from fakekube.machinery import objects
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

GIVEN_UP = timedelta(minutes=2)  # after which an eviction that deleted nothing no longer counts


class Disrupted(Struct, frozen=True):
    """Evictions that are under way, those given up, and when to look again."""

    expected: dict[str, str]
    given_up: list[Object]
    wait: float | None


def disrupted(budget: Object, selected: Iterable[Object], now: datetime) -> Disrupted:
    noted = dig(budget, "status", "disruptedPods", default={})
    found = Disrupted({}, [], None)
    wait: float | None = None
    for pod in selected:
        since = noted.get(objects.name(pod))
        if since is None or objects.is_terminating(pod):
            continue
        left = (parse_rfc3339(since) + GIVEN_UP - now).total_seconds()
        if left <= 0:
            found.given_up.append(pod)
        else:
            found.expected[objects.name(pod)] = since
            wait = left if wait is None else min(wait, left)
    return Disrupted(found.expected, found.given_up, wait)


def needs_scales(budget: Object) -> bool:
    """Whether it depends on how many pods there should be, and not only on how many there are."""
    spec = budget["spec"]
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def wanted(budget: Object, selected: int, scale: int) -> tuple[int, int]:
    """(expected pods, healthy pods that are desired); `scale` is what the pods' controllers want in all."""
    spec = budget["spec"]
    if (most := spec.get("maxUnavailable")) is not None:
        return scale, max(0, scale - scaled(most, scale, up=True))
    least = spec.get("minAvailable")
    if isinstance(least, str):
        return scale, scaled(least, scale, up=True)
    return selected, int(least or 0)


def healthy(selected: Iterable[Object], expected_to_go: Iterable[str]) -> int:
    going = frozenset(expected_to_go)
    return sum(
        1
        for pod in selected
        if pods.is_ready(pod) and not objects.is_terminating(pod) and objects.name(pod) not in going
    )


def status(
    budget: Object, counts: tuple[int, int, int], going: dict[str, str], now: datetime
) -> dict[str, Any]:
    """`counts`: pods expected, desired to be healthy, and healthy."""
    expected, desired, current = counts
    allowed = max(0, current - desired) if expected > 0 else 0
    reason = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    old = budget.get("status") or {}
    new = {
        **old,
        "currentHealthy": current,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "disruptionsAllowed": allowed,
        "disruptedPods": going,
        "observedGeneration": objects.generation(budget),
        "conditions": with_condition(budget, *reason, "", now),
    }
    return {member: value for member, value in new.items() if value or member != "disruptedPods"}


def failed(budget: Object, why: str, now: datetime) -> dict[str, Any]:
    """Where it cannot be told, nothing may go."""
    old = budget.get("status") or {}
    listed = with_condition(budget, "False", "SyncFailed", why, now)
    return {**old, "disruptionsAllowed": 0, "conditions": listed}


def with_condition(budget: Object, value: str, reason: str, message: str, now: datetime) -> list[Object]:
    made: Object = {
        "type": "DisruptionAllowed",
        "status": value,
        "reason": reason,
        "message": message,
        "observedGeneration": objects.generation(budget),
        "lastTransitionTime": rfc3339(now),
    }
    listed = dig(budget, "status", "conditions", default=[])
    before = conditions.find(listed, made["type"])
    if before is not None and before.get("status") == value:
        made["lastTransitionTime"] = before.get("lastTransitionTime")
    return [*conditions.without(listed, made["type"]), made]
