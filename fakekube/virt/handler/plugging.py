"""The node side of hot-plugged volumes: mounted into the launcher, shown to the guest, and taken away again; and of
memory dumps, which go into a volume that is plugged in for them. Pure.

Origin: kubevirt: pkg/virt-handler/vm.go (updateHotplugVolumeStatus), pkg/virt-handler/hotplug-disk/mount.go
"""

from collections.abc import Container
from datetime import datetime

from fakekube.clock import rfc3339
from fakekube.machinery.objects import Obj, dig, name
from fakekube.machinery.wire import Object
from fakekube.virt.handler import domain

Event = tuple[str, str]  # reason, message


def next_step(vmi: Obj, now: datetime) -> tuple[list[Object], list[Event]] | None:
    """`status.volumeStatus` after every volume under way has gone one step, and what to tell; None: nothing is under way."""
    entries = dig(vmi, "status", "volumeStatus", default=())
    if not any("hotplugVolume" in entry or "memoryDumpVolume" in entry for entry in entries):
        return None
    beside = {one["name"] for one in dig(vmi, "spec", "utilityVolumes", default=())}
    made, told = [], []
    taken = [entry["target"] for entry in entries if entry.get("target")]
    for entry in entries:
        step = None
        if "memoryDumpVolume" in entry:
            step = _dumping(entry, name(vmi), now)
        if "hotplugVolume" in entry:
            step = step or (None if _is_there(entry, beside) else _step(entry))
        if step is not None and step["phase"] == "Ready":
            step["target"] = entry.get("target") or domain.free_target(vmi, entry["name"], taken)
            taken.append(step["target"])
        made.append(entry if step is None else {**entry, **step})
        if step is not None:
            told.append((step["reason"], step["message"]))
    return (made, told) if told else None


def _is_there(entry: Obj, beside: Container[str]) -> bool:
    """Whether it is mounted beside the guest: the guest sees nothing of it."""
    return entry["name"] in beside and entry.get("phase") == "MountedToPod"


def _step(entry: Obj) -> Object | None:
    own, phase = entry["name"], entry.get("phase")
    if phase == "AttachedToNode":
        text = f"Volume {own} has been mounted in virt-launcher pod"
        return {"phase": "MountedToPod", "reason": "VolumeMountedToPod", "message": text}
    if phase == "MountedToPod":
        text = f"Successfully attach hotplugged volume {own} to VM"
        return {"phase": "Ready", "reason": "VolumeReady", "message": text}
    if phase == "Detaching":
        text = f"Volume {own} has been unmounted from virt-launcher pod"
        gone = {"phase": "UnMountedFromPod", "reason": "VolumeUnMountedFromPod", "message": text}
        return {**gone, "target": ""}
    return None


def _dumping(entry: Obj, guest: str, now: datetime) -> Object | None:
    """A claim mounted for a memory dump receives it; nothing is written into it, as there is no memory to write."""
    own, told = entry["name"], entry["memoryDumpVolume"]
    if entry.get("phase") == "MountedToPod":
        file = f"{guest}-{own}-{now:%Y%m%d-%H%M%S}.memory.dump"
        begun = {**told, "startTimestamp": rfc3339(now), "targetFileName": file}
        text = f"Memory dump Volume {own} is attached, getting memory dump"
        return {
            "phase": "MemoryDumpInProgress",
            "reason": "VolumeMountedToPod",
            "message": text,
            "memoryDumpVolume": begun,
        }
    if entry.get("phase") == "MemoryDumpInProgress":
        return {
            "phase": "MemoryDumpCompleted",
            "reason": "VolumeReady",
            "message": f"Memory dump to Volume {own} has completed successfully",
            "memoryDumpVolume": {**told, "endTimestamp": rfc3339(now)},
        }
    return None
