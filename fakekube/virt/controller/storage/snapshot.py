"""Snapshots of VMs: the source is locked, its spec and claims are kept in a content, the source is let go.

Claims are snapshotted where a VolumeSnapshotClass exists; there is no storage behind them, so they are ready at once. The
annotation `fakekube.io/fate: never-ready` keeps a snapshot from it.
Origin: kubevirt: pkg/storage/snapshot/{snapshot,snapshot_base}.go
"""

from datetime import timedelta

from fakekube.client.controller import Result
from fakekube.client.recorder import NORMAL
from fakekube.clock import parse_rfc3339
from fakekube.machinery.durations import given as seconds
from fakekube.machinery.errors import AlreadyExists, NotFound
from fakekube.machinery.objects import (
    annotations,
    condition_is,
    dig,
    finalizers,
    is_terminating,
    name,
    namespace,
    uid,
    without,
)
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS, VIRTUAL_MACHINES
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance
from fakekube.virt.controller.storage import common
from fakekube.virt.controller.wiring import Wiring

_HOLD = "snapshot.kubevirt.io/vmsnapshot-protection"
_HOLD_CONTENT = "snapshot.kubevirt.io/vmsnapshotcontent-protection"
_HOLD_SOURCE = "snapshot.kubevirt.io/snapshot-source-protection"
_FATE = "fakekube.io/fate"
_DEADLINE = 300.0
_KEPT_METADATA = ("name", "namespace", "labels", "annotations", "uid", "generation")
_SOURCE = "source"


class Snapshots(common.Part):
    """See the module text."""

    resource, kind = common.SNAPSHOTS, "virtualmachinesnapshot"

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        informers = wiring.informers
        self.objects.add_index(_SOURCE, common.named_by("source"))
        self.controller.source(informers.vms, common.same_key(self.objects, _SOURCE))
        self.controller.source(informers.vmis, lambda _old, _new: ())

    async def _reconcile(self, obj: Object) -> Result | None:
        source = f"{namespace(obj)}/{dig(obj, 'spec', 'source', 'name', default='')}"
        vm = self._informers.vms.get(source)
        if is_terminating(obj):
            await self._forget(obj, vm)
            return None
        if dig(obj, "status", "phase") in ("Succeeded", "Failed"):
            return None
        obj = await self._hold(obj, _HOLD)
        left = self._left(obj)
        if left <= 0:
            await self._fail(obj, vm)
            return None
        if vm is None:
            told = (self._said("Progressing", False, "Source does not exist"), self._unready())
            await self._tell(obj, told, phase="InProgress", readyToUse=False)
            return Result(requeue_after=left)
        under_way = dig(vm, "status", "snapshotInProgress")
        if under_way and under_way != name(obj):
            told = (self._said("Progressing", False, "Source not locked"), self._unready())
            await self._tell(obj, told, phase="InProgress", readyToUse=False)
            return Result(requeue_after=left)
        await self._lock(obj, vm)
        locked = self._said("Progressing", True, "Source locked and operation in progress")
        obj = await self._tell(
            obj, (locked, self._unready()), phase="InProgress", readyToUse=False, sourceUID=uid(vm)
        )
        if "never-ready" in annotations(obj).get(_FATE, ""):
            return Result(requeue_after=left)
        await self._succeed(obj, vm)
        return None

    def _left(self, obj: Object) -> float:
        """Seconds until it counts as failed."""
        limit = seconds(dig(obj, "spec", "failureDeadline"), _DEADLINE)
        end = parse_rfc3339(obj["metadata"]["creationTimestamp"]) + timedelta(seconds=limit)
        return (end - self._clock.now()).total_seconds()

    def _unready(self) -> Object:
        return self._said("Ready", False, "Not ready")

    # The source.

    async def _lock(self, obj: Object, vm: Object) -> None:
        await self._note_on_vm(vm, "snapshotInProgress", name(obj))
        now = await self._client.get(VIRTUAL_MACHINES, name(vm), namespace(vm))
        if _HOLD_SOURCE not in finalizers(now):
            meta = {**now["metadata"], "finalizers": [*finalizers(now), _HOLD_SOURCE]}
            await self._client.update(VIRTUAL_MACHINES, {**now, "metadata": meta})

    async def _unlock(self, obj: Object, vm: Object | None) -> None:
        if vm is None:
            return
        now = await self._find(VIRTUAL_MACHINES, namespace(vm), name(vm))
        if now is None or dig(now, "status", "snapshotInProgress") != name(obj):
            return
        await self._note_on_vm(now, "snapshotInProgress", None)
        now = await self._client.get(VIRTUAL_MACHINES, name(vm), namespace(vm))
        if _HOLD_SOURCE in finalizers(now):
            meta = {**now["metadata"], "finalizers": without(finalizers(now), _HOLD_SOURCE)}
            await self._client.update(VIRTUAL_MACHINES, {**now, "metadata": meta})

    # The end.

    async def _succeed(self, obj: Object, vm: Object) -> None:
        included, excluded = await self._volumes(vm)
        content = await self._content(obj, vm, included)
        now = self._now()
        vmi = self._informers.vmis.get(f"{namespace(vm)}/{name(vm)}")
        indications = _indications(vmi, partial=bool(excluded and included))
        told = (self._said("Progressing", False, "Operation complete"), self._said("Ready", True, "Ready"))
        await self._unlock(obj, vm)
        await self._tell(
            obj,
            told,
            phase="Succeeded",
            creationTime=now,
            readyToUse=True,
            virtualMachineSnapshotContentName=content,
            snapshotVolumes={"includedVolumes": sorted(included), "excludedVolumes": excluded},
            indications=[one["indication"] for one in indications] or None,
            sourceIndications=indications or None,
        )

    async def _fail(self, obj: Object, vm: Object | None) -> None:
        told = (
            self._said("Progressing", False, "Operation failed"),
            self._unready(),
            self._said("Failure", True, "snapshot deadline exceeded"),
        )
        await self._unlock(obj, vm)
        await self._tell(obj, told, phase="Failed", readyToUse=False)

    async def _forget(self, obj: Object, vm: Object | None) -> None:
        await self._unlock(obj, vm)
        content = await self._find(common.CONTENTS, namespace(obj), _content_name(obj))
        if content is not None and dig(obj, "spec", "deletionPolicy", default="Delete") != "Retain":
            meta = {**content["metadata"], "finalizers": without(finalizers(content), _HOLD_CONTENT)}
            content = await self._client.update(common.CONTENTS, {**content, "metadata": meta})
            for backup in dig(content, "spec", "volumeBackups", default=()):
                await self._remove(
                    common.VOLUME_SNAPSHOTS, namespace(obj), backup.get("volumeSnapshotName") or ""
                )
            await self._remove(common.CONTENTS, namespace(obj), name(content))
        await self._let_go(obj, _HOLD)

    # The content.

    async def _volumes(self, vm: Object) -> tuple[dict[str, Object], list[str]]:
        """Claims by the volumes that can be snapshotted, and the names of the others that have one."""
        by_class = await self._has_classes()
        included: dict[str, Object] = {}
        excluded = []
        for volume in dig(vm, "spec", "template", "spec", "volumes", default=()):
            claim_name = instance.claim_name(volume)
            claim = (
                await self._find(PERSISTENT_VOLUME_CLAIMS, namespace(vm), claim_name) if claim_name else None
            )
            if claim is not None and by_class:
                included[volume["name"]] = claim
            else:
                excluded.append(volume["name"])
        return included, excluded

    async def _has_classes(self) -> bool:
        try:
            return bool((await self._client.list(common.VOLUME_SNAPSHOT_CLASSES)).items)
        except NotFound:
            return False  # the types of CSI snapshots are not installed

    async def _content(self, obj: Object, vm: Object, included: dict[str, Object]) -> str:
        own, now = _content_name(obj), self._now()
        backups = []
        for volume, claim in sorted(included.items()):
            snapshot = f"vmsnapshot-{uid(obj)}-volume-{volume}"
            await self._snapshot_claim(namespace(obj), snapshot, name(claim))
            kept = {"metadata": _metadata(claim), "spec": claim["spec"]}
            backups.append(
                {"persistentVolumeClaim": kept, "volumeName": volume, "volumeSnapshotName": snapshot}
            )
        machine = {"metadata": _metadata(vm), "spec": vm["spec"]}
        content: Object = {
            "apiVersion": common.CONTENTS.api_version,
            "kind": common.CONTENTS.kind,
            "metadata": {"name": own, "namespace": namespace(obj), "finalizers": [_HOLD_CONTENT]},
            "spec": {"source": {"virtualMachine": machine}, "virtualMachineSnapshotName": name(obj)},
        }
        if backups:
            content["spec"]["volumeBackups"] = backups
        try:
            made = await self._client.create(common.CONTENTS, content)
        except AlreadyExists:
            return own
        message = f"Successfully created VirtualMachineSnapshotContent {own}"
        self._recorder.event(obj, NORMAL, "SuccessfulVirtualMachineSnapshotContentCreate", message)
        ready = {"creationTime": now, "readyToUse": True}
        status: Object = dict(ready)
        if backups:
            status["volumeSnapshotStatus"] = [
                {"volumeSnapshotName": one["volumeSnapshotName"], **ready} for one in backups
            ]
        await self._client.update(common.CONTENTS, {**made, "status": status}, subresource="status")
        return own

    async def _snapshot_claim(self, space: str, own: str, claim_name: str) -> None:
        wanted: Object = {
            "apiVersion": common.VOLUME_SNAPSHOTS.api_version,
            "kind": common.VOLUME_SNAPSHOTS.kind,
            "metadata": {"name": own, "namespace": space},
            "spec": {"source": {"persistentVolumeClaimName": claim_name}},
        }
        try:
            await self._client.create(common.VOLUME_SNAPSHOTS, wanted)
        except AlreadyExists:
            return


def _content_name(obj: Object) -> str:
    return f"vmsnapshot-content-{uid(obj)}"


def _metadata(obj: Object) -> Object:
    return {member: value for member, value in obj["metadata"].items() if member in _KEPT_METADATA}


def _indications(vmi: Object | None, *, partial: bool) -> list[dict[str, str]]:
    found = []
    if vmi is not None and not instance.is_final(vmi):
        found.append({"indication": "Online", "message": "Snapshot taken while the VM was running"})
        if condition_is(vmi, "Paused"):
            found.append({"indication": "Paused", "message": "Snapshot taken while the VM was paused"})
        elif condition_is(vmi, "AgentConnected"):
            found.append(
                {"indication": "GuestAgent", "message": "Guest agent was active, file systems were frozen"}
            )
        else:
            found.append({"indication": "NoGuestAgent", "message": "Guest agent was not active"})
    if partial:
        found.append({"indication": "PartialSnapshot", "message": "Some volumes could not be snapshotted"})
    return found
