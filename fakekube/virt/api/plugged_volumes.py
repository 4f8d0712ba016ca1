"""What KubeVirt's components change of a running guest's volumes: plugged ones come and go, the others stay. Pure.

Nobody else may change them at all. Only the first thing that is wrong is told, as upstream does.
Origin: kubevirt: pkg/storage/admitters/storagehotplug.go
"""

from collections.abc import Iterator
from itertools import islice

from fakekube.machinery.objects import Obj, dig
from fakekube.virt.causes import Cause
from fakekube.virt.config import ClusterConfig

_SOURCES = ("dataVolume", "persistentVolumeClaim", "memoryDump")
_BUSES = ("scsi", "virtio")
_HOTPLUG = "Hotplug configuration for"

Named = dict[str, Obj]


def update(vmi: Obj, old: Obj, config: ClusterConfig) -> list[Cause]:
    """What is wrong with the volumes and disks of a changed instance."""
    volumes, disks = _named(vmi, "volumes"), _named(vmi, "domain", "devices", "disks")
    before, disks_before = _named(old, "volumes"), _named(old, "domain", "devices", "disks")
    if volumes == before and disks == disks_before:
        return []
    told = dig(old, "status", "volumeStatus", default=())
    permanent = {one["name"] for one in told if "hotplugVolume" not in one}
    moved = {one.get("volumeName") for one in dig(vmi, "status", "migratedVolumes", default=())}

    def of(listed: Named, *, stays: bool) -> Named:
        return {own: one for own, one in listed.items() if (own in permanent) == stays}

    def found() -> Iterator[Cause]:
        yield from _mismatch(vmi, volumes, disks, config)
        yield from _permanent(of(volumes, stays=True), of(before, stays=True), disks, disks_before, moved)
        yield from _plugged(of(volumes, stays=False), of(before, stays=False), disks, disks_before, moved)

    return list(islice(found(), 1))


def _named(vmi: Obj, *path: str) -> Named:
    return {one["name"]: one for one in dig(vmi, "spec", *path, default=())}


def _mismatch(vmi: Obj, volumes: Named, disks: Named, config: ClusterConfig) -> Iterator[Cause]:
    """A disk or file system for each volume, but for dumps of memory; drives for CDs may be empty."""
    declared = {own for own, one in volumes.items() if "memoryDump" not in one}
    may_be_empty = config.gate("DeclarativeHotplugVolumes")
    needed = [own for own, one in disks.items() if own in declared or "cdrom" not in one or not may_be_empty]
    wanted = len(needed) + len(dig(vmi, "spec", "domain", "devices", "filesystems", default=()))
    if wanted != len(declared):
        yield Cause(f"mismatch between volumes declared ({len(declared)}) and required ({wanted})")


def _permanent(volumes: Named, before: Named, disks: Named, old: Named, moved: set[str]) -> Iterator[Cause]:
    if len(volumes) != len(before):
        yield Cause("Number of permanent volumes has changed")
    for own, one in volumes.items():
        if own not in before:
            yield Cause(f"permanent volume {own}, not found")
        elif own in moved:
            continue
        elif one != before[own]:
            yield Cause(f"permanent volume {own}, changed")
        elif disks.get(own) != old.get(own):
            yield Cause(f"permanent disk {own}, changed")


def _plugged(volumes: Named, before: Named, disks: Named, old: Named, moved: set[str]) -> Iterator[Cause]:
    for own, one in volumes.items():
        dumped, disk = "memoryDump" in one, disks.get(own)
        if own in before:
            if one != before[own] and own not in moved:
                yield Cause(f"hotplug volume {own}, changed")
            if not dumped and disk is None:
                yield Cause(f"volume {own} doesn't have a matching disk")
            if not dumped and disk != old.get(own):
                yield Cause(f"hotplug disk {own}, changed")
            continue
        if not any(source in one for source in _SOURCES):
            yield Cause(f"volume {own} is not a PVC or DataVolume")
        if not dumped and disk is None:
            yield Cause(f"disk {own} does not exist")
        elif not dumped and disk is not None and own not in old:
            yield from _configured(disk, own)


def _configured(disk: Obj, own: str) -> Iterator[Cause]:
    """How a disk is that can be plugged."""
    bus = dig(disk, "disk" if "disk" in disk else "lun", "bus", default="")
    if "disk" in disk:
        if bus not in _BUSES:
            text = f"disk [{own}] requires bus to be 'scsi' or 'virtio'. [{bus}] is not permitted."
            yield Cause(f"{_HOTPLUG} {text}")
    elif "lun" in disk:
        if bus != "scsi":
            yield Cause(f"{_HOTPLUG} LUN [{own}] requires bus to be 'scsi'. [{bus}] is not permitted.")
    else:
        yield Cause(f"{_HOTPLUG} [{own}] requires diskDevice of type 'disk' or 'lun' to be used.")
    if disk.get("dedicatedIOThread") and bus != "virtio":
        yield Cause(f"{_HOTPLUG} [{own}] requires virtio bus for IOThreads.")
    if (disk.get("bootOrder") or 1) < 1:
        at = "spec.domain.devices.disks[1]"  # upstream's index
        yield Cause(f"{at} must have a boot order > 0, if supplied", f"{at}.bootOrder")
