"""Migrations nobody created by hand, as one controller: away from a node, and to apply a live update.

Guests of another release than is installed move likewise, if the KubeVirt object says so; those that cannot are `outdated`'s.
Who asked a guest to leave is virt-api's business (it answers evictions of launcher pods); a drained node asks by its taint.
A live update is in the VMI's spec already, and reaches the guest by moving it. This side only creates migrations, a few at
a time, and another after each that fails; how long that waits is `migration_backoff`'s business.
Origin: kubevirt: pkg/virt-controller/watch/drain/evacuation/evacuation.go, pkg/virt-controller/watch/workload-updater/workload-updater.go
"""

from collections.abc import Iterable

from msgspec import Struct

from fakekube.client.controller import Result
from fakekube.client.recorder import NORMAL, WARNING, Recorder
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import (
    annotations,
    condition_is,
    dig,
    is_final,
    is_terminating,
    key,
    name,
    namespace,
    uid,
)
from fakekube.machinery.resources import MIGRATIONS
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance, live_update, migration_plan, migration_policy, names, outdated
from fakekube.virt.controller.informers import BY_NODE, BY_OWNER, BY_VMI
from fakekube.virt.controller.migration_backoff import EVACUATION, UPDATE
from fakekube.virt.controller.wiring import Wiring
from fakekube.virt.controller.writer import Awaited

_ABORTED = "kubevirt.io/workloadUpdateMigrationAbortion"
_VOLUMES = "kubevirt.io/volume-update-in-progress"
_BUSY_RETRY, _NEXT_LOOK, _TOLD_AGAIN = 5.0, 1.0, 60.0


class _Why(Struct, frozen=True):
    """What a migration is for: how it is named and marked, and who tells of it."""

    prefix: str
    mark: str
    value: str
    recorder: Recorder
    priority: str
    words: str = ""  # how what is told of it ends


class AutomaticMigrations:
    """See the module text. `controller` is what runs; its keys are those of VMIs."""

    def __init__(self, wiring: Wiring, *, updates: Recorder) -> None:
        informers = wiring.informers
        self._client = wiring.client
        self._informers = informers
        self._drains, self._updates = wiring.recorder, updates
        self._writer = wiring.writer(informers.migrations)
        self._awaited = Awaited(self._writer)  # migrations, by the keys of their VMIs
        self.controller = wiring.controller(
            "automatic migrations",
            self._reconcile,
            (informers.vmis, _leaving),
            (informers.migrations, _of_migration),
            (informers.nodes, self._drained),
            (informers.kubevirts, self._updated),
            reads=(informers.pods,),
        )

    def _updated(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """Guests that are to move to launchers of another release, once that is installed, or somebody wants them to."""
        if new is None or (old is not None and outdated.migrates(old) == outdated.migrates(new)):
            return ()
        return [key(vmi) for vmi in self._informers.vmis.objects() if outdated.is_marked(vmi)]

    def _is_outdated(self, vmi: Object) -> bool:
        kubevirt = next(iter(self._informers.kubevirts.objects()), None)
        return outdated.is_marked(vmi) and kubevirt is not None and outdated.migrates(kubevirt)

    def _drained(self, old: Object | None, new: Object | None) -> Iterable[str]:
        taint = self._informers.config().drain_taint
        if new is None or not _has_taint(new, taint) or (old is not None and _has_taint(old, taint)):
            return ()
        return [key(vmi) for vmi in self._informers.vmis.by_index(BY_NODE, name(new))]

    async def _reconcile(self, own: str) -> Result | None:
        vmi = self._informers.vmis.get(own)
        if vmi is None:
            self._awaited.forget(own)
            return None
        if self._awaited.get(own):
            return None
        known = self._informers.migrations.by_index(BY_VMI, own)
        await self._abort(vmi, known)
        if (why := self._why(vmi)) is None or any(not is_final(one) for one in known):
            return None
        moves_volumes = why.mark == UPDATE and dig(vmi, "status", "migratedVolumes")
        if not condition_is(vmi, "LiveMigratable") and not moves_volumes:
            if why.mark != EVACUATION:
                return None
            why.recorder.event(vmi, NORMAL, "FailedCreate", "VirtualMachineInstance is not migrateable")
            return Result(requeue_after=_TOLD_AGAIN)  # events go after an hour
        if why.mark == UPDATE and self._as_many_run_as_may():
            return Result(requeue_after=_BUSY_RETRY)
        if why.mark == EVACUATION and self._has_another_launcher(vmi):
            return Result(requeue_after=_NEXT_LOOK)
        await self._migrate(own, vmi, why)
        return None

    def _as_many_run_as_may(self) -> bool:
        """Updates wait; who has to leave a node is queued, and may be more urgent than others in the queue."""
        running = sum(1 for one in self._informers.migrations.objects() if migration_plan.is_under_way(one))
        limits = migration_policy.of_cluster(self._informers.kubevirt)
        return bool(running >= limits["parallelMigrationsPerCluster"])

    def _has_another_launcher(self, vmi: Object) -> bool:
        """Whether one that it has left, or did not get to, is still to end."""
        owned = self._informers.pods.by_index(BY_OWNER, uid(vmi))
        return sum(1 for pod in owned if not is_final(pod)) > 1

    async def _abort(self, vmi: Object, known: Iterable[Object]) -> None:
        """Delete the migration of a change that somebody called off, or that is no longer asked for."""
        state = dig(vmi, "status", "migrationState", default={})
        arrived = state.get("targetNodeDomainReadyTimestamp")
        wanted = live_update.awaits_migration(vmi) or arrived
        if outdated.is_marked(vmi) or (wanted and _ABORTED not in annotations(vmi)):
            return
        for one in known:
            if UPDATE not in annotations(one) or is_final(one) or is_terminating(one):
                continue
            if arrived and state.get("migrationUid") == uid(one):
                continue  # too late
            try:
                deleted = await self._client.delete_if_present(MIGRATIONS, name(one), namespace(one))
            except ApiError as error:
                text = f"Failed to abort change for vmi: {name(vmi)}: {error}"
                self._updates.event(vmi, NORMAL, "FailedChangeAbortion", text)
                raise
            if not deleted:
                continue
            text = f"Aborted change for vmi: {name(vmi)}"
            self._updates.event(vmi, NORMAL, "SuccessfulChangeAbortion", text)

    def _why(self, vmi: Object) -> _Why | None:
        node = dig(vmi, "status", "nodeName", default="")
        if self._has_to_leave(vmi):
            return _Why("kubevirt-evacuation-", EVACUATION, node, self._drains, "system-critical")
        changes = live_update.awaits_migration(vmi)
        wanted = (changes and _ABORTED not in annotations(vmi)) or self._is_outdated(vmi)
        if wanted and not is_terminating(vmi):
            words = " for automated workload update"
            priority = "user-triggered" if changes else "system-critical"
            return _Why("kubevirt-workload-update-", UPDATE, "", self._updates, priority, words)
        return None

    def _has_to_leave(self, vmi: Object) -> bool:
        if is_final(vmi) or is_terminating(vmi) or instance.phase(vmi) != names.RUNNING:
            return False
        node = dig(vmi, "status", "nodeName", default="")
        found = self._informers.nodes.get(node)
        drained = found is not None and _has_taint(found, self._informers.config().drain_taint)
        if not drained and dig(vmi, "status", "evacuationNodeName", default="-") != node:
            return False
        strategy = dig(vmi, "spec", "evictionStrategy") or self._informers.config().eviction_strategy
        if strategy == "LiveMigrateIfPossible":
            return condition_is(vmi, "LiveMigratable")
        return bool(strategy == "LiveMigrate")

    async def _migrate(self, own: str, vmi: Object, why: _Why) -> None:
        migration: Object = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstanceMigration",
            "metadata": {
                "generateName": why.prefix,
                "namespace": namespace(vmi),
                "annotations": {why.mark: why.value},
            },
            "spec": {"vmiName": name(vmi), "priority": why.priority},
        }
        if why.mark == UPDATE and dig(vmi, "status", "migratedVolumes"):
            migration["metadata"]["labels"] = {_VOLUMES: name(vmi) if len(name(vmi)) <= 63 else uid(vmi)}
        try:
            made = await self._writer.create(migration)
        except ApiError as error:
            message = f"Error creating a Migration{why.words}: {error}"
            why.recorder.event(vmi, WARNING, "FailedCreate", message)
            raise
        self._awaited.put(own, made)
        message = f"Created Migration {name(made)}{why.words}"
        why.recorder.event(vmi, NORMAL, "SuccessfulCreate", message)


def _has_taint(node: Object, key: str) -> bool:
    return any(
        one.get("key") == key and one.get("effect") == "NoSchedule"
        for one in dig(node, "spec", "taints", default=())
    )


def _leaving(old: Object | None, new: Object | None) -> Iterable[str]:
    """Wake for VMIs that are asked to leave or to change, or that come to run; other changes are nothing to migrate for."""
    if new is None:
        return (key(old),) if old is not None else ()
    if (
        dig(new, "status", "evacuationNodeName")
        or outdated.is_marked(new)
        or live_update.awaits_migration(new)
        or _ABORTED in annotations(new)
    ):
        return (key(new),)
    if old is not None and live_update.awaits_migration(old):
        return (key(new),)
    return (key(new),) if old is None or instance.phase(old) != instance.phase(new) else ()


def _of_migration(old: Object | None, new: Object | None) -> Iterable[str]:
    one = new or old
    if one is None or (new is not None and not is_final(new)):
        return ()
    return (f"{namespace(one)}/{dig(one, 'spec', 'vmiName', default='')}",)
