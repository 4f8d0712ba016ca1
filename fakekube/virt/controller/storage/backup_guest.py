"""What a backup changes at the guest it is made of: a volume beside its own, a note of the job, and commands to its launcher.

Origin: kubevirt: pkg/storage/cbt/{backup,backup_target_pvc}.go
"""

from fakekube.machinery.objects import dig, name, namespace
from fakekube.machinery.resources import INSTANCE_ACTIONS
from fakekube.machinery.wire import Object
from fakekube.virt import changed_blocks
from fakekube.virt.controller import patches
from fakekube.virt.controller.storage import backup_status
from fakekube.virt.controller.wiring import Wiring

_JOB = "/status/changedBlockTracking/backupStatus"
_BESIDE = "/spec/utilityVolumes"


class Guests:
    """See the module text."""

    def __init__(self, wiring: Wiring) -> None:
        self._client = wiring.client
        self._vmis = wiring.writer(wiring.informers.vmis)

    def behind(self, own: str) -> bool:
        """Whether the cache does not show yet what has been changed."""
        return self._vmis.behind(own)

    async def attach(self, vmi: Object, volume: str, claim: str) -> None:
        beside = dig(vmi, "spec", "utilityVolumes")
        if any(one["name"] == volume for one in beside or ()):
            return
        wanted = [*(beside or ()), {"name": volume, "claimName": claim, "type": "Backup"}]
        change = patches.guarded(_BESIDE, beside, wanted) if beside else patches.added(_BESIDE, wanted)
        await self._vmis.patch(vmi, change)

    async def detach(self, vmi: Object, volume: str) -> bool:
        """Whether the volume has gone."""
        if backup_status.is_detached(vmi, volume):
            return True
        beside = dig(vmi, "spec", "utilityVolumes")
        left = [one for one in beside or () if one["name"] != volume]
        if left != list(beside or ()):
            change = patches.guarded(_BESIDE, beside, left) if left else patches.removed(_BESIDE, beside)
            await self._vmis.patch(vmi, change)
        return False

    async def ask(self, vmi: Object, backup: Object, command: str, **options: object) -> None:
        """Tell the launcher."""
        path = INSTANCE_ACTIONS.path(namespace(vmi), name(vmi), "backup")
        started = backup["metadata"]["creationTimestamp"]
        body = {"backupName": name(backup), "cmd": command, "backupStartTime": started, **options}
        await self._client.request("PUT", path, body=body)

    async def note(self, vmi: Object, backup: Object) -> None:
        """Tell in the guest's status that the launcher is at it."""
        job = {"backupName": name(backup), "startTimestamp": backup["metadata"]["creationTimestamp"]}
        await self._vmis.patch(vmi, patches.added(_JOB, job))

    async def forget(self, vmi: Object) -> None:
        if (job := changed_blocks.job(vmi)) is not None:
            await self._vmis.patch(vmi, patches.removed(_JOB, dict(job)))
