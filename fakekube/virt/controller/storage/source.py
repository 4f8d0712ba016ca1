"""A VM as the source of a snapshot: locked while it is taken, frozen for a moment, kept as it was when it started.

Origin: kubevirt: pkg/storage/snapshot/source.go
"""

from collections.abc import Mapping, Sequence

from fakekube.client.client import Client
from fakekube.machinery.copying import copy_of
from fakekube.machinery.objects import (
    Obj,
    condition_is,
    controller_of,
    dig,
    finalizers,
    is_final,
    is_terminating,
    name,
    namespace,
    owner_reference,
    without,
)
from fakekube.machinery.resources import CONTROLLER_REVISIONS, INSTANCE_ACTIONS, PODS, VIRTUAL_MACHINES
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance, persistent_state
from fakekube.virt.controller.informers import Informers
from fakekube.virt.controller.storage import common, export_source
from fakekube.virt.instancetypes import kinds

HOLD = "snapshot.kubevirt.io/snapshot-source-protection"
OWNED_BY_VM = "restore.kubevirt.io/owned-by-vm"
_KEPT_METADATA = ("name", "namespace", "labels", "annotations", "uid", "generation")
_DEADLINE = "5m0s"


class Sources:
    """See the module text. Looks into the caches, and writes through one client."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self._client = client
        self._informers = informers

    def vm(self, snapshot: Obj) -> Object | None:
        own = dig(snapshot, "spec", "source", "name", default="")
        return self._informers.vms.get(f"{namespace(snapshot)}/{own}")

    def vmi(self, vm: Obj) -> Object | None:
        """The instance, while there is one that has not ended."""
        found = self._informers.vmis.get(f"{namespace(vm)}/{name(vm)}")
        return None if found is None or is_final(found) else found

    # Locking.

    def is_locked(self, vm: Obj, snapshot: Obj) -> bool:
        mine = dig(vm, "status", "snapshotInProgress") == name(snapshot)
        return mine and HOLD in finalizers(vm)

    async def obstacle(self, vm: Obj, snapshot: Obj) -> str | None:
        """Why the VM cannot be locked now, or None. Empty: nobody says why."""
        if self._lacks_state(vm):
            return ""
        claims = sorted({own for volume in self._informers.volumes_of(vm) if (own := _claim_of(volume))})
        for own in claims:
            if why := self._lacking(f"{namespace(vm)}/{own}"):
                return f"source {namespace(vm)}/{name(vm)} {why}: {own}"
        runs = self._informers.vmis.get(f"{namespace(vm)}/{name(vm)}") is not None
        if not runs and (users := await self._users(namespace(vm), claims)):
            return f"source is offline but {users} pods using PVCs [{' '.join(claims)}]"
        other = dig(vm, "status", "snapshotInProgress")
        return f'snapshot "{other}" in progress' if other and other != name(snapshot) else None

    def _lacking(self, own: str) -> str:
        """What is wrong with a claim that is to be snapshotted."""
        claim = self._informers.claims.get(own)
        if claim is None:
            return "volume doesnt exist"  # upstream's spelling
        if is_terminating(claim):
            return "volume is being deleted"
        if not _is_bound(claim):
            return "volume not bound"
        volume = (controller_of(claim) or {}).get("name", "")
        filled = export_source.is_populated(
            claim, self._informers.data_volumes.get(f"{namespace(claim)}/{volume}")
        )
        return "" if filled else "volume not populated"

    async def _users(self, space: str, claims: Sequence[str]) -> int:
        """How many pods have one of the claims: asked only while a snapshot waits for its source."""
        if not claims:
            return 0
        pods = (await self._client.list(PODS, space)).items
        mounted = [dig(pod, "spec", "volumes", default=()) for pod in pods]
        return sum(
            dig(volume, "persistentVolumeClaim", "claimName") in claims
            for volumes in mounted
            for volume in volumes
        )

    def _lacks_state(self, vm: Obj) -> bool:
        needed = persistent_state.is_needed(vm)
        return needed and self._informers.state_of(vm) is None

    async def lock(self, vm: Object, snapshot: Object) -> None:
        await common.note_on_vm(self._client, vm, "snapshotInProgress", name(snapshot))
        now = await self._client.get(VIRTUAL_MACHINES, name(vm), namespace(vm))
        if HOLD not in finalizers(now):
            meta = {**now["metadata"], "finalizers": [*finalizers(now), HOLD]}
            await self._client.update(VIRTUAL_MACHINES, {**now, "metadata": meta})

    async def unlock(self, vm: Object, snapshot: Object) -> None:
        if dig(vm, "status", "snapshotInProgress") != name(snapshot):
            return
        await common.note_on_vm(self._client, vm, "snapshotInProgress", None)
        now = await self._client.find(VIRTUAL_MACHINES, name(vm), namespace(vm))
        if now is None:
            return
        if HOLD in finalizers(now):
            meta = {**now["metadata"], "finalizers": without(finalizers(now), HOLD)}
            await self._client.update(VIRTUAL_MACHINES, {**now, "metadata": meta})

    # Freezing.

    async def freeze(self, vm: Obj, snapshot: Obj) -> None:
        """Freeze the file systems of a guest that can be told so."""
        vmi = self._talks(vm)
        if vmi is not None and dig(vmi, "status", "fsFreezeStatus") != "frozen":
            timeout = dig(snapshot, "spec", "failureDeadline") or _DEADLINE
            await self._ask(vmi, "freeze", {"unfreezeTimeout": timeout})

    async def thaw(self, vm: Obj) -> None:
        vmi = self._talks(vm)
        if vmi is not None:
            await self._ask(vmi, "unfreeze", {})

    def _talks(self, vm: Obj) -> Object | None:
        vmi = self.vmi(vm)
        talks = vmi is not None and condition_is(vmi, "AgentConnected") and not condition_is(vmi, "Paused")
        return vmi if talks else None

    async def _ask(self, vmi: Obj, verb: str, options: Mapping[str, str]) -> None:
        path = INSTANCE_ACTIONS.path(namespace(vmi), name(vmi), verb)
        await self._client.request("PUT", path, body=dict(options))

    # What is kept.

    def backups(self, vm: Obj, snapshot: Obj) -> list[Object]:
        """Claims that can be snapshotted, by the volumes they are behind."""
        classes, found = self._informers.snapshot_classes(), []
        for volume in self._informers.volumes_of(vm):
            own = _claim_of(volume)
            claim = self._informers.claims.get(f"{namespace(vm)}/{own}") if own else None
            if claim is None or not _is_bound(claim):
                continue
            if dig(claim, "spec", "storageClassName") not in classes:
                continue
            meta = _metadata(claim)
            if any(
                one["uid"] == vm["metadata"]["uid"] for one in claim["metadata"].get("ownerReferences") or ()
            ):
                meta["annotations"] = {**(meta.get("annotations") or {}), OWNED_BY_VM: name(vm)}
            found.append(
                {
                    "persistentVolumeClaim": {"metadata": meta, "spec": claim["spec"]},
                    "volumeName": volume["name"],
                    "volumeSnapshotName": f"vmsnapshot-{snapshot['metadata']['uid']}-volume-{volume['name']}",
                }
            )
        return found

    async def kept(self, vm: Object, snapshot: Object) -> Object:
        """The VM as a snapshot keeps it: as it was when its instance started, on the volumes and disks it has now."""
        spec: Object = copy_of(vm["spec"])
        vmi = self.vmi(vm)
        if vmi is not None and (started := await self._started(vmi)) is not None:
            now = dig(spec, "template", "spec", default={})
            then = dig(started, "template", "spec", default={})
            if "volumes" in now:
                then["volumes"] = now["volumes"]
            devices = then.setdefault("domain", {}).setdefault("devices", {})
            disks = dig(now, "domain", "devices", "disks")
            devices.update({"disks": disks} if disks else {})
            spec = started
        refs = {
            f"{member}Ref": ref
            for member in kinds.MEMBERS
            if (ref := await self._kept_revision(vm, snapshot, f"{member}Ref"))
        }
        return {"metadata": _metadata(vm), "spec": spec, **({"status": refs} if refs else {})}

    async def _started(self, vmi: Obj) -> Object | None:
        own = dig(vmi, "status", "virtualMachineRevisionName", default="")
        stored = await self._client.find(CONTROLLER_REVISIONS, own, namespace(vmi))
        if stored is None:
            return None
        spec: Object | None = dig(stored, "data", "spec")
        return spec

    async def _kept_revision(self, vm: Obj, snapshot: Object, member: str) -> Object | None:
        """A copy of the revision of an instancetype or preference that lives as long as the snapshot."""
        ref = dig(vm, "status", member)
        own = dig(ref, "controllerRevisionRef", "name")
        if not own:
            return None
        copied = await copied_revision(self._client, namespace(vm), own, name(vm), snapshot)
        return {**ref, "controllerRevisionRef": {"name": copied}}


async def copied_revision(client: Client, space: str, own: str, before: str, owner: Object) -> str:
    """A ControllerRevision under the name of another owner; what it is called."""
    stored = await client.get(CONTROLLER_REVISIONS, own, space)
    made: Object = copy_of(stored)
    made["metadata"] = {
        "name": own.replace(before, name(owner), 1),
        "namespace": space,
        "labels": stored["metadata"].get("labels") or {},
        "ownerReferences": [owner_reference(owner)],
    }
    await client.create_if_absent(CONTROLLER_REVISIONS, made)
    return name(made)


def _claim_of(volume: Obj) -> str:
    """The claim whose data are the volume's: an ephemeral one only reads its own."""
    return "" if "ephemeral" in volume else instance.claim_name(volume)


def _is_bound(claim: Obj) -> bool:
    return bool(dig(claim, "status", "phase") == "Bound")


def _metadata(obj: Obj) -> Object:
    return {member: value for member, value in obj["metadata"].items() if member in _KEPT_METADATA}
