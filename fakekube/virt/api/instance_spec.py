"""All checks on an instance's spec, in the order in which their messages are listed. Pure.

The same checks judge instances, templates of machines and templates of pools; `path` is where the spec lies.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/vmi-create-admitter.go
"""

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any

from fakekube.virt.api import credentials, disks, names, networks, resources, volumes
from fakekube.virt.causes import Cause, not_supported, required
from fakekube.virt.config import ClusterConfig

Spec = Mapping[str, Any]

_EVICTION = ("LiveMigrate", "LiveMigrateIfPossible", "None", "External")
_IO_POLICIES = ("shared", "auto", "supplementalPool")
_FEATURE_POLICIES = (None, "", "force", "require", "optional", "disable", "forbid")


def validate(path: str, spec: Spec, config: ClusterConfig) -> list[Cause]:
    """What is wrong with a spec, whatever it is the spec of."""
    plain = chain.from_iterable(check(path, spec) for check in _BEFORE_MACHINE)
    return [
        *plain,
        *resources.guest_memory_limit(path, spec, live_update=config.live_update),
        *_machine(path, spec, config),
        *chain.from_iterable(check(path, spec) for check in _BEFORE_NETWORK),
        *networks.networks(path, spec, config),
        *disks.boot_order(path, spec, config),
        *chain.from_iterable(check(path, spec) for check in _BEFORE_DOMAIN),
        *_domain(f"{path}.domain", spec),
        *volumes.volumes(path, spec, config),
        *volumes.container_disks(path, spec),
        *chain.from_iterable(check(path, spec) for check in _AFTER_VOLUMES),
        *_gated(path, spec, config),
    ]


def validate_instance(path: str, spec: Spec) -> list[Cause]:
    """What only an instance must satisfy, once defaults are applied: memory, and an architecture."""
    return [
        *_volumes_have_disks(path, spec),
        *resources.memory_requested(path, spec),
        *_architecture(path, spec),
    ]


def _machine(path: str, spec: Spec, config: ClusterConfig) -> Iterator[Cause]:
    type_ = (spec["domain"].get("machine") or {}).get("type")
    if not type_:
        return
    known = config.emulated_machines(spec.get("architecture") or "")
    if not any(fnmatchcase(type_, pattern) for pattern in known):
        where = f"{path}.domain.machine.type"
        yield Cause(f"{where} is not supported: {type_} (allowed values: [{' '.join(known)}])", where)


def _acpi(path: str, spec: Spec) -> Iterator[Cause]:
    acpi = (spec["domain"].get("firmware") or {}).get("acpi")
    field = f"{path}.acpi"
    if acpi is None:
        return
    if not acpi.get("slicNameRef") and not acpi.get("msdmNameRef"):
        yield Cause("ACPI was set but no SLIC nor MSDM volume reference was set", field)
    for member in ("slicNameRef", "msdmNameRef"):
        wanted = acpi.get(member)
        if not wanted:
            continue
        found = next((one for one in spec.get("volumes") or () if one["name"] == wanted), None)
        if found is None:
            yield Cause(f"{field} does not have a matching Volume.", f"{field}.{member}")
        elif found.get("secret") is None:
            yield Cause(f"{field} refers to Volume of unsupported type.", f"{field}.{member}")


def _cpu_features(path: str, spec: Spec) -> Iterator[Cause]:
    for index, feature in enumerate((spec["domain"].get("cpu") or {}).get("features") or ()):
        policy = feature.get("policy")
        if policy not in _FEATURE_POLICIES:
            yield not_supported(
                f"CPU feature {feature['name']} uses policy {policy} that is not supported.",
                f"{path}.domain.cpu.features[{index}].policy",
            )


def _start_strategy(path: str, spec: Spec) -> Iterator[Cause]:
    strategy = spec.get("startStrategy")
    where = f"{path}.startStrategy"
    if not strategy:
        return
    if strategy != "Paused":
        yield Cause(f"{where} is set with an unrecognized option: {strategy}", where)
    elif spec.get("livenessProbe") is not None:
        yield Cause(
            f"either {where} or {path}.livenessProbe should be provided."
            "Pausing VMI with LivenessProbe is not supported",
            where,
        )


def _io_threads(path: str, spec: Spec) -> Iterator[Cause]:
    policy = spec["domain"].get("ioThreadsPolicy")
    if policy is None:
        return
    if policy not in _IO_POLICIES:
        yield Cause(f"Invalid IOThreadsPolicy ({policy})", f"{path}.domain.ioThreadsPolicy")
    count = (spec["domain"].get("ioThreads") or {}).get("supplementalPoolThreadCount") or 0
    if policy == "supplementalPool" and count < 1:
        yield Cause(
            "the number of iothreads needs to be set and positive for the dedicated policy",
            f"{path}.domain.ioThreads.count",
        )


def _probes(path: str, spec: Spec) -> Iterator[Cause]:
    for name in ("readinessProbe", "livenessProbe"):
        probe, here = spec.get(name), f"{path}.{name}"
        if probe is None:
            continue
        kinds = sum(
            probe.get(kind) is not None for kind in ("httpGet", "tcpSocket", "exec", "guestAgentPing")
        )
        if kinds > 1:
            yield Cause(f"{here} must have exactly one probe type set", here)
        if kinds < 1:
            yield required(
                f"either {here}.tcpSocket, {here}.exec or {here}.httpGet must be set if a {here} is specified",
                here,
            )
    if any(network.get("pod") is not None for network in spec.get("networks") or ()):
        return
    for name in ("readinessProbe", "livenessProbe"):
        for kind in ("httpGet", "tcpSocket"):
            if (spec.get(name) or {}).get(kind) is not None:
                where = f"{path}.{name}.{kind}"
                yield Cause(f"{where} is only allowed if the Pod Network is attached", where)


def _domain(path: str, spec: Spec) -> Iterator[Cause]:
    domain = spec["domain"]
    firmware = domain.get("firmware") or {}
    bootloader = firmware.get("bootloader") or {}
    yield from disks.disks(f"{path}.devices.disks", (domain.get("devices") or {}).get("disks") or [])
    if bootloader.get("efi") is not None and bootloader.get("bios") is not None:
        where = f"{path}.firmware.bootloader"
        yield Cause(f"{where} has both EFI and BIOS configured, but they are mutually exclusive.", where)
    yield from _kernel_boot(f"{path}.firmware.kernelBoot", firmware.get("kernelBoot"))
    efi = bootloader.get("efi")
    smm = (domain.get("features") or {}).get("smm")
    smm_on = smm is not None and smm.get("enabled") is not False
    if efi is not None and efi.get("secureBoot") is not False and not smm_on:
        yield Cause(
            f"{path} has EFI SecureBoot enabled. SecureBoot requires SMM, which is currently disabled.", path
        )


def _kernel_boot(path: str, boot: Mapping[str, Any] | None) -> Iterator[Cause]:
    if boot is None:
        return
    container = boot.get("container")
    if container is None:
        if boot.get("kernelArgs"):
            yield required("kernel arguments cannot be provided without an external kernel", path)
        return
    if not container.get("image"):
        yield required(f"{path}.container must be defined with an image", f"{path}.container.image")
    if not container.get("initrdPath") and not container.get("kernelPath"):
        yield required(
            f"{path}.container must be defined with at least one of the following: kernelPath, initrdPath",
            f"{path}.container",
        )


def _sound(path: str, spec: Spec) -> Iterator[Cause]:
    sound = (spec["domain"].get("devices") or {}).get("sound")
    if sound is None:
        return
    if sound.get("model") not in (None, "", "ich9", "ac97"):
        yield Cause("Sound device type is not supported. Options: 'ich9' or 'ac97'", f"{path}.Sound")
    if not sound.get("name"):
        yield Cause("Sound device requires a name field.", f"{path}.Sound")


def _gated(path: str, spec: Spec, config: ClusterConfig) -> Iterator[Cause]:
    """What needs an open feature gate, and the eviction strategy, which the cluster may preset."""
    strategy = spec.get("evictionStrategy") or config.eviction_strategy
    if strategy not in _EVICTION:
        where = f"{path}.evictionStrategy"
        yield Cause(f"{where} is set with an unrecognized option: {strategy}", where)
    devices = spec["domain"].get("devices") or {}
    if devices.get("hostDevices") and not config.gate("HostDevices"):
        yield Cause("Host Devices feature gate is not enabled in kubevirt-config", f"{path}.HostDevices")
    yield from _sound(path, spec)
    yield from _launch_security(path, spec, config)
    if devices.get("autoattachVSOCK") and not config.gate("VSOCK"):
        where = f"{path}.domain.devices.autoattachVSOCK"
        yield Cause("VSOCK feature gate is not enabled in kubevirt-config", where)
    if devices.get("downwardMetrics") is not None and not config.gate("DownwardMetrics"):
        yield Cause(
            "downwardMetrics virtio serial is not allowed: DownwardMetrics feature gate is not enabled",
            f"{path}.domain.devices.downwardMetrics",
        )
    storage = {
        volume["name"]
        for volume in spec.get("volumes") or ()
        if volume.keys() & {"persistentVolumeClaim", "dataVolume"}
    }
    for filesystem in devices.get("filesystems") or ():
        if filesystem["name"] in storage and not config.gate("EnableVirtioFsStorageVolumes"):
            yield Cause(
                "virtiofs is not allowed: virtiofs feature gate is not enabled for PVC",
                f"{path}.domain.devices.filesystems",
            )


def _launch_security(path: str, spec: Spec, config: ClusterConfig) -> Iterator[Cause]:
    sev = (spec["domain"].get("launchSecurity") or {}).get("sev")
    where = f"{path}.launchSecurity"
    if sev is None:
        return
    if not config.gate("WorkloadEncryptionSEV"):
        yield Cause("WorkloadEncryptionSEV feature gate is not enabled in kubevirt-config", where)
        return
    efi = ((spec["domain"].get("firmware") or {}).get("bootloader") or {}).get("efi")
    if efi is None:
        yield Cause("SEV requires OVMF (UEFI)", where)
    elif efi.get("secureBoot") is not False:
        yield Cause("SEV does not work along with SecureBoot", where)
    if sev.get("attestation") is not None and spec.get("startStrategy") != "Paused":
        yield Cause("SEV attestation requires VMI StartStrategy 'Paused'", where)
    for interface in (spec["domain"].get("devices") or {}).get("interfaces") or ():
        if interface.get("bootOrder") is not None:
            yield Cause(f"SEV does not work with bootable NICs: {interface['name']}", where)


def _volumes_have_disks(path: str, spec: Spec) -> Iterator[Cause]:
    devices = spec["domain"].get("devices") or {}
    named = {one["name"] for one in (*(devices.get("disks") or ()), *(devices.get("filesystems") or ()))}
    for index, volume in enumerate(spec.get("volumes") or ()):
        if volume.get("memoryDump") is None and volume["name"] not in named:
            where = f"{path}.domain.volumes[{index}].name"
            yield Cause(f"{where} '{volume['name']}' not found.", where)


def _architecture(path: str, spec: Spec) -> Iterator[Cause]:
    architecture = spec.get("architecture") or ""
    if architecture not in ("amd64", "arm64", "s390x"):
        yield Cause(f"unsupported architecture: {architecture}", f"{path}.architecture")


Check = Callable[[str, Spec], Iterator[Cause]]
_BEFORE_MACHINE: tuple[Check, ...] = (
    names.hostname,
    names.subdomain,
    resources.memory_requests,
    resources.memory_limits,
    resources.hugepages,
)
_BEFORE_NETWORK: tuple[Check, ...] = (
    disks.serial_number,
    _acpi,
    resources.cpu_amounts,
    resources.cpu_pinning,
    resources.numa,
    resources.emulator_thread,
    _cpu_features,
    resources.cpu_hotplug,
    _start_strategy,
    resources.realtime,
)
_BEFORE_DOMAIN: tuple[Check, ...] = (disks.inputs, _io_threads, _probes)
_AFTER_VOLUMES: tuple[Check, ...] = (credentials.access_credentials, names.resolver)
