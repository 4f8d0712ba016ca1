"""Snapshots of VMs: the source is locked, its spec and claims are kept in a content, the source is let go.

What becomes of the claims is `content`'s, what is said of it all `snapshot_status`'s. Claims are snapshotted where a
VolumeSnapshotClass is there for their storage class. The annotation `fakekube.io/fate: never-ready` keeps a snapshot from it.
Origin: kubevirt: pkg/storage/snapshot/{snapshot,snapshot_base}.go
"""

from math import inf
from typing import Any

from fakekube.client.controller import Result
from fakekube.client.recorder import NORMAL
from fakekube.machinery.objects import dig, is_terminating, name, namespace, uid
from fakekube.machinery.resources import SNAPSHOTS
from fakekube.machinery.wire import Object
from fakekube.virt.controller.storage import common, content, snapshot_status
from fakekube.virt.controller.storage.source import Sources
from fakekube.virt.controller.wiring import Wiring

_HOLD = "snapshot.kubevirt.io/vmsnapshot-protection"
_SOURCE = "source"


class Snapshots(common.Part):
    """See the module text."""

    resource, kind = SNAPSHOTS, "virtualmachinesnapshot"

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        informers = wiring.informers
        self._sources = Sources(wiring.client, informers)
        self._contents: common.Part | None = None
        self.objects.add_index(_SOURCE, common.named_by("source"))
        self._of_own(informers.vms, common.same_key(self.objects, _SOURCE))
        for quiet in (
            informers.vmis,
            informers.claims,
            informers.data_volumes,
            informers.storage_classes,
            informers.volume_snapshot_classes,
        ):
            self.controller.reads(quiet)

    def follow(self, contents: common.Part) -> None:
        """Be woken by contents."""
        self._contents = contents

        def of_content(old: Object | None, new: Object | None) -> list[str]:
            changed = new or old or {}
            return [f"{namespace(changed)}/{dig(changed, 'spec', 'virtualMachineSnapshotName', default='')}"]

        self.controller.source(contents.objects, of_content)

    def _content(self, obj: Object) -> Object | None:
        own = f"{namespace(obj)}/{snapshot_status.content_name(obj)}"
        return self._contents.objects.get(own) if self._contents else None

    async def _reconcile(self, obj: Object) -> Result | None:
        vm, kept, now = self._sources.vm(obj), self._content(obj), self._clock.now()
        obstacle: str | None = None
        ending = snapshot_status.is_ending(obj, now)
        if vm is not None and obj.get("status") is not None:
            if snapshot_status.is_progressing(obj) and not ending:
                obstacle = await self._begin(obj, vm, kept)
            elif not snapshot_status.is_progressing(obj) or (
                kept is None or not snapshot_status.loses_content(obj, kept)
            ):
                await self._sources.unlock(vm, obj)
        if (
            ending
            and kept is not None
            and snapshot_status.loses_content(obj, kept)
            and not is_terminating(kept)
        ):
            await self._client.delete_if_present(common.CONTENTS, name(kept), namespace(obj))
        if not is_terminating(obj):
            obj = await self._hold(obj, _HOLD)
        obj = await self._say(obj, vm, kept, obstacle or "")
        if is_terminating(obj):
            if kept is None or not snapshot_status.loses_content(obj, kept):
                await self._let_go(obj, _HOLD)
            return None
        wait = min(inf if obstacle is None else common.RETRY, snapshot_status.left(obj, now))
        waits = snapshot_status.is_progressing(obj) and 0 < wait < inf
        return Result(requeue_after=wait) if waits else None

    async def _begin(self, obj: Object, vm: Object, kept: Object | None) -> str | None:
        """Lock the source, then keep it. Why the source cannot be locked, which is tried again later."""
        if not self._sources.is_locked(vm, obj):
            if (obstacle := await self._sources.obstacle(vm, obj)) is not None:
                return obstacle
            await self._sources.lock(vm, obj)
        elif kept is None:
            await self._keep(obj, vm)
        return None

    async def _keep(self, obj: Object, vm: Object) -> None:
        own = snapshot_status.content_name(obj)
        source = await self._sources.kept(
            vm, {**obj, "apiVersion": self.resource.api_version, "kind": self.resource.kind}
        )
        backups = self._sources.backups(vm, obj)
        spec: Object = {"source": {"virtualMachine": source}, "virtualMachineSnapshotName": name(obj)}
        if backups:
            spec["volumeBackups"] = backups
        meta = {"name": own, "namespace": namespace(obj), "finalizers": [content.HOLD]}
        made = {"apiVersion": common.CONTENTS.api_version, "kind": common.CONTENTS.kind, "metadata": meta}
        if await self._client.create_if_absent(common.CONTENTS, {**made, "spec": spec}) is None:
            return
        message = f"Successfully created VirtualMachineSnapshotContent {own}"
        self._recorder.event(obj, NORMAL, "SuccessfulVirtualMachineSnapshotContentCreate", message)

    async def _say(self, obj: Object, vm: Object | None, kept: Object | None, obstacle: str) -> Object:
        status: Object = dict(obj.get("status") or {"readyToUse": False})
        changed: dict[str, Any] = {"readyToUse": status.get("readyToUse", False)}
        if vm is not None:
            changed["sourceUID"] = uid(vm)
        changed |= snapshot_status.members(kept)
        status = {**status, **changed}
        late = snapshot_status.is_late(obj, self._clock.now())
        phase = snapshot_status.phase(obj, status, late=late)
        how = list(status.get("indications") or ())
        if phase == "Succeeded" and kept is not None:
            changed["snapshotVolumes"] = snapshot_status.volumes(kept)
            how = snapshot_status.with_partial(how, kept)
        elif phase in ("InProgress", "Deleting") and vm is not None:
            how = snapshot_status.indications(how, self._sources.vmi(vm))
        changed["indications"], changed["sourceIndications"] = (
            how or None,
            snapshot_status.explained(how) or None,
        )
        locked = vm is not None and self._sources.is_locked(vm, obj)
        told = snapshot_status.said(
            obj, status, source=vm is not None, locked=locked, obstacle=obstacle, late=late
        )
        return await self._tell(obj, [self._said(*one) for one in told], phase=phase, **changed)
