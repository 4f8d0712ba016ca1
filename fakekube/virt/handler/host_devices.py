"""Devices of its node that a guest has: where they are, how its domain tells them, and the variables that say so. Pure.

Which kind a device is follows from the list of permitted ones it is in; one that is in none is a PCI device. Where it is on
the host follows from the launcher, as device plugins would have chosen it.
Origin: kubevirt: pkg/virt-launcher/virtwrap/device/hostdevice, pkg/virt-handler/device-manager
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID, uuid5
from xml.etree.ElementTree import Element, SubElement
from zlib import crc32

from msgspec import Struct, field

from fakekube.agents.pods import networks
from fakekube.machinery.objects import Obj, annotations, dig, uid

PCI, MEDIATED, USB = "pci", "mdev", "usb"
_LISTED = {"mediatedDevices": MEDIATED, "usb": USB}
_VARIABLE = {PCI: "PCI_RESOURCE", MEDIATED: "MDEV_PCI_RESOURCE", USB: "USB_RESOURCE"}
_OF_NAMES = UUID("a0a9a09e-7a54-4c8a-9f6e-0b8d6f0c1d57")  # which mediated devices are named with
_NETWORKS = "kubevirt.io/network-info"
_IOMMUFD = "devices.kubevirt.io/iommufd"


class Device(Struct, frozen=True):
    """One of them. `place`: a PCI address, the name of a mediated device, or bus and number on USB."""

    kind: str
    alias: str
    resource: str  # of a device plugin
    place: str
    shows: bool = False  # a virtual GPU that has a screen
    frames: bool = False  # which shows something before its driver is there


class Given(Struct, frozen=True):
    """What a launcher was given for its guest. `cards`: PCI addresses by the names of interfaces; `iommufd`: the newer way to it."""

    devices: Sequence[Device] = ()
    cards: Mapping[str, str] = field(default_factory=dict)
    iommufd: bool = False


def given(pod: Obj, vmi: Obj, permitted: Obj, claimed: Sequence[Device]) -> Given:
    devices = [*_of_plugins(uid(pod), vmi, permitted), *claimed]
    told = json.loads(annotations(pod).get(_NETWORKS) or "{}").get("interfaces") or ()
    cards = {one["network"]: place for one in told if (place := dig(one, "deviceInfo", "pci", "pci-address"))}
    return Given(devices, cards, iommufd=bool(devices) and _has_iommufd(pod))


def _of_plugins(launcher: str, vmi: Obj, permitted: Obj) -> list[Device]:
    """PCI devices before mediated ones before those on USB, as launchers list them."""
    kinds = {
        one.get("resourceName"): kind
        for listed, kind in _LISTED.items()
        for one in permitted.get(listed) or ()
    }
    found, taken = list[Device](), dict[str, int]()
    for kind_of, prefix in (("hostDevices", "hostdevice-"), ("gpus", "gpu-")):
        own = list[Device]()
        for one in dig(vmi, "spec", "domain", "devices", kind_of, default=()):
            if resource := one.get("deviceName"):
                kind = kinds.get(resource, PCI)
                number = taken[resource] = taken.get(resource, -1) + 1
                alias = f"{'usb-host-' if kind == USB else prefix}{one['name']}"
                shows, frames = screen(one) if kind == MEDIATED and kind_of == "gpus" else (False, False)
                own.append(
                    Device(kind, alias, resource, _place(kind, launcher, resource, number), shows, frames)
                )
        found += sorted(own, key=lambda one: (PCI, MEDIATED, USB).index(one.kind))
    return found


def screen(gpu: Obj) -> tuple[bool, bool]:
    display = dig(gpu, "virtualGPUOptions", "display")
    if display is None:
        return ("virtualGPUOptions" not in gpu,) * 2
    shows = display.get("enabled") is not False
    return shows, shows and dig(display, "ramFB", "enabled") is not False


def _place(kind: str, launcher: str, resource: str, number: int) -> str:
    if kind == MEDIATED:
        return str(uuid5(_OF_NAMES, f"{launcher}/{resource}/{number}"))
    seed = crc32(f"{launcher}/{resource}".encode())
    if kind == USB:
        return f"{1 + seed % 8}:{2 + (seed // 8 + number) % 120}"
    return networks.pci_place(((seed + number) % 2**32).to_bytes(4))


def variables(devices: Sequence[Device]) -> Mapping[str, str]:
    """What device plugins put into the environment of a launcher."""
    found: dict[str, list[str]] = {}
    for one in filter(lambda one: one.resource, devices):
        name = one.resource.upper().replace("/", "_").replace(".", "_")
        found.setdefault(f"{_VARIABLE[one.kind]}_{name}", []).append(one.place)
    return {name: ",".join(places) for name, places in found.items()}


def _has_iommufd(launcher: Obj) -> bool:
    return any(
        _IOMMUFD in dig(one, "resources", "limits", default={})
        for one in dig(launcher, "spec", "containers", default=())
    )


def elements(devices: Sequence[Device]) -> Iterator[Element]:
    """As libvirt tells them."""
    for one in devices:
        made = Element("hostdev", {"mode": "subsystem", "type": one.kind, "managed": "no"})
        if one.kind == MEDIATED:
            made.set("model", "vfio-pci")
            made.attrib.update({"display": "on"} if one.shows else {})
            made.attrib.update({"ramfb": "on"} if one.frames else {})
        elif one.kind == PCI:
            SubElement(made, "driver", {"name": "vfio"})
        SubElement(SubElement(made, "source"), "address", _source(one))
        SubElement(made, "alias", {"name": f"ua-{one.alias}"})
        yield made


def _source(device: Device) -> dict[str, str]:
    if device.kind == MEDIATED:
        return {"uuid": device.place}
    if device.kind == USB:
        bus, number = device.place.split(":")
        return {"bus": bus, "device": number}
    return pci(device.place)


def pci(place: str) -> dict[str, str]:
    """A PCI address as attributes."""
    domain, bus, rest = place.split(":")
    slot, function = rest.split(".")
    parts = {"domain": domain, "bus": bus, "slot": slot, "function": function}
    return {key: f"0x{text}" for key, text in parts.items()}
