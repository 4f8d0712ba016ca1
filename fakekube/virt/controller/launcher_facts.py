"""What a launcher pod is made from beside its VMI, and what its parts all have to know of the VMI. Pure.

Origin: kubevirt: pkg/virt-controller/services/template.go, pkg/hypervisor/kvm/memory.go
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fakekube.machinery.objects import Obj, annotations, dig
from fakekube.virt import quantities
from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller import instance, launcher_networks

_MEBI = 2**20
_KILO = 1000
_DEVICE_SPACE = 2**30  # what devices passed through map beside the guest's memory
_GRACE_UNSET = 30
FATE, NOT_GUARANTEED = "fakekube.io/fate", "not-guaranteed"  # the one fate a launcher is made with


@dataclass(frozen=True, slots=True)
class Settings:
    """What the KubeVirt configuration decides about launcher pods."""

    launcher_image: str = "virt-launcher:v1.9.0"
    image_volumes: bool = True  # feature gate ImageVolume
    use_emulation: bool = False
    config: ClusterConfig = field(default_factory=ClusterConfig)
    limits: frozenset[str] = frozenset()  # resources the namespace has limited: launchers get a limit, too
    cards: tuple[str, ...] = ()  # resources the guest's networks are served by, one of each


@dataclass(frozen=True, slots=True)
class Target:
    """What sets the target pod of a migration apart from an ordinary launcher pod."""

    migration: Obj
    node_selector: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)  # volume name → image pinned by digest
    selinux_level: str = ""
    away_from: str = ""  # the node the guest of another instance comes from


def memory_overhead(vmi: Obj, config: ClusterConfig) -> int:
    """Bytes the launcher needs beside the guest's memory: fixed processes, 8Mi per vCPU, page tables, devices; more, if a ratio or bindings say so."""
    requested = dig(vmi, "spec", "domain", "resources", "requests", "memory")
    page_tables = quantities.whole(requested) // 512 if requested else 0
    needed = 280 * _MEBI + vcpus(vmi) * 8 * _MEBI + page_tables
    if _locks_memory(vmi):
        needed += _DEVICE_SPACE
    ratio = Decimal(str(config.raw.get("additionalGuestMemoryOverheadRatio") or 1))
    return needed + int(-(-needed // _KILO) * (ratio - 1)) * _KILO + launcher_networks.overhead(vmi, config)


def _locks_memory(vmi: Obj) -> bool:
    """Whether devices of the node reach into the guest's memory."""
    devices = dig(vmi, "spec", "domain", "devices", default={})
    return launcher_networks.passes_a_card(vmi) or bool(devices.get("gpus") or devices.get("hostDevices"))


def grace_seconds(vmi: Obj) -> int:
    """How long the guest may take to shut down."""
    given = dig(vmi, "spec", "terminationGracePeriodSeconds")
    return _GRACE_UNSET if given is None else int(given)


def vcpus(vmi: Obj) -> int:
    cpu = dig(vmi, "spec", "domain", "cpu", default={})
    return int(cpu.get("sockets") or 1) * int(cpu.get("cores") or 1) * int(cpu.get("threads") or 1)


def is_guaranteed(vmi: Obj) -> bool:
    """Whether the pod has to be of the class Guaranteed: every limit is requested in full."""
    given = dig(vmi, "spec", "domain", "resources", default={})
    limits, requests = given.get("limits") or {}, given.get("requests") or {}
    in_full = all(limits.get(one) and limits.get(one) == requests.get(one) for one in ("cpu", "memory"))
    return in_full or (
        instance.has_dedicated_cpus(vmi) and NOT_GUARANTEED not in annotations(vmi).get(FATE, "")
    )


def container_disks(vmi: Obj) -> list[dict[str, Any]]:
    return [volume for volume in instance.volumes(vmi) if "containerDisk" in volume]


def pull_policy(volume: Obj) -> str:
    return str(dig(volume, "containerDisk", "imagePullPolicy") or "IfNotPresent")
