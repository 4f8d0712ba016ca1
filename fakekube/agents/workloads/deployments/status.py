"""The status of a Deployment: counts, and how its rollout goes. Pure.

Upstream: k8s: pkg/controller/deployment/{progress,sync}.go
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from fakekube.agents.workloads import conditions
from fakekube.agents.workloads.deployments import sets
from fakekube.agents.workloads.deployments.sets import Sets
from fakekube.clock import parse_rfc3339, rfc3339
from fakekube.machinery import objects
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

COMPLETE, TIMED_OUT = "NewReplicaSetAvailable", "ProgressDeadlineExceeded"
_NEVER = 2**31 - 1  # a deadline nobody has

Status = dict[str, Any]


def deadline(deployment: Object) -> int | None:
    seconds = dig(deployment, "spec", "progressDeadlineSeconds")
    return None if seconds is None or seconds == _NEVER else int(seconds)


def progressing(status: str, reason: str, message: str, now: datetime) -> Object:
    return conditions.make("Progressing", status, reason, message, rfc3339(now), update_time=True)


def with_progress(deployment: Object, condition: Object | None, **members: Any) -> Status:
    """The Deployment's status with another condition, or as it is."""
    status: Status = {**(deployment.get("status") or {}), **members}
    if condition is not None:
        status["conditions"] = conditions.put(status.get("conditions") or (), condition)
    return status


def counted(deployment: Object, new: Object | None, every: Iterable[Object], now: datetime) -> Status:
    """Counts and availability; what else stands in the status stays."""
    old = deployment.get("status") or {}
    every = list(every)
    available = sets.counted(every, "availableReplicas")
    status: Status = {
        **old,
        "observedGeneration": objects.generation(deployment),
        "replicas": sets.counted(every, "replicas"),
        "updatedReplicas": sets.counted([new] if new is not None else [], "replicas"),
        "readyReplicas": sets.counted(every, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sets.total(every) - available),
    }
    if every and all(dig(rs, "status", "terminatingReplicas") is not None for rs in every):
        status["terminatingReplicas"] = sets.counted(every, "terminatingReplicas")
    enough = available >= sets.wanted(deployment) - sets.bounds(deployment)[1]
    verdict = (
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        if enough
        else ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    )
    made = conditions.make("Available", *verdict, rfc3339(now), update_time=True)
    status["conditions"] = conditions.put(old.get("conditions") or (), made)
    return tidy(status)


def tidy(status: Status) -> Status:
    return {
        member: value
        for member, value in status.items()
        if value or member in ("terminatingReplicas", "collisionCount")
    }


def is_complete(deployment: Object, status: Status) -> bool:
    wanted = sets.wanted(deployment)
    return bool(
        status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
        and status.get("observedGeneration", 0) >= objects.generation(deployment)
    )


def of_rollout(deployment: Object, new: Object | None, every: Sets, now: datetime) -> Status:
    """Counts, and what the Progressing condition says of the way so far."""
    status = counted(deployment, new, every, now)
    listed = status.get("conditions") or []
    current = conditions.find(listed, "Progressing")
    if deadline(deployment) is None:
        listed = conditions.without(listed, "Progressing")
    elif not (
        status.get("replicas", 0) == status.get("updatedReplicas", 0)
        and current is not None
        and current.get("reason") == COMPLETE
    ):
        what = (
            f'ReplicaSet "{objects.name(new)}"'
            if new is not None
            else f'Deployment "{objects.name(deployment)}"'
        )
        if is_complete(deployment, status):
            said = f"{what} has successfully progressed."
            listed = conditions.put(listed, progressing("True", COMPLETE, said, now))
        elif _moved(deployment.get("status") or {}, status):
            made = progressing("True", "ReplicaSetUpdated", f"{what} is progressing.", now)
            if current is not None:
                if current.get("status") == "True":
                    made["lastTransitionTime"] = current.get("lastTransitionTime")
                listed = conditions.without(listed, "Progressing")
            listed = conditions.put(listed, made)
        elif is_late(deployment, current, now):
            said = f"{what} has timed out progressing."
            listed = conditions.put(listed, progressing("False", TIMED_OUT, said, now))
    failure = _failure(new, every)
    if failure is None:
        listed = conditions.without(listed, "ReplicaFailure")
    else:
        made = {**failure, "lastUpdateTime": failure.get("lastTransitionTime")}
        listed = conditions.put(listed, made)
    return {**status, "conditions": listed}


def _moved(old: Status, new: Status) -> bool:
    def outdated(status: Status) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    return outdated(new) < outdated(old) or any(
        new.get(member, 0) > old.get(member, 0)
        for member in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )


def is_late(deployment: Object, current: Object | None, now: datetime) -> bool:
    seconds = deadline(deployment)
    if seconds is None or current is None or current.get("reason") == COMPLETE:
        return False
    if current.get("reason") == TIMED_OUT:
        return True
    return parse_rfc3339(current["lastUpdateTime"]) + timedelta(seconds=seconds) < now


def until_late(deployment: Object, status: Status, now: datetime) -> float | None:
    """Seconds after which to look whether the rollout is stuck; None when there is nothing to wait for."""
    seconds = deadline(deployment)
    current = conditions.find(status.get("conditions") or (), "Progressing")
    if seconds is None or current is None or is_complete(deployment, status):
        return None
    if current.get("reason") in (TIMED_OUT, COMPLETE) or dig(deployment, "spec", "paused"):
        return None
    due = parse_rfc3339(current["lastUpdateTime"]) + timedelta(seconds=seconds)
    return max(0.0, (due - now).total_seconds()) + 1


def _failure(new: Object | None, every: Sets) -> Object | None:
    for rs in [*([new] if new is not None else []), *every]:
        found = objects.condition(rs, "ReplicaFailure")
        if found is not None:
            return dict(found)
    return None


def pausing(deployment: Object, now: datetime) -> Object | None:
    """The condition that says that a rollout was paused or resumed, where it does not yet."""
    current = conditions.find(dig(deployment, "status", "conditions", default=()), "Progressing")
    if deadline(deployment) is None or (current is not None and current.get("reason") == TIMED_OUT):
        return None
    was_paused = current is not None and current.get("reason") == "DeploymentPaused"
    paused = bool(dig(deployment, "spec", "paused"))
    if paused and not was_paused:
        return progressing("Unknown", "DeploymentPaused", "Deployment is paused", now)
    if was_paused and not paused:
        return progressing("Unknown", "DeploymentResumed", "Deployment is resumed", now)
    return None
