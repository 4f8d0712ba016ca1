"""Applying an instancetype and a preference to an instance's spec. Changes the spec it is given, and nothing else.

What stands against it, says `checking`.
Origin: kubevirt: pkg/instancetype/{apply,preference/apply}
"""

import struct
from collections.abc import Mapping
from typing import Any

from fakekube.machinery.objects import dig
from fakekube.virt.quantities import binary, whole

Spec = dict[str, Any]
COPIED = (
    # instancetype member, member of the domain's cpu
    ("model", "model"),
    ("dedicatedCPUPlacement", "dedicatedCpuPlacement"),
    ("isolateEmulatorThread", "isolateEmulatorThread"),
    ("numa", "numa"),
    ("realtime", "realtime"),
    ("maxSockets", "maxSockets"),
)
_DEVICE_FLAGS = (
    ("preferredAutoattachGraphicsDevice", "autoattachGraphicsDevice"),
    ("preferredAutoattachInputDevice", "autoattachInputDevice"),
    ("preferredAutoattachMemBalloon", "autoattachMemBalloon"),
    ("preferredAutoattachPodInterface", "autoattachPodInterface"),
    ("preferredAutoattachSerialConsole", "autoattachSerialConsole"),
    ("preferredBlockMultiQueue", "blockMultiQueue"),
    ("preferredDisableHotplug", "disableHotplug"),
    ("preferredNetworkInterfaceMultiQueue", "networkInterfaceMultiqueue"),
    ("preferredRng", "rng"),
    ("preferredTPM", "tpm"),
    ("preferredUseVirtioTransitional", "useVirtioTransitional"),
)
_FEATURES = ("Acpi", "Apic", "Hyperv", "Kvm", "Pvspinlock", "Smm")
_DISK_MEMBERS = (
    ("preferredDiskCache", "cache"),
    ("preferredDiskIO", "io"),
    ("preferredDiskBlockSize", "blockSize"),
)


def expand(template: Spec, size: Mapping[str, Any] | None, preference: Mapping[str, Any] | None) -> None:
    """`apply`, and their annotations where the template has none of that name."""
    apply(template.setdefault("spec", {}), size, preference)
    marks = {**((preference or {}).get("annotations") or {}), **((size or {}).get("annotations") or {})}
    if marks:
        meta = template.setdefault("metadata", {})
        meta["annotations"] = {**marks, **(meta.get("annotations") or {})}


def apply(spec: Spec, size: Mapping[str, Any] | None, preference: Mapping[str, Any] | None) -> None:
    """Write what the instancetype sets, then what the preference suggests and nobody has set."""
    if size is not None:
        _apply_size(spec, size, preference or {})
    if preference:
        _apply_preference(spec, preference)


def _apply_size(spec: Spec, size: Mapping[str, Any], preference: Mapping[str, Any]) -> None:
    domain = spec.setdefault("domain", {})
    cpu = domain.setdefault("cpu", {})
    cpu |= _topology(int(dig(size, "cpu", "guest") or 1), preference)
    for theirs, own in COPIED:
        if dig(size, "cpu", theirs) is not None:
            cpu[own] = size["cpu"][theirs]
    memory = domain.setdefault("memory", {})
    for member in ("guest", "hugepages", "maxGuest"):
        if dig(size, "memory", member) is not None:
            memory[member] = size["memory"][member]
    overcommit = int(dig(size, "memory", "overcommitPercent") or 0)
    if overcommit:
        resources = domain.setdefault("resources", {})
        requested = _overcommitted(str(memory["guest"]), overcommit)
        resources["requests"] = {**(resources.get("requests") or {}), "memory": requested}
    for member in ("gpus", "hostDevices"):
        if size.get(member):
            domain.setdefault("devices", {})[member] = size[member]
    for member in ("ioThreadsPolicy", "ioThreads", "launchSecurity"):
        if size.get(member) is not None:
            domain[member] = size[member]
    for member in ("nodeSelector", "schedulerName"):
        if size.get(member):
            spec[member] = size[member]


def _overcommitted(guest: str, percent: int) -> str:
    """What a guest that is promised more than it gets asks for. Go reckons with 32 bits here, and everybody sees it."""
    share = _single(1 - _single(_single(percent) / 100))
    amount = int(_single(_single(whole(guest)) * share))
    return binary(amount) if guest.endswith("i") else str(amount)


def _single(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def preferred_topology(preference: Mapping[str, Any]) -> str:
    """sockets, cores, threads, spread or any."""
    return str(dig(preference, "cpu", "preferredCPUTopology") or "sockets").removeprefix("prefer").lower()


def spread(preference: Mapping[str, Any]) -> tuple[int, str]:
    """How many go together, and across what CPUs are spread."""
    options = dig(preference, "cpu", "spreadOptions") or {}
    ratio = int(options.get("ratio") or preference.get("preferSpreadSocketToCoreRatio") or 2)
    return ratio, str(options.get("across") or "SocketsCores")


def _topology(cpus: int, preference: Mapping[str, Any]) -> dict[str, int]:
    """How so many virtual CPUs are shown to the guest; as sockets, unless the preference says otherwise."""
    wanted = preferred_topology(preference) if cpus > 1 else "sockets"
    if wanted == "cores":
        return {"sockets": 1, "cores": cpus, "threads": 1}
    if wanted == "threads":
        return {"sockets": 1, "cores": 1, "threads": cpus}
    if wanted != "spread":
        return {"sockets": cpus, "cores": 1, "threads": 1}
    ratio, across = spread(preference)
    if across == "CoresThreads":
        return {"sockets": 1, "cores": max(cpus // ratio, 1), "threads": ratio}
    if across == "SocketsCoresThreads":
        return {"sockets": max(cpus // (2 * ratio), 1), "cores": ratio, "threads": 2}
    return {"sockets": max(cpus // ratio, 1), "cores": ratio, "threads": 1}


def _apply_preference(spec: Spec, preference: Mapping[str, Any]) -> None:
    domain = spec.setdefault("domain", {})
    devices = domain.setdefault("devices", {})
    preferred: Mapping[str, Any] = preference.get("devices") or {}
    for theirs, own in _DEVICE_FLAGS:
        if preferred.get(theirs) is not None:
            devices.setdefault(own, preferred[theirs])
    for disk in devices.get("disks") or ():
        _prefer_disk(disk, preferred)
    for interface in devices.get("interfaces") or ():
        if preferred.get("preferredInterfaceModel"):
            interface.setdefault("model", preferred["preferredInterfaceModel"])
    for one in devices.get("inputs") or ():
        for theirs, own in (("preferredInputBus", "bus"), ("preferredInputType", "type")):
            if preferred.get(theirs):
                one.setdefault(own, preferred[theirs])
    for name in _FEATURES:
        value = dig(preference, "features", f"preferred{name}")
        if value is not None:
            domain.setdefault("features", {}).setdefault(name.lower(), value)
    _prefer_firmware(domain, preference.get("firmware") or {})
    machine_type = dig(preference, "machine", "preferredMachineType")
    if machine_type and not dig(domain, "machine", "type"):
        domain.setdefault("machine", {})["type"] = machine_type
    timer, offset = (dig(preference, "clock", f"preferred{name}") for name in ("Timer", "ClockOffset"))
    if timer is not None:
        domain.setdefault("clock", {}).setdefault("timer", timer)
    if offset is not None and not (domain.get("clock") or {}).keys() & {"utc", "timezone"}:
        domain.setdefault("clock", {}).update(offset)
    for theirs, own in (
        ("preferredSubdomain", "subdomain"),
        ("preferredTerminationGracePeriodSeconds", "terminationGracePeriodSeconds"),
        ("preferredArchitecture", "architecture"),
    ):
        if preference.get(theirs) is not None and not spec.get(own):
            spec[own] = preference[theirs]


def _prefer_disk(disk: Spec, preferred: Mapping[str, Any]) -> None:
    for target, member in (
        ("disk", "preferredDiskBus"),
        ("lun", "preferredLunBus"),
        ("cdrom", "preferredCdromBus"),
    ):
        is_target = disk.get(target) is not None or (
            target == "disk" and not disk.keys() & {"disk", "lun", "cdrom"}
        )
        if is_target and preferred.get(member):
            disk.setdefault(target, {}).setdefault("bus", preferred[member])
    for theirs, own in _DISK_MEMBERS:
        if preferred.get(theirs) is not None:
            disk.setdefault(own, preferred[theirs])
    if preferred.get("preferredDiskDedicatedIoThread") and dig(disk, "disk", "bus") == "virtio":
        disk.setdefault("dedicatedIOThread", True)


def _prefer_firmware(domain: Spec, preferred: Mapping[str, Any]) -> None:
    if dig(domain, "firmware", "bootloader", "efi") is not None or dig(
        domain, "firmware", "bootloader", "bios"
    ):
        return
    loader: Spec = {}
    if preferred.get("preferredUseBios"):
        loader["bios"] = {"useSerial": True} if preferred.get("preferredUseBiosSerial") else {}
    if preferred.get("preferredEfi") is not None:
        loader["efi"] = preferred["preferredEfi"]
    elif preferred.get("preferredUseEfi"):
        secure = preferred.get("preferredUseSecureBoot")
        loader["efi"] = {} if secure is None else {"secureBoot": secure}
    if loader:
        domain.setdefault("firmware", {})["bootloader"] = loader
