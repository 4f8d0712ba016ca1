"""What a Job's pods amount to, whether that is its end, and which pods to make or delete. Pure.

Upstream: k8s: pkg/controller/job/{job_controller,indexed_job_utils}.go
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, field

from fakekube.agents.workloads import pods
from fakekube.agents.workloads.jobs import indexes, policies
from fakekube.agents.workloads.jobs.back_off import BackOff, delay_after, ended_at
from fakekube.agents.workloads.jobs.building import FINALIZER, failures_of
from fakekube.clock import parse_rfc3339
from fakekube.machinery import objects
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

BURST = 500


class Seen(Struct):
    """A Job's pods by what they are; `succeeded` and `failed` end here for the first time."""

    active: list[Object] = field(default_factory=list)
    terminating: list[Object] = field(default_factory=list)
    succeeded: list[Object] = field(default_factory=list)
    failed: list[Object] = field(default_factory=list)
    ignored: list[Object] = field(default_factory=list)
    ended: list[Object] = field(default_factory=list)  # all that failed, counted before or now
    why_failed: str = ""  # of the failure policy: the whole Job fails


class End(Struct, frozen=True):
    """Why a Job is over: `failed` or not, with the reason and message of its conditions."""

    failed: bool
    reason: str
    message: str


def is_indexed(job: Object) -> bool:
    return bool(dig(job, "spec", "completionMode") == "Indexed")


def is_finished(job: Object) -> bool:
    return objects.condition_is(job, "Complete") or objects.condition_is(job, "Failed")


def is_suspended(job: Object) -> bool:
    return bool(dig(job, "spec", "suspend"))


def only_failed_are_replaced(job: Object) -> bool:
    return bool(dig(job, "spec", "podReplacementPolicy") == "Failed")


def look(job: Object, owned: Iterable[Object], counted: frozenset[str]) -> Seen:
    """`counted`: uids of pods whose end has been counted already, whatever the cache shows."""
    seen = Seen()
    for pod in owned:
        going = objects.is_terminating(pod)
        if going and not objects.is_final(pod):
            seen.terminating.append(pod)
        if pods.is_active(pod):
            seen.active.append(pod)
            continue
        failed = pods.phase(pod) == "Failed" or (
            going and pods.phase(pod) != "Succeeded" and not only_failed_are_replaced(job)
        )
        if failed:
            seen.ended.append(pod)
        if FINALIZER not in objects.finalizers(pod) or objects.uid(pod) in counted:
            continue
        if pods.phase(pod) == "Succeeded":
            seen.succeeded.append(pod)
        elif failed:
            verdict = policies.judge(job, pod)
            if verdict.action == "FailJob" and not seen.why_failed:
                seen.why_failed = verdict.message
            (seen.ignored if verdict.action == "Ignore" else seen.failed).append(pod)
    return seen


class Tally(Struct, frozen=True):
    """What has been achieved, with what is seen now counted in."""

    succeeded: int
    failed: int
    good: frozenset[int] = frozenset()  # indexes
    bad: frozenset[int] = frozenset()


def tally(job: Object, seen: Seen) -> Tally:
    status = job.get("status") or {}
    waiting = status.get("uncountedTerminatedPods") or {}
    failed = status.get("failed", 0) + len(waiting.get("failed") or ()) + len(seen.failed)
    if not is_indexed(job):
        done = status.get("succeeded", 0) + len(waiting.get("succeeded") or ()) + len(seen.succeeded)
        return Tally(done, failed)
    total = dig(job, "spec", "completions", default=0)
    good = indexes.parse(status.get("completedIndexes") or "", total)
    good |= {index for pod in seen.succeeded if (index := indexes.of(pod)) is not None and index < total}
    bad: set[int] = set()
    if (limit := dig(job, "spec", "backoffLimitPerIndex")) is not None:
        bad = indexes.parse(status.get("failedIndexes") or "", total)
        for pod in seen.ended:
            index, verdict = indexes.of(pod), policies.judge(job, pod).action
            if index is None or index in good or verdict == "Ignore":
                continue
            if verdict == "FailIndex" or failures_of(pod) >= limit:
                bad.add(index)
    return Tally(len(good), failed, frozenset(good), frozenset(bad - good))


def end_of(job: Object, seen: Seen, done: Tally, now: datetime) -> End | None:
    """Whether the Job is over, and why; one that has begun to end stays at its reason."""
    for type_, failed in (("FailureTarget", True), ("SuccessCriteriaMet", False)):
        if objects.condition_is(job, type_):
            known = objects.condition(job, type_) or {}
            return End(failed, known.get("reason", ""), known.get("message", ""))
    spec = job["spec"]
    if seen.why_failed:
        return End(True, "PodFailurePolicy", seen.why_failed)
    limit = spec.get("backoffLimit", 6)
    if done.failed > limit or _restarted_too_often(job, seen.active, limit):
        return End(True, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if (left := until_deadline(job, now)) is not None and left <= 0:
        return End(True, "DeadlineExceeded", "Job was active longer than specified deadline")
    completions = spec.get("completions")
    if is_indexed(job) and done.bad:
        most = spec.get("maxFailedIndexes")
        if most is not None and len(done.bad) > most:
            said = "Job has exceeded the specified maximal number of failed indexes"
            return End(True, "MaxFailedIndexesExceeded", said)
        if len(done.bad) + len(done.good) >= (completions or 0):
            return End(True, "FailedIndexes", "Job has failed indexes")
    if said := policies.succeeded_enough(job, set(done.good)):
        return End(False, "SuccessPolicy", said)
    enough = done.succeeded > 0 if completions is None else done.succeeded >= completions
    if enough and not (completions is None and seen.active) and not is_suspended(job):
        return End(False, "CompletionsReached", "Reached expected number of succeeded pods")
    return None


def _restarted_too_often(job: Object, active: Iterable[Object], limit: int) -> bool:
    if dig(job, "spec", "template", "spec", "restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        int(one.get("restartCount") or 0)
        for pod in active
        for one in dig(pod, "status", "containerStatuses", default=())
    )
    return restarts > 0 if limit == 0 else restarts >= limit


def until_deadline(job: Object, now: datetime) -> float | None:
    seconds, since = dig(job, "spec", "activeDeadlineSeconds"), dig(job, "status", "startTime")
    if seconds is None or since is None or is_suspended(job):
        return None
    return (parse_rfc3339(since) + timedelta(seconds=seconds) - now).total_seconds()


def until_gone(job: Object, now: datetime) -> float | None:
    """Seconds until a finished Job is to be deleted; None when it is to stay."""
    seconds = dig(job, "spec", "ttlSecondsAfterFinished")
    ends = [
        one
        for one in objects.conditions(job)
        if one["type"] in ("Complete", "Failed") and one["status"] == "True"
    ]
    if seconds is None or not ends:
        return None
    return (parse_rfc3339(ends[0]["lastTransitionTime"]) + timedelta(seconds=seconds) - now).total_seconds()


# --- which pods to make ------------------------------------------------------------------------------------------


class Plan(Struct, frozen=True):
    """Pods to make, each for an index or for none; pods to delete; how long to wait before more are made."""

    create: Sequence[int | None] = ()
    delete: Sequence[Object] = ()
    wait: float = 0.0


def plan(job: Object, seen: Seen, done: Tally, back_off: BackOff, now: datetime) -> Plan:
    spec = job["spec"]
    if is_suspended(job):
        return Plan(delete=seen.active[:BURST])
    parallelism, completions = spec.get("parallelism", 1), spec.get("completions")
    going = len(seen.terminating) if only_failed_are_replaced(job) else 0
    active = len(seen.active)
    if completions is None:
        wanted = active if done.succeeded > 0 else parallelism
    else:
        wanted = min(parallelism, completions - done.succeeded)
        if is_indexed(job) and spec.get("backoffLimitPerIndex") is not None:
            wanted = min(parallelism, completions - len(done.good) - len(done.bad))
    surplus = active - max(0, wanted)
    if surplus > 0:
        return Plan(delete=_first_to_go(job, seen.active, done)[: min(surplus, BURST)])
    missing = min(wanted - active - going, BURST)
    if missing <= 0:
        return Plan()
    if spec.get("backoffLimitPerIndex") is not None:
        return _per_index(job, seen, done, missing, now)
    if (left := back_off.left(now)) > 0:
        return Plan(wait=left)
    if not is_indexed(job):
        return Plan(create=[None] * missing)
    return Plan(create=_pending(job, seen, done)[:missing])


def _pending(job: Object, seen: Seen, done: Tally) -> list[int]:
    taken = {indexes.of(pod) for pod in seen.active}
    if only_failed_are_replaced(job):
        taken |= {indexes.of(pod) for pod in seen.terminating}
    total = dig(job, "spec", "completions", default=0)
    return [one for one in range(total) if one not in taken and one not in done.good and one not in done.bad]


def _per_index(job: Object, seen: Seen, done: Tally, missing: int, now: datetime) -> Plan:
    create: list[int | None] = []
    wait = 0.0
    for index in _pending(job, seen, done):
        left = _index_delay(seen, index, now)
        if left > 0:
            wait = min(wait, left) if wait else left
        elif len(create) < missing:
            create.append(index)
    return Plan(create=create, wait=wait)


def _index_delay(seen: Seen, index: int, now: datetime) -> float:
    ended = [pod for pod in seen.ended if indexes.of(pod) == index]
    return delay_after(len(ended), max(map(ended_at, ended), default=None), now)


def _first_to_go(job: Object, active: Sequence[Object], done: Tally) -> list[Object]:
    """Indexes that are done or doubled first; then whoever is least far."""

    def order(pod: Object) -> tuple[int, bool, str]:
        index = indexes.of(pod)
        useless = is_indexed(job) and (index is None or index in done.good or index in doubled)
        return (
            0 if useless else 1,
            pods.is_ready(pod),
            dig(pod, "metadata", "creationTimestamp", default=""),
        )

    counted: dict[int | None, int] = {}
    for pod in active:
        counted[indexes.of(pod)] = counted.get(indexes.of(pod), 0) + 1
    doubled = {index for index, count in counted.items() if count > 1}
    return sorted(active, key=order)
