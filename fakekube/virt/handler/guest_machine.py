"""The machine a console's shell runs in, as its instance tells it. Pure."""

from datetime import datetime
from uuid import NAMESPACE_OID as _BOOTS
from uuid import uuid5

from fakekube.machinery.objects import Obj, dig
from fakekube.virt.handler import guest_addresses, guest_disks, guest_hardware, guest_tpm, systems
from fakekube.virt.handler.guest_devices import Contents
from fakekube.virt.handler.guest_programs import HOST_MODEL, Machine, cpuinfo
from fakekube.virt.hostname import domain, hostname, nameservers, searched


def machine(vmi: Obj, given: Contents, boots: int, born: str, now: datetime) -> Machine:
    """`born`: the uid of the instance it first was."""
    interfaces = {
        own: (own, one.get("mac", ""), one.get("ipAddress", "")) for own, one in guest_addresses.devices(vmi)
    }
    disks = tuple(
        (one["target"], str(dig(one, "persistentVolumeClaimInfo", "capacity", "storage", default="")))
        for one in dig(vmi, "status", "volumeStatus", default=())
        if one.get("target")
    )
    sockets, each = _cpus(vmi)
    wanted = dig(vmi, "spec", "domain", "devices", default={})
    of_interfaces, of_disks = wanted.get("networkInterfaceMultiqueue"), wanted.get("blockMultiQueue")
    model = str(dig(vmi, "spec", "domain", "cpu", "model", default=""))
    shown = HOST_MODEL if model in ("", "host-model", "host-passthrough") else model
    return Machine(
        given.hostname or hostname(vmi),
        systems.guest_os(vmi, given.origin),
        tuple(interfaces[own] for own in sorted(interfaces, key=lambda own: (len(own), own))),
        disks,
        root(vmi),
        topology=(sockets, each),
        model=shown,
        queues=(sockets * each if of_interfaces else 1, sockets * each if of_disks else 1),
        boots=boots,
        boot=_firmware(vmi),
        identity=str(uuid5(_BOOTS, f"{born}{boots}")),
        now=now,
        domain=domain(vmi),
        files={
            **guest_addresses.files(vmi),
            **guest_disks.files(vmi),
            **guest_hardware.files(vmi, given.smbios),
            "/etc/resolv.conf": _resolving(vmi),
            "/proc/cpuinfo": cpuinfo(sockets * each, each, shown, guest_hardware.flags(vmi)),
        },
        outliving=guest_tpm.devices(vmi),
        contents=given,
    )


def root(vmi: Obj) -> str:
    """The device it boots from."""
    targets = {one.get("name"): one.get("target") for one in dig(vmi, "status", "volumeStatus", default=())}
    return targets.get(systems.boot_volume(vmi)) or "vda"


def _resolving(vmi: Obj) -> str:
    """How names are looked for."""
    domains, servers = searched(vmi), nameservers(vmi)
    return "".join(
        [f"search {' '.join(domains)}\n" if domains else "", *(f"nameserver {one}\n" for one in servers)]
    )


def _cpus(vmi: Obj) -> tuple[int, int]:
    """Sockets, and CPUs of each."""
    topology = dig(vmi, "status", "currentCPUTopology") or dig(vmi, "spec", "domain", "cpu", default={})
    cores, sockets, threads = (int(topology.get(one) or 1) for one in ("cores", "sockets", "threads"))
    return sockets, cores * threads


def _firmware(vmi: Obj) -> str:
    """What is seen of it on the serial console."""
    firmware = dig(vmi, "spec", "domain", "firmware", "bootloader", default={})
    if dig(firmware, "bios", "useSerial", default=False):
        cards = dig(vmi, "spec", "domain", "devices", "interfaces", default=())
        network = "iPXE (https://ipxe.org)\n\n" if any("bootOrder" in one for one in cards) else ""
        disks = dig(vmi, "spec", "domain", "devices", "disks")
        last = "Booting from Hard Disk...\n" if disks else "No bootable device.\n"
        return f"SeaBIOS (version 1.16.3)\n\n{network}{last}"
    if "efi" in firmware:
        secure = dig(firmware, "efi", "secureBoot", default=True)
        return f"[    0.000000] secureboot: Secure boot {'enabled' if secure else 'disabled'}\n"
    return ""
