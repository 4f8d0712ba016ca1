"""What virt-api asks the cluster before it judges a storage operation: its feature gate, and what else is under way.

Origin: kubevirt: pkg/storage/admitters, pkg/virt-api/webhooks/validating-webhook/admitters/vmclone-admitter.go
"""

from fakekube.machinery.reviews import Answer, Question
from fakekube.virt import changed_blocks, review
from fakekube.virt.api import storage_operations
from fakekube.virt.api.lookups import Lookups
from fakekube.virt.api.settings import Settings

_SNAPSHOTS = "Snapshot"


class StorageHooks:
    """Webhooks of snapshots, restores, backups and clones. None of them is made while its gate is shut."""

    def __init__(self, lookups: Lookups, settings: Settings) -> None:
        self._lookups = lookups
        self._settings = settings

    async def snapshot(self, asked: Question) -> Answer:
        if await self._is_shut(_SNAPSHOTS, asked):
            return review.refused("snapshot feature gate not enabled")
        return review.judged(storage_operations.snapshot(asked.obj, asked.old))

    async def restore(self, asked: Question) -> Answer:
        if not asked.creates:
            return review.judged(storage_operations.restore(asked.obj, asked.old or {}))
        if await self._is_shut(_SNAPSHOTS, asked):
            return review.refused("Snapshot/Restore feature gate not enabled")
        spec, known = asked.obj.get("spec") or {}, True
        if spec.get("patches"):
            snapshot = spec.get("virtualMachineSnapshotName") or ""
            known = await self._lookups.snapshot(asked.namespace, snapshot) is not None
        others = await self._lookups.restores_under_way(asked.namespace, spec.get("target") or {})
        return review.judged(storage_operations.restore(asked.obj, None, known=known, others=others))

    async def backup(self, asked: Question) -> Answer:
        if not asked.creates:
            return review.allowed()
        if await self._is_shut(changed_blocks.GATE, asked):
            return review.refused("IncrementalBackup feature gate not enabled")
        others = await self._lookups.backups(asked.namespace)
        return review.judged(storage_operations.backup(asked.obj, others))

    async def clone(self, asked: Question) -> Answer:
        if await self._is_shut(_SNAPSHOTS, asked):
            return review.refused("snapshot feature gate is not enabled")
        return review.judged(storage_operations.clone(asked.obj))

    async def _is_shut(self, gate: str, asked: Question) -> bool:
        return asked.creates and not (await self._settings.current()).gate(gate)
