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
Step = tuple[list[Object], list[Event]]  # `status.volumeStatus` then, and what to tell

_UNMOUNTED = "VolumeUnMountedFromPod"
_AFTER_UNMOUNTING = (_UNMOUNTED, "SuccessfulDelete")  # reasons of entries that say `Detaching` once more
_ATTACHED = ("AttachedToNode", "MountedToPod", "Ready")


def next_step(vmi: Obj, now: datetime) -> Step | None:
    """`status.volumeStatus` after every volume under way has gone one step, and what to tell; None: nothing is under way."""
    entries = dig(vmi, "status", "volumeStatus", default=())
    if not any("hotplugVolume" in entry or "memoryDumpVolume" in entry for entry in entries):
        return None
    beside = {one["name"] for one in dig(vmi, "spec", "utilityVolumes", default=())}
    wanted = _wanted(vmi)
    made, told = [], []
    taken = [entry["target"] for entry in entries if entry.get("target")]
    for entry in entries:
        step = None
        if "memoryDumpVolume" in entry:
            step = _dumping(entry, name(vmi), now)
        if "hotplugVolume" in entry:
            step = step or (None if _is_there(entry, beside) else _step(entry, wanted))
        if step is not None and step["phase"] == "Ready":
            step["target"] = entry.get("target") or domain.free_target(vmi, entry["name"], taken)
            taken.append(step["target"])
        made.append(entry if step is None else {**entry, **step})
        if step is not None:
            told.append((step["reason"], step["message"]))
    return (made, told) if told else None


def leave(vmi: Obj) -> Step | None:
    """The same for volumes that are not in the spec any more, without waiting to be told that they are detaching; None: there
    are none. KubeVirt's virt-controller tells so only once they are unmounted."""
    entries = dig(vmi, "status", "volumeStatus", default=())
    if not any(entry.get("phase") in _ATTACHED for entry in entries if "hotplugVolume" in entry):
        return None
    wanted = _wanted(vmi)
    made, told = [], []
    for entry in entries:
        if "hotplugVolume" in entry and entry.get("phase") in _ATTACHED and entry["name"] not in wanted:
            step = _unmounted(entry["name"])
            told.append((step["reason"], step["message"]))
            made.append({**entry, **step})
        else:
            made.append(entry)
    return (made, told) if told else None


def _wanted(vmi: Obj) -> set[str]:
    spec = vmi["spec"]
    return {one["name"] for one in (*(spec.get("volumes") or ()), *(spec.get("utilityVolumes") or ()))}


def _is_there(entry: Obj, beside: Container[str]) -> bool:
    """Whether it is mounted beside the guest: the guest sees nothing of it."""
    return entry["name"] in beside and entry.get("phase") == "MountedToPod"


def _step(entry: Obj, wanted: Container[str]) -> Object | None:
    own, phase = entry["name"], entry.get("phase")
    if own not in wanted and phase != "Detaching":
        return None
    if phase == "AttachedToNode" and dig(
        entry, "hotplugVolume", "attachPodUID"
    ):  # the pod that brings it runs
        text = f"Volume {own} has been mounted in virt-launcher pod"
        return {"phase": "MountedToPod", "reason": "VolumeMountedToPod", "message": text}
    if phase == "MountedToPod":
        text = f"Successfully attach hotplugged volume {own} to VM"
        return {"phase": "Ready", "reason": "VolumeReady", "message": text}
    if phase == "Detaching" and entry.get("reason") not in _AFTER_UNMOUNTING:
        return _unmounted(own)
    return None


def _unmounted(own: str) -> Object:
    text = f"Volume {own} has been unmounted from virt-launcher pod"
    return {"phase": "UnMountedFromPod", "reason": _UNMOUNTED, "message": text, "target": ""}


def _dumping(entry: Obj, guest: str, now: datetime) -> Object | None:
    """A claim mounted for a memory dump receives it; what lies there then is `dumps`' business."""
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
