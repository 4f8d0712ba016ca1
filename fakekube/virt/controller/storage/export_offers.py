"""Finds what an export is of: a claim, the claims of a machine or of a snapshot, or a backup. What follows is `export_source`'s.

Origin: kubevirt: pkg/storage/export/export/{pvc-source,vm-source,vmsnapshot-source,backup-source}.go
"""

from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.machinery.objects import dig, is_final, name, namespace
from fakekube.machinery.resources import (
    BACKUPS,
    PERSISTENT_VOLUME_CLAIMS,
    SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUME_SNAPSHOTS,
)
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance
from fakekube.virt.controller.informers import Informers
from fakekube.virt.controller.storage import common, export_source, exporter
from fakekube.virt.controller.storage.export_source import Offer


class Offers:
    """See the module text. `backups`: their cache."""

    def __init__(self, client: Client, informers: Informers, backups: Informer) -> None:
        self._client = client
        self._informers = informers
        self.backups = backups

    async def of(self, obj: Object) -> Offer:
        source, space = dig(obj, "spec", "source", default={}), namespace(obj)
        own = source.get("name", "")
        if source.get("kind") == "PersistentVolumeClaim":
            claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, own, space)
            used = bool(self._informers.vmis.by_index("claim", f"{space}/{own}"))
            return export_source.of_claim(f"{space}/{own}", claim, self._volume(space, own), used=used)
        if source.get("kind") == "VirtualMachine":
            return await self._offer_of_machine(space, own)
        if source.get("kind") == BACKUPS.kind:
            return export_source.of_backup(self.backups.get(f"{space}/{own}"))
        return await self._offer_of_snapshot(obj, space, own)

    async def _offer_of_machine(self, space: str, own: str) -> Offer:
        where = f"{space}/{own}"
        vm = await self._client.find(VIRTUAL_MACHINES, own, space)
        if vm is None:
            return Offer(obstacle="VMNotFound", message=f"Virtual Machine {where} not found", machine=own)
        claims, populated = [], True
        for volume in self._informers.volumes_of(vm):
            if not (used := instance.claim_name(volume)):
                continue
            claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, used, space)
            if claim is not None:
                claims.append(claim)
                populated = populated and export_source.is_populated(claim, self._volume(space, used))
            elif "dataVolume" in volume:
                populated = False
        vmi = self._informers.vmis.get(where)
        runs = vmi is not None and not is_final(vmi)
        return export_source.of_machine(where, own, claims, populated=populated, runs=runs)

    async def _offer_of_snapshot(self, obj: Object, space: str, own: str) -> Offer:
        snapshot = await self._client.find(SNAPSHOTS, own, space)
        machine = dig(snapshot, "spec", "source", "name")
        if not dig(snapshot, "status", "readyToUse"):
            text = f"VirtualMachineSnapshot {space}/{own} is not ready to use"
            return Offer(obstacle="Initializing", message=text, machine=machine)
        content = dig(snapshot, "status", "virtualMachineSnapshotContentName", default="")
        kept = await self._client.find(common.CONTENTS, content, space)
        claims = [
            await self._restored(obj, backup)
            for backup in dig(kept, "spec", "volumeBackups", default=())
            if backup.get("volumeSnapshotName")
        ]
        if not claims:
            text = f"VirtualMachineSnapshot {space}/{own} does not contain any volume snapshots"
            return Offer(obstacle="NoVolumeSnapshot", message=text, empty=True, machine=machine)
        return Offer(claims, machine=machine)

    async def _restored(self, obj: Object, backup: Object) -> Object:
        taken = await self._client.find(VOLUME_SNAPSHOTS, backup["volumeSnapshotName"], namespace(obj))
        wanted = exporter.claim(obj, backup, taken)
        found = await self._client.find(PERSISTENT_VOLUME_CLAIMS, name(wanted), namespace(obj))
        return found or await self._client.create(PERSISTENT_VOLUME_CLAIMS, wanted)

    def _volume(self, space: str, own: str) -> Object | None:
        return self._informers.data_volumes.get(f"{space}/{own}")
