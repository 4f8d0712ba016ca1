"""Clones: a snapshot of the source, restored to a new VM, with new addresses and serial numbers.

Origin: kubevirt: pkg/virt-controller/watch/clone/{clone,clone_base}.go
"""

from collections.abc import Iterable

from fakekube.client.informer import Informer
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.machinery.errors import AlreadyExists, ApiError
from fakekube.machinery.objects import (
    annotations,
    dig,
    is_terminating,
    key,
    name,
    namespace,
    owner_reference,
    uid,
)
from fakekube.machinery.resources import RESTORES, SNAPSHOTS, VIRTUAL_MACHINES, Resource
from fakekube.machinery.wire import Object
from fakekube.virt.controller import conditions
from fakekube.virt.controller.storage import clone_plan, common, restoring, snapshot_status
from fakekube.virt.controller.wiring import Wiring

SNAPSHOTTING, RESTORING, CREATING = "SnapshotInProgress", "RestoreInProgress", "CreatingTargetVM"
_WORKING = "Still processing"


class Clones(common.Part):
    """See the module text."""

    resource, kind = common.CLONES, "virtualmachineclone"

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        informers = wiring.informers
        for member in ("source", "target"):
            self.objects.add_index(member, common.named_by(member))
            self._of_own(informers.vms, common.same_key(self.objects, member))
        self.objects.add_index("restore", _restore_of)
        self.controller.source(informers.claims, self._of_claim)

    def _of_claim(self, old: Object | None, new: Object | None) -> Iterable[str]:
        claim = new or old or {}
        restore = annotations(claim).get(restoring.NAME)
        known = self.objects.by_index("restore", f"{namespace(claim)}/{restore}") if restore else ()
        return [key(one) for one in known]

    def follow(self, snapshots: common.Part, restores: common.Part) -> None:
        """Be woken by the snapshots and restores made for clones, and by snapshots that are cloned."""
        self._snapshots: Informer = snapshots.objects
        self._of_own(snapshots.objects, common.same_key(self.objects, "source"))
        for part in (snapshots, restores):
            self.controller.source(part.objects, _clone_of)

    def _agree(self, old: conditions.Condition | None, new: conditions.Condition) -> bool:
        return old is not None and old["status"] == new["status"]  # a new reason alone is not told

    async def _reconcile(self, obj: Object) -> None:
        phase = dig(obj, "status", "phase", default="")
        if is_terminating(obj) or phase == "Failed":
            return
        if phase == "Succeeded":
            await self._look_after(obj)
            return
        source = self._source(obj)
        if source is None:
            asked = dig(obj, "spec", "source", default={})
            there = f"{asked.get('kind')} {namespace(obj)}/{asked.get('name')}"
            await self._pend(obj, "SourceDoesNotExist", f"Source doesnt exist: {there}")
        elif not self._of_snapshot(obj) and (unfit := clone_plan.keeps_state(source)):
            await self._fail(obj, "SourceVMWithBackendStorageInvalid", unfit)
        elif phase == "":
            await self._begin(obj, source)
        elif phase == SNAPSHOTTING:
            await self._after_snapshot(obj)
        elif phase == RESTORING:
            await self._after_restore(obj)
        elif phase == CREATING:
            await self._after_creation(obj)

    def _of_snapshot(self, obj: Object) -> bool:
        return bool(dig(obj, "spec", "source", "kind") == SNAPSHOTS.kind)

    def _source(self, obj: Object) -> Object | None:
        known = self._snapshots if self._of_snapshot(obj) else self._informers.vms
        return known.get(f"{namespace(obj)}/{dig(obj, 'spec', 'source', 'name')}")

    async def _begin(self, obj: Object, source: Object) -> None:
        if self._of_snapshot(obj):
            await self._step(obj, SNAPSHOTTING)
            return
        if unfit := clone_plan.not_snapshottable(source):
            await self._pend(obj, "VMVolumeSnapshotsInvalid", unfit)
            return
        reference = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": name(source)}
        snapshot = f"tmp-snapshot-{uid(obj)}"
        await self._make(obj, SNAPSHOTS, snapshot, {"source": reference}, "SnapshotCreated")
        await self._step(obj, SNAPSHOTTING, snapshotName=snapshot)

    async def _after_snapshot(self, obj: Object) -> None:
        snapshot = self._snapshots.get(f"{namespace(obj)}/{self._snapshot_name(obj)}")
        if snapshot is None or not dig(snapshot, "status", "readyToUse"):
            return
        if unfit := clone_plan.not_usable(snapshot, *await self._content(snapshot)):
            await self._fail(obj, "SnapshotContentInvalid", unfit)
            return
        message = f"snapshot {name(snapshot)} for clone {name(obj)} is ready to use"
        self._recorder.event(obj, NORMAL, "SnapshotReady", message)
        await self._restore(obj, snapshot)

    async def _after_restore(self, obj: Object) -> None:
        own = dig(obj, "status", "restoreName")
        if own is None:
            snapshot = self._snapshots.get(f"{namespace(obj)}/{self._snapshot_name(obj)}")
            if snapshot is None:
                gone = f"snapshot {self._snapshot_name(obj)} does not exist anymore"
                await self._fail(obj, "SnapshotDeleted", gone)
            else:
                await self._restore(obj, snapshot)
            return
        restore = await self._client.find(RESTORES, own, namespace(obj))
        if dig(restore, "status", "complete"):
            message = f"restore {own} for clone {name(obj)} is ready to use"
            self._recorder.event(obj, NORMAL, "RestoreReady", message)
            await self._step(obj, CREATING, targetName=dig(restore, "spec", "target", "name"))

    async def _restore(self, obj: Object, snapshot: Object) -> None:
        """Have the target made. A restore that is refused is asked for again and again, as upstream does."""
        content, _ = await self._content(snapshot)
        kept = dig(content, "spec", "source", "virtualMachine", default={})
        restore = f"tmp-restore-{uid(obj)}"
        spec = clone_plan.restore_spec(obj, kept, name(snapshot), self._ids.suffix())
        try:
            await self._make(obj, RESTORES, restore, spec, "RestoreCreated")
        except ApiError as error:
            message = f"failed creating restore {restore} for clone {name(obj)}: {error.message}"
            self._recorder.event(obj, WARNING, "RestoreCreationFailed", message)
            await self._step(obj, RESTORING)
            raise
        await self._step(obj, RESTORING, restoreName=restore)

    async def _after_creation(self, obj: Object) -> None:
        space, target = namespace(obj), dig(obj, "status", "targetName", default="")
        if await self._client.find(VIRTUAL_MACHINES, target, space) is None:
            return
        message = f"created target VM {target} for clone {name(obj)}"
        self._recorder.event(obj, NORMAL, "TargetVMCreated", message)
        told = (self._said("Progressing", False, "Ready"), self._said("Ready", True, "Ready"))
        await self._tell(obj, told, phase="Succeeded")

    async def _look_after(self, obj: Object) -> None:
        """A clone goes with what it made; snapshot and restore go once nothing is filled from them any more: when every
        claim is bound."""
        space, target = namespace(obj), dig(obj, "status", "targetName", default="")
        if await self._client.find(VIRTUAL_MACHINES, target, space) is None:
            await self._client.delete_if_present(self.resource, name(obj), space)
            return
        if (restored := dig(obj, "status", "restoreName")) is None:
            return
        restore = await self._client.find(RESTORES, restored, space)
        for one in dig(restore, "status", "restores", default=()):
            claim = self._informers.claims.get(f"{space}/{one['persistentVolumeClaim']}")
            if dig(claim, "status", "phase") != "Bound":
                return
        self._recorder.event(obj, NORMAL, "PVCBound", f"all PVC for clone {name(obj)} are bound")
        await self._client.delete_if_present(RESTORES, restored, space)
        if not self._of_snapshot(obj):
            await self._client.delete_if_present(SNAPSHOTS, self._snapshot_name(obj), space)
        await self._tell(obj, snapshotName=None, restoreName=None)

    def _snapshot_name(self, obj: Object) -> str:
        own = dig(obj, "spec", "source", "name") if self._of_snapshot(obj) else None
        return str(own or dig(obj, "status", "snapshotName", default=""))

    async def _content(self, snapshot: Object) -> tuple[Object | None, str]:
        """What a snapshot keeps, and the name that is under."""
        own = dig(snapshot, "status", "virtualMachineSnapshotContentName")
        own = own or snapshot_status.content_name(snapshot)
        return await self._client.find(common.CONTENTS, own, namespace(snapshot)), own

    async def _make(self, obj: Object, resource: Resource, own: str, spec: Object, event: str) -> None:
        owner = owner_reference({**obj, "apiVersion": self.resource.api_version, "kind": self.resource.kind})
        meta = {"name": own, "namespace": namespace(obj), "ownerReferences": [owner]}
        wanted = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": spec}
        try:
            await self._client.create(resource, wanted)
        except AlreadyExists:
            return
        what = "snapshot" if resource is SNAPSHOTS else "restore"
        self._recorder.event(obj, NORMAL, event, f"created {what} {own} for clone {name(obj)}")

    async def _step(self, obj: Object, phase: str, **members: str) -> Object:
        told = (self._said("Progressing", True, _WORKING), self._said("Ready", False, _WORKING))
        return await self._tell(obj, told, phase=phase, **members)

    async def _pend(self, obj: Object, event: str, message: str) -> None:
        self._recorder.event(obj, NORMAL, event, message)
        told = (self._said("Progressing", False, "Pending"), self._said("Ready", False, message))
        await self._tell(obj, told)

    async def _fail(self, obj: Object, event: str, message: str) -> None:
        self._recorder.event(obj, NORMAL, event, message)
        told = (self._said("Progressing", False, "Failed"), self._said("Ready", False, message))
        await self._tell(obj, told, phase="Failed")


def _restore_of(obj: Object) -> Iterable[str]:
    restore = dig(obj, "status", "restoreName")
    return (f"{namespace(obj)}/{restore}",) if restore else ()


def _clone_of(old: Object | None, new: Object | None) -> Iterable[str]:
    changed = new or old
    owner: Object = next(iter(dig(changed, "metadata", "ownerReferences", default=())), {})
    return (f"{namespace(changed or {})}/{owner['name']}",) if owner.get("kind") == common.CLONES.kind else ()
