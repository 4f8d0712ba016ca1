"""What a backup tells: its conditions, and what it takes over from the guest that is backed up and from its export. Pure.

Origin: kubevirt: pkg/storage/cbt/{backup,pull_mode}.go, staging/src/kubevirt.io/api/backup/v1alpha1/types.go
"""

from fakekube.machinery.fnv import fnv32a
from fakekube.machinery.objects import Obj, dig, name
from fakekube.machinery.wire import Object
from fakekube.virt import changed_blocks
from fakekube.virt.controller import conditions

COMPLETED = "Successfully completed VirtualMachineBackup"
IN_PROGRESS = ("Initiated", "Backup is in progress")
PREPARING_EXPORT = ("PreparingExport", "Backup export is being initialized")
EXPORT_READY = ("ExportReady", "Backup export is ready to pull")
ABORTING = "Backup is aborting"
EXPIRED = "pull mode backup TTL has expired"
_QUIESCED = {
    "Succeeded": (True, "Guest filesystem was successfully quiesced"),
    "Failed": (False, "Guest filesystem quiesce failed"),
    "Skipped": (False, "Guest filesystem quiesce was skipped"),
}
_LONGEST_LABEL = 63
_TARGET = "backup-target-pvc"


def is_over(backup: Obj) -> bool:
    """Whether it has come to its end, good or bad."""
    told = {one["type"]: one["status"] for one in dig(backup, "status", "conditions", default=())}
    return "True" in (told.get("Complete"), told.get("Failed"))


def is_pulled(backup: Obj) -> bool:
    return bool(dig(backup, "spec", "mode") == "Pull")


def target_volume(backup: str) -> str:
    """What the claim is called beside the guest."""
    whole = f"{backup}-{_TARGET}"
    if len(whole) <= _LONGEST_LABEL:
        return whole
    kept = backup[: _LONGEST_LABEL - len(_TARGET) - 10]
    return f"{kept}-{fnv32a(backup.encode()):08x}-{_TARGET}"


def with_condition(
    status: Object, type_: str, reason: str, message: str, now: str, *, told: bool = True
) -> Object:
    """The status with that condition; its time is that of its last change between true and false."""
    listed = status.get("conditions") or ()
    value = "True" if told else "False"
    old = conditions.find(listed, type_)
    since = old["lastTransitionTime"] if old is not None and old["status"] == value else now
    new = {
        "type": type_,
        "status": value,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
    }
    return {**status, "conditions": conditions.put(listed, new)}


def progressing(status: Object, reason: str, message: str, now: str) -> Object:
    return with_condition(status, "Progressing", reason, message, now)


def ended(status: Object, type_: str, reason: str, message: str, now: str) -> Object:
    """`type_`: Complete or Failed."""
    told = with_condition(status, type_, reason, message, now)
    return with_condition(told, "Progressing", reason, message, now, told=False)


def failed(status: Object, reason: str, message: str, now: str) -> Object:
    return ended(status, "Failed", reason, f"Backup has failed: {message}", now)


def quiesced(status: Object, job: Obj, now: str) -> Object:
    """What came of quieting the guest's file systems, as far as it is known."""
    outcome = job.get("quiesceStatus")
    if outcome not in _QUIESCED:
        return status
    told, message = _QUIESCED[outcome]
    return with_condition(status, "Quiesced", f"Quiesce{outcome}", message, now, told=told)


def concluded(status: Object, job: Obj, now: str) -> tuple[Object, tuple[bool, str, str]]:
    """The status after a job that has ended, and the event that tells it: whether it is a good one, reason and message."""
    said = job.get("backupMsg")
    if job.get("failed"):
        why = said or "unknown, no completion message"
        return failed(status, "Failed", why, now), (False, "VirtualMachineBackupFailed", why)
    if said:
        text = f"Completed VirtualMachineBackup, warning: {said}"
        told = ended(status, "Complete", "CompletedWithWarning", text, now)
        return told, (False, "VirtualMachineBackupCompletedWithWarning", text)
    told = ended(status, "Complete", "Completed", COMPLETED, now)
    return told, (True, "VirtualMachineBackupCompletedSuccessfully", COMPLETED)


def obstacle(backup: Obj, machine: str, vm: Obj | None, vmi: Obj | None, tracker: Obj | None) -> str:
    """Why it cannot begin yet; or empty."""
    if vm is None:
        return f"VM {backup['metadata']['namespace']}/{machine} doesnt exist"
    if vmi is None:
        return f"vm {machine} is not running, cannot do backup"
    if not any(map(changed_blocks.is_recorded, dig(vmi, "spec", "volumes", default=()))):
        return f"vm {machine} has no volumes to backup"
    if changed_blocks.state(vmi) != changed_blocks.ENABLED:
        return f"vm {machine} has no ChangedBlockTracking, cannot start backup"
    if tracker is not None and awaits_redefinition(tracker):
        return f"Waiting for checkpoint redefinition on tracker {name(tracker)}"
    state = dig(vmi, "status", "migrationState", default={})
    if state.get("startTimestamp") and not state.get("endTimestamp"):
        return (
            f"vm {machine} is currently migrating, waiting for migration to complete before starting backup"
        )
    return ""


def awaits_redefinition(tracker: Obj) -> bool:
    """Whether the guest that runs is still to be told of the tracker's checkpoint."""
    told = tracker.get("status") or {}
    return bool(told.get("checkpointRedefinitionRequired") and dig(told, "latestCheckpoint", "name"))


def is_attached(vmi: Obj, volume: str) -> bool:
    """Whether the claim is mounted beside the guest."""
    entries = dig(vmi, "status", "volumeStatus", default=())
    found: Object = next((one for one in entries if one["name"] == volume), {})
    return "hotplugVolume" in found and found.get("phase") == "MountedToPod"


def is_detached(vmi: Obj, volume: str) -> bool:
    """Whether nothing is left of it there."""
    named = (*dig(vmi, "spec", "utilityVolumes", default=()), *dig(vmi, "status", "volumeStatus", default=()))
    return all(one["name"] != volume for one in named)


def pulled_from(status: Object, export: Obj, now: str) -> Object:
    """The status with where to fetch what; as it was while the export does not offer it."""
    if dig(export, "status", "phase") != "Ready" or not status.get("includedVolumes"):
        return status
    links = dig(export, "status", "links", default={})
    side = next((links[one] for one in ("external", "internal") if dig(links, one, "backups")), None)
    if side is None or not side.get("cert"):
        return status
    urls = {
        one["name"]: {end["endpoint"]: end["url"] for end in one.get("endpoints") or ()}
        for one in side["backups"]
    }
    volumes = [_with_urls(one, urls.get(one["volumeName"], {})) for one in status["includedVolumes"]]
    told = progressing(status, *EXPORT_READY, now)
    return {**told, "endpointCert": side["cert"], "includedVolumes": volumes}


def _with_urls(volume: Object, urls: Obj) -> Object:
    found: Object = {f"{end}Endpoint": urls[end] for end in ("data", "map") if end in urls}
    return {**volume, **found}
