"""All checks on an instance's spec, in the order in which their messages are listed. Pure.

The same checks judge instances, templates of machines and templates of pools; `path` is where the spec lies.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/vmi-create-admitter.go
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any

from fakekube.machinery import placing
from fakekube.virt.api import (
    credentials,
    devices,
    disks,
    firmware,
    names,
    networks,
    resource_claims,
    resources,
    volumes,
)
from fakekube.virt.causes import Cause, not_supported, required
from fakekube.virt.config import ClusterConfig

Spec = Mapping[str, Any]

_IO_POLICIES = ("shared", "auto", "supplementalPool")
_RESERVED_PATHS = ("/var/run/kubevirt", "/var/run/libvirt")
_FEATURE_POLICIES = (None, "", "force", "require", "optional", "disable", "forbid")


def validate(path: str, spec: Spec, config: ClusterConfig) -> list[Cause]:
    """What is wrong with a spec, whatever it is the spec of."""
    plain = chain.from_iterable(check(path, spec) for check in _BEFORE_MACHINE)
    return [
        *plain,
        *resources.guest_memory_limit(path, spec, live_update=config.live_update),
        *_machine(path, spec, config),
        *chain.from_iterable(check(path, spec) for check in _BEFORE_PINNING),
        *resources.cpu_pinning(path, spec, default_architecture=config.default_architecture),
        *chain.from_iterable(check(path, spec) for check in _BEFORE_NETWORK),
        *networks.networks(path, spec, config),
        *resource_claims.networks(path, spec, config),
        *resource_claims.devices(path, spec, config),
        *disks.boot_order(path, spec, config),
        *chain.from_iterable(check(path, spec) for check in _BEFORE_DOMAIN),
        *disks.disks(
            f"{path}.domain.devices.disks", (spec["domain"].get("devices") or {}).get("disks") or []
        ),
        *firmware.firmware(f"{path}.domain", spec),
        *volumes.volumes(path, spec, config),
        *volumes.container_disks(path, spec),
        *chain.from_iterable(check(path, spec) for check in _AFTER_VOLUMES),
        *devices.gated(path, spec, config),
    ]


def validate_instance(path: str, spec: Spec) -> list[Cause]:
    """What only an instance must satisfy, once defaults are applied: disks, and memory."""
    return [*_volumes_have_disks(path, spec), *resources.memory_requested(path, spec)]


def _machine(path: str, spec: Spec, config: ClusterConfig) -> Iterator[Cause]:
    type_ = (spec["domain"].get("machine") or {}).get("type")
    if not type_:
        return
    known = config.emulated_machines(spec.get("architecture") or "")
    if not any(fnmatchcase(type_, pattern) for pattern in known):
        where = f"{path}.domain.machine.type"
        yield Cause(f"{where} is not supported: {type_} (allowed values: [{' '.join(known)}])", where)


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


def _volumes_have_disks(path: str, spec: Spec) -> Iterator[Cause]:
    devices = spec["domain"].get("devices") or {}
    disks, shared = ({one["name"] for one in devices.get(kind) or ()} for kind in ("disks", "filesystems"))
    for index, volume in enumerate(spec.get("volumes") or ()):
        own, where = volume["name"], f"{path}.domain.volumes[{index}].name"
        if volume.get("memoryDump") is None and own not in disks | shared:
            yield Cause(f"{where} '{own}' not found.", where)
        if volume.get("containerPath") is not None:
            yield from _container_path(where, volume, disks, shared)


def _container_path(
    where: str, volume: Spec, disks: Collection[str], shared: Collection[str]
) -> Iterator[Cause]:
    """A directory of the launcher is shared as a file system, and it is none of those the launcher needs itself."""
    own, inside = volume["name"], volume["containerPath"].get("path") or ""
    if own in disks:
        yield Cause(f"{where} '{own}' must be mapped to a filesystem, not a disk.", where)
    if own not in shared:
        yield Cause(f"{where} '{own}' must have a matching filesystem.", where)
    for prefix in _RESERVED_PATHS:
        if inside.startswith(prefix):
            yield Cause(f"{where} '{own}': path {inside} has the reserved path prefix {prefix}", where)


def _affinity(path: str, spec: Spec) -> Iterator[Cause]:
    """Where the launcher may run; upstream leaves `affinity` out of the paths."""
    if spec.get("affinity") is not None:
        for error in placing.affinity(spec["affinity"], path, strict=False):
            yield Cause(str(error), error.field)
    constraints = spec.get("topologySpreadConstraints") or ()
    for error in placing.spread(constraints, f"{path}.topologySpreadConstraints", strict=False):
        yield Cause(str(error), error.field)


Check = Callable[[str, Spec], Iterator[Cause]]
_BEFORE_MACHINE: tuple[Check, ...] = (
    names.hostname,
    names.subdomain,
    resources.memory_requests,
    resources.memory_limits,
    resources.hugepages,
)
_BEFORE_PINNING: tuple[Check, ...] = (disks.serial_number, firmware.acpi, resources.cpu_amounts)
_BEFORE_NETWORK: tuple[Check, ...] = (
    resources.numa,
    resources.emulator_thread,
    _cpu_features,
    resources.cpu_hotplug,
    _start_strategy,
    resources.realtime,
    _affinity,
)
_BEFORE_DOMAIN: tuple[Check, ...] = (devices.inputs, _io_threads, _probes)
_AFTER_VOLUMES: tuple[Check, ...] = (credentials.access_credentials, names.resolver)
