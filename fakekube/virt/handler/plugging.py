"""The node side of hot-plugged volumes: mounted into the launcher, shown to the guest, and taken away again. Pure.

Origin: kubevirt: pkg/virt-handler/vm.go (updateHotplugVolumeStatus), pkg/virt-handler/hotplug-disk/mount.go
"""

from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.wire import Object
from fakekube.virt.handler import domain

Event = tuple[str, str]  # reason, message


def next_step(vmi: Obj) -> tuple[list[Object], list[Event]] | None:
    """`status.volumeStatus` after every volume under way has gone one step, and what to tell; None: nothing is under way."""
    devices = domain.targets(vmi)
    made, told = [], []
    for entry in dig(vmi, "status", "volumeStatus", default=()):
        step = _step(entry, devices) if "hotplugVolume" in entry else None
        made.append(entry if step is None else {**entry, **step})
        if step is not None:
            told.append((step["reason"], step["message"]))
    return (made, told) if told else None


def _step(entry: Obj, devices: dict[str, str]) -> Object | None:
    own, phase = entry["name"], entry.get("phase")
    if phase == "AttachedToNode":
        text = f"Volume {own} has been mounted in virt-launcher pod"
        return {"phase": "MountedToPod", "reason": "VolumeMountedToPod", "message": text}
    if phase == "MountedToPod":
        text = f"Successfully attach hotplugged volume {own} to VM"
        return {"phase": "Ready", "reason": "VolumeReady", "message": text, "target": devices.get(own, "")}
    if phase == "Detaching":
        text = f"Volume {own} has been unmounted from virt-launcher pod"
        gone = {"phase": "UnMountedFromPod", "reason": "VolumeUnMountedFromPod", "message": text}
        return {**gone, "target": ""}
    return None
