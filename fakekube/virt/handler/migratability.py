"""Whether a running guest can be moved, and how: what its VMI says of that. Pure.

Origin: kubevirt: pkg/virt-handler/vm.go (calculateLiveMigrationCondition)
"""

from collections.abc import Callable, Iterable
from typing import Any

from fakekube.machinery.objects import Obj, annotations, dig
from fakekube.machinery.wire import Object
from fakekube.virt import tsc

_ALLOW_BRIDGE = "kubevirt.io/allow-pod-bridge-network-live-migration"
_NETWORK_TEXT = (
    "cannot migrate VMI which does not use masquerade or a migratable plugin to connect to the pod network"
)

Movable = Callable[[str], bool]


def immovable(_plugin: str) -> bool:
    return False


def conditions(vmi: Obj, movable: Movable = immovable) -> list[dict[str, Any]]:
    """The conditions LiveMigratable and StorageLiveMigratable; of several reasons against it the first is told. `movable`: whether
    a binding plugin says that it bears migrations."""
    bound = [*_network_reasons(vmi, movable), *_host_reasons(vmi)]
    reasons = [*bound, *_disk_reasons(vmi)]
    live = _told("LiveMigratable", *(reasons[0] if reasons else ("", "")))
    text = ", ".join(f"{reason}: {message}" for reason, message in bound)
    return [live, _told("StorageLiveMigratable", "NotMigratable" if bound else "", text)]


def reconsidered(vmi: Obj, movable: Movable = immovable) -> Object | None:
    """`status` of a running guest that can move where it could not, or the other way round, since its claims are others; None
    where there is nothing to tell. While it moves, and before all claims are known, nothing is."""
    status: Object = vmi.get("status") or {}
    claims = {
        one["name"]
        for one in dig(vmi, "spec", "volumes", default=())
        if "persistentVolumeClaim" in one or "dataVolume" in one
    }
    known = {one["name"] for one in status.get("volumeStatus") or () if one.get("persistentVolumeClaimInfo")}
    state = status.get("migrationState")
    if not claims <= known or not known or (state is not None and not state.get("completed")):
        return None
    told = {one["type"]: one for one in conditions(vmi, movable)}
    listed = list(status.get("conditions") or ())
    now = method(vmi)
    same = all(told.get(one["type"], one).get("message") == one.get("message") for one in listed)
    if same and status.get("migrationMethod", now) == now:
        return None
    changed = [told.get(one["type"], one) for one in listed]
    return {**status, "conditions": changed, "migrationMethod": now}


def method(vmi: Obj) -> str:
    """BlockMigration as soon as there is a local disk one can write to; upstream means by that all but CD-ROMs."""
    devices = dig(vmi, "spec", "domain", "devices", default={})
    elsewhere = {one["name"] for one in devices.get("filesystems") or ()}
    elsewhere |= {
        one["name"]
        for one in devices.get("disks") or ()
        if "cdrom" in one and dig(one, "cdrom", "readonly", default=True)
    }
    if any(True for _ in _disk_reasons(vmi)) or _moved_volumes(vmi):
        return "BlockMigration"
    for volume in dig(vmi, "spec", "volumes", default=()):
        shared = {"persistentVolumeClaim", "dataVolume", "hostDisk"} & volume.keys()
        if not shared and volume["name"] not in elsewhere:
            return "BlockMigration"
    return "LiveMigration"


def _told(type_: str, reason: str, message: str) -> dict[str, Any]:
    made: dict[str, Any] = {"type": type_, "status": "False" if reason else "True"}
    made |= {"lastProbeTime": None, "lastTransitionTime": None}
    return made | ({"reason": reason, "message": message} if reason else {})


def _network_reasons(vmi: Obj, movable: Movable) -> Iterable[tuple[str, str]]:
    if _ALLOW_BRIDGE in annotations(vmi):
        return
    pod_networks = {one["name"] for one in dig(vmi, "spec", "networks", default=()) if "pod" in one}
    for interface in dig(vmi, "spec", "domain", "devices", "interfaces", default=()):
        moves = "masquerade" in interface or "passtBinding" in interface
        if interface.get("name") in pod_networks and not moves and not movable(_plugin(interface)):
            yield "InterfaceNotLiveMigratable", _NETWORK_TEXT
            return


def _plugin(interface: Obj) -> str:
    return str(dig(interface, "binding", "name", default=""))


def _host_reasons(vmi: Obj) -> Iterable[tuple[str, str]]:
    """What binds the guest to the host it is on."""
    spec = dig(vmi, "spec", "domain", default={})
    devices, security = spec.get("devices") or {}, spec.get("launchSecurity")
    if devices.get("hostDevices") or devices.get("gpus"):
        yield "HostDeviceNotLiveMigratable", "VMI uses a PCI host devices"
    if {"sev", "snp"} & (security or {}).keys():
        yield "SEVNotLiveMigratable", "VMI uses SEV"
    elif "tdx" in (security or {}):
        yield "TDXNotLiveMigratable", "VMI uses TDX"
    if security is not None and dig(vmi, "spec", "architecture") == "s390x":
        yield "SecureExecutionNotLiveMigratable", "VMI uses Secure Execution"
    if any(dig(one, "lun", "reservation") for one in devices.get("disks") or ()):
        yield "PersistentReservationNotLiveMigratable", "VMI uses SCSI persistent reservation"
    if tsc.is_enlightened(vmi) and not tsc.has_invariant(vmi) and not tsc.is_hinted(vmi):
        yield "NoTSCFrequencyNotLiveMigratable", tsc.NOT_MIGRATABLE
    if dig(spec, "features", "hypervPassthrough", "enabled"):
        yield "HypervPassthroughNotLiveMigratable", "VMI uses hyperv passthrough"


def _disk_reasons(vmi: Obj) -> Iterable[tuple[str, str]]:
    shared = _shared_volumes(vmi) | _moved_volumes(vmi)
    for volume in dig(vmi, "spec", "volumes", default=()):
        source = volume.get("persistentVolumeClaim") or volume.get("dataVolume")
        if source and volume["name"] not in shared:
            claim = source.get("claimName") or source.get("name")
            text = (
                f"cannot migrate VMI: PVC {claim} is not shared, live migration requires that all PVCs must be "
                "shared (using ReadWriteMany access mode)"
            )
            yield "DisksNotLiveMigratable", text
            return
        if "hostDisk" in volume and not volume["hostDisk"].get("shared"):
            yield "DisksNotLiveMigratable", "cannot migrate VMI with non-shared HostDisk"
            return


def _moved_volumes(vmi: Obj) -> set[str]:
    """Those that are to be copied to other claims, by the guest's next migration."""
    return {one["volumeName"] for one in dig(vmi, "status", "migratedVolumes", default=())}


def _shared_volumes(vmi: Obj) -> set[str]:
    return {
        entry["name"]
        for entry in dig(vmi, "status", "volumeStatus", default=())
        if "ReadWriteMany" in dig(entry, "persistentVolumeClaimInfo", "accessModes", default=())
    }
