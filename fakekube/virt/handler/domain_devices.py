"""The devices of a guest as libvirt's domain XML tells them: disks, interfaces and what every guest has. Pure.

Origin: kubevirt: pkg/virt-launcher/virtwrap/converter
"""

from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element, SubElement

from fakekube.machinery.objects import Obj, condition_is, dig, name, namespace
from fakekube.virt.handler import domain, pci_places
from fakekube.virt.handler.domain_threads import threads
from fakekube.virt.handler.host_devices import Given, elements, pci

_KEPT_PORTS = 8
_NEW, _OLD = "virtio-non-transitional", "virtio-transitional"
_ISO = {
    "cloudInitNoCloud": "/var/run/kubevirt-ephemeral-disks/cloud-init-data/{namespace}/{vmi}/noCloud.iso",
    "cloudInitConfigDrive": "/var/run/kubevirt-ephemeral-disks/cloud-init-data/{namespace}/{vmi}/configdrive.iso",
    "configMap": "/var/run/kubevirt-private/config-map-disks/{volume}.iso",
    "secret": "/var/run/kubevirt-private/secret-disks/{volume}.iso",
    "downwardAPI": "/var/run/kubevirt-private/downwardapi-disks/{volume}.iso",
    "serviceAccount": "/var/run/kubevirt-private/service-account-disk/service-account.iso",
    "sysprep": "/var/run/kubevirt-private/sysprep-disks/{volume}.iso",
}


def add(parent: Element, tag: str, text: str = "", **attributes: str) -> Element:
    """A new element; attributes without a value are left out."""
    made = SubElement(parent, tag, {key.rstrip("_"): value for key, value in attributes.items() if value})
    made.text = text or None
    return made


def devices(vmi: Obj, parent: Element, balloon_period: int, given: Given) -> None:
    """All of them, in the order libvirt lists them."""
    wanted = dig(vmi, "spec", "domain", "devices", default={})
    there, places = domain.plugged(vmi), pci_places.of_interfaces(vmi)
    free = pci_places.free(vmi)
    scsi, serial = next(free), next(free)
    virtio = _virtio(vmi)
    add(parent, "emulator", "/usr/libexec/qemu-kvm")
    for disk in _disks(vmi):
        _disk(vmi, disk, parent, free)
    _controllers(vmi, parent, scsi, serial)
    for number, interface in there:
        if "sriov" not in interface:
            _interface(vmi, interface, number, places[interface["name"]], parent)
    if wanted.get("autoattachSerialConsole") is not False:
        _serial(vmi, parent)
    channel = add(parent, "channel", type="unix")
    state = "connected" if condition_is(vmi, "AgentConnected") else "disconnected"
    add(channel, "target", type="virtio", name="org.qemu.guest_agent.0", state=state)
    add(channel, "alias", name="channel0")
    for one in wanted.get("inputs") or ():
        made = add(parent, "input", type=one.get("type", "tablet"), bus=one.get("bus", "usb"))
        add(made, "alias", name=f"ua-{one.get('name', '')}")
    parent.extend(elements(given.devices))
    for number, interface in there:
        if "sriov" in interface:
            host = given.cards.get(interface["name"]) or f"0000:{0x80 + number:02x}:00.0"
            _card(interface, host, places[interface["name"]], parent)
    if (tpm := wanted.get("tpm")) is not None and tpm.get("enabled") is not False:
        kept = "yes" if tpm.get("persistent") else ""
        made = add(parent, "tpm", model="tpm-crb" if kept else "tpm-tis")
        add(made, "backend", type="emulator", version="2.0", persistent_state=kept)
    if wanted.get("autoattachGraphicsDevice") is not False:
        graphics = add(parent, "graphics", type="vnc")
        add(graphics, "listen", type="socket", socket=f"/var/run/kubevirt-private/{_uid(vmi)}/virt-vnc")
        video = add(parent, "video")
        add(video, "model", type=dig(wanted, "video", "type", default="vga"), vram="16384", heads="1")
    if watchdog := wanted.get("watchdog"):
        action = dig(watchdog, "i6300esb", "action", default="reset")
        add(add(parent, "watchdog", model="i6300esb", action=action), "alias", name=f"ua-{watchdog['name']}")
    if sound := wanted.get("sound"):
        made = add(parent, "sound", model=sound.get("model") or "ich9")
        add(made, "alias", name=f"ua-{sound.get('name', '')}")
    _balloon(vmi, parent, next(free), balloon_period)
    if cid := dig(vmi, "status", "VSOCKCID"):
        made = add(parent, "vsock", model=virtio)
        add(made, "cid", auto="no", address=str(cid))
    if wanted.get("rng") is not None:
        made = add(parent, "rng", model=virtio)
        add(made, "backend", "/dev/urandom", model="random")
        _address(made, next(free))
    _ports(vmi, parent)


def _virtio(vmi: Obj) -> str:
    return _OLD if dig(vmi, "spec", "domain", "devices", "useVirtioTransitional") else _NEW


def _uid(vmi: Obj) -> str:
    return str(dig(vmi, "metadata", "uid", default=""))


def _address(parent: Element, place: str) -> None:
    add(parent, "address", type="pci", **pci(place))


def _disks(vmi: Obj) -> Iterator[Obj]:
    """Those the guest has: what is plugged in counts once it is there."""
    told = {one["name"]: one for one in dig(vmi, "status", "volumeStatus", default=())}
    for disk in dig(vmi, "spec", "domain", "devices", "disks", default=()):
        if "hotplugVolume" not in told.get(disk["name"], {}) or told[disk["name"]].get("phase") == "Ready":
            yield disk


def _disk(vmi: Obj, disk: Obj, parent: Element, free: Iterator[str]) -> None:
    own = disk["name"]
    volume = _named(dig(vmi, "spec", "volumes", default=()), own)
    told = _named(dig(vmi, "status", "volumeStatus", default=()), own)
    kind = next((one for one in ("cdrom", "lun") if one in disk), "disk")
    bus = dig(disk, kind, "bus") or ("sata" if kind == "cdrom" else "virtio")
    format_, where, path, backing = _source(vmi, volume, told)
    model = _virtio(vmi) if bus == "virtio" else ""
    made = add(parent, "disk", type=where, device=kind, model=model)
    attributes = {"cache": disk.get("cache") or "none", "error_policy": disk.get("errorPolicy") or "stop"}
    if format_ == "raw" and where == "block":
        attributes["io"] = disk.get("io") or "native"
    if own in (of := threads(vmi).of):
        attributes["iothread"] = str(of[own])
    topology = domain.cpu_topology(vmi)
    if dig(vmi, "spec", "domain", "devices", "blockMultiQueue") and bus == "virtio":
        attributes["queues"] = str(topology["cores"] * topology["sockets"] * topology["threads"])
    add(made, "driver", name="qemu", type=format_, discard="unmap", **attributes)
    add(made, "source", **{"dev" if where == "block" else "file": path})
    if backing:
        behind = add(made, "backingStore", type="file")
        add(behind, "format", type="qcow2")
        add(behind, "source", file=backing)
    elif format_ == "raw":
        add(made, "backingStore")
    add(made, "target", dev=told.get("target") or domain.targets(vmi).get(own, ""), bus=bus)
    if "cdrom" in disk or dig(disk, kind, "readonly"):
        add(made, "readonly")
    if disk.get("shareable"):
        add(made, "shareable")
    if serial := disk.get("serial"):
        add(made, "serial", serial)
    if order := disk.get("bootOrder"):
        add(made, "boot", order=str(order))
    add(made, "alias", name=f"ua-{own}")
    if bus == "virtio":
        _address(made, pci_places.of_disk(disk) or next(free))


def _named(listed: Iterable[Obj], own: str) -> Obj:
    return next((one for one in listed if one["name"] == own), {})


def _source(vmi: Obj, volume: Obj, told: Obj) -> tuple[str, str, str, str]:
    """Format, kind of source, path, and the image behind it."""
    own = volume.get("name", "")
    if "containerDisk" in volume:
        listed = [one["name"] for one in dig(vmi, "spec", "volumes", default=()) if "containerDisk" in one]
        image = f"/var/run/kubevirt/container-disks/disk_{listed.index(own)}.img"
        return "qcow2", "file", f"/var/run/kubevirt-ephemeral-disks/disk-data/{own}/disk.qcow2", image
    if "emptyDisk" in volume:
        return "qcow2", "file", f"/var/run/libvirt/empty-disks/{own}.qcow2", ""
    for kind, path in _ISO.items():
        if kind in volume:
            text = path.format(namespace=namespace(vmi), vmi=name(vmi), volume=own)
            return "raw", "file", text, ""
    if "ephemeral" in volume:
        below = f"/var/run/kubevirt-private/vmi-disks/{own}/disk.img"
        return "qcow2", "file", f"/var/run/kubevirt-ephemeral-disks/disk-data/{own}/disk.qcow2", below
    block = dig(told, "persistentVolumeClaimInfo", "volumeMode") == "Block"
    if "hotplugVolume" in told:
        folder = "/var/run/kubevirt/hotplug-disks"
        return "raw", "block" if block else "file", f"{folder}/{own}{'' if block else '.img'}", ""
    if block:
        return "raw", "block", f"/dev/{own}", ""
    return "raw", "file", f"/var/run/kubevirt-private/vmi-disks/{own}/disk.img", ""


def _controllers(vmi: Obj, parent: Element, scsi: str, serial: str) -> None:
    wanted = dig(vmi, "spec", "domain", "devices", default={})
    buses = set(_buses(wanted))
    usb = any(one.get("bus", "usb") == "usb" for one in wanted.get("inputs") or ()) or "usb" in buses
    usb = usb or "clientPassthrough" in wanted
    add(parent, "controller", type="usb", index="0", model="qemu-xhci" if usb else "none")
    if not wanted.get("disableHotplug") or "scsi" in buses:
        _address(add(parent, "controller", type="scsi", index="0", model=_virtio(vmi)), scsi)
    _address(add(parent, "controller", type="virtio-serial", index="0", model=_virtio(vmi)), serial)
    add(parent, "controller", type="pci", index="0", model="pcie-root")


def _ports(vmi: Obj, parent: Element) -> None:
    """One before each bus: those that are kept, and all up to the last on which there is something."""
    kept = 0 if pci_places.on_root(vmi) else _KEPT_PORTS
    last = max(
        (int(one.get("bus", "0"), 16) for one in parent.findall("*/address[@type='pci']")),
        default=0,
    )
    root = next(number for number, one in enumerate(parent) if one.get("model") == "pcie-root")
    for index in range(max(kept, last), 0, -1):
        port = {"type": "pci", "index": str(index), "model": "pcie-root-port"}
        parent.insert(root + 1, Element("controller", port))


def _buses(wanted: Obj) -> Iterator[str]:
    """The buses disks name."""
    for disk in wanted.get("disks") or ():
        for kind in ("disk", "lun", "cdrom"):
            if bus := dig(disk, kind, "bus"):
                yield bus


def _interface(vmi: Obj, interface: Obj, number: int, place: str, parent: Element) -> None:
    model = interface.get("model") or "virtio"
    made = add(parent, "interface", type="ethernet")
    add(made, "mac", address=domain.mac_address(vmi, interface))
    add(made, "target", dev=f"tap{number}", managed="no")
    add(made, "model", type=_virtio(vmi) if model == "virtio" else model)
    if dig(vmi, "spec", "domain", "devices", "networkInterfaceMultiqueue") and model == "virtio":
        add(made, "driver", name="vhost", queues=str(domain.queues(vmi, interface)))
    if order := interface.get("bootOrder"):
        add(made, "boot", order=str(order))
    else:
        add(made, "rom", enabled="no")
    add(made, "link", state=interface.get("state") or "up")
    add(made, "alias", name=f"ua-{interface['name']}")
    if index := interface.get("acpiIndex"):
        add(made, "acpi", index=str(index))
    _address(made, place)


def _card(interface: Obj, host: str, place: str, parent: Element) -> None:
    """A function of one of the host's own cards."""
    made = add(parent, "hostdev", mode="subsystem", type="pci", managed="no")
    add(add(made, "source"), "address", **pci(host))
    if order := interface.get("bootOrder"):
        add(made, "boot", order=str(order))
    add(made, "alias", name=f"ua-sriov-{interface['name']}")
    _address(made, place)


def _serial(vmi: Obj, parent: Element) -> None:
    path = f"/var/run/kubevirt-private/{_uid(vmi)}/virt-serial0"
    for tag, target in (("serial", "isa-serial"), ("console", "serial")):
        made = add(parent, tag, type="unix")
        add(made, "source", mode="bind", path=path)
        if dig(vmi, "spec", "domain", "devices", "logSerialConsole") is not False:
            add(made, "log", file=f"{path}-log", append="on")
        add(made, "target", type=target, port="0")
        add(made, "alias", name="serial0")


def _balloon(vmi: Obj, parent: Element, place: str, period: int) -> None:
    if dig(vmi, "spec", "domain", "devices", "autoattachMemBalloon") is False:
        add(parent, "memballoon", model="none")
        return
    made = add(parent, "memballoon", model=_virtio(vmi), freePageReporting="on")
    if period:
        add(made, "stats", period=str(period))
    _address(made, place)
