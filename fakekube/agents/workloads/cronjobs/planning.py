"""When a CronJob is due, what Job it makes then, and which finished ones it forgets. Pure.

Upstream: k8s: pkg/controller/cronjob/{utils,cronjob_controllerv2}.go
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from msgspec import Struct

from fakekube.agents.workloads import pods
from fakekube.clock import parse_rfc3339
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.cron import Schedule
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MANY = 100  # missed moments


class Due(Struct, frozen=True):
    """The last moment that came and was not served, whether too many were missed, and when to look again."""

    moment: datetime | None
    many: bool
    wait: float | None


def due(cron_job: Object, schedule: Schedule, zone: tzinfo, now: datetime) -> Due:
    last = dig(cron_job, "status", "lastScheduleTime")
    earliest = parse_rfc3339(last) if last else pods.created(cron_job) or now
    deadline = dig(cron_job, "spec", "startingDeadlineSeconds")
    if deadline is not None:
        earliest = max(earliest, now - timedelta(seconds=deadline))
    moment, missed = None, 0
    found = schedule.next_after(earliest, zone)
    while found is not None and found <= now:
        moment, missed = found, missed + 1
        if missed > _MANY:
            moment = _latest(schedule, zone, found, now)
            break
        found = schedule.next_after(found, zone)
    upcoming = schedule.next_after(now, zone)
    wait = (upcoming - now).total_seconds() + 0.1 if upcoming is not None else None
    return Due(moment, missed > _MANY, wait)


def _latest(schedule: Schedule, zone: tzinfo, since: datetime, now: datetime) -> datetime:
    """The last moment before now, of so many that they are not counted: looked for in ever longer steps back."""
    step = timedelta(minutes=1)
    while now - step > since:
        found = schedule.next_after(now - step, zone)
        if found is not None and found <= now:
            while (later := schedule.next_after(found, zone)) is not None and later <= now:
                found = later
            return found
        step *= 2
    return since


def is_late(cron_job: Object, moment: datetime, now: datetime) -> bool:
    deadline = dig(cron_job, "spec", "startingDeadlineSeconds")
    return deadline is not None and moment + timedelta(seconds=deadline) < now


def job_name(cron_job: Object, moment: datetime) -> str:
    return f"{objects.name(cron_job)}-{int(moment.timestamp()) // 60}"


def build(cron_job: Object, moment: datetime, zone: tzinfo) -> Object:
    template = dig(cron_job, "spec", "jobTemplate", default={})
    meta = template.get("metadata") or {}
    local = moment.astimezone(zone).isoformat()
    notes = {
        **(meta.get("annotations") or {}),
        SCHEDULED: local.replace("+00:00", "Z") if zone is UTC else local,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(cron_job, moment),
            "namespace": objects.namespace(cron_job),
            "labels": dict(meta.get("labels") or {}),
            "annotations": notes,
            "ownerReferences": [objects.owner_reference(cron_job)],
        },
        "spec": copy_of(template.get("spec") or {}),
    }


def reference(job: Object) -> Object:
    return {
        "apiVersion": job["apiVersion"],
        "kind": job["kind"],
        "namespace": objects.namespace(job),
        "name": objects.name(job),
        "uid": objects.uid(job),
        "resourceVersion": objects.resource_version(job),
    }


def ended(job: Object) -> str:
    """`Complete` or `Failed`; empty while it runs."""
    return next((type_ for type_ in ("Complete", "Failed") if objects.condition_is(job, type_)), "")


def surplus(cron_job: Object, jobs: Iterable[Object]) -> list[Object]:
    """Finished Jobs beyond the history limits, those that began first."""
    jobs = list(jobs)
    found: list[Object] = []
    for type_, member in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        limit = dig(cron_job, "spec", member)
        if limit is not None:
            of_type: Sequence[Object] = sorted((job for job in jobs if ended(job) == type_), key=_began)
            found += of_type[: max(0, len(of_type) - limit)]
    return found


def _began(job: Object) -> tuple[str, str]:
    return dig(job, "status", "startTime", default="~"), objects.name(job)
