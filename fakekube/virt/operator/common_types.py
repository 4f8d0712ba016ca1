"""The instance types and preferences KubeVirt brings with it, made from what tells them apart. Pure.

Names, sizes and what they ask for are those of release 1.7 of the common instancetypes; icons, links and descriptions are left out.
Origin: kubevirt: pkg/virt-operator/resource/generate/components/instancetypes.go; kubevirt/common-instancetypes
"""

from collections.abc import Iterator
from typing import Any

from fakekube.machinery.wire import Object

RELEASE = "v1.7.0"

_OWN = "instancetype.kubevirt.io"
_API = f"{_OWN}/v1beta1"
_COMMON = {f"{_OWN}/vendor": "kubevirt.io", f"{_OWN}/common-instancetypes-version": RELEASE}
_LARGE = (("large", 2), ("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16), ("8xlarge", 32))
_SMALL = (("nano", 1, "512Mi"), ("micro", 1, "1Gi"), ("small", 1, "2Gi"), ("medium", 1, "4Gi"))
_UNIVERSAL = (*_SMALL, *((name, cpus, f"{4 * cpus}Gi") for name, cpus in _LARGE))
_DEDICATED = {"dedicatedCPUPlacement": True, "isolateEmulatorThread": True}
_NUMA: Object = {"numa": {"guestMappingPassthrough": {}}}
_UNDISTURBED = {
    f"{what}.crio.io": "disable" for what in ("cpu-load-balancing", "cpu-quota", "irq-load-balancing")
}

_TITLES = {
    "u1": ("general.purpose", "General Purpose"),
    "o1": ("overcommitted", "Overcommitted"),
    "d1": ("dedicated.vcpu", "Dedicated vCPU"),
    "cx1": ("compute.exclusive", "Compute Exclusive"),
    "m1": ("memory.intensive", "Memory Intensive"),
    "n1": ("network", "Network"),
    "rt1": ("realtime", "Realtime"),
}


def instancetypes() -> Iterator[Object]:
    """All of them, series by series."""
    with_double = (*_UNIVERSAL, ("2xmedium", 2, "4Gi"))
    for size, cpus, memory in with_double:
        yield _type("u1", size, {"guest": cpus}, {"guest": memory})
        yield _type("d1", size, {"guest": cpus, **_DEDICATED}, {"guest": memory}, ioThreadsPolicy="auto")
    for size, cpus, memory in _UNIVERSAL:
        yield _type("o1", size, {"guest": cpus}, {"guest": memory, "overcommitPercent": 50})
        if size != "nano":
            cpu = {"guest": cpus, **_DEDICATED, **_NUMA, "realtime": {}}
            yield _type("rt1", size, cpu, _huge(memory, "1Gi"), annotations=_UNDISTURBED)
    for pages, suffix in (("2Mi", ""), ("1Gi", "1gi")):
        for size, cpus in (("medium", 1), *_LARGE):
            cpu = {"guest": cpus, "maxSockets": cpus, **_DEDICATED, **_NUMA}
            yield _type("cx1", size + suffix, cpu, _huge(f"{2 * cpus}Gi", pages), ioThreadsPolicy="auto")
        for size, cpus in _LARGE:
            yield _type("m1", size + suffix, {"guest": cpus}, _huge(f"{8 * cpus}Gi", pages))
    for size, cpus, memory in (("medium", 4, "4Gi"), *((one, 2 * n, f"{4 * n}Gi") for one, n in _LARGE)):
        cpu = {"guest": cpus, **_DEDICATED}
        yield _type("n1", size, cpu, _huge(memory, "1Gi"), annotations=_UNDISTURBED)


def _huge(memory: str, pages: str) -> Object:
    return {"guest": memory, "hugepages": {"pageSize": pages}}


def _type(series: str, size: str, cpu: Object, memory: Object, **more: Any) -> Object:
    class_, title = _TITLES[series]
    told = {
        "class": class_,
        "size": size,
        "version": "1",
        "cpu": str(cpu["guest"]),
        "memory": memory["guest"],
        **{one: "true" for one in (*_DEDICATED, "numa", "realtime") if one in cpu},
        **({"hugepages": memory["hugepages"]["pageSize"]} if "hugepages" in memory else {}),
    }
    labels = {**{f"{_OWN}/{key}": value for key, value in told.items()}, **_COMMON}
    meta = {"name": f"{series}.{size}", "labels": labels, "annotations": {f"{_OWN}/displayName": title}}
    spec = {"cpu": cpu, "memory": memory, **more}
    return {"apiVersion": _API, "kind": "VirtualMachineClusterInstancetype", "metadata": meta, "spec": spec}


_VIRTIO = {"preferredDiskBus": "virtio", "preferredInterfaceModel": "virtio"}
_TABLET = {"preferredInputBus": "virtio", "preferredInputType": "tablet"}
_ATTACHED = {"preferredAutoattachInputDevice": True}
_SECURE: tuple[Object, Object] = {"preferredSmm": {}}, {"secureBoot": True}
_HYPERV = {
    **{one: {} for one in ("frequencies", "ipi", "reenlightenment", "relaxed", "reset", "runtime", "synic")},
    **{one: {} for one in ("tlbflush", "vapic", "vpindex")},
    "spinlocks": {"spinlocks": 8191},
    "synictimer": {"direct": {}},
}
_CLOCK = {
    "preferredClockOffset": {"utc": {}},
    "preferredTimer": {
        "hpet": {"present": False},
        "hyperv": {},
        "pit": {"tickPolicy": "delay"},
        "rtc": {"tickPolicy": "catchup"},
    },
}
_SPREAD = {"across": "SocketsCoresThreads"}

# Name, CPUs and memory it needs at least, and words that tell what it prefers; an architecture is one of them.
_LINUX = """
alpine 1 512Mi
centos.stream10 1 1.5Gi io
centos.stream10.desktop 1 1.5Gi io desktop
centos.stream9 1 1.5Gi io
centos.stream9.desktop 1 1.5Gi io desktop
centos.stream9.dpdk 8 1.5Gi io dpdk
cirros 1 256Mi
debian 1 512Mi efi
fedora 1 2Gi amd64 secure
fedora.arm64 1 2Gi arm64
fedora.s390x 1 2Gi s390x
linux 0 -
linux.efi 0 - efi
linux.virtiotransitional 0 - transitional
opensuse.leap 1 2Gi
opensuse.tumbleweed 1 2Gi
oraclelinux 2 4Gi efi
rhel.10 1 1.5Gi amd64 io secure
rhel.10.arm64 1 1.5Gi arm64 io
rhel.10.s390x 1 1.5Gi s390x io
rhel.7 1 1Gi
rhel.7.desktop 1 1Gi desktop
rhel.8 1 1.5Gi
rhel.8.desktop 1 1.5Gi desktop
rhel.8.dpdk 8 1.5Gi dpdk
rhel.9 1 1.5Gi amd64 io secure
rhel.9.arm64 1 1.5Gi arm64 io
rhel.9.desktop 1 1.5Gi amd64 io secure desktop
rhel.9.dpdk 8 1.5Gi amd64 io secure dpdk
rhel.9.realtime 4 4Gi amd64 io secure realtime
rhel.9.s390x 1 1.5Gi s390x io
sles 1 2Gi
ubuntu 1 2Gi
"""
# Release, CPUs, memory, its card where there is no virtio, and words; the oldest have no variant with virtio.
_WINDOWS = """
10 1 2Gi e1000e secure virtio
11 2 4Gi e1000e secure tpm virtio
2k12 1 512Mi e1000e virtio
2k16 1 2Gi e1000e secure virtio
2k19 1 2Gi e1000e secure virtio
2k22 1 2Gi e1000e secure tpm virtio
2k25 1 2Gi e1000e secure tpm virtio
2k3 1 256Mi rtl8139 low
2k8 1 512Mi e1000 virtio
7 1 2Gi e1000e virtio
xp 1 128Mi e1000e low
"""


def preferences() -> Iterator[Object]:
    """All of them."""
    for line in _LINUX.split("\n")[1:-1]:
        name, cpus, memory, *words = line.split()
        yield _preference(name, "linux", int(cpus), memory, _of_linux(words))
    devices = {"preferredDiskBus": "sata", "preferredInterfaceModel": "e1000"}
    yield _preference("legacy", "legacy", 0, "-", {"devices": devices})
    for line in _WINDOWS.split("\n")[1:-1]:
        release, cpus, memory, card, *words = line.split()
        for suffix in ("", ".virtio") if "virtio" in words else ("",):
            spec = _of_windows(words, "" if suffix else card)
            yield _preference(f"windows.{release}{suffix}", "windows", int(cpus), memory, spec)


def _of_linux(words: list[str]) -> Object:
    devices: Object = {**_VIRTIO, "preferredRng": {}}
    spec: Object = {"devices": devices}
    if "io" in words:
        devices["preferredDiskDedicatedIoThread"] = True
    if "desktop" in words:
        devices |= {**_ATTACHED, **_TABLET}
    if "transitional" in words:
        devices["preferredUseVirtioTransitional"] = True
    if "dpdk" in words or "realtime" in words:
        options = {**_SPREAD, "ratio": 4} if "dpdk" in words else dict(_SPREAD)
        spec["cpu"] = {"preferredCPUTopology": "spread", "spreadOptions": options}
        devices["preferredNetworkInterfaceMultiQueue"] = True
    if "realtime" in words:
        attached = {"GraphicsDevice": False, "MemBalloon": False, "SerialConsole": True}
        devices |= {f"preferredAutoattach{what}": value for what, value in attached.items()}
    if "efi" in words:
        spec["firmware"] = {"preferredEfi": {"secureBoot": False}}
    if "secure" in words:
        spec |= {"features": dict(_SECURE[0]), "firmware": {"preferredEfi": dict(_SECURE[1])}}
    for architecture in {"amd64", "arm64", "s390x"}.intersection(words):
        spec["preferredArchitecture"] = architecture
    return spec


def _of_windows(words: list[str], card: str) -> Object:
    """`card`: empty for the variant with virtio."""
    own = {"preferredDiskBus": "sata", "preferredInterfaceModel": card}
    devices: Object = {**_ATTACHED, **own} if card else {**_ATTACHED, **_VIRTIO, **_TABLET}
    if not card:
        devices["preferredVideoType"] = "virtio"
    features: Object = {"preferredAcpi": {}, "preferredApic": {}, "preferredHyperv": _HYPERV}
    spec: Object = {
        "clock": _CLOCK,
        "cpu": {"preferredCPUTopology": "sockets"},
        "devices": devices,
        "features": features,
        "preferredTerminationGracePeriodSeconds": 3600,
    }
    if "secure" in words:
        features |= _SECURE[0]
        spec["firmware"] = {"preferredEfi": dict(_SECURE[1])}
    if "tpm" in words:
        devices["preferredTPM"] = {"persistent": True}
        spec["firmware"]["preferredEfi"]["persistent"] = True
    if "low" in words:
        spec["annotations"] = {"kubevirt.io/disablePCIHole64": "true"}
    return spec


def _preference(name: str, system: str, cpus: int, memory: str, spec: Object) -> Object:
    told = {"os-type": system}
    architecture = spec.get("preferredArchitecture")
    needed: Object = {}
    if architecture:
        needed["architecture"] = architecture
        told |= {"arch": architecture, "preferred-architecture": architecture}
        told["required-architecture"] = architecture
    if cpus:
        needed |= {"cpu": {"guest": cpus}, "memory": {"guest": memory}}
        told |= {"required-cpu": str(cpus), "required-memory": memory}
    labels = {**{f"{_OWN}/{key}": value for key, value in told.items()}, **_COMMON}
    annotations = {**(spec.get("annotations") or {}), "vm.kubevirt.io/os": system}
    return {
        "apiVersion": _API,
        "kind": "VirtualMachineClusterPreference",
        "metadata": {"name": name, "labels": labels},
        "spec": {**spec, "annotations": annotations, **({"requirements": needed} if needed else {})},
    }
