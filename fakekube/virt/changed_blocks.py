"""Whether the blocks a guest writes are recorded, as machines and instances tell it: what backups only of changes need. Pure.

Origin: kubevirt: pkg/storage/cbt/cbt.go
"""

from collections.abc import Iterable

from fakekube.machinery.objects import Obj, dig

GATE = "IncrementalBackup"
UNDEFINED = ""
PENDING_RESTART = "PendingRestart"
INITIALIZING = "Initializing"
ENABLED = "Enabled"
DISABLED = "Disabled"
GATE_SHUT = "FGDisabled"

_RECORDED = ("persistentVolumeClaim", "dataVolume", "hostDisk")


def state(obj: Obj | None) -> str:
    """What a machine or an instance says of it."""
    return str(dig(obj, "status", "changedBlockTracking", "state", default=UNDEFINED))


def is_on(obj: Obj) -> bool:
    """Whether they are recorded, or will be as soon as the guest runs."""
    return state(obj) in (INITIALIZING, ENABLED)


def is_recorded(volume: Obj) -> bool:
    """Whether it is a volume whose changes can be recorded, and which is backed up."""
    return any(kind in volume for kind in _RECORDED)


def recorded(vmi: Obj) -> list[str]:
    """The volumes of a guest that are backed up, in the order of its disks."""
    volumes: Iterable[Obj] = dig(vmi, "spec", "volumes", default=())
    known = {one["name"] for one in volumes if is_recorded(one)}
    disks: Iterable[Obj] = dig(vmi, "spec", "domain", "devices", "disks", default=())
    return [one["name"] for one in disks if one["name"] in known]


def job(vmi: Obj | None) -> Obj | None:
    """The backup that is being made of a guest, as its instance tells it."""
    found: Obj | None = dig(vmi, "status", "changedBlockTracking", "backupStatus")
    return found


def is_incremental(backup: Obj, tracker: Obj | None) -> bool:
    """Whether a backup begins at the checkpoint of its tracker."""
    known = dig(tracker, "status", "latestCheckpoint", "name")
    return bool(known) and not dig(backup, "spec", "forceFullBackup")
