"""The status of a Job: what is counted, and the conditions that tell of its end. Pure.

Upstream: k8s: pkg/controller/job/job_controller.go (trackJobStatusAndRemoveFinalizers, enactJobFinished)
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from fakekube.agents.workloads import conditions, pods
from fakekube.agents.workloads.jobs import indexes, planning
from fakekube.agents.workloads.jobs.planning import End, Seen, Tally
from fakekube.clock import rfc3339
from fakekube.machinery import objects
from fakekube.machinery.wire import Object

Status = dict[str, Any]


def _condition(type_: str, status: str, reason: str, message: str, now: datetime) -> Object:
    moment = rfc3339(now)
    return {**conditions.make(type_, status, reason, message, moment), "lastProbeTime": moment}


def of_pods(job: Object, status: Status, seen: Seen, done: Tally) -> Status:
    """Who is at work now, and which indexes are done."""
    new = {
        **status,
        "active": len(seen.active),
        "ready": sum(1 for pod in seen.active if pods.is_ready(pod)),
        "terminating": len(seen.terminating),
    }
    if planning.is_indexed(job):
        new["completedIndexes"] = indexes.render(done.good)
        if job["spec"].get("backoffLimitPerIndex") is not None:
            new["failedIndexes"] = indexes.render(done.bad)
    return new


def begun(job: Object, status: Status, now: datetime) -> Status:
    if status.get("startTime") or planning.is_suspended(job):
        return status
    return {**status, "startTime": rfc3339(now)}


def noted(status: Status, seen: Seen) -> Status:
    """Ends that are about to be counted: first by uid, so that none is counted twice or never."""
    waiting = status.get("uncountedTerminatedPods") or {}
    lists = {
        "succeeded": [*waiting.get("succeeded", ()), *(objects.uid(pod) for pod in seen.succeeded)],
        "failed": [*waiting.get("failed", ()), *(objects.uid(pod) for pod in seen.failed)],
    }
    return {**status, "uncountedTerminatedPods": {name: uids for name, uids in lists.items() if uids}}


def settled(job: Object, status: Status, held: Iterable[str]) -> Status:
    """Those noted before whose pods are no longer `held` now count for good."""
    waiting, held = status.get("uncountedTerminatedPods") or {}, frozenset(held)
    new = {**status}
    left: dict[str, list[str]] = {}
    for member in ("succeeded", "failed"):
        uids = waiting.get(member) or ()
        stay = [uid for uid in uids if uid in held]
        if stay:
            left[member] = stay
        if member == "failed" or not planning.is_indexed(job):
            new[member] = status.get(member, 0) + len(uids) - len(stay)
    if planning.is_indexed(job):
        total = job["spec"].get("completions") or 0
        new["succeeded"] = len(indexes.parse(status.get("completedIndexes") or "", total))
    new["uncountedTerminatedPods"] = left
    return new


def ending(status: Status, end: End, now: datetime) -> Status:
    """The Job is decided; its pods may still have to go."""
    type_ = "FailureTarget" if end.failed else "SuccessCriteriaMet"
    made = _condition(type_, "True", end.reason, end.message, now)
    return {**status, "conditions": conditions.put(status.get("conditions") or (), made)}


def finished(status: Status, end: End, now: datetime) -> Status:
    type_ = "Failed" if end.failed else "Complete"
    made = _condition(type_, "True", end.reason, end.message, now)
    new = {**status, "conditions": conditions.put(status.get("conditions") or (), made)}
    if not end.failed:
        new["completionTime"] = rfc3339(now)
    return new


def suspension(job: Object, status: Status, now: datetime) -> tuple[Status, str]:
    """The status with what suspend says, and the event that tells of a change: Suspended, Resumed or nothing."""
    listed = status.get("conditions") or []
    known = conditions.find(listed, "Suspended")
    was = known is not None and known.get("status") == "True"
    if planning.is_suspended(job) and not was:
        made = _condition("Suspended", "True", "JobSuspended", "Job suspended", now)
        rest = {member: value for member, value in status.items() if member != "startTime"}
        return {**rest, "conditions": conditions.put(listed, made)}, "Suspended"
    if was and not planning.is_suspended(job):
        made = _condition("Suspended", "False", "JobResumed", "Job resumed", now)
        return {**status, "conditions": conditions.put(listed, made), "startTime": rfc3339(now)}, "Resumed"
    return status, ""


def tidy(status: Status) -> Status:
    keep = ("ready", "terminating", "uncountedTerminatedPods")
    return {member: value for member, value in status.items() if value or member in keep}
