"""Contents of snapshots: a VolumeSnapshot for each claim, the guest frozen while they are begun; ready when all of them are.

Origin: kubevirt: pkg/storage/snapshot/snapshot.go (updateVMSnapshotContent)
"""

from collections.abc import Iterable
from contextlib import suppress

from msgspec import Struct, field

from fakekube.client.controller import Result, RetryError
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import (
    dig,
    finalizers,
    is_terminating,
    name,
    namespace,
    owner_reference,
    without,
)
from fakekube.machinery.resources import VOLUME_SNAPSHOTS
from fakekube.machinery.wire import Object
from fakekube.virt.controller.storage import common, snapshot_status
from fakekube.virt.controller.storage.source import Sources
from fakekube.virt.controller.wiring import Wiring

HOLD = "snapshot.kubevirt.io/vmsnapshotcontent-protection"


class _FreezeError(Exception):
    """Why a guest could not be frozen."""


class _Found(Struct):
    """What became of the VolumeSnapshots of a content."""

    told: list[Object] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


class Contents(common.Part):
    """See the module text."""

    resource, kind = common.CONTENTS, "virtualmachinesnapshotcontent"

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        self._sources = Sources(wiring.client, wiring.informers)
        self._snapshots: common.Part | None = None
        self.controller.source(wiring.informers.volume_snapshots, _owner)

    def follow(self, snapshots: common.Part) -> None:
        """Be woken by the snapshots whose contents these are."""
        self._snapshots = snapshots

        def of_snapshot(old: Object | None, new: Object | None) -> Iterable[str]:
            changed = new or old or {}
            return (f"{namespace(changed)}/{snapshot_status.content_name(changed)}",)

        self.controller.source(snapshots.objects, of_snapshot)

    async def _reconcile(self, obj: Object) -> Result | None:
        snapshot = self._snapshot(obj)
        if snapshot is None or snapshot_status.is_ending(snapshot, self._clock.now()):
            with suppress(ApiError):  # the guest thaws by itself in time
                await self._thaw(snapshot)
            if HOLD in finalizers(obj):
                meta = {**obj["metadata"], "finalizers": without(finalizers(obj), HOLD)}
                obj = await self._writer.update({**obj, "metadata": meta})
            if snapshot is not None and snapshot_status.loses_content(snapshot, obj):
                return None
        if is_terminating(obj) or (snapshot is not None and snapshot_status.never_ready(snapshot)):
            return None
        try:
            found = await self._taken(obj, snapshot)
        except _FreezeError as error:
            await self._tell(obj, readyToUse=False, error=self._error(obj, str(error)))
            return Result(requeue_after=common.RETRY)
        await self._judge(obj, snapshot, found)
        return None

    def _snapshot(self, obj: Object) -> Object | None:
        own = dig(obj, "spec", "virtualMachineSnapshotName", default="")
        found = self._snapshots.objects.get(f"{namespace(obj)}/{own}") if self._snapshots else None
        return found if found is not None and snapshot_status.content_name(found) == name(obj) else None

    async def _thaw(self, snapshot: Object | None) -> None:
        vm = self._sources.vm(snapshot) if snapshot is not None else None
        if vm is not None:
            await self._sources.thaw(vm)

    async def _taken(self, obj: Object, snapshot: Object | None) -> _Found:
        found = _Found()
        created, frozen = bool(dig(obj, "status", "creationTime")), False
        for backup in dig(obj, "spec", "volumeBackups", default=()):
            own = backup.get("volumeSnapshotName")
            if not own:
                continue
            taken = self._informers.volume_snapshots.get(f"{namespace(obj)}/{own}")
            if taken is None and created:
                self._recorder.event(
                    obj, WARNING, "VolumeSnapshotMissing", f"VolumeSnapshot {own} no longer exists"
                )
                found.missing.append(own)
                continue
            if taken is None and (snapshot is None or is_terminating(snapshot)):
                found.skipped.append(own)
                continue
            if taken is None and snapshot is not None:
                if not frozen:
                    await self._freeze(snapshot)
                frozen = True
                taken = await self._take(obj, backup)
            found.told.append(_told(taken or {}, own))
        return found

    async def _freeze(self, snapshot: Object) -> None:
        vm = self._sources.vm(snapshot)
        if vm is None:
            raise RetryError("unable to get snapshot source")
        try:
            await self._sources.freeze(vm, snapshot)
        except ApiError as error:
            raise _FreezeError(error.message) from None

    async def _take(self, obj: Object, backup: Object) -> Object:
        own, claim = backup["volumeSnapshotName"], backup["persistentVolumeClaim"]
        chosen = self._informers.snapshot_classes().get(
            dig(claim, "spec", "storageClassName", default=""), ""
        )
        kept = dig(obj, "spec", "source", "virtualMachine", "metadata", default={})
        wanted: Object = {
            "apiVersion": VOLUME_SNAPSHOTS.api_version,
            "kind": VOLUME_SNAPSHOTS.kind,
            "metadata": {
                "name": own,
                "namespace": namespace(obj),
                "labels": {
                    "snapshot.kubevirt.io/source-vm-name": kept.get("name", ""),
                    "snapshot.kubevirt.io/source-vm-namespace": kept.get("namespace", ""),
                },
                "ownerReferences": [
                    owner_reference(
                        {**obj, "kind": self.resource.kind, "apiVersion": self.resource.api_version}
                    )
                ],
            },
            "spec": {
                "source": {"persistentVolumeClaimName": claim["metadata"]["name"]},
                "volumeSnapshotClassName": chosen,
            },
        }
        made = await self._client.create_if_absent(VOLUME_SNAPSHOTS, wanted)
        if made is None:
            return await self._client.get(VOLUME_SNAPSHOTS, own, namespace(obj))  # the cache will show it
        message = f"Successfully created VolumeSnapshot {own}"
        self._recorder.event(obj, NORMAL, "SuccessfulVolumeSnapshotCreate", message)
        return made

    async def _judge(self, obj: Object, snapshot: Object | None, found: _Found) -> None:
        problem, created, ready = _verdict(found)
        creation, error = dig(obj, "status", "creationTime"), dig(obj, "status", "error")
        if created and not creation:
            creation = self._now()
            await self._thaw(snapshot)
        if not problem:
            error = None
        elif not ready:
            error = self._error(obj, problem)
        await self._tell(
            obj,
            creationTime=creation,
            readyToUse=ready,
            error=error,
            volumeSnapshotStatus=found.told or None,
        )

    def _error(self, obj: Object, message: str) -> Object:
        """What is told already keeps its time."""
        told: Object = dig(obj, "status", "error", default={})
        return told if told.get("message") == message else {"message": message, "time": self._now()}


def _verdict(found: _Found) -> tuple[str, bool, bool]:
    """What is wrong, whether all are begun, whether all are ready. The first that has an error is the last looked at."""
    if found.missing:
        return f"VolumeSnapshots ({','.join(found.missing)}) missing", False, False
    if found.skipped:
        names = ",".join(found.skipped)
        return f"VolumeSnapshots ({names}) skipped because vm snapshot is deleted", False, False
    created = ready = True
    for one in found.told:
        created = created and bool(one.get("creationTime"))
        ready = ready and bool(one.get("readyToUse"))
        if message := dig(one, "error", "message"):
            return f"VolumeSnapshot {one['volumeSnapshotName']} error: {message}", created, ready
    return "", created, ready


def _told(taken: Object, own: str) -> Object:
    """What a content tells of a VolumeSnapshot."""
    status = taken.get("status") or {}
    known = {member: status[member] for member in ("creationTime", "readyToUse", "error") if member in status}
    return {**known, "volumeSnapshotName": own}


def _owner(old: Object | None, new: Object | None) -> Iterable[str]:
    changed = new or old
    owners = dig(changed, "metadata", "ownerReferences", default=())
    return [
        f"{namespace(changed or {})}/{one['name']}" for one in owners if one["kind"] == common.CONTENTS.kind
    ]
