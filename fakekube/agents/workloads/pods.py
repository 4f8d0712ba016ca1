"""What pods are like, as controllers see it: active, ready, available; and which of them to give up first. Pure.

Upstream: k8s: pkg/controller/controller_utils.go (ActivePodsWithRanks), pkg/api/v1/pod/util.go
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime

from fakekube.clock import parse_rfc3339
from fakekube.machinery import digits, objects
from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.wire import Object

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def phase(pod: Obj) -> str:
    return str(dig(pod, "status", "phase", default=""))


def is_active(pod: Obj) -> bool:
    """Neither ended nor asked to end."""
    return not objects.is_final(pod) and not objects.is_terminating(pod)


def is_ready(pod: Obj) -> bool:
    return objects.condition_is(pod, "Ready")


def ready_since(pod: Obj) -> datetime | None:
    condition = objects.condition(pod, "Ready")
    since = condition.get("lastTransitionTime") if condition and condition.get("status") == "True" else None
    return parse_rfc3339(since) if since else None


def is_available(pod: Obj, min_ready: float, now: datetime) -> bool:
    """Ready, and for as long as asked."""
    return is_ready(pod) and until_available(pod, min_ready, now) <= 0


def until_available(pod: Obj, min_ready: float, now: datetime) -> float:
    """Seconds until a pod that is ready has been so for long enough."""
    since = ready_since(pod)
    if min_ready <= 0 or since is None:
        return 0.0
    return min_ready - (now - since).total_seconds()


def until_next_available(owner: Obj, owned: Iterable[Obj], now: datetime) -> float:
    """Seconds until the next ready pod has been so for as long as its owner wants; 0 when none is waited for."""
    min_ready = dig(owner, "spec", "minReadySeconds", default=0)
    waits = [until_available(pod, min_ready, now) for pod in owned if is_ready(pod)]
    return min((one for one in waits if one > 0), default=0.0)


def restarts(pod: Obj) -> int:
    return max(
        (one.get("restartCount") or 0 for one in dig(pod, "status", "containerStatuses", default=())),
        default=0,
    )


def deletion_cost(pod: Obj) -> int:
    return digits.integer(objects.annotations(pod).get(DELETION_COST, "")) or 0


def first_to_go(pods: Iterable[Object], crowd: Mapping[str, int], now: datetime) -> list[Object]:
    """Pods in the order in which to delete them. `crowd`: how many pods of the same family are on each node."""

    def order(pod: Object) -> tuple[object, ...]:
        ready = is_ready(pod)
        since = ready_since(pod)
        node = pod["spec"].get("nodeName") or ""
        return (
            bool(node),
            _PHASES.get(phase(pod), 0),
            ready,
            deletion_cost(pod),
            -crowd.get(node, 0),
            _magnitude(since, now) if ready else 0,
            -restarts(pod),
            _magnitude(created(pod), now),
            objects.uid(pod),
        )

    return sorted(pods, key=order)


def created(obj: Obj) -> datetime | None:
    text = dig(obj, "metadata", "creationTimestamp")
    return parse_rfc3339(text) if text else None


def _magnitude(since: datetime | None, now: datetime) -> int:
    """How long ago, as a power of two: pods of about the same age are told apart by their uids, so that chance decides."""
    seconds = (now - since).total_seconds() if since is not None else 0.0
    return int(math.log2(seconds)) if seconds >= 1 else -1
