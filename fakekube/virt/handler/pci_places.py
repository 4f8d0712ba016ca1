"""Where on PCI the interfaces of a guest are, and what is left for its other devices. Pure.

A device is where its spec says. Others are behind a port each, one after the other, the first ports being kept for interfaces
that are plugged in; or, where the instance says so, on the first bus itself, as long as there is room.
Origin: kubevirt: pkg/virt-launcher/virtwrap/converter/pci-placement.go
"""

from collections.abc import Iterator

from fakekube.machinery.objects import Obj, annotations, dig

_ON_ROOT = "kubevirt.io/placePCIDevicesOnRootComplex"
_SLOTS = [slot for slot in range(0x02, 0x1F) if slot != 0x1B]  # others are for screen, sound and SATA
_PORTS = [f"0000:{bus:02x}:00.0" for bus in range(1, 256)]
_FOR_INTERFACES = 4
_EACH = 8  # ports in a slot


def on_root(vmi: Obj) -> bool:
    return annotations(vmi).get(_ON_ROOT) == "true"


def of_interfaces(vmi: Obj) -> dict[str, str]:
    """Addresses by the interfaces' names."""
    left = _left(vmi)
    listed = dig(vmi, "spec", "domain", "devices", "interfaces", default=())
    return {one["name"]: str(one.get("pciAddress") or next(left)).lower() for one in listed}


def of_disk(disk: Obj) -> str:
    """Empty: where there is room."""
    return next((place.lower() for kind in ("disk", "lun") if (place := dig(disk, kind, "pciAddress"))), "")


def free(vmi: Obj) -> Iterator[str]:
    taken = {*of_interfaces(vmi).values(), *_PORTS[:_FOR_INTERFACES]}
    return (one for one in _left(vmi) if one not in taken)


def _left(vmi: Obj) -> Iterator[str]:
    devices = dig(vmi, "spec", "domain", "devices", default={})
    said = {str(one.get("pciAddress")).lower() for one in devices.get("interfaces") or ()}
    said |= {of_disk(one) for one in devices.get("disks") or ()}
    root = [f"0000:00:{slot:02x}.0" for slot in _SLOTS] if on_root(vmi) else []
    return (one for one in (*root, *_PORTS) if one not in said)


def path(place: str) -> str:
    """The folder in which a kernel shows what is there, below the port it is behind."""
    bus = int(place.split(":")[1], 16)
    slot, function = divmod(bus - 1, _EACH)
    port = f"0000:00:{_SLOTS[0] + slot:02x}.{function}/" if bus else ""
    return f"/sys/devices/pci0000:00/{port}{place}"
