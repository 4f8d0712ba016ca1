"""Restores: claims are made from the snapshot's, and the target is given the spec it had, on these claims.

A target that runs is waited for, or stopped, or a reason to fail; one that does not exist is made. What is made of what is
`restoring`'s.
Origin: kubevirt: pkg/storage/snapshot/restore.go
"""

from datetime import timedelta
from typing import Any

from fakekube.client.controller import Result, RetryError
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.clock import parse_rfc3339
from fakekube.machinery.errors import ApiError, Conflict
from fakekube.machinery.objects import (
    annotations,
    condition,
    dig,
    finalizers,
    is_terminating,
    key,
    name,
    namespace,
    owner_reference,
    owners,
    uid,
)
from fakekube.machinery.resources import (
    DATA_VOLUMES,
    MACHINE_ACTIONS,
    PERSISTENT_VOLUME_CLAIMS,
    RESTORES,
    SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUME_SNAPSHOTS,
)
from fakekube.machinery.wire import Object
from fakekube.virt.controller.storage import common, restoring
from fakekube.virt.controller.storage.restore_target import NotYetError, Targets
from fakekube.virt.controller.wiring import Wiring

_GRACE = 300.0
WAITING = "Waiting for target VM to be powered off. Please stop the restore target to proceed with restore"
GRACE_PERIOD = f"{WAITING}, or the operation will fail after 5m0s"
TOO_LATE = (
    "Restore target failed to be ready within 5m0s. Please power off the target VM before attempting restore"
)
STOPPING = "Automatically stopping restore target for restore operation"
RUNS = "Restore target VMI must be powered off before restore operation"
TAKEN = "restore source and restore target are different but restore target already exists"
_STILL_THERE = "Restore target VMI still exists, please stop the restore target to proceed with restore"
_HOLD = "snapshot.kubevirt.io/vmrestore-protection"
_TARGET = "target"


class Restores(Targets):
    """See the module text."""

    resource, kind = RESTORES, "virtualmachinerestore"

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        informers = wiring.informers
        self.objects.add_index(_TARGET, common.named_by("target"))
        of_target = common.same_key(self.objects, _TARGET)
        self._of_own(informers.vms, of_target)
        self._of_own(informers.vmis, of_target)
        self.controller.source(informers.claims, _restore_of)
        self.controller.source(informers.data_volumes, _restore_of)
        self.controller.reads(informers.storage_classes)

    def follow(self, snapshots: common.Part) -> None:
        """Be woken when the snapshot to restore is there, and when it is ready."""

        def waiting(_old: Object | None, new: Object | None) -> list[str]:
            if new is None:
                return []
            return [
                key(one)
                for one in self.objects.in_namespace(namespace(new))
                if dig(one, "spec", "virtualMachineSnapshotName") == name(new)
            ]

        self.controller.source(snapshots.objects, waiting)

    async def _reconcile(self, obj: Object) -> Result | None:
        space, target = namespace(obj), dig(obj, "spec", "target", "name", default="")
        vm = await self._client.find(VIRTUAL_MACHINES, target, space)
        if is_terminating(obj):
            await self._forget(obj, vm)
            return None
        if dig(obj, "status", "complete") or condition(obj, "Failure"):
            return None
        if not dig(obj, "status", "conditions"):
            obj = await self._progress(obj, "Initializing VirtualMachineRestore")
        obj = await self._own(obj, vm)
        try:
            return await self._advance(obj, vm)
        except NotYetError as error:
            await self._stuck(obj, str(error))
            raise RetryError(str(error)) from None
        except ApiError as error:
            if not isinstance(error, Conflict):
                await self._stuck(obj, error.message)
            raise

    async def _own(self, obj: Object, vm: Object | None) -> Object:
        """It belongs to its target, and is held."""
        meta = dict(obj["metadata"])
        if vm is not None and not owners(obj):
            meta["ownerReferences"] = [owner_reference(vm)]
        if _HOLD not in finalizers(obj):
            meta["finalizers"] = [*finalizers(obj), _HOLD]
        return obj if meta == obj["metadata"] else await self._writer.update({**obj, "metadata": meta})

    async def _advance(self, obj: Object, vm: Object | None) -> Result | None:
        if vm is not None and self._informers.vmis.get(key(vm)) is not None:
            return await self._wait_for(obj, vm)
        snapshot = await self._snapshot(obj)
        done = vm is not None and restoring.is_restored(obj, vm)
        if vm is not None and not done:
            if dig(snapshot, "status", "sourceUID", default=uid(vm)) != uid(vm):
                raise NotYetError(TAKEN)
            other = dig(vm, "status", "restoreInProgress")
            if other and other != name(obj):
                raise NotYetError(f"vm restore {other} in progress")
            await self._note_on_vm(vm, "restoreInProgress", name(obj))
        content = await self._content(obj, snapshot)
        obj, bound = await self._claims(obj, vm, content)
        if not bound:
            await self._progress(obj, "Creating new PVCs", "Waiting for new PVCs")
            return None
        if vm is None or not done:
            await self._restore(obj, vm, content)
            return None
        await self._finish(obj, vm)
        return None

    # The target that runs.

    async def _wait_for(self, obj: Object, vm: Object) -> Result | None:
        policy = dig(obj, "spec", "targetReadinessPolicy") or "WaitGracePeriod"
        if policy == "FailImmediate":
            await self._stuck(obj, RUNS, fails=True)
            return None
        if policy == "StopTarget":
            await self._told_not_ready(obj, STOPPING, STOPPING)
            await self._client.request("PUT", MACHINE_ACTIONS.path(namespace(vm), name(vm), "stop"), body={})
            return None
        if policy == "WaitEventually":
            await self._told_not_ready(obj, WAITING, _STILL_THERE)
            return None
        end = parse_rfc3339(obj["metadata"]["creationTimestamp"]) + timedelta(seconds=_GRACE)
        left = (end - self._clock.now()).total_seconds()
        if left <= 0:
            await self._stuck(obj, TOO_LATE, fails=True)
            return None
        await self._told_not_ready(obj, GRACE_PERIOD, _STILL_THERE)
        return Result(requeue_after=left)

    async def _told_not_ready(self, obj: Object, reason: str, message: str) -> None:
        self._recorder.event(obj, WARNING, "RestoreTargetNotReady", message)
        await self._tell(obj, (self._said("Progressing", False, reason), self._said("Ready", False, reason)))

    # The snapshot.

    async def _snapshot(self, obj: Object) -> Object:
        own = dig(obj, "spec", "virtualMachineSnapshotName", default="")
        snapshot = await self._client.find(SNAPSHOTS, own, namespace(obj))
        if snapshot is None:
            raise NotYetError(f"VMSnapshot {namespace(obj)}/{own} does not exist")
        if dig(snapshot, "status", "phase") == "Failed":
            raise NotYetError(f"VMSnapshot {key(snapshot)} failed and is invalid to use")
        if not dig(snapshot, "status", "readyToUse"):
            raise NotYetError(f"VMSnapshot {key(snapshot)} not ready")
        return snapshot

    async def _content(self, obj: Object, snapshot: Object) -> Object:
        own = dig(snapshot, "status", "virtualMachineSnapshotContentName", default="")
        content = await self._client.find(common.CONTENTS, own, namespace(obj))
        if content is None:
            raise NotYetError(f"VMSnapshotContent {namespace(obj)}/{own} does not exist")
        if not dig(content, "status", "readyToUse"):
            raise NotYetError(f"VMSnapshotContent {namespace(obj)}/{own} not ready")
        return content

    # Volumes.

    async def _claims(self, obj: Object, vm: Object | None, content: Object) -> tuple[Object, bool]:
        """The claims to restore to; whether all of them are there to be used."""
        obj = await self._tell(obj, restores=restoring.volumes(obj, content) or None)
        kept = dig(content, "spec", "source", "virtualMachine", default={})
        backups = {one["volumeName"]: one for one in dig(content, "spec", "volumeBackups", default=())}
        ready = True
        for wanted in dig(obj, "status", "restores", default=()):
            own = wanted["persistentVolumeClaim"]
            claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, own, namespace(obj))
            if claim is None:
                ready = False
                backup = backups[wanted["volumeName"]]
                source = backup.get("volumeSnapshotName", "")
                taken = await self._client.find(VOLUME_SNAPSHOTS, source, namespace(obj))
                if taken is None:
                    raise NotYetError(f"missing volumeSnapshot {source}")
                made = restoring.claim(obj, wanted, backup, kept=kept, vm=vm, taken=taken)
                await self._client.create_if_absent(PERSISTENT_VOLUME_CLAIMS, made)
            elif restoring.is_in_place(obj) and not restoring.is_restored(obj, claim):
                ready = False
                obj = await self._replace(obj, wanted, claim)
            elif not self._is_usable(claim):
                ready = False
        return obj, ready

    def _is_usable(self, claim: Object) -> bool:
        """Whether a claim is bound, or will be when the target starts."""
        phase = dig(claim, "status", "phase", default="Pending")
        if phase != "Pending":
            if phase != "Bound":
                raise NotYetError(f'PVC {key(claim)} in status "{phase}"')
            return True
        chosen = dig(claim, "spec", "storageClassName")
        if chosen is None:
            return False
        found = self._informers.storage_classes.get(chosen)
        if found is None:
            raise NotYetError(f"StorageClass {chosen} does not exist")
        return bool(found.get("volumeBindingMode") == "WaitForFirstConsumer")

    async def _replace(self, obj: Object, wanted: Object, claim: Object) -> Object:
        """Delete a claim that is restored under its own name; the DataVolume it belongs to is to wait for the new one."""
        volume = next((one["name"] for one in owners(claim) if one["kind"] == "DataVolume"), "")
        if volume and not wanted.get("dataVolumeName"):
            listed = dig(obj, "status", "restores", default=())
            known = [{**one, "dataVolumeName": volume} if one == wanted else one for one in listed]
            obj = await self._tell(obj, restores=known)
        if volume:
            marks = {restoring.PRE_POPULATED: name(claim), restoring.NAME: name(obj)}
            patch = {"metadata": {"annotations": marks}}
            await self._client.patch(DATA_VOLUMES, volume, namespace(obj), patch, type="merge")
        if not is_terminating(claim):
            await self._client.delete_if_present(PERSISTENT_VOLUME_CLAIMS, name(claim), namespace(claim))
        return obj

    # The end.

    async def _finish(self, obj: Object, vm: Object) -> None:
        for own in dig(obj, "status", "deletedDataVolumes", default=()):
            await self._client.delete_if_present(DATA_VOLUMES, own, namespace(obj))
        await self._delete_former_state(obj)
        await self._unmark(obj, vm)
        message = f"Successfully completed VirtualMachineRestore {name(obj)}"
        self._recorder.event(obj, NORMAL, "VirtualMachineRestoreComplete", message)
        reason = "Operation complete"
        told = (self._said("Progressing", False, reason), self._said("Ready", True, reason))
        await self._tell(obj, told, complete=True, restoreTime=self._now())

    async def _forget(self, obj: Object, vm: Object | None) -> None:
        if _HOLD not in finalizers(obj):
            return
        if vm is not None:
            await self._unmark(obj, vm)
        reason = "VM restore is deleting"
        told = (self._said("Progressing", False, reason), self._said("Ready", False, reason))
        await self._let_go(await self._tell(obj, told), _HOLD)

    async def _unmark(self, obj: Object, vm: Object) -> None:
        """Nothing is restored to the VM any more; what was dumped of its memory is of another time."""
        now = await self._client.find(VIRTUAL_MACHINES, name(vm), namespace(vm))
        if now is None or dig(now, "status", "restoreInProgress") != name(obj):
            return
        patch = {"status": {"restoreInProgress": None, "memoryDumpRequest": None}}
        await self._client.patch(
            VIRTUAL_MACHINES, name(vm), namespace(vm), patch, type="merge", subresource="status"
        )

    # What is told.

    async def _stuck(self, obj: Object, text: str, *, fails: bool = False) -> None:
        said = [self._said("Progressing", False, text), self._said("Ready", False, text)]
        if fails:
            self._recorder.event(obj, WARNING, "Operation failed", f"VirtualMachineRestore failed {text}")
            said.append(self._said("Failure", True, text))
        else:
            message = f"VirtualMachineRestore encountered error {text}"
            self._recorder.event(obj, WARNING, "VirtualMachineRestoreError", message)
        current = await self._client.find(self.resource, name(obj), namespace(obj))
        if current is not None:
            await self._tell(current, said)


def _restore_of(old: Object | None, new: Object | None) -> Any:
    changed = new or old
    own = annotations(changed).get(restoring.NAME) if changed else None
    return (f"{namespace(changed)}/{own}",) if changed and own else ()
