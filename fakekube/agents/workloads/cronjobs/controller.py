"""Makes Jobs when their CronJobs are due, and forgets those that have ended.

Upstream: k8s: pkg/controller/cronjob/cronjob_controllerv2.go
"""

from datetime import UTC, datetime, tzinfo

from fakekube.agents.workloads.actor import Workload
from fakekube.agents.workloads.caches import CRON_JOBS, OWNER, Caches
from fakekube.agents.workloads.cronjobs import planning
from fakekube.agents.workloads.pod_control import is_namespace_going
from fakekube.client.client import Client
from fakekube.client.controller import Result, owner_of
from fakekube.client.freshness import Freshness
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.clock import Clock, rfc3339
from fakekube.ids import Ids
from fakekube.machinery import cron, objects
from fakekube.machinery.errors import AlreadyExists, ApiError, NotFound
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import JOBS
from fakekube.machinery.wire import Object


class CronJobs(Workload):
    """An actor."""

    name, account = "cronjobs", "cronjob-controller"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, caches: Caches | None = None) -> None:
        super().__init__(client, clock=clock, ids=ids, caches=caches)
        self._cron_jobs = self.caches.of(CRON_JOBS)
        self._jobs = self.caches.of(JOBS)
        self._fresh = Freshness(self._cron_jobs, clock)
        self.controller.source(self._cron_jobs)
        self.controller.source(self._jobs, owner_of(CRON_JOBS.kind))

    async def reconcile(self, key: str) -> Result | None:
        cron_job = self._cron_jobs.get(key)
        if cron_job is None or self._fresh.behind(key):
            return None
        jobs = self._jobs.by_index(OWNER, objects.uid(cron_job))
        status = dict(cron_job.get("status") or {})
        await self._follow(cron_job, status, jobs)
        result = None
        if not objects.is_terminating(cron_job):
            result = await self._start(cron_job, status)
        for job in planning.surplus(cron_job, jobs):
            await self._delete(cron_job, objects.name(job))
        told = {member: value for member, value in status.items() if value}
        await self.tell(self._fresh, cron_job, told)
        return result

    async def _follow(self, cron_job: Object, status: Object, jobs: list[Object]) -> None:
        """What became of the Jobs that were running, in place."""
        active = list(status.get("active") or ())
        known = {one.get("uid") for one in active}
        for job in jobs:
            name, how = objects.name(job), planning.ended(job)
            if objects.uid(job) not in known:
                if not how and not objects.is_terminating(job):
                    said = f"Saw a job that the controller did not create or forgot: {name}"
                    self.recorder.event(cron_job, WARNING, "UnexpectedJob", said)
            elif how:
                active = [one for one in active if one.get("uid") != objects.uid(job)]
                said = f"Saw completed job: {name}, condition: {how}"
                self.recorder.event(cron_job, NORMAL, "SawCompletedJob", said)
                if how == "Complete":
                    ends = [status.get("lastSuccessfulTime") or "", dig(job, "status", "completionTime")]
                    status["lastSuccessfulTime"] = max(ends)
        there = {objects.uid(job) for job in jobs}
        for one in [one for one in active if one.get("uid") not in there]:
            if not await self._exists(one, objects.namespace(cron_job)):
                self.recorder.event(
                    cron_job, NORMAL, "MissingJob", f"Active job went missing: {one.get('name')}"
                )
                active.remove(one)
        status["active"] = active

    async def _exists(self, reference: Object, namespace: str) -> bool:
        found = await self.client.find(JOBS, str(reference.get("name")), namespace)
        return found is not None and objects.uid(found) == reference.get("uid")

    async def _start(self, cron_job: Object, status: Object) -> Result | None:
        spec = cron_job["spec"]
        if spec.get("suspend"):
            return None
        try:
            schedule = cron.parse(spec.get("schedule") or "")
        except cron.Refused as error:
            said = f'unparseable schedule: "{spec.get("schedule")}" : {error}'
            self.recorder.event(cron_job, WARNING, "UnparseableSchedule", said)
            return None
        zone = _zone(spec.get("timeZone") or schedule.zone)
        if zone is None:
            name = spec.get("timeZone") or schedule.zone
            said = f'invalid timeZone: "{name}": unknown time zone {name}'
            self.recorder.event(cron_job, WARNING, "UnknownTimeZone", said)
            return None
        now = self.clock.now()
        due = planning.due(cron_job, schedule, zone, now)
        if due.many:
            said = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self.recorder.event(cron_job, WARNING, "TooManyMissedTimes", said)
        if due.moment is not None:
            await self._serve(cron_job, status, due.moment, zone)
        return Result(requeue_after=due.wait) if due.wait is not None else None

    async def _serve(self, cron_job: Object, status: Object, moment: datetime, zone: tzinfo) -> None:
        """A moment has come: make its Job, unless policy or deadline forbid it."""
        if planning.is_late(cron_job, moment, self.clock.now()):
            said = moment.astimezone(zone).strftime("%a, %d %b %Y %H:%M:%S %z")
            self.recorder.event(
                cron_job, WARNING, "MissSchedule", f"Missed scheduled time to start a job: {said}"
            )
            return
        name, active = planning.job_name(cron_job, moment), status.get("active") or []
        if any(one.get("name") == name for one in active) or status.get("lastScheduleTime") == rfc3339(
            moment
        ):
            return
        policy = dig(cron_job, "spec", "concurrencyPolicy")
        if policy == "Forbid" and active:
            said = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self.recorder.event(cron_job, NORMAL, "JobAlreadyActive", said)
            return
        if policy == "Replace":
            for one in active:
                await self._delete(cron_job, str(one.get("name")))
            active = []
        try:
            job = await self.client.create(JOBS, planning.build(cron_job, moment, zone))
        except AlreadyExists:
            job = await self.client.get(JOBS, name, objects.namespace(cron_job))
            owner = objects.controller_of(job)
            if owner is None or owner.get("uid") != objects.uid(cron_job):
                raise
        except ApiError as error:
            if is_namespace_going(error):
                return
            self.recorder.event(cron_job, WARNING, "FailedCreate", f"Error creating job: {error}")
            raise
        self.recorder.event(cron_job, NORMAL, "SuccessfulCreate", f"Created job {name}")
        status["active"] = [*active, planning.reference(job)]
        status["lastScheduleTime"] = rfc3339(moment)

    async def _delete(self, cron_job: Object, name: str) -> None:
        try:
            await self.client.delete(JOBS, name, objects.namespace(cron_job), propagation="Background")
        except NotFound:
            return
        except ApiError as error:
            self.recorder.event(cron_job, WARNING, "FailedDelete", f"Deleted job: {error}")
            return
        self.recorder.event(cron_job, NORMAL, "SuccessfulDelete", f"Deleted job {name}")


def _zone(name: str) -> tzinfo | None:
    if not name:
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - only CronJobs with a zone need it

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
