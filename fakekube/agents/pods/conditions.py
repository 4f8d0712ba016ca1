"""The conditions a kubelet gives a pod, from what it reports of the containers. Pure.

Upstream: k8s: pkg/kubelet/status/generate.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.machinery import objects
from fakekube.machinery.wire import Object

Finding = tuple[str, bool, str, str]  # type, whether it holds, reason, message


def of(pod: Object, status: Mapping[str, Any], now: str) -> list[Object]:
    """The kubelet's conditions for a status, in its order. It vouches for PodScheduled, too: the pod is on its node."""
    found = {one.get("type"): one for one in (pod.get("status") or {}).get("conditions") or ()}
    generation = objects.generation(pod)
    wanted = []
    for kind, good, reason, message in _findings(pod, status):
        value = "True" if good else "False"
        before = found.get(kind)
        same = before is not None and before.get("status") == value
        since = before.get("lastTransitionTime") if before is not None and same else now
        one = {
            "type": kind,
            "status": value,
            "lastProbeTime": None,
            "lastTransitionTime": since,
            "observedGeneration": generation,
        }
        # Null takes an outdated text away: a strategic merge keeps what it is not told about.
        for part, text in (("reason", reason), ("message", message)):
            if text:
                one[part] = text
            elif before is not None and before.get(part):
                one[part] = None
        wanted.append(one)
    return wanted


def outdated(pod: Object, now: str) -> Object | None:
    """Those that say something else than containers and readiness gates do; None when there are none."""
    status = pod.get("status") or {}
    found = {one.get("type"): one for one in status.get("conditions") or ()}
    changed = []
    for kind, good, reason, message in _findings(pod, status):
        one = found.get(kind) or {}
        if (
            one.get("status") != ("True" if good else "False")
            or (one.get("reason") or "") != reason
            or (one.get("message") or "") != message
        ):
            changed.append(kind)
    if not changed:
        return None
    return {"conditions": [one for one in of(pod, status, now) if one["type"] in changed]}


def _findings(pod: Object, status: Mapping[str, Any]) -> Iterator[Finding]:
    phase = status.get("phase")
    final = phase in objects.FINAL
    sandbox = phase == "Running" or bool(not final and status.get("podIP"))
    yield "PodReadyToStartContainers", sandbox, "", ""
    over = "PodCompleted" if phase == "Succeeded" else "PodFailed"
    waiting = [
        one["name"]
        for one in status.get("initContainerStatuses") or ()
        if (one.get("state") or {}).get("waiting")
    ]
    if waiting and not final:
        said = f"containers with incomplete status: [{' '.join(waiting)}]"
        yield "Initialized", False, "ContainersNotInitialized", said
    else:
        yield "Initialized", True, "PodCompleted" if phase == "Succeeded" else "", ""
    unready = [one["name"] for one in status.get("containerStatuses") or () if not one.get("ready")]
    gates = _failed_gates(pod)
    if final:
        yield "Ready", False, over, ""
        yield "ContainersReady", False, over, ""
    elif unready:
        said = f"containers with unready status: [{' '.join(unready)}]"
        yield "Ready", False, "ContainersNotReady", said
        yield "ContainersReady", False, "ContainersNotReady", said
    else:
        yield "Ready", not gates, "ReadinessGatesNotReady" if gates else "", ", ".join(gates)
        yield "ContainersReady", True, "", ""
    yield "PodScheduled", True, "", ""


def _failed_gates(pod: Object) -> list[str]:
    said = []
    for gate in pod["spec"].get("readinessGates") or ():
        kind = gate["conditionType"]
        condition = objects.condition(pod, kind)
        if condition is None:
            said.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif (status := condition.get("status")) != "True":
            said.append(f'the status of pod readiness gate "{kind}" is not "True", but {status}')
    return said
