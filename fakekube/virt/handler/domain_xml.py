"""A guest's domain as `virsh dumpxml` tells it in its launcher. Pure: from the instance, and the devices its launcher was given.

What scripts and tests ask of it is there: memory and CPUs, firmware, features, clock, and the devices (`domain_devices`).
Origin: kubevirt: pkg/virt-launcher/virtwrap/converter/converter.go
"""

from collections.abc import Mapping
from uuid import UUID, uuid5
from xml.etree.ElementTree import Element, indent
from xml.sax.saxutils import escape

from fakekube.machinery.objects import Obj, annotations, dig, name, namespace, uid
from fakekube.virt import quantities
from fakekube.virt.handler import domain, domain_threads
from fakekube.virt.handler.domain_devices import add, devices
from fakekube.virt.handler.host_devices import Given

_OF_NAMES = UUID("6a1a24a1-4061-4607-8bf4-a3963d0c5895")  # which firmware UUIDs are made with
_BALLOON_PERIOD = 10
_FREQUENCY = 2400000000
_NOTHING = Given()
_QUOTE = {"'": "&apos;"}
_SIDECARS, _BOARD = "hooks.kubevirt.io/hookSidecars", "smbios.vm.kubevirt.io/baseBoardManufacturer"
_OVMF = "/usr/share/OVMF"


def domain_name(vmi: Obj) -> str:
    return f"{namespace(vmi)}_{name(vmi)}"


def identity(vmi: Obj) -> str:
    """The UUID the guest's firmware reports."""
    return str(dig(vmi, "spec", "domain", "firmware", "uuid") or uuid5(_OF_NAMES, name(vmi)))


def state(vmi: Obj) -> str:
    """As `virsh domstate` says it."""
    conditions = dig(vmi, "status", "conditions", default=())
    paused = any(one["type"] == "Paused" and one["status"] == "True" for one in conditions)
    return "paused" if paused else "running"


def kibibytes(vmi: Obj) -> int:
    told = dig(vmi, "status", "memory", "guestCurrent") or domain.memory(vmi).get("guestCurrent") or 0
    return quantities.whole(told) // 1024


def dumped(
    vmi: Obj,
    balloon_period: int = _BALLOON_PERIOD,
    *,
    emulated: bool = False,
    given: Given = _NOTHING,
    smbios: Mapping[str, str] | None = None,
) -> str:
    """The XML of a running guest. `given`: what of its node it has; `smbios`: what the cluster has firmware say."""
    smbios = smbios or {}
    spec = dig(vmi, "spec", "domain", default={})
    root = Element("domain", {"type": "qemu" if emulated else "kvm", "id": "1"})
    add(root, "name", domain_name(vmi))
    add(root, "uuid", identity(vmi))
    metadata = add(add(root, "metadata"), "kubevirt", xmlns="http://kubevirt.io")
    add(metadata, "uid", uid(vmi))
    most = dig(spec, "memory", "maxGuest")
    if most:
        add(root, "maxMemory", str(quantities.whole(most) // 1024), slots="1", unit="KiB")
    for tag in ("memory", "currentMemory"):
        add(root, tag, str(kibibytes(vmi)), unit="KiB")
    if pages := dig(spec, "memory", "hugepages", "pageSize"):
        backing = add(add(root, "memoryBacking"), "hugepages")
        add(backing, "page", size=str(quantities.whole(pages) // 1024), unit="KiB")
    _processors(vmi, root)
    _firmware(vmi, root, smbios)
    _features(spec, root)
    _clock(spec, root, dig(vmi, "status", "topologyHints", "tscFrequency"))
    for event, action in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        add(root, f"on_{event}", action)
    if given.iommufd:
        add(root, "iommufd", enabled="yes", fdgroup="iommu")
    devices(vmi, add(root, "devices"), balloon_period, given)
    indent(root)
    return f"{_text(root)}\n"


def _text(one: Element) -> str:
    """As libvirt writes it, with single quotes."""
    attributes = "".join(f" {key}='{escape(value, _QUOTE)}'" for key, value in one.items())
    inside = escape(one.text or "") + "".join(map(_text, one))
    made = f"<{one.tag}{attributes}>{inside}</{one.tag}>" if inside else f"<{one.tag}{attributes}/>"
    return made + (one.tail or "")


def _processors(vmi: Obj, root: Element) -> None:
    cpu = dig(vmi, "spec", "domain", "cpu", default={})
    topology = dig(vmi, "status", "currentCPUTopology") or domain.cpu_topology(vmi)
    cores, sockets, threads = (int(topology.get(one) or 1) for one in ("cores", "sockets", "threads"))
    slots = max(int(cpu.get("maxSockets") or 0), sockets)
    current = cores * sockets * threads
    most = cores * slots * threads
    add(root, "vcpu", str(most), placement="static", current=str(current) if most != current else "")
    if number := domain_threads.threads(vmi).number:
        add(root, "iothreads", str(number))
    if cpu.get("dedicatedCpuPlacement"):
        _pinned(cpu, current, number, add(root, "cputune"))
    numa = "guestMappingPassthrough" in (cpu.get("numa") or {})
    if numa:
        tune = add(root, "numatune")
        add(tune, "memory", mode="strict", nodeset="0")
        add(tune, "memnode", cellid="0", mode="strict", nodeset="0")
    model = cpu.get("model") or "host-model"
    named = model not in ("host-model", "host-passthrough")
    made = add(root, "cpu", mode="custom" if named else model, match="exact" if named else "")
    if named:
        add(made, "model", model, fallback="forbid")
    add(made, "topology", sockets=str(slots), dies="1", cores=str(cores), threads=str(threads))
    if numa:
        listed = f"0-{current - 1}" if current > 1 else "0"
        add(add(made, "numa"), "cell", id="0", cpus=listed, memory=str(kibibytes(vmi)), unit="KiB")
    for feature in cpu.get("features") or ():
        add(made, "feature", policy=feature.get("policy") or "require", name=feature["name"])


def _pinned(cpu: Obj, current: int, threads_: int, tune: Element) -> None:
    """Each virtual CPU on one of the node's; the emulator, and the threads with it, on one more if it is to be alone."""
    for number in range(current):
        add(tune, "vcpupin", vcpu=str(number), cpuset=str(number))
    if cpu.get("isolateEmulatorThread"):
        add(tune, "emulatorpin", cpuset=str(current))
    for number in range(1, threads_ + 1):
        place = current if cpu.get("isolateEmulatorThread") else number % current
        add(tune, "iothreadpin", iothread=str(number), cpuset=str(place))
    if (realtime := cpu.get("realtime")) is not None:
        mask = realtime.get("mask") or (f"0-{current - 1}" if current > 1 else "0")
        add(tune, "vcpusched", vcpus=mask, scheduler="fifo", priority="1")


def system(vmi: Obj, smbios: Mapping[str, str]) -> dict[str, str]:
    """What its firmware says of it, and what the cluster has it say (`smbios`)."""
    return {
        "uuid": identity(vmi),
        "manufacturer": smbios.get("manufacturer") or "KubeVirt",
        "product": smbios.get("product") or "None",
        "family": smbios.get("family") or "KubeVirt",
        "serial": str(dig(vmi, "spec", "domain", "firmware", "serial", default="")),
        "sku": smbios.get("sku", ""),
        "version": smbios.get("version", ""),
    }


def board(marks: Mapping[str, str]) -> str:
    """What upstream's example of a sidecar makes of it."""
    return marks.get(_BOARD, "") if _SIDECARS in marks else ""


def _firmware(vmi: Obj, root: Element, smbios: Mapping[str, str]) -> None:
    firmware = dig(vmi, "spec", "domain", "firmware", default={})
    loader = firmware.get("bootloader") or {}
    chassis = dig(vmi, "spec", "domain", "chassis", default={})
    told = add(root, "sysinfo", type="smbios")
    entries = add(told, "system")
    for key, text in system(vmi, smbios).items():
        if text:
            add(entries, "entry", text, name=key)
    if maker := board(annotations(vmi)):
        add(add(told, "baseBoard"), "entry", maker, name="manufacturer")
    if chassis:
        case = add(told, "chassis")
        for key, text in chassis.items():
            add(case, "entry", str(text), name="sku" if key == "sku" else key)
    made = add(root, "os")
    machine = dig(vmi, "status", "machine", "type") or domain.machine_type(vmi)
    add(made, "type", "hvm", arch="x86_64", machine=machine)
    if "efi" in loader:
        secure = dig(loader, "efi", "secureBoot", default=True) is not False
        suffix = ".secboot" if secure else ""
        path = f"{_OVMF}/OVMF_CODE{suffix}.fd"
        add(made, "loader", path, readonly="yes", secure="yes" if secure else "no", type="pflash")
        variables = f"/var/run/kubevirt-private/libvirt/qemu/nvram/{name(vmi)}_VARS.fd"
        add(made, "nvram", variables, template=f"{_OVMF}/OVMF_VARS{suffix}.fd")
    if container := dig(firmware, "kernelBoot", "container"):
        folder = "/var/run/kubevirt/container-disks/kernel-boot-artifacts/"
        for tag, key in (("kernel", "kernelPath"), ("initrd", "initrdPath")):
            if container.get(key):
                add(made, tag, folder + str(container[key]).rpartition("/")[2])
    if arguments := dig(firmware, "kernelBoot", "kernelArgs"):
        add(made, "cmdline", arguments)
    if dig(loader, "bios", "useSerial"):
        add(made, "bios", useserial="yes")
    add(made, "smbios", mode="sysinfo")


def _features(spec: Obj, root: Element) -> None:
    wanted = spec.get("features") or {}
    made = add(root, "features")
    if dig(wanted, "acpi", "enabled") is not False:
        add(made, "acpi")
    if "apic" in wanted:
        add(made, "apic")
    if dig(wanted, "hypervPassthrough", "enabled"):
        add(made, "hyperv", mode="passthrough")
    elif hyperv := wanted.get("hyperv"):
        told = add(made, "hyperv", mode="custom")
        for key, value in hyperv.items():
            state_ = "off" if (value or {}).get("enabled") is False else "on"
            extra = {"spinlocks": ("retries", "spinlocks"), "vendorid": ("value", "vendorid")}.get(key)
            more = {extra[0]: str(value.get(extra[1], ""))} if extra else {}
            tag = {"synictimer": "stimer", "vendorid": "vendor_id"}.get(key, key)
            add(told, tag, state=state_, **more)
    if dig(wanted, "kvm", "hidden"):
        add(add(made, "kvm"), "hidden", state="on")
    if "smm" in wanted:
        add(made, "smm", state="off" if dig(wanted, "smm", "enabled") is False else "on")


def _clock(spec: Obj, root: Element, frequency: int | None) -> None:
    clock = spec.get("clock") or {}
    zone = clock.get("timezone")
    seconds = dig(clock, "utc", "offsetSeconds")
    if zone:
        made = add(root, "clock", offset="timezone", timezone=zone)
    elif seconds is not None:
        made = add(root, "clock", offset="variable", adjustment=str(seconds), basis="utc")
    else:
        made = add(root, "clock", offset="utc")
    for own, timer in (clock.get("timer") or {}).items():
        present = "no" if timer.get("present") is False else "yes"
        add(
            made,
            "timer",
            name="hypervclock" if own == "hyperv" else own,
            present=present,
            tickpolicy=timer.get("tickPolicy", ""),
        )
    features = dig(spec, "cpu", "features", default=())
    if any(one["name"] == "invtsc" and one.get("policy", "require") == "require" for one in features):
        add(made, "timer", name="tsc", frequency=str(frequency or _FREQUENCY))
