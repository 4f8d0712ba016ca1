"""The row of a pod: what its containers say, summed up in one word."""

from datetime import UTC, datetime
from typing import Any

from fakekube.api.ages import human_duration
from fakekube.api.printers.columns import (
    AGE,
    NAME,
    NONE,
    Header,
    Printer,
    age,
    condition_true,
    conditions,
    name,
    number,
    text,
    wide,
)
from fakekube.clock import parse_rfc3339
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

_NEVER = datetime.min.replace(tzinfo=UTC)
_FINISHED = {
    "Succeeded": "The pod has completed successfully.",
    "Failed": "The pod failed.",
}


class _Summary:
    """Counted while walking the container statuses."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.ready = 0
        self.restarts = 0
        self.last_restart = _NEVER

    def restarted(self, status: Object) -> None:
        self.restarts += number(status, "restartCount")
        finished = dig(status, "lastState", "terminated", "finishedAt")
        if finished:
            self.last_restart = max(self.last_restart, parse_rfc3339(finished))


def _ended(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _initialize(pod: Object, sidecars: set[str], all_: _Summary, kept: _Summary) -> bool:
    """Walk the init containers; whether one of them still holds the pod. `kept` counts what sidecars go on counting."""
    total = len(dig(pod, "spec", "initContainers", default=()))
    for index, status in enumerate(dig(pod, "status", "initContainerStatuses", default=())):
        state, sidecar = status.get("state") or {}, status.get("name") in sidecars
        all_.restarted(status)
        if sidecar:
            kept.restarted(status)
        terminated, waiting = state.get("terminated"), state.get("waiting") or {}
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if sidecar and status.get("started"):
            kept.ready += bool(status.get("ready"))
            continue
        if terminated is not None:
            all_.reason = f"Init:{_ended(terminated)}"
        elif waiting.get("reason") not in (None, "", "PodInitializing"):
            all_.reason = f"Init:{waiting['reason']}"
        else:
            all_.reason = f"Init:{index}/{total}"
        return True
    return False


def _run(pod: Object, summary: _Summary) -> None:
    running = False
    for status in reversed(dig(pod, "status", "containerStatuses", default=[])):
        state = status.get("state") or {}
        summary.restarted(status)
        terminated, waiting = state.get("terminated"), state.get("waiting") or {}
        if waiting.get("reason"):
            summary.reason = waiting["reason"]
        elif terminated is not None:
            summary.reason = _ended(terminated)
        elif status.get("ready") and state.get("running") is not None:
            running = True
            summary.ready += 1
    if summary.reason == "Completed" and running:
        summary.reason = "Running" if condition_true(pod, "Ready") else "NotReady"


def _summarise(pod: Object) -> _Summary:
    phase = text(pod, "status", "phase")
    reason = text(pod, "status", "reason") or phase
    if any(
        one.get("reason") == "SchedulingGated" for one in conditions(pod) if one.get("type") == "PodScheduled"
    ):
        reason = "SchedulingGated"
    summary, kept = _Summary(reason), _Summary(reason)
    held = _initialize(pod, _sidecars(pod), summary, kept)
    summary.ready = kept.ready
    if not held or condition_true(pod, "Initialized"):
        kept.reason = summary.reason
        summary = kept
        _run(pod, summary)
    if pod["metadata"].get("deletionTimestamp"):
        if text(pod, "status", "reason") == "NodeLost":
            summary.reason = "Unknown"
        elif phase not in _FINISHED:
            summary.reason = "Terminating"
    return summary


def _sidecars(pod: Object) -> set[str]:
    """Init containers that go on running."""
    found = dig(pod, "spec", "initContainers", default=())
    return {one["name"] for one in found if one.get("restartPolicy") == "Always"}


def _gates(pod: Object) -> str:
    gates = dig(pod, "spec", "readinessGates", default=())
    if not gates:
        return NONE
    return f"{sum(condition_true(pod, one.get('conditionType')) for one in gates)}/{len(gates)}"


def _row(pod: Object, now: datetime) -> list[Any]:
    summary = _summarise(pod)
    restarts = str(summary.restarts)
    if summary.restarts and summary.last_restart != _NEVER:
        restarts += f" ({human_duration((now - summary.last_restart).total_seconds())} ago)"
    total = len(dig(pod, "spec", "containers", default=())) + len(_sidecars(pod))
    return [
        name(pod),
        f"{summary.ready}/{total}",
        summary.reason,
        restarts,
        age(pod, now),
        text(pod, "status", "podIPs", 0, "ip", default=NONE),
        text(pod, "spec", "nodeName", default=NONE),
        text(pod, "status", "nominatedNodeName", default=NONE),
        _gates(pod),
    ]


def _conditions(pod: Object) -> list[Object]:
    phase = text(pod, "status", "phase")
    if phase not in _FINISHED:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": _FINISHED[phase]}]


PRINTER = Printer(
    (
        NAME,
        Header("Ready", "The aggregate readiness state of this pod for accepting traffic."),
        Header("Status", "The aggregate status of the containers in this pod."),
        Header(
            "Restarts",
            "The number of times the containers in this pod have been restarted and when the last container in this pod "
            "has restarted.",
        ),
        AGE,
        wide("IP", "@core.v1.PodStatus.podIP"),
        wide("Node", "@core.v1.PodSpec.nodeName"),
        wide("Nominated Node", "@core.v1.PodStatus.nominatedNodeName"),
        wide("Readiness Gates", "@core.v1.PodSpec.readinessGates"),
    ),
    _row,
    _conditions,
)
