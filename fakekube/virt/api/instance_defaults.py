"""What an instance's spec gets when it says nothing. Changes its argument, and nothing else.

Origin: kubevirt: pkg/defaults/{defaults,hyperv,amd64,arm64,s390x}.go
"""

from collections.abc import Iterable
from typing import Any

from fakekube.machinery.errors import BadRequest
from fakekube.machinery.objects import dig
from fakekube.virt import memory_growth
from fakekube.virt.api import architectures
from fakekube.virt.config import ClusterConfig
from fakekube.virt.quantities import times, whole

Spec = dict[str, Any]
_MOST_CPUS = 512
_RETRIES = 4096  # of spinlocks, before the hypervisor is told
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_STANDARD_REQUEST = "100m"


def set_spec_defaults(spec: Spec, config: ClusterConfig) -> None:
    """Fill in what a template may be shown with: everything but what goes with an architecture. What it says stays."""
    domain: dict[str, Any] = spec.setdefault("domain", {})
    domain.setdefault("devices", {})
    set_architecture(spec, config)
    set_machine_type(spec, config)
    _requests(domain, config)
    _memory(domain)
    _topology(domain)
    _pull_policies(spec)
    spec.setdefault("evictionStrategy", config.eviction_strategy)
    add_default_network(spec, config)
    add_missing_disks(spec)


def set_instance_defaults(spec: Spec, config: ClusterConfig) -> None:
    """Fill in the spec of an instance. Whatever the spec says stays as it is."""
    set_spec_defaults(spec, config)
    domain, architecture = spec["domain"], str(spec.get("architecture") or "")
    if not domain["cpu"].get("model"):
        domain["cpu"]["model"] = config.cpu_model(architecture)
    if config.live_update and architecture != "arm64":
        _max_sockets(domain, config)
        _max_guest(spec, config)
    _disks(domain, architecture)
    _features(domain, architecture)
    _hyperv(domain)
    _watchdog(domain["devices"], architecture)
    if architecture == "arm64" and not (domain.get("firmware") or {}).get("bootloader"):
        loader = {"efi": {"secureBoot": False}}
        domain["firmware"] = {**(domain.get("firmware") or {}), "bootloader": loader}
    _inputs(domain)
    for name in ("livenessProbe", "readinessProbe"):
        if spec.get(name) is not None:
            spec[name] = {
                **_PROBE,
                **{key: value for key, value in spec[name].items() if value or value == {}},
            }


def set_architecture(spec: Spec, config: ClusterConfig) -> str:
    """The architecture in force, written down where there is one."""
    chosen = spec.get("architecture") or config.default_architecture
    if chosen:
        spec["architecture"] = chosen
    return str(chosen)


def set_machine_type(spec: Spec, config: ClusterConfig) -> None:
    machine = spec["domain"].setdefault("machine", {})
    chosen = machine.get("type") or config.machine_type(spec.get("architecture") or "")
    if chosen:
        machine["type"] = chosen
    if not machine:
        del spec["domain"]["machine"]


def add_missing_disks(spec: Spec) -> None:
    """A disk for every volume that has neither a disk nor a file system."""
    devices = spec["domain"].setdefault("devices", {})
    named = {one["name"] for kind in ("disks", "filesystems") for one in devices.get(kind) or ()}
    for volume in spec.get("volumes") or ():
        if volume["name"] not in named and volume.get("memoryDump") is None:
            devices.setdefault("disks", []).append({"name": volume["name"]})


def add_default_network(spec: Spec, config: ClusterConfig) -> None:
    """The pod network, for guests that say nothing about networks. Raises BadRequest where the cluster's own binding is none."""
    devices = spec["domain"].setdefault("devices", {})
    if devices.get("interfaces") or spec.get("networks") or devices.get("autoattachPodInterface") is False:
        return
    kind = config.default_interface
    if kind == "bridge" and not config.bridge_on_pod_network:
        raise BadRequest("bridge interface is not enabled in kubevirt-config")
    if kind == "slirp":
        raise BadRequest("slirp interface is deprecated as of v1.3")
    if kind in ("bridge", "masquerade"):
        devices["interfaces"] = [{"name": "default", kind: {}}]
    spec["networks"] = [{"name": "default", "pod": {}}]


def _requests(domain: dict[str, Any], config: ClusterConfig) -> None:
    resources = domain.setdefault("resources", {})
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    if "memory" in limits and "memory" not in requests:
        requests = resources["requests"] = {**requests, "memory": limits["memory"]}
    if "cpu" in requests:
        return
    limit = limits.get("cpu")
    if limit is not None:
        resources["requests"] = {**requests, "cpu": limit}
    elif config.cpu_request != _STANDARD_REQUEST and not (domain.get("cpu") or {}).get(
        "dedicatedCpuPlacement"
    ):
        resources["requests"] = {**requests, "cpu": config.cpu_request}


def _memory(domain: dict[str, Any]) -> None:
    memory = domain.get("memory") or {}
    if memory.get("guest") is not None:
        return
    resources = domain.get("resources") or {}
    guest = (
        (resources.get("requests") or {}).get("memory")
        or (resources.get("limits") or {}).get("memory")
        or (memory.get("hugepages") or {}).get("pageSize")
    )
    if guest is not None:
        domain["memory"] = {**memory, "guest": guest}


def _topology(domain: dict[str, Any]) -> None:
    cpu = domain["cpu"] = dict(domain.get("cpu") or {})
    if not any(cpu.get(part) for part in ("cores", "sockets", "threads")):
        resources = domain.get("resources") or {}
        asked = (resources.get("limits") or {}).get("cpu") or (resources.get("requests") or {}).get("cpu")
        cpu |= {"cores": 1, "threads": 1, "sockets": max(whole(asked), 1)}


def _max_sockets(domain: dict[str, Any], config: ClusterConfig) -> None:
    """Sockets can be added where their number is said."""
    cpu = domain["cpu"]
    sockets = cpu.get("sockets") or 0
    if cpu.get("maxSockets"):
        return
    if not (limit := max(config.max_cpu_sockets, sockets) if config.max_cpu_sockets else 0):
        limit = sockets * config.hotplug_ratio
        per_socket = (cpu.get("cores") or 0) * (cpu.get("threads") or 0)
        if limit * per_socket > _MOST_CPUS:
            limit = max(_MOST_CPUS // per_socket, sockets)
    if limit:
        cpu["maxSockets"] = limit


def _max_guest(spec: Spec, config: ClusterConfig) -> None:
    """Memory grows where it can."""
    memory = spec["domain"].get("memory") or {}
    guest = memory.get("guest")
    if guest is None or memory.get("maxGuest") is not None:
        return
    limit = config.max_guest or times(guest, config.hotplug_ratio)
    if not memory_growth.obstacle(spec, limit):
        spec["domain"]["memory"] = {**memory, "maxGuest": limit}


def _pull_policies(spec: Spec) -> None:
    for volume in spec.get("volumes") or ():
        disk = volume.get("containerDisk")
        if disk is not None and not disk.get("imagePullPolicy"):
            image = disk.get("image") or ""
            moving = image.endswith(":latest") or not (set(image) & {":", "@"})
            disk["imagePullPolicy"] = "Always" if moving else "IfNotPresent"


def _disks(domain: dict[str, Any], architecture: str) -> None:
    bus = "sata" if architecture == "amd64" else "virtio"
    for disk in domain["devices"].get("disks") or ():
        if disk.get("lun") is not None:
            disk["lun"].setdefault("bus", bus)
        elif disk.get("cdrom") is not None:
            cdrom = disk["cdrom"]
            cdrom.setdefault("bus", "sata" if architecture == "amd64" else "scsi")
            cdrom.setdefault("readonly", True)
            cdrom.setdefault("tray", "closed")
        else:
            disk.setdefault("disk", {}).setdefault("bus", bus)


def _features(domain: dict[str, Any], architecture: str) -> None:
    """What is named is on, unless it is said to be off; ACPI is there unnamed."""
    features: Spec = {**(domain.get("features") or {})}
    features["acpi"] = {"enabled": architecture != "s390x", **(features.get("acpi") or {})}
    _on(features, ("apic", "smm", "pvspinlock"))
    if (given := features.get("hyperv")) is not None:
        hyperv = features["hyperv"] = {**given}
        _on(hyperv, hyperv)
        if (locks := hyperv.get("spinlocks")) is not None and locks["enabled"]:
            hyperv["spinlocks"] = {"spinlocks": _RETRIES, **locks}
        if dig(hyperv, "synictimer", "direct") is not None:
            hyperv["synictimer"]["direct"] = {"enabled": True, **hyperv["synictimer"]["direct"]}
    domain["features"] = features
    if (timers := dig(domain, "clock", "timer")) is not None:
        timers = {own: None if one is None else {"present": True, **one} for own, one in timers.items()}
        domain["clock"] = {**domain["clock"], "timer": timers}


def _on(features: Spec, named: Iterable[str]) -> None:
    for one in named:
        if features.get(one) is not None:
            features[one] = {"enabled": True, **features[one]}


def _hyperv(domain: dict[str, Any]) -> None:
    """What Hyper-V's features need is there, unless it was refused; then nothing further is done."""
    if (wanted := domain["features"].get("hyperv")) is None:
        return
    for own, needed in architectures.HYPERV_NEEDS:
        if architectures.is_on(wanted, own) and (wanted.get(needed) or {}).get("enabled") is None:
            wanted[needed] = {**(wanted.get(needed) or {}), "enabled": True}
        elif architectures.is_on(wanted, own) and not architectures.is_on(wanted, needed):
            return
    if wanted.get("evmcs") is not None and wanted["evmcs"].get("enabled") is not False:
        listed = domain["cpu"].get("features") or ()
        features = [{**one, "policy": "require"} if one["name"] == "vmx" else one for one in listed]
        if not any(one["name"] == "vmx" for one in features):
            features.append({"name": "vmx", "policy": "require"})
        domain["cpu"]["features"] = features


def _watchdog(devices: dict[str, Any], architecture: str) -> None:
    """One of the architecture's own kind, which resets the guest."""
    kind = {"arm64": "", "s390x": "diag288"}.get(architecture, "i6300esb")
    if devices.get("watchdog") is not None and kind:
        model = devices["watchdog"].get(kind) or {}
        devices["watchdog"] = {
            **devices["watchdog"],
            kind: {**model, "action": model.get("action") or "reset"},
        }


def _inputs(domain: dict[str, Any]) -> None:
    for one in domain["devices"].get("inputs") or ():
        one["bus"] = one.get("bus") or "usb"
        one["type"] = one.get("type") or "tablet"
