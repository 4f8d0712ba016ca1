"""Backups: their claim is mounted beside the guest, whose launcher writes it, or offers it by an export; then all of it goes.

What is told of it is `backup_status`'s, what is done to the guest `backup_guest`'s, its export `backup_export`'s, what the launcher
does `handler.backups`'. Whoever has the gate shut follows nothing.
Origin: kubevirt: pkg/storage/cbt/backup.go
"""

from collections.abc import Iterable

from fakekube.client.controller import Result, owner_of
from fakekube.client.informer import Informer
from fakekube.client.late import WantedInformer
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.machinery.errors import ApiError, InternalError
from fakekube.machinery.objects import (
    Obj,
    dig,
    is_terminating,
    key,
    name,
    namespace,
    uid,
)
from fakekube.machinery.resources import BACKUP_TRACKERS, BACKUPS
from fakekube.machinery.wire import Object
from fakekube.virt import changed_blocks, config
from fakekube.virt.controller.storage import backup_export, backup_status, common
from fakekube.virt.controller.storage.backup_export import Offers
from fakekube.virt.controller.storage.backup_guest import Guests
from fakekube.virt.controller.storage.backup_pass import Work
from fakekube.virt.controller.storage.backup_tracker import Trackers
from fakekube.virt.controller.wiring import Wiring

HOLD = "backup.kubevirt.io/vmbackup-protection"
_MACHINE, _TRACKER = "machine", "tracker"


class Backups(common.Part):
    """See the module text."""

    resource, kind = BACKUPS, "virtualmachinebackup"

    def __init__(self, wiring: Wiring) -> None:
        self._late = [
            WantedInformer(wiring.client, one, clock=wiring.clock) for one in (BACKUPS, BACKUP_TRACKERS)
        ]
        super().__init__(wiring)
        informers = wiring.informers
        self._known = self._late[1]
        self._guests = Guests(wiring)
        self._offers = Offers(wiring)
        self.trackers = Trackers(wiring, self._known)
        self.objects.add_index(_MACHINE, _source("VirtualMachine"))
        self.objects.add_index(_TRACKER, _source(BACKUP_TRACKERS.kind))
        self.objects.add_index("claim", lambda one: (f"{namespace(one)}/{dig(one, 'spec', 'pvcName')}",))
        self._known.add_index(_MACHINE, common.named_by("source"))
        for informer in (informers.vms, informers.vmis):
            self._of_own(informer, self._of_machine)
        self.controller.source(self._known, common.same_key(self.objects, _TRACKER))
        self.controller.source(informers.claims, common.same_key(self.objects, "claim"))
        informers.kubevirts.on_change(self._configured)

    def follow(self, exports: common.Part) -> None:
        """Be woken by the exports backups are fetched from."""
        self._offers.follow(exports.objects)
        self.controller.source(exports.objects, owner_of(BACKUPS.kind))

    def _cache(self) -> Informer:
        return self._late[0]

    def _configured(self, _old: Object | None, new: Object | None) -> None:
        if config.from_object(new).gate(changed_blocks.GATE):
            for informer in self._late:
                informer.begin()

    def _of_machine(self, old: Object | None, new: Object | None) -> Iterable[str]:
        own = key(new or old or {})
        found = list(self.objects.by_index(_MACHINE, own))
        for tracker in self._known.by_index(_MACHINE, own):
            found += self.objects.by_index(_TRACKER, key(tracker))
        return map(key, found)

    async def _reconcile(self, obj: Object) -> Result | None:
        if backup_status.is_over(obj):
            if is_terminating(obj):
                await self._let_go(obj, HOLD)
            return None
        work = Work(obj, self._now())
        error: ApiError | None = None
        try:
            await self._sync(work)
        except ApiError as raised:
            error = raised
        await self._write(work)
        if error is not None:
            raise error
        if backup_status.is_pulled(obj) and not backup_status.is_over({"status": work.status}):
            return Result(requeue_after=left) if (left := self._offers.left(obj)) > 0 else None
        return None

    async def _sync(self, work: Work) -> None:
        obj = work.obj
        source, space = dig(obj, "spec", "source", default={}), namespace(obj)
        machine = source.get("name", "")
        if source.get("kind") == BACKUP_TRACKERS.kind:
            work.tracker = self._known.get(f"{space}/{machine}")
            if work.tracker is None:
                work.initializing(f"BackupTracker {machine} does not exist")
                return
            machine = dig(work.tracker, "spec", "source", "name", default="")
        own = f"{space}/{machine}"
        if self._guests.behind(own):
            return
        vmi = self._informers.vmis.get(own)
        job = changed_blocks.job(vmi)
        if vmi is None or job is None:
            await self._begin(work, machine, vmi)
        elif job.get("completed"):
            await self._conclude(work, vmi, job)
        else:
            await self._accompany(work, vmi, job)

    # Before the launcher works on it.

    async def _begin(self, work: Work, machine: str, vmi: Object | None) -> None:
        obj = work.obj
        if is_terminating(obj):
            if vmi is None:
                await self._let_go(obj, HOLD)
                work.gone = True
            elif await self._cleaned(work, vmi):
                self._fail(work, "DeletedDuringInit", "backup was deleted during initialization")
            return
        if work.status.get("startTimestamp"):
            if vmi is None:
                self._fail(work, "SourceLost", "VMI was deleted during backup")
            elif await self._cleaned(work, vmi):
                self._fail(work, "SourceLost", "VMI backup status was lost")
            return
        vm = self._informers.vms.get(f"{namespace(obj)}/{machine}")
        why = backup_status.obstacle(obj, machine, vm, vmi, work.tracker)
        if why or vmi is None:
            work.initializing(why)
            return
        await self._start(work, vmi)

    async def _start(self, work: Work, vmi: Object) -> None:
        obj = work.obj = await self._hold(work.obj, HOLD)
        space, target = namespace(obj), dig(obj, "spec", "pvcName", default="")
        claim = self._informers.claims.get(f"{space}/{target}")
        if claim is None:
            work.initializing(f"PVC {space}/{target} doesnt exist")
            return
        if dig(claim, "spec", "volumeMode") == "Block":
            text = f"backup target PVC must be a filesystem PVC, provided pvc {space}/{target} is block"
            raise InternalError(text)
        volume = backup_status.target_volume(name(obj))
        if not backup_status.is_attached(vmi, volume):
            await self._guests.attach(vmi, volume, target)
            return
        options = {
            "mode": dig(obj, "spec", "mode") or "Push",
            "targetPath": f"/var/run/kubevirt/hotplug-disks/{volume}",
            "skipQuiesce": bool(dig(obj, "spec", "skipQuiesce")),
        }
        kind = "Full"
        if changed_blocks.is_incremental(obj, work.tracker):
            kind = "Incremental"
            options["incremental"] = dig(work.tracker, "status", "latestCheckpoint", "name")
        await self._guests.ask(vmi, obj, "Start", **options)
        await self._guests.note(vmi, obj)
        work.progressing(*backup_status.IN_PROGRESS)
        work.status |= {"type": kind, "startTimestamp": work.now}

    # While it does, and after.

    async def _accompany(self, work: Work, vmi: Object, job: Obj) -> None:
        phase = dig(vmi, "status", "phase", default="")
        if phase != "Running" or is_terminating(vmi):
            if await self._cleaned(work, vmi):
                self._fail(work, "SourceUnhealthy", f"VMI is not in a running state: {phase}")
            return
        if is_terminating(work.obj):
            await self._abort(work, vmi, backup_status.ABORTING)
        elif backup_status.is_pulled(work.obj):
            await self._offer(work, vmi)
        if job.get("volumes") and not work.status.get("includedVolumes"):
            work.status |= {"includedVolumes": job["volumes"], "checkpointName": job.get("checkpointName")}
        work.status = backup_status.quiesced(work.status, job, work.now)

    async def _abort(self, work: Work, vmi: Object, message: str) -> None:
        await self._guests.ask(vmi, work.obj, "Abort")
        told = dig(work.status, "conditions", default=())
        if all(one["reason"] != "Aborting" for one in told if one["type"] == "Progressing"):
            kind = NORMAL if backup_status.is_pulled(work.obj) else WARNING
            self._recorder.event(work.obj, kind, "VirtualMachineBackupAborting", message)
        work.progressing("Aborting", message)

    async def _conclude(self, work: Work, vmi: Object, job: Obj) -> None:
        checkpoint = job.get("checkpointName")
        if work.tracker is not None and checkpoint and not job.get("failed"):
            latest = {"name": checkpoint, "creationTime": job.get("startTimestamp")}
            if dig(work.tracker, "status", "latestCheckpoint") != latest:
                await self.trackers.tell(work.tracker, {"latestCheckpoint": latest})
        if not await self._cleaned(work, vmi):
            return
        work.status, (good, reason, message) = backup_status.concluded(work.status, job, work.now)
        self._recorder.event(work.obj, NORMAL if good else WARNING, reason, message)
        if work.tracker is not None and not job.get("failed"):
            work.status["checkpointName"] = checkpoint
        work.status["includedVolumes"] = job.get("volumes") or None
        work.status = backup_status.quiesced(work.status, job, work.now)

    async def _cleaned(self, work: Work, vmi: Object) -> bool:
        """Whether neither claim nor export nor note of it is left at the guest."""
        obj = work.obj
        if backup_status.is_pulled(obj):
            await self._offers.withdraw(obj)
        if not await self._guests.detach(vmi, backup_status.target_volume(name(obj))):
            return False
        await self._guests.forget(vmi)
        return True

    def _fail(self, work: Work, reason: str, message: str) -> None:
        work.status = backup_status.failed(work.status, reason, message, work.now)
        self._recorder.event(work.obj, WARNING, "VirtualMachineBackupFailed", message)

    # To be fetched.

    async def _offer(self, work: Work, vmi: Object) -> None:
        obj = work.obj
        if self._offers.left(obj) <= 0:
            await self._abort(work, vmi, f"{backup_status.EXPIRED}: {backup_status.ABORTING}")
            return
        export = await self._offers.of(obj)
        if export is None:
            work.progressing(*backup_status.PREPARING_EXPORT)
            work.status["endpointCert"] = None
        elif work.status.get("exportUID") == uid(export):
            work.status = backup_status.pulled_from(work.status, export, work.now)
        elif address := backup_export.address(export):
            await self._guests.ask(vmi, obj, "Export", mode="Pull", **address)
            work.status["exportUID"] = uid(export)

    async def _write(self, work: Work) -> None:
        """What has changed of the status, whoever else writes the object meanwhile."""
        if not (changes := work.changes) or work.gone:
            return
        obj, change = work.obj, {"status": changes}
        self._writer.wrote(
            await self._client.patch(
                BACKUPS, name(obj), namespace(obj), change, type="merge", subresource="status"
            )
        )


def _source(kind: str) -> common.Index:
    def of(obj: Object) -> Iterable[str]:
        source = dig(obj, "spec", "source", default={})
        return (f"{namespace(obj)}/{source.get('name')}",) if source.get("kind") == kind else ()

    return of
