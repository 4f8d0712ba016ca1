"""What is exported: the claims of a claim's, a machine's or a snapshot's export, and why it cannot be served yet. Pure.

Origin: kubevirt: pkg/storage/export/export/{pvc-source,vm-source,vmsnapshot-source}.go
"""

from collections.abc import Sequence

from msgspec import Struct

from fakekube.machinery.objects import Obj, condition, controller_of, dig
from fakekube.machinery.wire import Object

IN_USE = "InUse"
_BACKUP_READY = "VirtualMachineBackupReady"
_NOT_POPULATED = "Not all volumes in the Virtual Machine {} are populated"


class Offer(Struct, frozen=True):
    """What there is to export. `obstacle` · `message`: why not now; `claims_said`: reason and message of PVCReady."""

    claims: Sequence[Object] = ()
    obstacle: str = ""
    message: str = ""
    claims_said: tuple[str, str] = ("Unknown", "")
    empty: bool = False  # there is nothing to export, and nothing to wait for
    machine: str | None = None
    backup: Object | None = None
    told: tuple[str, str] | None = None  # of Ready, whatever the pod is like

    @property
    def available(self) -> bool:
        return not self.obstacle and bool(self.claims or self.backup)


def of_claim(own: str, claim: Object | None, volume: Obj | None, *, used: bool) -> Offer:
    """`own`: namespace and name; `volume`: the DataVolume the claim belongs to, if there is one."""
    if claim is None:
        said = ("PVCNotFound", f"PersistentVolumeClaim {own} not found")
        return Offer(obstacle="Initializing", claims_said=said)
    told = _bound([claim])
    if not is_populated(claim, volume):
        return Offer([claim], "PVCPending", f"PersistentVolumeClaim {own} is not populated", told)
    if used:
        return Offer([claim], IN_USE, f"PersistentVolumeClaim {own} is in use", told)
    return Offer([claim], claims_said=told)


def of_machine(own: str, machine: str, claims: Sequence[Object], *, populated: bool, runs: bool) -> Offer:
    """`claims`: those that are there; `populated`: whether these are all, and filled."""
    if not claims and populated:
        text = f"Virtual Machine {own} has no volumes"
        return Offer(obstacle="VMNoVolumes", message=text, empty=True, machine=machine)
    told = _bound(claims)
    if not populated:
        return Offer(claims, IN_USE, _NOT_POPULATED.format(own), told, machine=machine)
    if runs:
        return Offer(claims, IN_USE, f"Virtual Machine {own} is running", told, machine=machine)
    return Offer(claims, claims_said=told, machine=machine)


def of_backup(backup: Object | None) -> Offer:
    """What a backup that is to be fetched offers, as long as its launcher waits for that."""
    if backup is None:
        return _no_backup("VMBackup does not exist yet")
    if not backup.get("status"):
        return _no_backup("VMBackup is not progressing")
    if not dig(backup, "status", "includedVolumes"):
        return _no_backup("VMBackup has no included volumes")
    said = condition(backup, "Progressing")
    if said is None:
        return _no_backup("VMBackup progressing condition not found")
    if said["status"] != "True":
        return _no_backup(said["message"])
    return Offer(backup=backup, told=(_BACKUP_READY, said["message"]))


def _no_backup(why: str) -> Offer:
    return Offer(obstacle=_BACKUP_READY, message=why, told=(_BACKUP_READY, why))


def is_populated(claim: Obj, volume: Obj | None) -> bool:
    """Whether nobody is filling the claim any more."""
    owner = controller_of(claim)
    if owner is None or owner.get("kind") != "DataVolume":
        return True
    return bool(dig(volume, "status", "phase") == "Succeeded")


def _bound(claims: Sequence[Obj]) -> tuple[str, str]:
    phases = {dig(claim, "status", "phase") for claim in claims}
    if "Lost" in phases:
        return "Unknown", ""
    return ("PVCBound" if phases <= {"Bound"} else "PVCPending"), ""
