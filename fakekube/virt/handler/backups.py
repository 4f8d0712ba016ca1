"""Changed blocks and backups, as launchers do it: recording begins, a backup is made, given up, or offered to be fetched.

All of it is told in `status.changedBlockTracking` of the instance. Nothing is copied: a backup that is pushed to its claim
takes its time at the cluster's pace and needs as much room as what it copies is large; one that is to be fetched lasts until
somebody ends it. What a checkpoint stands for lies on the claim of the machine's state, and is lost with it.
Origin: kubevirt: pkg/virt-launcher/virtwrap/storage/backup.go, pkg/virt-handler/vm.go, pkg/storage/cbt/backuptracker.go
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.freshness import Freshness
from fakekube.client.informer import Informer
from fakekube.clock import Clock, parse_rfc3339, rfc3339
from fakekube.lifecycle.stage import Pace
from fakekube.machinery.errors import InternalError
from fakekube.machinery.objects import Obj, condition_is, dig, key, name, namespace
from fakekube.machinery.resources import (
    BACKUP_TRACKERS,
    BACKUPS,
    PERSISTENT_VOLUME_CLAIMS,
    VIRTUAL_MACHINE_INSTANCES,
)
from fakekube.machinery.wire import Object
from fakekube.virt import changed_blocks, quantities

VERBS = ("backup", "redefine-checkpoint")
_TAKES = 20.0  # seconds
_TOLD = ("status", "changedBlockTracking")
_PATH = "/status/changedBlockTracking"


class Backups:
    """See the module text. `reaches`: whether the virt-handler of a guest's node lives."""

    def __init__(
        self, client: Client, clock: Clock, vmis: Informer, *, pace: Pace, reaches: Callable[[Object], bool]
    ) -> None:
        self._client = client
        self._clock = clock
        self._vmis = vmis
        self._takes = _TAKES * pace.factor
        self._reaches = reaches
        self._fresh = Freshness(vmis, clock)
        self._due: dict[str, datetime] = {}  # by the key of the instance: when what is pushed has been pushed
        self.controller = Controller("virt-handler: backups", self._reconcile, clock=clock)
        self.controller.source(vmis, _concerned)
        vmis.on_change(self._forget)

    def _forget(self, old: Object | None, new: Object | None) -> None:
        if self._due and old is not None and (new is None or not _is_concerned(new)):
            self._due.pop(key(old), None)

    async def _reconcile(self, own: str) -> Result | None:
        vmi = self._vmis.get(own)
        if vmi is None or not _is_concerned(vmi):
            return None
        if self._fresh.behind(own) or not self._reaches(vmi):
            return None
        if changed_blocks.state(vmi) == changed_blocks.INITIALIZING:
            await self._mark_trackers(vmi)
            await self._say(vmi, {**dig(vmi, *_TOLD), "state": changed_blocks.ENABLED})
            return None
        return await self._work(own, vmi)

    async def _work(self, own: str, vmi: Object) -> Result | None:
        job: Object = dict(changed_blocks.job(vmi) or {})
        backup = await self._client.find(BACKUPS, job.get("backupName", ""), namespace(vmi))
        if backup is None:
            return None
        now = self._clock.now()
        if "checkpointName" not in job:
            if not _is_mounted(vmi, dig(backup, "spec", "pvcName", default="")):
                return None  # some controllers note a backup before its claim is there
            self._due[own] = parse_rfc3339(rfc3339(now))
            await self._say_job(vmi, {**job, **_begun(vmi, backup)})
            return None
        if dig(backup, "spec", "mode") == "Pull":
            return None
        left = self._takes - (now - self._due.setdefault(own, now)).total_seconds()
        if left > 0:
            return Result(requeue_after=left)
        failure = {} if await self._fits(vmi, backup) else _failed("No space left on device")
        await self._say_job(vmi, {**job, **_ended(now), **failure})
        return None

    async def _mark_trackers(self, vmi: Object) -> None:
        """A guest that begins does not know the checkpoints there are; it is to be told of them."""
        for one in (await self._client.list(BACKUP_TRACKERS, namespace(vmi))).items:
            status = one.get("status") or {}
            mine = dig(one, "spec", "source", "name") == name(vmi)
            if mine and status.get("latestCheckpoint") and not status.get("checkpointRedefinitionRequired"):
                change: Object = {"status": {"checkpointRedefinitionRequired": True}}
                await self._client.patch(
                    BACKUP_TRACKERS, name(one), namespace(one), change, type="merge", subresource="status"
                )

    async def _fits(self, vmi: Object, backup: Object) -> bool:
        """Whether the claim has room for it. What has changed since a checkpoint is nothing."""
        space = namespace(vmi)
        source = dig(backup, "spec", "source", default={})
        tracker = None
        if source.get("kind") == BACKUP_TRACKERS.kind:
            tracker = await self._client.find(BACKUP_TRACKERS, source["name"], space)
        target = await self._client.find(
            PERSISTENT_VOLUME_CLAIMS, dig(backup, "spec", "pvcName", default=""), space
        )
        room = dig(target, "status", "capacity", "storage")
        if room is None or changed_blocks.is_incremental(backup, tracker):
            return True
        included = changed_blocks.recorded(vmi)
        sizes = [
            quantities.exact(size)
            for entry in dig(vmi, "status", "volumeStatus", default=())
            if entry["name"] in included
            and (size := dig(entry, "persistentVolumeClaimInfo", "capacity", "storage"))
        ]
        return sum(sizes) <= quantities.exact(room)

    # Commands from virt-api.

    async def command(self, vmi: Object, verb: str, options: dict[str, Any]) -> None:
        """Carry out what is asked of a guest's launcher. Raises InternalError."""
        if verb == "redefine-checkpoint":
            await self._redefine(vmi, options)
        elif options.get("cmd") == "Abort":
            await self._abort(vmi, options)
        elif options.get("cmd") == "Start":
            _check_start(vmi, options)
        elif refusal := _mismatch(changed_blocks.job(vmi), options):
            raise _server_error("ExportVirtualMachineBackup", refusal)

    async def _abort(self, vmi: Object, options: Obj) -> None:
        job = changed_blocks.job(vmi)
        if refusal := _mismatch(job, options):
            raise _server_error("AbortVirtualMachineBackup", f"failed to abort backup: {refusal}")
        backup = await self._client.find(BACKUPS, str(options.get("backupName")), namespace(vmi))
        pulled = dig(backup, "spec", "mode") == "Pull"
        failure = {} if pulled else _failed("backup aborted: Operation canceled")
        await self._say_job(vmi, {**(job or {}), **_ended(self._clock.now()), **failure})

    async def _redefine(self, vmi: Object, checkpoint: Obj) -> None:
        own = next(
            (
                dig(entry, "persistentVolumeClaimInfo", "claimName", default="")
                for entry in dig(vmi, "status", "volumeStatus", default=())
                if entry["name"].startswith("persistent-state-for-")
            ),
            "",
        )
        claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, own, namespace(vmi)) if own else None
        made = checkpoint.get("creationTime")
        if claim is None or (
            made and parse_rfc3339(made) < parse_rfc3339(claim["metadata"]["creationTimestamp"])
        ):
            text = f"no disks found with checkpoint bitmap {checkpoint.get('name')}"
            said = f"unexpected return code 422 (422 Unprocessable Entity), message: {text}"
            raise InternalError(f"Internal error occurred: {said}")

    # What is written.

    async def _say_job(self, vmi: Object, job: Object) -> None:
        await self._say(vmi, {**dig(vmi, *_TOLD), "backupStatus": job})

    async def _say(self, vmi: Object, told: Object) -> None:
        before = dig(vmi, *_TOLD)
        operations = [
            {"op": "test", "path": _PATH, "value": before},
            {"op": "replace", "path": _PATH, "value": told},
        ]
        self._fresh.wrote(
            await self._client.patch(
                VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi), operations, type="json"
            )
        )


def _concerned(_old: Object | None, new: Object | None) -> Iterable[str]:
    return (key(new),) if new is not None and _is_concerned(new) else ()


def _is_concerned(vmi: Obj) -> bool:
    if dig(vmi, "status", "phase") != "Running":
        return False
    job = changed_blocks.job(vmi)
    return changed_blocks.state(vmi) == changed_blocks.INITIALIZING or (
        job is not None and not job.get("completed")
    )


def _is_mounted(vmi: Obj, claim: str) -> bool:
    """Whether a claim is beside the guest."""
    beside = {
        one["name"] for one in dig(vmi, "spec", "utilityVolumes", default=()) if one["claimName"] == claim
    }
    told = dig(vmi, "status", "volumeStatus", default=())
    return any(one["name"] in beside and one.get("phase") == "MountedToPod" for one in told)


def _begun(vmi: Obj, backup: Obj) -> Object:
    started = parse_rfc3339(backup["metadata"]["creationTimestamp"])
    if dig(backup, "spec", "skipQuiesce"):
        quiesced = "Skipped"
    else:
        quiesced = "Succeeded" if condition_is(vmi, "AgentConnected") else "Failed"
    return {
        "checkpointName": f"{name(backup)}-{started:%Y-%m-%d_%H-%M-%S}",
        "startTimestamp": rfc3339(started),
        "quiesceStatus": quiesced,
        "volumes": [{"volumeName": one} for one in changed_blocks.recorded(vmi)],
    }


def _ended(now: datetime) -> Object:
    return {"completed": True, "endTimestamp": rfc3339(now)}


def _failed(message: str) -> Object:
    return {"failed": True, "backupMsg": message}


def _check_start(vmi: Obj, options: Obj) -> None:
    state = dig(vmi, "status", "migrationState")
    if state is not None and not state.get("completed"):
        raise _server_error("BackupVirtualMachine", "failed to do backup, VMI is currently during migration")
    job = changed_blocks.job(vmi)
    if job is not None and not job.get("completed") and job.get("backupName") != options.get("backupName"):
        text = f"backup {job.get('backupName')} already in progress, need to wait for completion"
        raise _server_error("BackupVirtualMachine", text)


def _mismatch(job: Obj | None, options: Obj) -> str:
    """Why a command is not about the backup that is being made; or empty."""
    if job is None:
        return "could not find ongoing backup"
    if job.get("backupName") != options.get("backupName"):
        return "requested backup differs from ongoing one"
    return "backup already completed" if job.get("completed") else ""


def _server_error(command: str, text: str) -> InternalError:
    return InternalError(f'Internal error occurred: server error. command {command} failed: "{text}"')
