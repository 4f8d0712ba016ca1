"""Runs Jobs: makes their pods, counts how they end, and tells when it is enough; deletes those whose time after that is over.

The end of a pod is first noted by uid, then the pod is let go, then it is counted: so none is lost or counted twice,
whenever this controller is interrupted.
Upstream: k8s: pkg/controller/job/job_controller.go, pkg/controller/ttlafterfinished
"""

from collections.abc import Iterable

from fakekube.agents.identities import as_controller
from fakekube.agents.workloads.actor import Workload
from fakekube.agents.workloads.caches import Caches
from fakekube.agents.workloads.claiming import claim
from fakekube.agents.workloads.jobs import building, planning
from fakekube.agents.workloads.jobs import status as statuses
from fakekube.agents.workloads.jobs.back_off import BackOff
from fakekube.agents.workloads.jobs.building import FINALIZER
from fakekube.agents.workloads.jobs.planning import End, Seen
from fakekube.agents.workloads.pod_control import Dependents, PodControl
from fakekube.client.client import Client
from fakekube.client.controller import Result
from fakekube.client.freshness import Freshness
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.errors import ApiError, Conflict, NotFound
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import JOBS, PODS
from fakekube.machinery.wire import Object

_OURS = ("", "kubernetes.io/job-controller")
_POD = "pod:"  # keys of pods whose Job has gone


class Jobs(Workload):
    """An actor."""

    name, account = "jobs", "job-controller"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, caches: Caches | None = None) -> None:
        super().__init__(client, clock=clock, ids=ids, caches=caches)
        self._reaper = as_controller(client, "ttl-after-finished-controller")
        self._jobs = self.caches.of(JOBS)
        self._pods = self.caches.of(PODS)
        self._control = PodControl(self.client, self.recorder, self.expected, self._pods.__contains__)
        self._fresh = Freshness(self._jobs, clock)
        self._back_offs: dict[str, BackOff] = {}
        self._let_go: set[str] = (
            set()
        )  # uids of pods that are held no more, and the cache still shows as held
        self.controller.source(self._jobs)
        self._pods.on_change(self._note)
        self.controller.source(self._pods, Dependents(self._jobs, self.expected))
        self.controller.source(self._pods, _held_pod)

    def _note(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._let_go.discard(objects.uid(old))
        elif new is not None and FINALIZER not in objects.finalizers(new):
            self._let_go.discard(objects.uid(new))

    async def reconcile(self, key: str) -> Result | None:
        if key.startswith(_POD):
            await self._orphan(key.removeprefix(_POD))
            return None
        job = self._jobs.get(key)
        if job is None:
            self.expected.forget(key)
            self._back_offs.pop(key, None)
            return None
        if self._fresh.behind(key) or dig(job, "spec", "managedBy", default="") not in _OURS:
            return None
        if planning.is_finished(job):
            self._back_offs.pop(key, None)
            return await self._after_the_end(job)
        return await self._work(key, job)

    async def _work(self, key: str, job: Object) -> Result | None:
        now = self.clock.now()
        owned = await claim(self.client, job, JOBS, self._pods, finalizer=FINALIZER)
        waiting = dig(job, "status", "uncountedTerminatedPods", default={})
        noted = frozenset(uid for uids in waiting.values() for uid in uids)
        seen = planning.look(job, owned, noted | self._let_go)
        done = planning.tally(job, seen)
        back_off = self._back_offs.get(key, BackOff()).after(seen.succeeded, [*seen.failed, *seen.ignored])
        if back_off.failures:
            self._back_offs[key] = back_off
        status = statuses.begun(job, dict(job.get("status") or {}), now)
        status, event = statuses.suspension(job, status, now)
        end = planning.end_of({**job, "status": status}, seen, done, now)
        wait, error = 0.0, None
        if end is not None:
            status = statuses.ending(status, end, now)
            await self._control.delete_many(job, seen.active)
            seen.terminating += seen.active
            seen.active = []
        elif self.expected.satisfied(key) and not objects.is_terminating(job):
            wait, error = await self._manage(job, seen, done, back_off)
        await self._count(job, owned, seen, statuses.of_pods(job, status, seen, done), end)
        if event:
            self.recorder.event(job, NORMAL, event, f"Job {event.lower()}")
        if error is not None:
            raise error
        left = planning.until_deadline({**job, "status": status}, now) if end is None else None
        waits = [one for one in (wait, left) if one]
        return Result(requeue_after=min(waits)) if waits else None

    async def _manage(
        self, job: Object, seen: Seen, done: planning.Tally, back_off: BackOff
    ) -> tuple[float, ApiError | None]:
        plan = planning.plan(job, seen, done, back_off, self.clock.now())
        if plan.delete:
            error = await self._control.delete_many(job, plan.delete)
            gone = {objects.uid(pod) for pod in plan.delete}
            seen.active = [pod for pod in seen.active if objects.uid(pod) not in gone]
            return 0.0, error
        made, error = await self._control.create_many(
            job, len(plan.create), lambda number: building.build(job, seen.ended, plan.create[number])
        )
        seen.active += [
            {"metadata": {}, "spec": {}}
        ] * made  # not shown yet: they count as active, and not as ready
        return plan.wait, error

    async def _count(
        self, job: Object, owned: list[Object], seen: Seen, status: Object, end: End | None
    ) -> None:
        """Note, let go, count; then say that the Job is over, once nothing of it is left to end."""
        status = statuses.noted(status, seen)
        fresh: Object | None = job
        if seen.succeeded or seen.failed:
            fresh = await self._write(job, status)
            if fresh is None:
                return
        over = end is not None or objects.is_terminating(job)
        ended = {objects.uid(pod) for pod in seen.ignored}
        ended.update(uid for uids in status["uncountedTerminatedPods"].values() for uid in uids)
        held = set()
        for pod in owned:
            uid = objects.uid(pod)
            if FINALIZER not in objects.finalizers(pod) or uid in self._let_go:
                continue
            if uid in ended or (over and objects.is_terminating(pod)) or objects.is_terminating(job):
                await self._release(pod)
            else:
                held.add(uid)
        status = statuses.settled(job, status, held)
        if end is not None and not seen.active and not seen.terminating:
            status = statuses.finished(status, end, self.clock.now())
        written = await self._write(fresh or job, status)
        if written is not None and end is not None and planning.is_finished(written):
            if end.failed:
                self.recorder.event(job, WARNING, end.reason, end.message)
            else:
                self.recorder.event(job, NORMAL, "Completed", "Job completed")

    async def _after_the_end(self, job: Object) -> Result | None:
        left = planning.until_gone(job, self.clock.now())
        if left is None or objects.is_terminating(job):
            return None
        if left > 0:
            return Result(requeue_after=left)
        try:
            await self._reaper.delete(
                JOBS,
                objects.name(job),
                objects.namespace(job),
                propagation="Foreground",
                uid=objects.uid(job),
                resource_version=objects.resource_version(job),
            )
        except (NotFound, Conflict):
            return None
        return None

    async def _orphan(self, key: str) -> None:
        """A pod that is held for a Job that has gone, or is over, is let go."""
        pod = self._pods.get(key)
        if pod is None or FINALIZER not in objects.finalizers(pod) or objects.uid(pod) in self._let_go:
            return
        owner = objects.controller_of(pod)
        job = self._jobs.get(f"{objects.namespace(pod)}/{owner['name']}") if owner else None
        if job is None or owner is None or objects.uid(job) != owner.get("uid") or planning.is_finished(job):
            await self._release(pod)

    async def _release(self, pod: Object) -> None:
        patch = {"metadata": {"uid": objects.uid(pod), "$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
        try:
            await self.client.patch(PODS, objects.name(pod), objects.namespace(pod), patch, type="strategic")
        except (NotFound, Conflict):
            return
        shown = self._pods.get(objects.key(pod))
        if shown is not None and FINALIZER in objects.finalizers(shown):
            self._let_go.add(objects.uid(pod))

    async def _write(self, job: Object, status: Object) -> Object | None:
        return await self.tell(self._fresh, job, statuses.tidy(status))


def _held_pod(old: Object | None, new: Object | None) -> Iterable[str]:
    """Pods that are held, and whose Job may be gone."""
    del old
    if new is not None and FINALIZER in objects.finalizers(new):
        yield f"{_POD}{objects.key(new)}"
