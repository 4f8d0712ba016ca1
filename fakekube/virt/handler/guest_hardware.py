"""What a guest finds of the machine it runs on: memory, firmware, USB, and who virtualizes it. Pure."""

import re
from collections.abc import Iterator, Mapping

from fakekube.agents.node_server.place import Container, Done, Program, failed
from fakekube.machinery.objects import Obj, annotations, dig

_DMI = "/sys/class/dmi/id/"
_HYPERVISOR = "/run/hypervisor"
_ZONE = "/run/timezone"  # its clock goes by
_FLAGS = (
    "fpu de pse tsc msr pae cx8 apic sep pge cmov pat clflush mmx fxsr sse sse2 ht syscall nx lm hypervisor"
)
_KERNEL = 20 << 10  # KiB of memory its kernel keeps for itself
_UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_KEYWORDS = {
    "baseboard-manufacturer": "board_vendor",
    "chassis-asset-tag": "chassis_asset_tag",
    "chassis-manufacturer": "chassis_vendor",
    "chassis-serial-number": "chassis_serial",
    "chassis-version": "chassis_version",
    "system-family": "product_family",
    "system-manufacturer": "sys_vendor",
    "system-product-name": "product_name",
    "system-serial-number": "product_serial",
    "system-sku-number": "product_sku",
    "system-uuid": "product_uuid",
    "system-version": "product_version",
}
_OF_SYSTEM = {
    "family": "product_family",
    "manufacturer": "sys_vendor",
    "product": "product_name",
    "serial": "product_serial",
    "sku": "product_sku",
    "uuid": "product_uuid",
    "version": "product_version",
}
_OF_CHASSIS = {
    "asset": "chassis_asset_tag",
    "manufacturer": "chassis_vendor",
    "serial": "chassis_serial",
    "version": "chassis_version",
}


def files(vmi: Obj, smbios: Mapping[str, str]) -> dict[str, str]:
    """`smbios`: what the cluster has firmware say."""
    from fakekube.virt.handler import domain_xml  # noqa: PLC0415 - few servers are asked for domains' XML

    total = max(domain_xml.kibibytes(vmi) - _KERNEL, 0)
    made = {"/proc/meminfo": f"MemTotal:       {total:8} kB\nMemFree:        {total // 2:8} kB\n"}
    system = domain_xml.system(vmi, smbios)
    made |= {f"{_DMI}{own}": f"{system[key]}\n" for key, own in _OF_SYSTEM.items() if system.get(key)}
    chassis = dig(vmi, "spec", "domain", "chassis", default={})
    made |= {f"{_DMI}{own}": f"{chassis[key]}\n" for key, own in _OF_CHASSIS.items() if chassis.get(key)}
    if board := domain_xml.board(annotations(vmi)):
        made[f"{_DMI}board_vendor"] = f"{board}\n"
    if any(_on_usb(vmi)):
        made |= {f"/sys/bus/usb/devices/usb{number}": "" for number in (1, 2)}
    if not dig(vmi, "spec", "domain", "features", "kvm", "hidden"):
        made[_HYPERVISOR] = "KVMKVMKVM\n"
    devices = dig(vmi, "spec", "domain", "devices", default={})
    for number, one in enumerate(devices.get("inputs") or (), 1):
        bus = "Virtio" if one.get("bus") == "virtio" else "USB"
        made[f"/sys/devices/virtual/input/input{number}/name"] = f"QEMU {bus} Tablet\n"
    if "rng" in devices:
        made["/sys/devices/virtual/misc/hw_random/rng_available"] = "virtio_rng.0\n"
    if zone := dig(vmi, "spec", "domain", "clock", "timezone"):
        made[_ZONE] = zone
    return made


def flags(vmi: Obj) -> str:
    """Of its CPUs."""
    asked = {one.get("name") for one in dig(vmi, "spec", "domain", "cpu", "features", default=())}
    return f"{_FLAGS} constant_tsc nonstop_tsc" if "invtsc" in asked else _FLAGS


def _on_usb(vmi: Obj) -> Iterator[bool]:
    devices = dig(vmi, "spec", "domain", "devices", default={})
    yield devices.get("clientPassthrough") is not None
    yield from (one.get("bus") in (None, "", "usb") for one in devices.get("inputs") or ())
    yield from (
        dig(one, kind, "bus") == "usb" for one in devices.get("disks") or () for kind in ("disk", "cdrom")
    )


def _free(at: Container, words: list[str], _stdin: str) -> Done:
    unit = next((_UNITS[word[1:2]] for word in words if word[1:2] in _UNITS), 1 << 10)
    told = re.findall(r":\s+(\d+) kB", at.files.get("/proc/meminfo", ""))
    if len(told) < 2:  # somebody has removed it, or written over it
        return failed("free: can't read /proc/meminfo")
    total, free = (int(one) * 1024 // unit for one in told[:2])
    head = f"{'':15}{'total':>12}{'used':>12}{'free':>12}{'shared':>12}{'buff/cache':>12}{'available':>12}\n"
    row = (total, total - free, free, 0, 0, free)
    return Done(f"{head}{'Mem:':15}{''.join(f'{one:12}' for one in row)}\n{'Swap:':15}{0:12}{0:12}{0:12}\n")


def _dmidecode(at: Container, words: list[str], _stdin: str) -> Done:
    asked = words[-1] if words[:1] == ["-s"] and len(words) > 1 else ""
    if asked and asked not in _KEYWORDS:
        return failed(f"Invalid string keyword: {asked}", 2)
    if asked:
        return Done(at.files.get(f"{_DMI}{_KEYWORDS[asked]}", "Not Specified\n"))
    told = (f"{key}: {at.files[_DMI + own]}" for key, own in _KEYWORDS.items() if _DMI + own in at.files)
    return Done("".join(told))


def _hwclock(at: Container, _words: list[str], _stdin: str) -> Done:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - few guests are asked

    try:
        now = at.now.astimezone(ZoneInfo(at.files.get(_ZONE, "UTC")))
    except ZoneInfoNotFoundError:
        now = at.now
    return Done(f"{now:%a %b %e %H:%M:%S %Y}  0.000000 seconds\n")


def _virtualized(at: Container, _words: list[str], _stdin: str) -> Done:
    return Done(at.files.get(_HYPERVISOR, "\n"))


PROGRAMS: Mapping[str, Program] = {
    "dmidecode": _dmidecode,
    "free": _free,
    "hwclock": _hwclock,
    "swapoff": lambda *_: Done(),
    "virt-what-cpuid-helper": _virtualized,
}
