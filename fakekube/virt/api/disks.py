"""Disks of an instance's spec: their volumes, buses, boot order. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/vmi-create-admitter.go, pkg/storage/admitters/disks.go
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.machinery import names
from fakekube.virt.causes import Cause, not_supported, required
from fakekube.virt.config import ClusterConfig

_SERIAL = re.compile(r"[A-Za-z0-9_.+-]+")
_LONGEST = 256
_CACHES = ("none", "writethrough", "writeback", "directsync")
_IO_MODES = ("native", "threads")
_ERROR_POLICIES = ("stop", "ignore", "report", "enospace")
_TARGETS = ("disk", "lun", "cdrom")
_SMALLEST_BLOCK, _LARGEST_BLOCK = 512, 2 * 2**20
PCI = re.compile(r"[\da-fA-F]{4}:[\da-fA-F]{2}:[0-1][\da-fA-F]\.[0-7]")


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
        if source is not None and source.get("downwardMetrics") is not None:
            yield from _metrics(f"{here}.disk", disk.get("disk"))
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


def _metrics(here: str, disk: Mapping[str, Any] | None) -> Iterator[Cause]:
    if disk is None:
        yield required(
            f"DownwardMetrics volume must be mapped to a disk, but disk is not set on {here}.", here
        )
    elif disk.get("bus") not in (None, "", "virtio"):
        yield Cause(
            f"DownwardMetrics volume must be mapped to virtio bus, but {here}.bus is set to {disk['bus']}",
            f"{here}.bus",
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
        at = f"{field}.domain.devices.disks"  # upstream begins the way anew
        yield from _pci_address(f"{at}.disk[{index}]", disk.get("disk") or {})
        if disk.get("bootOrder") is not None and disk["bootOrder"] < 1:
            yield Cause(f"{here} must have a boot order > 0, if supplied", f"{here}.bootOrder")
        yield from _bus(here, f"{at}[{index}]", disk)
        yield from _serial(here, disk)
        yield from _modes(here, field, f"{at}[{index}]", disk)
        for text in names.label(disk["name"]):  # which becomes the name of a container
            yield Cause(text, f"{at}[{index}].name")
        yield from _block_size(f"{here}.blockSize", disk)


def _target(disk: Mapping[str, Any]) -> str:
    return next((name for name in _TARGETS if disk.get(name) is not None), "")


def _pci_address(here: str, disk: Mapping[str, Any]) -> Iterator[Cause]:
    address = disk.get("pciAddress")
    if not address:
        return
    if disk.get("bus") != "virtio":
        yield Cause(
            f"disk {here}.name - setting a PCI address is only possible with bus type virtio.",
            f"{here}.pciAddress",
        )
    if not PCI.fullmatch(address):
        yield Cause(f"disk {here}.name has malformed PCI address ({address}).", f"{here}.pciAddress")


def _bus(here: str, again: str, disk: Mapping[str, Any]) -> Iterator[Cause]:
    target = _target(disk)
    bus = (disk.get(target) or {}).get("bus") if target else None
    if bus:
        yield from _known_bus(here, target, bus, disk)
        if disk.get("dedicatedIOThread") and bus != "virtio":
            yield not_supported(f"IOThreads are not supported for disks on a {bus} bus", again)
    lun = disk.get("lun") or {}
    if lun.get("reservation") and lun.get("bus") != "scsi":
        text = f"Persistent reservation requires a SCSI bus, but {lun.get('bus') or ''} was specified"
        yield Cause(text, f"{here}.lun.bus")


def _known_bus(here: str, target: str, bus: str, disk: Mapping[str, Any]) -> Iterator[Cause]:
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


def _modes(here: str, field: str, again: str, disk: Mapping[str, Any]) -> Iterator[Cause]:
    cache, mode, policy = disk.get("cache"), disk.get("io"), disk.get("errorPolicy")
    if cache and cache not in _CACHES:
        yield Cause(f"{here}.cache has invalid value {cache}", f"{here}.cache")
    if mode and mode not in _IO_MODES:
        yield not_supported(
            f"Disk IO mode for {field} is not supported. Supported modes are: native, threads.", f"{again}.io"
        )
    if policy is not None and policy not in _ERROR_POLICIES:
        yield Cause(f'{here}.errorPolicy has invalid value "{policy}"', f"{here}.errorPolicy")


def _block_size(here: str, disk: Mapping[str, Any]) -> Iterator[Cause]:
    given = disk.get("blockSize") or {}
    custom, match = given.get("custom"), given.get("matchVolume")
    if custom is None:
        return
    if match is not None and match.get("enabled") is not False:
        yield Cause("Block size matching can't be enabled together with a custom value", here)
        return
    logical, physical = custom.get("logical") or 0, custom.get("physical") or 0
    granularity, at = custom.get("discardGranularity"), f"{here}.custom"
    if logical > physical:
        text = f"Logical size {logical} must be the same or less than the physical size of {physical}"
        yield Cause(text, f"{at}.logical")
    elif (disk.get(_target(disk)) or {}).get("bus") == "sata" and logical != _SMALLEST_BLOCK:
        text = f"Logical size {logical} must be {_SMALLEST_BLOCK} for SATA devices"
        yield Cause(text, f"{at}.logical")
    elif granularity is not None and logical and granularity % logical:
        text = f"Discard granularity {granularity} must be multiples of logical size {logical}"
        yield Cause(text, f"{at}.discardGranularity")
    else:
        for kind, size in (("logical", logical), ("physical", physical)):
            if text := _wrong_size(size):
                yield Cause(f"Provided size of {size} is {text}", f"{at}.{kind}")


def _wrong_size(size: int) -> str:
    if size < _SMALLEST_BLOCK:
        return f"less than the supported minimum size of {_SMALLEST_BLOCK}"
    if size > _LARGEST_BLOCK:
        return f"greater than the supported maximum size of {_LARGEST_BLOCK}"
    return "not a power of 2" if size & (size - 1) else ""


def file_path(here: str, path: str) -> Iterator[Cause]:
    """A path in a container's image: absolute, and not the root."""
    if path == "/":
        yield Cause(f"{here} must not point to root", here)
    elif posixpath.normpath(f"/{path.lstrip('/')}") != path.removesuffix("/"):
        yield Cause(f"{here} must be an absolute path to a file without relative components", here)


def serial_number(path: str, spec: Mapping[str, Any]) -> Iterator[Cause]:
    """The system's serial number."""
    serial = (spec["domain"].get("firmware") or {}).get("serial")
    where = f"{path}.domain.firmware.serial"
    if not serial:
        return
    if len(serial.encode()) > _LONGEST:
        yield Cause(f"{where} must be less than or equal to {_LONGEST} in length, if specified", where)
    if not _SERIAL.fullmatch(serial):
        yield Cause(
            f"{where} must be made up of the following characters [A-Za-z0-9_.+-], if specified", where
        )
