"""The migration controller: makes the target pod, hands the VMI over to the nodes, and follows them to the end.

Origin: kubevirt: pkg/virt-controller/watch/migration/migration.go
"""

from collections.abc import Iterable

from msgspec.structs import replace

from fakekube.client.controller import Result
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import (
    annotations,
    dig,
    finalizers,
    is_final,
    is_terminating,
    key,
    labels,
    name,
    namespace,
    uid,
    without,
)
from fakekube.machinery.resources import MIGRATIONS
from fakekube.machinery.wire import Object
from fakekube.virt import quantities, sides
from fakekube.virt.controller import (
    instance,
    migration_backoff,
    migration_phases,
    migration_plan,
    migration_sides,
    names,
    patches,
    pods,
)
from fakekube.virt.controller.informers import BY_OWNER, BY_VMI, vmi_of
from fakekube.virt.controller.migration_attachments import TargetAttachments
from fakekube.virt.controller.migration_settings import MigrationSettings
from fakekube.virt.controller.migration_target import Targets
from fakekube.virt.controller.state_claims import StateClaims
from fakekube.virt.controller.wiring import Wiring

_KEPT = 5  # final migrations per VMI
_BUSY_RETRY, _NEXT_TURN = 5.0, 1.0


class MigrationController:
    """See the module text. `controller` is what runs."""

    def __init__(self, wiring: Wiring) -> None:
        informers = wiring.informers
        self._wiring = wiring
        self._client = wiring.client
        self._informers = informers
        self._recorder = wiring.recorder
        self._clock = wiring.clock
        self._writer = wiring.writer(informers.migrations)
        self._vmis = wiring.writer(informers.vmis)
        self._states = StateClaims(wiring)
        self._targets = Targets(wiring, self._vmis, self._states)
        self._attachments = TargetAttachments(wiring)
        self._settings = MigrationSettings(wiring.client, informers)
        self.controller = wiring.controller(
            "virtualmachineinstancemigration",
            self._reconcile,
            (informers.migrations, self._of_migration),
            reads=(informers.nodes, informers.kubevirts, informers.namespaces),
        )
        for informer, keys in (
            (informers.vmis, self._of_vmi),
            (informers.pods, self._of_pod),
            (informers.attachments, self._of_pod),
            (informers.quotas, self._rejected),
        ):
            self.controller.source(informer, keys, about=informers.migrations)

    def _of_migration(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """Itself; when it ends also those that wait for their turn with the same VMI."""
        one = new or old
        if one is None:
            return ()
        if new is not None and not is_final(new):
            return (key(new),)
        return [key(one), *map(key, self._informers.migrations.by_index(BY_VMI, vmi_of(one)))]

    def _of_vmi(self, old: Object | None, new: Object | None) -> Iterable[str]:
        vmi = new or old
        return [key(one) for one in self._informers.migrations.by_index(BY_VMI, key(vmi))] if vmi else ()

    def _of_pod(self, old: Object | None, new: Object | None) -> Iterable[str]:
        pod = new or old
        job = annotations(pod).get(names.MIGRATION_JOB_NAME) if pod else None
        return (f"{namespace(pod)}/{job}",) if pod and job else ()

    def _rejected(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """Those a quota has kept from beginning, when it changes or goes."""
        quota = new or old
        if quota is None or old is None:
            return ()
        here = self._informers.migrations.in_namespace(namespace(quota))
        return [key(one) for one in here if migration_plan.is_rejected(one)]

    async def _reconcile(self, own: str) -> Result | None:
        migration = self._informers.migrations.get(own)
        if migration is None:
            self._targets.forget(own)
            self._attachments.forget(own)
            self._states.forget(own)
            return None
        vmi_key = vmi_of(migration)
        if self._writer.behind(own) or self._vmis.behind(vmi_key):
            return None
        if self._targets.awaited(own) or self._attachments.awaited(own):
            return None
        migration = await self._writer.mark(migration)
        vmi = self._informers.vmis.get(vmi_key)
        if vmi is None:
            if not is_terminating(migration):
                await self._client.delete(MIGRATIONS, name(migration), namespace(migration))
            return None  # it stays, held by its finalizer, as upstream leaves it
        seen = self._look(migration, vmi)
        try:
            wait = None if is_final(migration) else await self._act(own, seen)
        except ApiError as error:
            if "exceeded quota" in error.message:  # which is told, and tried again
                await self._write(replace(seen, refusal=error.message))
            raise
        seen = self._look(migration, self._informers.vmis.get(vmi_key)) if wait is None else seen
        await self._states.hand_over(migration, migration_plan.state_of(seen))
        migration = await self._write(seen)
        if is_final(migration):
            await self._finish(migration, seen)
        return Result(requeue_after=wait) if wait else None

    def _look(self, migration: Object, vmi: Object | None) -> migration_plan.Seen:
        owned = self._informers.pods.by_index(BY_OWNER, uid(vmi)) if vmi else []
        mine = [pod for pod in owned if labels(pod).get(names.MIGRATION_JOB_UID) == uid(migration)]
        known = dig(migration, "status", "migrationState", "sourcePod", default="")
        if sides.arrives(migration):
            known = sides.of(vmi, sides.SOURCE).get("pod", known)
        elif vmi is not None and not migration_plan.is_under_way(migration):
            source = pods.current(vmi, owned)
            known = name(source) if source else known
        target = mine[0] if mine else None
        return migration_plan.Seen(
            migration=migration,
            vmi=vmi,
            target=target,
            plugs=bool(self._attachments.volumes(vmi)),
            attachment=self._attachments.of(target),
            addresses=tuple(dig(self._informers.kubevirt, "status", "synchronizationAddresses", default=())),
            source_pod=known,
            now=self._wiring.now(),
            claims=self._states.of_migration(migration, vmi),
            taken=vmi is not None and self._is_taken(migration, vmi),
        )

    def _is_taken(self, migration: Object, vmi: Object) -> bool:
        """Whether the nodes have another migration of the VMI in hand that has not ended."""
        at_work = dig(vmi, "status", "migrationState", "migrationUid", default="")
        return at_work not in ("", uid(migration)) and any(
            uid(one) == at_work and not is_final(one)
            for one in self._informers.migrations.by_index(BY_VMI, key(vmi))
        )

    # What has to be done.

    async def _act(self, own: str, seen: migration_plan.Seen) -> float | None:
        """Do what the present phase asks for; seconds after which to look again, if there is a limit to wait for."""
        phase = migration_plan.phase_of(seen.migration)
        state = migration_plan.state_of(seen)
        if seen.vmi is None or is_terminating(seen.vmi) or state.get("completed") or seen.taken:
            return None
        if state and migration_plan.target_is_down(seen):
            await self._tell_target_is_down(seen, state)
        elif is_terminating(seen.migration):
            await self._abort(seen, phase, state)
        elif sides.id_of(seen.migration) and await self._tell_other_side(seen, seen.vmi, phase):
            return None
        elif phase == migration_phases.PENDING and seen.target is None:
            return await self._make_target(own, seen, seen.vmi)
        elif phase == migration_phases.SCHEDULED and not state and seen.target is not None:
            if pods.is_ready_for_hand_over(seen.target):
                await self._hand_over(seen, seen.target)
        elif phase == migration_phases.PENDING and migration_plan.lacks_attachment(seen):
            await self._attachments.create(own, seen.migration, seen.vmi, seen.target or {})
        elif phase in (migration_phases.PENDING, migration_phases.SCHEDULING) and seen.target is not None:
            return await self._targets.watch_scheduling(seen, seen.target)
        return None

    async def _tell_other_side(self, seen: migration_plan.Seen, vmi: Object, phase: str) -> bool:
        """Write down what the other side has to know by now; whether there is nothing more to do here in this phase."""
        leaves = sides.leaves(seen.migration)
        if phase in (migration_phases.WAITING, migration_phases.SYNCHRONIZING):
            made = migration_sides.begun(seen.migration, vmi)
        elif leaves and phase == migration_phases.SCHEDULING and instance.phase(vmi) == names.RUNNING:
            node = self._informers.nodes.get(dig(vmi, "status", "nodeName", default=""))
            made = migration_sides.described(seen.migration, vmi, seen.source_pod, node)
        else:
            return leaves
        known = dig(vmi, "status", "migrationState")
        if made != known:
            path = "/status/migrationState"
            patch = patches.guarded(path, known, made) if known else patches.added(path, made)
            await self._vmis.patch(vmi, patch)
        return True

    async def _make_target(self, own: str, seen: migration_plan.Seen, vmi: Object) -> float | None:
        known = self._informers.migrations.by_index(BY_VMI, key(vmi))
        if (left := migration_backoff.seconds(seen.migration, known, self._clock.now())) > 0:
            self._recorder.event(vmi, WARNING, "MigrationBackoff", f"backoff migrating vmi {key(vmi)}")
            return left
        if not seen.source_pod:
            return None
        vmi = await self._targets.prepare(vmi)
        owned = self._informers.pods.by_index(BY_OWNER, uid(vmi))
        if sum(1 for pod in owned if not is_final(pod)) > 1:
            return _NEXT_TURN
        if self._settings.too_many(vmi) or self._settings.another_goes_first(seen.migration):
            return _BUSY_RETRY
        if instance.phase(vmi) == names.RUNNING or sides.arrives(seen.migration):
            await self._targets.create(own, replace(seen, vmi=vmi))
        return None

    async def _hand_over(self, seen: migration_plan.Seen, target: Object) -> None:
        vmi = seen.vmi
        assert vmi is not None
        overhead = annotations(target).get(names.MEMORY_OVERHEAD)
        policy, configuration = await self._settings.of(vmi)
        memory = quantities.binary(int(overhead)) if overhead else ""
        made = migration_plan.hand_over_state(seen, memory, configuration, policy)
        old = dig(vmi, "status", "migrationState")
        path = "/status/migrationState"
        operations = patches.guarded(path, old, made) if old else patches.added(path, made)
        marked = {**labels(vmi), names.MIGRATION_TARGET_NODE: made["targetNode"]}
        marked |= migration_plan.size_labels(vmi, target)
        operations += patches.guarded("/metadata/labels", dict(labels(vmi)), marked)
        try:
            await self._vmis.patch(vmi, operations)
        except ApiError as error:
            text = f"Failed to set MigrationStat in VMI status. :{error}"  # sic
            self._recorder.event(seen.migration, WARNING, "FailedHandOver", text)
            raise

    async def _abort(self, seen: migration_plan.Seen, phase: str, state: Object) -> None:
        """The migration is deleted: before the hand-over its pod goes, once memory is copied the nodes are asked to stop."""
        if not state and phase in (
            migration_phases.PENDING,
            migration_phases.SCHEDULING,
            migration_phases.SCHEDULED,
        ):
            reason = "migration canceled and pod {} is deleted"
            await self._targets.delete(seen, reason, "Error deleting canceled migration target pod")
        runs = phase == migration_phases.RUNNING or (
            sides.arrives(seen.migration) and migration_plan.is_handed_over(phase)
        )
        if not runs or not state or state.get("abortRequested") or seen.vmi is None:
            return
        path = "/status/migrationState"
        patch = patches.guarded(
            path, dig(seen.vmi, "status", "migrationState"), {**state, "abortRequested": True}
        )
        try:
            await self._vmis.patch(seen.vmi, patch)
        except ApiError as error:
            text = f"failed to set MigrationState in VMI status. :{error}"
            self._recorder.event(seen.migration, WARNING, "FailedAbortMigration", text)
            raise
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
        await self._vmis.patch(vmi, patch)
        message = f"VirtualMachineInstance migration uid {uid(seen.migration)} failed. reason: {reason}"
        self._recorder.event(vmi, WARNING, "FailedMigration", message)

    # What is told.

    async def _write(self, seen: migration_plan.Seen) -> Object:
        migration: Object = dict(seen.migration)
        result = migration_plan.plan(seen)
        if result.status != (migration.get("status") or {}):
            migration = await self._writer.update(
                {**migration, "status": result.status}, subresource="status"
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
        if migration_plan.phase_of(migration) == migration_phases.FAILED and not state:
            await self._targets.delete(seen, "")  # once handed over, the nodes end it
        if migration_plan.phase_of(migration) == migration_phases.FAILED:
            await self._states.abort(migration)
            await self._forget_other_side(migration, seen.vmi)
        if names.MIGRATION_FINALIZER in finalizers(migration):
            meta = {
                **migration["metadata"],
                "finalizers": without(finalizers(migration), names.MIGRATION_FINALIZER),
            }
            if not meta["finalizers"]:
                del meta["finalizers"]
            await self._writer.update({**migration, "metadata": meta})
        await self._collect(migration)

    async def _forget_other_side(self, migration: Object, vmi: Object | None) -> None:
        """Nothing has begun: an instance that was about to send or receive its guest is as before."""
        if vmi is None or not migration_sides.is_forgotten(migration, vmi):
            return
        path = "/status/migrationState"
        await self._vmis.patch(vmi, patches.removed(path, dig(vmi, "status", "migrationState")))

    async def _collect(self, migration: Object) -> None:
        vmi_key = vmi_of(migration)
        final = [
            one
            for one in self._informers.migrations.by_index(BY_VMI, vmi_key)
            if is_final(one) and not is_terminating(one)
        ]
        final.sort(
            key=lambda one: (one["metadata"]["creationTimestamp"], int(one["metadata"]["resourceVersion"]))
        )
        for old in final[: max(0, len(final) - _KEPT)]:
            await self._client.delete_if_present(MIGRATIONS, name(old), namespace(old))
