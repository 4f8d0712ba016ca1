"""Restores: claims are made from the snapshot's, and the target is given the spec it had, on these claims.

A target that runs is waited for. One that does not exist is made.
Origin: kubevirt: pkg/storage/snapshot/restore.go
"""

from typing import Any

import orjson

from fakekube.client.controller import Result
from fakekube.client.recorder import NORMAL
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import AlreadyExists
from fakekube.machinery.objects import annotations, dig, is_terminating, key, name, namespace, uid
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS, VIRTUAL_MACHINES
from fakekube.machinery.wire import Object
from fakekube.virt.controller.storage import common
from fakekube.virt.controller.wiring import Wiring

LAST = "restore.kubevirt.io/lastRestoreUID"
WAITING = "Waiting for target VM to be powered off. Please stop the restore target to proceed with restore"
_HOLD = "snapshot.kubevirt.io/vmrestore-protection"
_NAME = "restore.kubevirt.io/name"
_TARGET = "target"


class Restores(common.Part):
    """See the module text."""

    resource, kind = common.RESTORES, "virtualmachinerestore"

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        informers = wiring.informers
        self.objects.add_index(_TARGET, common.named_by("target"))
        of_target = common.same_key(self.objects, _TARGET)
        self.controller.source(informers.vms, of_target)
        self.controller.source(informers.vmis, of_target)
        self.controller.source(informers.claims, _restore_of_claim)

    def follow(self, snapshots: common.Part) -> None:
        """Be woken when the snapshot to restore is ready."""

        def waiting(_old: Object | None, new: Object | None) -> list[str]:
            if new is None or not dig(new, "status", "readyToUse"):
                return []
            return [
                key(one)
                for one in self.objects.in_namespace(namespace(new))
                if dig(one, "spec", "virtualMachineSnapshotName") == name(new)
            ]

        self.controller.source(snapshots.objects, waiting)

    async def _reconcile(self, obj: Object) -> Result | None:
        space, target = namespace(obj), dig(obj, "spec", "target", "name", default="")
        vm = await self._find(VIRTUAL_MACHINES, space, target)
        if is_terminating(obj):
            await self._unmark(obj, vm)
            await self._let_go(obj, _HOLD)
            return None
        if dig(obj, "status", "complete"):
            return None
        obj = await self._hold(obj, _HOLD)
        if not dig(obj, "status", "conditions"):
            obj = await self._progress(obj, "Initializing VirtualMachineRestore")
        content = await self._source(obj)
        if content is None:
            return None  # the snapshot will wake us
        if vm is not None:
            await self._note_on_vm(vm, "restoreInProgress", name(obj))
            if self._informers.vmis.get(f"{space}/{target}") is not None:
                told = (
                    self._said("Progressing", False, WAITING),
                    self._said("Ready", False, WAITING),
                )
                await self._tell(obj, told)
                return None
        obj, bound = await self._claims(obj, content)
        if not bound:
            await self._progress(obj, "Waiting for new PVCs")
            return None
        obj = await self._progress(obj, "Updating target spec")
        await self._restore(obj, vm, content)
        await self._finish(obj)
        return None

    async def _progress(self, obj: Object, reason: str) -> Object:
        told = (self._said("Progressing", True, reason), self._said("Ready", False, reason))
        return await self._tell(obj, told, complete=False)

    async def _source(self, obj: Object) -> Object | None:
        """The content of the snapshot, once that is ready."""
        own = dig(obj, "spec", "virtualMachineSnapshotName", default="")
        snapshot = await self._find(common.SNAPSHOTS, namespace(obj), own)
        content = dig(snapshot, "status", "virtualMachineSnapshotContentName")
        if not content or not dig(snapshot, "status", "readyToUse"):
            return None
        return await self._find(common.CONTENTS, namespace(obj), content)

    async def _claims(self, obj: Object, content: Object) -> tuple[Object, bool]:
        """The claims to restore to; whether all of them are bound."""
        restores, bound = [], True
        for backup in dig(content, "spec", "volumeBackups", default=()):
            own = f"restore-{uid(obj)}-{backup['volumeName']}"
            restores.append(
                {
                    "volumeName": backup["volumeName"],
                    "persistentVolumeClaim": own,
                    "volumeSnapshotName": backup.get("volumeSnapshotName", ""),
                }
            )
            claim = await self._find(PERSISTENT_VOLUME_CLAIMS, namespace(obj), own)
            if claim is None:
                obj = await self._progress(obj, "Creating new PVCs")
                await self._create_claim(obj, own, backup)
                bound = False
            elif dig(claim, "status", "phase") != "Bound":
                bound = False
        return await self._tell(obj, restores=restores or None), bound

    async def _create_claim(self, obj: Object, own: str, backup: Object) -> None:
        spec = {
            member: value
            for member, value in dig(backup, "persistentVolumeClaim", "spec", default={}).items()
            if member not in ("volumeName", "dataSource", "dataSourceRef")
        }
        source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot"}
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": own, "namespace": namespace(obj), "annotations": {_NAME: name(obj)}},
            "spec": {**spec, "dataSource": {**source, "name": backup.get("volumeSnapshotName", "")}},
        }
        try:
            await self._client.create(PERSISTENT_VOLUME_CLAIMS, claim)
        except AlreadyExists:
            return

    async def _restore(self, obj: Object, vm: Object | None, content: Object) -> None:
        mark = f"{name(obj)}-{uid(obj)}"
        if vm is not None and annotations(vm).get(LAST) == mark:
            return
        kept = dig(content, "spec", "source", "virtualMachine", default={})
        spec = restored_spec(kept["spec"], dig(obj, "status", "restores", default=()))
        if vm is None:
            meta = {
                "name": dig(obj, "spec", "target", "name"),
                "namespace": namespace(obj),
                "labels": dict(dig(kept, "metadata", "labels", default={})),
                "annotations": {**dig(kept, "metadata", "annotations", default={}), LAST: mark},
            }
            made = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": meta, "spec": spec}
            await self._client.create(
                VIRTUAL_MACHINES, patched(made, dig(obj, "spec", "patches", default=()))
            )
            return
        now = await self._client.get(VIRTUAL_MACHINES, name(vm), namespace(vm))
        for member in ("running", "runStrategy"):
            spec.pop(member, None)
            if member in now["spec"]:
                spec[member] = now["spec"][member]
        meta = {**now["metadata"], "annotations": {**annotations(now), LAST: mark}}
        await self._client.update(VIRTUAL_MACHINES, {**now, "metadata": meta, "spec": spec})

    async def _finish(self, obj: Object) -> None:
        reason = "Operation complete"
        told = (self._said("Progressing", False, reason), self._said("Ready", True, reason))
        vm = await self._find(
            VIRTUAL_MACHINES, namespace(obj), dig(obj, "spec", "target", "name", default="")
        )
        await self._unmark(obj, vm)
        await self._tell(obj, told, complete=True, restoreTime=self._now())
        message = f"Successfully completed VirtualMachineRestore {name(obj)}"
        self._recorder.event(obj, NORMAL, "VirtualMachineRestoreComplete", message)

    async def _unmark(self, obj: Object, vm: Object | None) -> None:
        if vm is not None and dig(vm, "status", "restoreInProgress") == name(obj):
            await self._note_on_vm(vm, "restoreInProgress", None)


def restored_spec(kept: Object, restores: Any) -> Object:
    """The spec of a VM on restored claims: these are named in place of claims and DataVolumes."""
    spec: Object = copy_of(kept)
    claims = {one["volumeName"]: one["persistentVolumeClaim"] for one in restores}
    gone = set()
    for volume in dig(spec, "template", "spec", "volumes", default=()):
        if volume["name"] in claims:
            gone.add(dig(volume, "dataVolume", "name"))
            volume.pop("dataVolume", None)
            volume["persistentVolumeClaim"] = {"claimName": claims[volume["name"]]}
    left = [one for one in spec.get("dataVolumeTemplates") or () if name(one) not in gone]
    if left:
        spec["dataVolumeTemplates"] = left
    else:
        spec.pop("dataVolumeTemplates", None)
    return spec


def patched(vm: Object, patches: Any) -> Object:
    """The VM with the restore's JSON patches, which are texts, applied."""
    if not patches:
        return vm
    import jsonpatch  # noqa: PLC0415 - few restores need it

    result: Object = jsonpatch.JsonPatch([orjson.loads(one) for one in patches]).apply(vm)
    return result


def _restore_of_claim(old: Object | None, new: Object | None) -> Any:
    claim = new or old
    own = annotations(claim).get(_NAME) if claim else None
    return (f"{namespace(claim)}/{own}",) if claim and own else ()
