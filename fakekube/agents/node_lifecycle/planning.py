"""Which taints a node's conditions call for, and how long a pod bears the taints of its node. Pure.

Upstream: k8s: pkg/controller/nodelifecycle/node_lifecycle_controller.go, pkg/controller/tainteviction/taint_eviction.go
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from fakekube.agents.scheduling import tolerated
from fakekube.clock import parse_rfc3339, rfc3339
from fakekube.machinery import objects
from fakekube.machinery.objects import Obj, dig

_PREFIX = "node.kubernetes.io/"
NOT_READY, UNREACHABLE = f"{_PREFIX}not-ready", f"{_PREFIX}unreachable"
_PRESSURES = {
    "MemoryPressure": f"{_PREFIX}memory-pressure",
    "DiskPressure": f"{_PREFIX}disk-pressure",
    "PIDPressure": f"{_PREFIX}pid-pressure",
    "NetworkUnavailable": f"{_PREFIX}network-unavailable",
}
_CORDON = f"{_PREFIX}unschedulable"
_OURS = frozenset((NOT_READY, UNREACHABLE, _CORDON, *_PRESSURES.values()))

Taint = dict[str, Any]


def taints(node: Obj, now: datetime) -> list[Taint]:
    """The taints a node is to have: those somebody else gave it, then ours."""
    present = list(dig(node, "spec", "taints", default=()))
    wanted = [(key, "NoSchedule") for key in _by_condition(node)]
    ready = objects.condition(node, "Ready")
    if ready is not None and ready.get("status") in ("False", "Unknown"):
        wanted.append((NOT_READY if ready["status"] == "False" else UNREACHABLE, "NoExecute"))
    kept = [
        one for one in present if one.get("key") not in _OURS or (one.get("key"), one.get("effect")) in wanted
    ]
    known = {(one.get("key"), one.get("effect")) for one in kept}
    added = [
        {"key": key, "effect": effect, "timeAdded": rfc3339(now)}
        for key, effect in wanted
        if (key, effect) not in known
    ]
    return kept + added


def _by_condition(node: Obj) -> Iterable[str]:
    ready = objects.condition(node, "Ready")
    if ready is None:  # a bare node, which nobody speaks for: as its own taint has it
        for one in dig(node, "spec", "taints", default=()):
            if one.get("key") == NOT_READY:
                yield NOT_READY
    elif ready.get("status") == "False":
        yield NOT_READY
    elif ready.get("status") == "Unknown":
        yield UNREACHABLE
    for type_, key in _PRESSURES.items():
        if objects.condition_is(node, type_):
            yield key
    if dig(node, "spec", "unschedulable"):
        yield _CORDON


def until_evicted(pod: Obj, node: Obj, now: datetime) -> float | None:
    """Seconds until the pod has to go; None when it may stay for ever."""
    waits = []
    for taint in dig(node, "spec", "taints", default=()):
        if taint.get("effect") != "NoExecute":
            continue
        bearing = [one for one in dig(pod, "spec", "tolerations", default=()) if tolerated(taint, (one,))]
        if not bearing:
            return 0.0
        waits += [_left(one, taint, now) for one in bearing if one.get("tolerationSeconds") is not None]
    return min(waits, default=None)


def _left(toleration: Mapping[str, Any], taint: Mapping[str, Any], now: datetime) -> float:
    since = parse_rfc3339(taint["timeAdded"]) if taint.get("timeAdded") else now
    return max(0.0, float(toleration["tolerationSeconds"]) - (now - since).total_seconds())
