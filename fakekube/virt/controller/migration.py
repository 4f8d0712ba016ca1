"""The migration controller: makes the target pod, hands the VMI over to the nodes, and follows them to the end.

Origin: kubevirt: pkg/virt-controller/watch/migration/migration.go
"""

from collections.abc import Iterable

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.recorder import NORMAL, WARNING, Recorder
from fakekube.clock import Clock, parse_rfc3339, rfc3339
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.objects import (
    annotations,
    condition,
    dig,
    finalizers,
    is_terminating,
    key,
    labels,
    name,
    namespace,
    uid,
    without,
)
from fakekube.machinery.resources import PODS, VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.wire import Object
from fakekube.virt import quantities
from fakekube.virt.controller import instance, launcher_pod, migration_plan, names, patches, pods
from fakekube.virt.controller.freshness import Freshness
from fakekube.virt.controller.informers import BY_OWNER, BY_VMI, MIGRATIONS, Informers

_KEPT = 5  # final migrations per VMI
_UNSCHEDULABLE_SECONDS = 300.0
_PENDING_SECONDS = 900.0
_UNSCHEDULABLE_OVERRIDE = "kubevirt.io/migrationUnschedulablePodTimeoutSeconds"
_PENDING_OVERRIDE = "kubevirt.io/migrationPendingPodTimeoutSeconds"
_BUSY_RETRY = 5.0


class MigrationController:
    """See the module text. `controller` is what runs."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        *,
        clock: Clock,
        settings: launcher_pod.Settings,
        workers: int = 1,
    ) -> None:
        self._client = client
        self._informers = informers
        self._recorder = recorder
        self._clock = clock
        self._settings = settings
        self._fresh = Freshness(informers.migrations, clock)
        self._fresh_vmis = Freshness(informers.vmis, clock)
        self._fresh_pods = Freshness(informers.pods, clock)
        self._awaited: dict[str, str] = {}  # migration key → key of its target pod
        self.controller = Controller(
            "virtualmachineinstancemigration", self._reconcile, clock=clock, workers=workers
        )
        self.controller.source(informers.migrations)
        self.controller.source(informers.vmis, self._of_vmi)
        self.controller.source(informers.pods, self._of_pod)
        self.controller.source(informers.nodes, lambda _old, _new: ())

    def _of_vmi(self, old: Object | None, new: Object | None) -> Iterable[str]:
        vmi = new or old
        return [key(one) for one in self._informers.migrations.by_index(BY_VMI, key(vmi))] if vmi else ()

    def _of_pod(self, old: Object | None, new: Object | None) -> Iterable[str]:
        pod = new or old
        job = annotations(pod).get(names.MIGRATION_JOB_NAME) if pod else None
        return (f"{namespace(pod)}/{job}",) if pod and job else ()

    async def _reconcile(self, own: str) -> Result | None:
        migration = self._informers.migrations.get(own)
        if migration is None:
            self._awaited.pop(own, None)
            return None
        vmi_key = f"{namespace(migration)}/{dig(migration, 'spec', 'vmiName', default='')}"
        awaited = self._awaited.get(own, "")
        if self._fresh.behind(own) or self._fresh_vmis.behind(vmi_key) or self._fresh_pods.behind(awaited):
            return None
        migration = await self._mark(migration)
        vmi = self._informers.vmis.get(vmi_key)
        if vmi is None and not migration_plan.is_final(migration):
            if not is_terminating(migration):
                await self._client.delete(MIGRATIONS, name(migration), namespace(migration))
            return None  # it stays, held by its finalizer, as upstream leaves it
        seen = self._look(migration, vmi)
        wait = None if migration_plan.is_final(migration) else await self._act(own, seen)
        seen = self._look(migration, self._informers.vmis.get(vmi_key)) if wait is None else seen
        migration = await self._write(seen)
        if migration_plan.is_final(migration):
            await self._finish(migration, seen)
        return Result(requeue_after=wait) if wait else None

    async def _mark(self, migration: Object) -> Object:
        if names.OBSERVED_VERSIONS.items() <= annotations(migration).items():
            return migration
        meta = {**migration["metadata"], "annotations": {**annotations(migration), **names.OBSERVED_VERSIONS}}
        return self._fresh.wrote(await self._client.update(MIGRATIONS, {**migration, "metadata": meta}))

    def _look(self, migration: Object, vmi: Object | None) -> migration_plan.Seen:
        owned = self._informers.pods.by_index(BY_OWNER, uid(vmi)) if vmi else []
        mine = [pod for pod in owned if labels(pod).get(names.MIGRATION_JOB_UID) == uid(migration)]
        source = pods.current(vmi, owned) if vmi else None
        known = dig(migration, "status", "migrationState", "sourcePod", default="")
        return migration_plan.Seen(
            migration=migration,
            vmi=vmi,
            target=mine[0] if mine else None,
            source_pod=known or (name(source) if source else ""),
            now=rfc3339(self._clock.now()),
            another_active=vmi is not None and self._another_is_active(migration, key(vmi)),
        )

    def _another_is_active(self, migration: Object, vmi_key: str) -> bool:
        return any(
            uid(one) != uid(migration) and migration_plan.phase_of(one) and not migration_plan.is_final(one)
            for one in self._informers.migrations.by_index(BY_VMI, vmi_key)
        )

    # What has to be done.

    async def _act(self, own: str, seen: migration_plan.Seen) -> float | None:
        """Do what the present phase asks for; seconds after which to look again, if there is a limit to wait for."""
        migration, phase = seen.migration, migration_plan.phase_of(seen.migration)
        state = migration_plan.state_of(seen)
        if is_terminating(migration):
            await self._abort(seen, state)
            return None
        if state and not state.get("completed") and migration_plan.target_is_down(seen):
            await self._tell_target_is_down(seen, state)
            return None
        if phase == migration_plan.PENDING and seen.target is None and seen.vmi is not None:
            if self._too_many(seen):
                return _BUSY_RETRY
            await self._create_target(own, seen)
        elif phase == migration_plan.SCHEDULED and not state and seen.target is not None:
            await self._hand_over(seen, seen.target)
        elif phase == migration_plan.SCHEDULING and seen.target is not None:
            return await self._watch_scheduling(seen, seen.target)
        return None

    def _too_many(self, seen: migration_plan.Seen) -> bool:
        """Whether as many migrations run as may, in the cluster or away from this node."""
        running = [
            one
            for one in self._informers.migrations.objects()
            if migration_plan.phase_of(one) not in ("", migration_plan.PENDING, *migration_plan.FINAL)
        ]
        if len(running) >= migration_plan.CONFIGURATION["parallelMigrationsPerCluster"]:
            return True
        node = dig(seen.vmi, "status", "nodeName")
        leaving = 0
        for one in running:
            other = self._informers.vmis.get(f"{namespace(one)}/{dig(one, 'spec', 'vmiName', default='')}")
            leaving += other is not None and dig(other, "status", "nodeName") == node
        return bool(leaving >= migration_plan.CONFIGURATION["parallelOutboundMigrationsPerNode"])

    async def _create_target(self, own: str, seen: migration_plan.Seen) -> None:
        vmi, migration = seen.vmi, seen.migration
        assert vmi is not None
        source_node = self._informers.nodes.get(dig(vmi, "status", "nodeName", default=""))
        added = dict(dig(migration, "spec", "addedNodeSelector", default={}))
        selector = migration_plan.target_selector(vmi, source_node, added)
        if names.NON_ROOT not in annotations(vmi):
            vmi = await self._mark_non_root(vmi)
        source = self._informers.pods.get(f"{namespace(vmi)}/{seen.source_pod}")
        digests = pods.digests(source, instance.volumes(vmi)) if source else {}
        target = launcher_pod.Target(migration, selector, digests)
        try:
            pod = await self._client.create(PODS, launcher_pod.build(vmi, self._settings, target=target))
        except ApiError as error:
            self._recorder.event(migration, "Warning", "FailedCreate", f"Error creating pod: {error}")
            raise
        self._awaited[own] = key(pod)
        self._fresh_pods.wrote(pod)
        self._recorder.event(
            migration, NORMAL, "SuccessfulCreate", f"Created migration target pod {name(pod)}"
        )

    async def _mark_non_root(self, vmi: Object) -> Object:
        patch = [{"op": "add", "path": "/metadata/annotations/kubevirt.io~1nonroot", "value": "true"}]
        return self._fresh_vmis.wrote(
            await self._client.patch(VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi), patch, type="json")
        )

    async def _hand_over(self, seen: migration_plan.Seen, target: Object) -> None:
        vmi = seen.vmi
        assert vmi is not None
        overhead = annotations(target).get(names.MEMORY_OVERHEAD)
        made = migration_plan.hand_over_state(seen, quantities.binary(int(overhead)) if overhead else "")
        old = dig(vmi, "status", "migrationState")
        path = "/status/migrationState"
        operations = patches.guarded(path, old, made) if old else patches.added(path, made)
        marked = {**labels(vmi), names.MIGRATION_TARGET_NODE: made["targetNode"]}
        operations += patches.guarded("/metadata/labels", dict(labels(vmi)), marked)
        self._fresh_vmis.wrote(
            await self._client.patch(
                VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi), operations, type="json"
            )
        )

    async def _abort(self, seen: migration_plan.Seen, state: Object) -> None:
        """The migration is deleted: before the hand-over its pod goes, afterwards the nodes are asked to stop."""
        if not state:
            await self._delete_target(seen)
            return
        if state.get("abortRequested") or state.get("completed") or seen.vmi is None:
            return
        path = "/status/migrationState"
        patch = patches.guarded(
            path, dig(seen.vmi, "status", "migrationState"), {**state, "abortRequested": True}
        )
        self._fresh_vmis.wrote(
            await self._client.patch(
                VIRTUAL_MACHINE_INSTANCES, name(seen.vmi), namespace(seen.vmi), patch, type="json"
            )
        )
        message = "Migration is ready to be canceled by virt-handler."
        self._recorder.event(seen.migration, NORMAL, "SuccessfulAbortMigration", message)

    async def _tell_target_is_down(self, seen: migration_plan.Seen, state: Object) -> None:
        """The nodes cannot go on: the migration has failed, the guest stays where it is."""
        vmi, now = seen.vmi, seen.now
        assert vmi is not None
        reason = "Target pod is down"
        ended = {"startTimestamp": now, **state, "endTimestamp": now}
        ended |= {"failed": True, "completed": True, "failureReason": reason}
        patch = patches.guarded("/status/migrationState", dig(vmi, "status", "migrationState"), ended)
        self._fresh_vmis.wrote(
            await self._client.patch(VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi), patch, type="json")
        )
        message = f"VirtualMachineInstance migration uid {uid(seen.migration)} failed. reason: {reason}"
        self._recorder.event(vmi, WARNING, "FailedMigration", message)

    async def _delete_target(self, seen: migration_plan.Seen) -> None:
        if seen.target is None or is_terminating(seen.target) or pods.is_finished(seen.target):
            return
        try:
            await self._client.delete(PODS, name(seen.target), namespace(seen.target))
        except NotFound:
            return

    async def _watch_scheduling(self, seen: migration_plan.Seen, target: Object) -> float | None:
        """A target pod that does not get going within its time is deleted, which fails the migration."""
        why = condition(target, "PodScheduled")
        unschedulable = (
            why is not None and why.get("status") == "False" and why.get("reason") == "Unschedulable"
        )
        marks = annotations(seen.migration)
        limit = float(marks.get(_PENDING_OVERRIDE, _PENDING_SECONDS))
        if unschedulable:
            limit = float(marks.get(_UNSCHEDULABLE_OVERRIDE, _UNSCHEDULABLE_SECONDS))
        if dig(target, "status", "phase") != "Pending":
            return None
        age = (self._clock.now() - parse_rfc3339(target["metadata"]["creationTimestamp"])).total_seconds()
        if age < limit:
            return limit - age
        await self._delete_target(seen)
        return None

    # What is told.

    async def _write(self, seen: migration_plan.Seen) -> Object:
        migration: Object = dict(seen.migration)
        result = migration_plan.plan(seen)
        if result.status != (migration.get("status") or {}):
            migration = self._fresh.wrote(
                await self._client.update(
                    MIGRATIONS, {**migration, "status": result.status}, subresource="status"
                )
            )
        for kind, reason, message in result.events:
            self._recorder.event(migration, kind, reason, message)
        return migration

    async def _finish(self, migration: Object, seen: migration_plan.Seen) -> None:
        """A final migration has the VMI's state copied in, then lets go of itself; only the youngest few are kept."""
        state = migration_plan.state_of(seen)
        copied = dig(migration, "status", "migrationState", default={})
        if state and not copied.get("migrationUid"):
            return  # the next pass copies it
        if migration_plan.phase_of(migration) == migration_plan.FAILED:
            await self._delete_target(seen)
        if names.MIGRATION_FINALIZER in finalizers(migration):
            meta = {
                **migration["metadata"],
                "finalizers": without(finalizers(migration), names.MIGRATION_FINALIZER),
            }
            if not meta["finalizers"]:
                del meta["finalizers"]
            answer = await self._client.update(MIGRATIONS, {**migration, "metadata": meta})
            if not is_terminating(answer):
                self._fresh.wrote(answer)
        await self._collect(migration)

    async def _collect(self, migration: Object) -> None:
        vmi_key = f"{namespace(migration)}/{dig(migration, 'spec', 'vmiName', default='')}"
        final = [
            one
            for one in self._informers.migrations.by_index(BY_VMI, vmi_key)
            if migration_plan.is_final(one) and not is_terminating(one)
        ]
        final.sort(
            key=lambda one: (one["metadata"]["creationTimestamp"], int(one["metadata"]["resourceVersion"]))
        )
        for old in final[: max(0, len(final) - _KEPT)]:
            try:
                await self._client.delete(MIGRATIONS, name(old), namespace(old))
            except NotFound:
                continue
