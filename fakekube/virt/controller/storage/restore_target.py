"""The target of a restore: the VM that gets the spec of the snapshot, its DataVolumes, its revisions.

Origin: kubevirt: pkg/storage/snapshot/restore.go (vmRestoreTarget)
"""

from typing import Any

from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import annotations, dig, name, namespace, owner_reference, owners
from fakekube.machinery.resources import DATA_VOLUMES, PERSISTENT_VOLUME_CLAIMS, VIRTUAL_MACHINES
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance, persistent_state
from fakekube.virt.controller.storage import common, restoring
from fakekube.virt.controller.storage.source import OWNED_BY_VM, copied_revision

_FILLED = ("Succeeded", "WaitForFirstConsumer", "PendingPopulation")
CLEANUP = "restore.kubevirt.io/cleanup-backend-pvc"


class NotYetError(Exception):
    """Why a restore cannot go on now. It is told, and tried again."""


class Targets(common.Part):
    """What restores do to their targets."""

    async def _restore(self, obj: Object, vm: Object | None, content: Object) -> None:
        kept = dig(content, "spec", "source", "virtualMachine", default={})
        obj = await self._name_data_volumes(obj, kept)
        try:
            made = restoring.target(obj, kept, vm)
        except ValueError as error:
            raise NotYetError(f"error patching VM {dig(obj, 'spec', 'target', 'name')}: {error}") from None
        if not await self._data_volumes(obj, made, vm):
            await self._progress(obj, "Updating target spec", "Waiting for target update")
            return
        await self._take_over_state(obj, kept)
        gone = restoring.obsolete(vm, made) if vm is not None else []
        obj = await self._tell(obj, deletedDataVolumes=gone or None)
        if vm is None:
            made = await self._client.create(VIRTUAL_MACHINES, made)
        else:
            made = await self._client.update(VIRTUAL_MACHINES, made)
        await self._progress(obj, "Updating target spec", "Waiting for target update")
        await self._restore_revisions(obj, kept, made)
        if restoring.owns_volumes(obj):
            await self._claim_volumes(obj, made, kept)

    async def _name_data_volumes(self, obj: Object, kept: Object) -> Object:
        """DataVolumes of templates take over the restored claims."""
        listed = list(dig(obj, "status", "restores", default=()))
        templates = restoring.templates_of(listed, kept)
        for index, one in enumerate(listed):
            if (before := templates.get(one["volumeName"])) is None:
                continue
            own = restoring.volume_name(obj, one["volumeName"], before)
            claim = await self._client.get(
                PERSISTENT_VOLUME_CLAIMS, one["persistentVolumeClaim"], namespace(obj)
            )
            if annotations(claim).get(restoring.POPULATED_FOR) != own:
                marks = {**annotations(claim), restoring.POPULATED_FOR: own}
                meta = {**claim["metadata"], "annotations": marks, "ownerReferences": []}
                await self._client.update(PERSISTENT_VOLUME_CLAIMS, {**claim, "metadata": meta})
            listed[index] = {**one, "dataVolumeName": own}
        return await self._tell(obj, restores=listed or None)

    async def _data_volumes(self, obj: Object, made: Object, vm: Object | None) -> bool:
        """Make what the restored VM's templates name; whether all of them may be used."""
        ready = True
        for template in dig(made, "spec", "dataVolumeTemplates", default=()):
            own = name(template)
            volume = await self._client.find(DATA_VOLUMES, own, namespace(obj))
            if volume is not None:
                ready = ready and dig(volume, "status", "phase") in _FILLED
                continue
            claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, own, namespace(obj))
            if claim is None:
                where = f"{namespace(obj)}/{own}"
                raise NotYetError(f"when creating restore dv pvc {where} does not exist and should")
            if annotations(claim).get(restoring.POPULATED_FOR) != own or owners(claim):
                continue
            ready = False
            meta: Object = {
                "name": own,
                "namespace": namespace(obj),
                "labels": dict(dig(template, "metadata", "labels", default={})),
                "annotations": {**annotations(template), restoring.NAME: name(obj)},
            }
            if vm is not None:
                meta["ownerReferences"] = [owner_reference(vm)]
            body = {"apiVersion": DATA_VOLUMES.api_version, "kind": DATA_VOLUMES.kind, "metadata": meta}
            await self._client.create_if_absent(DATA_VOLUMES, {**body, "spec": template.get("spec") or {}})
        return ready

    async def _take_over_state(self, obj: Object, kept: Object) -> None:
        """The restored state is the target's; what it had before is marked, to go when all is done."""
        own, space = restoring.state_claim(obj, kept), namespace(obj)
        if not own:
            return
        target = dig(obj, "spec", "target", "name", default="")
        mark = {CLEANUP: persistent_state.volume_name(target)}
        before = f"{persistent_state.LABEL}={target}"
        listed = (await self._client.list(PERSISTENT_VOLUME_CLAIMS, space, label_selector=before)).items
        changes = {name(one): {persistent_state.LABEL: None, **mark} for one in listed if name(one) != own}
        changes[own] = {persistent_state.LABEL: target}
        for claim, marks in changes.items():
            patch = {"metadata": {"labels": marks}}
            await self._client.patch(PERSISTENT_VOLUME_CLAIMS, claim, space, patch, type="merge")

    async def _delete_former_state(self, obj: Object) -> None:
        target = dig(obj, "spec", "target", "name", default="")
        marked = f"{CLEANUP}={persistent_state.volume_name(target)}"
        listed = await self._client.list(PERSISTENT_VOLUME_CLAIMS, namespace(obj), label_selector=marked)
        for claim in listed.items:
            await self._client.delete_if_present(PERSISTENT_VOLUME_CLAIMS, name(claim), namespace(obj))

    async def _restore_revisions(self, obj: Object, kept: Object, vm: Object) -> None:
        """The revisions of instancetype and preference that the snapshot keeps are the target's, too."""
        refs: dict[str, Any] = {}
        for member, ref in (kept.get("status") or {}).items():
            own = dig(ref, "controllerRevisionRef", "name", default="")
            before = dig(obj, "spec", "virtualMachineSnapshotName", default="")
            try:
                copied = await copied_revision(self._client, namespace(vm), own, before, vm)
            except NotFound:
                continue  # the snapshot has gone meanwhile: the VM keeps what it finds
            refs[member] = {**ref, "controllerRevisionRef": {"name": copied}}
        if refs:
            patch = {"status": refs}
            await self._client.patch(
                VIRTUAL_MACHINES, name(vm), namespace(vm), patch, type="merge", subresource="status"
            )

    async def _claim_volumes(self, obj: Object, vm: Object, kept: Object) -> None:
        """Claims that belonged to the source belong to the target."""
        named = [
            dig(volume, "persistentVolumeClaim", "claimName") for volume in instance.template_volumes(vm)
        ]
        for own in (*named, restoring.state_claim(obj, kept)):
            claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, own, namespace(vm)) if own else None
            if claim is None or owners(claim) or annotations(claim).get(OWNED_BY_VM) != name(obj):
                continue
            marks = {mark: value for mark, value in annotations(claim).items() if mark != OWNED_BY_VM}
            meta = {**claim["metadata"], "annotations": marks, "ownerReferences": [owner_reference(vm)]}
            await self._client.update(PERSISTENT_VOLUME_CLAIMS, {**claim, "metadata": meta})

    async def _progress(self, obj: Object, reason: str, unready: str = "") -> Object:
        told = (self._said("Progressing", True, reason), self._said("Ready", False, unready or reason))
        return await self._tell(obj, told, complete=False)
