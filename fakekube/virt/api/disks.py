"""Disks and other devices of an instance's spec: their volumes, buses, boot order. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/vmi-create-admitter.go
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.virt.causes import Cause, not_supported
from fakekube.virt.config import ClusterConfig

_SERIAL = re.compile(r"[A-Za-z0-9_.+-]+")
_LONGEST = 256
_CACHES = ("none", "writethrough", "writeback", "directsync")
_IO_MODES = ("native", "threads", "default")
_TARGETS = ("disk", "lun", "cdrom")


def boot_order(path: str, spec: Mapping[str, Any], config: ClusterConfig) -> Iterator[Cause]:
    """Disks have volumes; no two devices have the same place in the boot order."""
    sources = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    devices = spec["domain"].get("devices") or {}
    taken: set[int] = set()
    field = f"{path}.domain.devices.disks"
    for index, disk in enumerate(devices.get("disks") or ()):
        here = f"{field}[{index}]"
        source = sources.get(disk["name"])
        if source is None:
            yield from _without_volume(here, disk, config)
        elif disk.get("lun") is not None and not (source.keys() & {"persistentVolumeClaim", "dataVolume"}):
            yield Cause(
                f"{here}.lun can only be mapped to a DataVolume or PersistentVolumeClaim volume.",
                f"{here}.lun",
            )
        order = disk.get("bootOrder")
        if order is not None:
            if order in taken:
                yield Cause(
                    f"Boot order for {here}.bootOrder already set for a different device.",
                    f"{here}.bootOrder",
                )
            taken.add(order)
    for index, interface in enumerate(devices.get("interfaces") or ()):
        order = interface.get("bootOrder")
        if order is None:
            continue
        here = f"{path}.domain.devices.interfaces[{index}].bootOrder"
        if order < 1:
            # Upstream indexes the spec itself here; the text is kept.
            yield Cause(
                f"{path}[{index}] must have a boot order > 0, if supplied", f"{path}[{index}].bootOrder"
            )
        elif order in taken:
            yield Cause(f"Boot order for {here} already set for a different device.", here)
        taken.add(order)


def _without_volume(here: str, disk: Mapping[str, Any], config: ClusterConfig) -> Iterator[Cause]:
    if disk.get("cdrom") is None:
        yield Cause(f"{here}.Name '{disk['name']}' not found.", f"{here}.name")
    elif not config.gate("DeclarativeHotplugVolumes"):
        yield Cause(
            "DeclarativeHotplugVolumes feature gate not enabled, cannot define an empty CD-ROM disk",
            f"{here}.name",
        )


def disks(field: str, listed: list[dict[str, Any]]) -> Iterator[Cause]:
    """Every disk for itself."""
    for index, disk in enumerate(listed):
        here = f"{field}[{index}]"
        for other in range(index):
            if listed[other]["name"] == disk["name"]:
                yield Cause(f"{here} and {field}[{other}] must not have the same Name.", f"{here}.name")
        if sum(disk.get(target) is not None for target in _TARGETS) > 1:
            yield Cause(f"{here} can only have a single target type defined", here)
        if disk.get("bootOrder") is not None and disk["bootOrder"] < 1:
            yield Cause(f"{here} must have a boot order > 0, if supplied", f"{here}.bootOrder")
        yield from _bus(here, field, index, disk)
        yield from _serial(here, disk)
        yield from _modes(here, disk)


def _bus(here: str, field: str, index: int, disk: Mapping[str, Any]) -> Iterator[Cause]:
    target = next((name for name in _TARGETS if disk.get(name) is not None), "")
    bus = (disk.get(target) or {}).get("bus") if target else None
    if not bus:
        return
    where = f"{here}.{target}.bus"
    if bus == "ide":
        yield Cause("IDE bus is not supported", where)
    elif bus == "virtio":
        if target == "cdrom":
            yield Cause(f"Bus type {bus} is invalid for CD-ROM device", where)
    elif bus == "sata":
        if target == "disk" and disk["disk"].get("readonly"):
            yield Cause(f"{bus} hard-disks do not support read-only.", where)
    elif bus not in ("scsi", "usb"):
        yield Cause(
            f"{here} is set with an unrecognized bus {bus}, must be one of: [virtio scsi sata usb]", where
        )
    if disk.get("dedicatedIOThread") and bus != "virtio":
        yield not_supported(
            f"IOThreads are not supported for disks on a {bus} bus", f"{field}.domain.devices.disks[{index}]"
        )


def _serial(here: str, disk: Mapping[str, Any]) -> Iterator[Cause]:
    serial = disk.get("serial")
    if not serial:
        return
    if not _SERIAL.fullmatch(serial):
        yield Cause(
            f"{here} must be made up of the following characters [A-Za-z0-9_.+-], if specified",
            f"{here}.serial",
        )
    if len(serial) > _LONGEST:
        yield Cause(
            f"{here} must be less than or equal to {_LONGEST} in length, if specified", f"{here}.serial"
        )


def _modes(here: str, disk: Mapping[str, Any]) -> Iterator[Cause]:
    cache, mode = disk.get("cache"), disk.get("io")
    if cache and cache not in _CACHES:
        yield Cause(f"{here} has invalid value {cache}", f"{here}.cache")
    if mode and mode not in _IO_MODES:
        yield not_supported(
            f"Disk IO mode for {here} is not supported. Supported modes are: native, threads, default.",
            f"{here}.io",
        )


def serial_number(path: str, spec: Mapping[str, Any]) -> Iterator[Cause]:
    """The system's serial number."""
    serial = (spec["domain"].get("firmware") or {}).get("serial")
    where = f"{path}.domain.firmware.serial"
    if not serial:
        return
    if len(serial) > _LONGEST:
        yield Cause(f"{where} must be less than or equal to {_LONGEST} in length, if specified", where)
    if not _SERIAL.fullmatch(serial):
        yield Cause(
            f"{where} must be made up of the following characters [A-Za-z0-9_.+-], if specified", where
        )


def inputs(path: str, spec: Mapping[str, Any]) -> Iterator[Cause]:
    """Input devices are tablets on virtio or USB."""
    for index, one in enumerate((spec["domain"].get("devices") or {}).get("inputs") or ()):
        here = f"{path}.domain.devices.inputs[{index}]"
        if one.get("bus") not in (None, "", "virtio", "usb"):
            yield Cause("Input device can have only virtio or usb bus.", f"{here}.bus")
        if one.get("type") != "tablet":
            yield Cause("Input device can have only tablet type.", f"{here}.type")
