"""The launcher pod's end, as the kubelet reports it once the process inside has exited. Pure.

Guests end when they want to, not when the kubelet says so; hence the node side of KubeVirt tells how a launcher ended.
"""

from typing import Any

from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.wire import Object

Exit = tuple[int, str]  # exit code and reason of a container

COMPLETED: Exit = (0, "Completed")
FAILED: Exit = (1, "Error")
KILLED: Exit = (137, "Error")
OUT_OF_MEMORY: Exit = (137, "OOMKilled")


def ended(pod: Obj, how: Exit, now: str) -> Object:
    """The pod's status after its containers have exited."""
    code, reason = how
    failed = code != 0
    pod_reason = "PodFailed" if failed else "PodCompleted"
    status: Object = dict(pod.get("status") or {})
    status["phase"] = "Failed" if failed else "Succeeded"
    status["containerStatuses"] = [
        _exited(one, code, reason, now) for one in status.get("containerStatuses") or ()
    ]
    status["conditions"] = [
        _unready(one, pod_reason, now, failed=failed) for one in status.get("conditions") or ()
    ]
    return status


def _exited(status: dict[str, Any], code: int, reason: str, now: str) -> dict[str, Any]:
    if dig(status, "state", "terminated"):
        return status
    terminated = {"exitCode": code, "reason": reason, "finishedAt": now}
    terminated["startedAt"] = dig(status, "state", "running", "startedAt") or now
    if identity := status.get("containerID"):
        terminated["containerID"] = identity
    return {**status, "state": {"terminated": terminated}, "ready": False, "started": False}


def _unready(condition: dict[str, Any], reason: str, now: str, *, failed: bool) -> dict[str, Any]:
    kind = condition.get("type")
    if kind == "Initialized" and not failed:
        return {**condition, "reason": reason}
    if kind not in ("Ready", "ContainersReady"):
        return condition
    changed = {key: value for key, value in condition.items() if key != "message"}
    return {**changed, "status": "False", "reason": reason, "lastTransitionTime": now}
