"""What a launcher pod is made from beside its VMI, and what its parts all have to know of the VMI. Pure.

Origin: kubevirt: pkg/virt-controller/services/template.go
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from fakekube.machinery import digits
from fakekube.machinery.objects import Obj, annotations, dig, labels
from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller import instance

_GRACE_UNSET = 30
KERNEL = "kernel-boot-volume"
_VERBOSITY, _TALKATIVE = 2, 5
_SPOKEN = {"debugLogs": "LIBVIRT_DEBUG_LOGS", "virtiofsdDebugLogs": "VIRTIOFSD_DEBUG_LOGS"}
XDG: tuple[dict[str, Any], ...] = (
    {"name": "XDG_CACHE_HOME", "value": "/var/run/kubevirt-private"},
    {"name": "XDG_CONFIG_HOME", "value": "/var/run/kubevirt-private"},
    {"name": "XDG_RUNTIME_DIR", "value": "/var/run"},
)
SECURED: dict[str, Any] = {
    "capabilities": {"drop": ["ALL"]},
    "runAsUser": 107,
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
}  # of all containers but the guest's
FATE, NOT_GUARANTEED = "fakekube.io/fate", "not-guaranteed"  # the one fate a launcher is made with


class Settings(Struct, frozen=True):
    """What the KubeVirt configuration decides about launcher pods."""

    launcher_image: str = "virt-launcher:v1.9.0"
    image_volumes: bool = True  # unless feature gate ImageVolume is closed
    use_emulation: bool = False
    config: ClusterConfig = field(default_factory=ClusterConfig)
    limits: frozenset[str] = frozenset()  # resources the namespace has limited: launchers get a limit, too
    cards: tuple[str, ...] = ()  # resources the guest's networks are served by, one of each
    limit_ratio: Decimal = Decimal(2)  # of the memory limit they get to what they request
    claims: Mapping[str, Obj] = field(default_factory=dict)  # those of the guest's volumes, by name


class Target(Struct, frozen=True):
    """What sets the target pod of a migration apart from an ordinary launcher pod."""

    migration: Obj
    node_selector: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)  # volume name → image pinned by digest
    selinux_level: str = ""
    away_from: str = ""  # the node the guest of another instance comes from


def is_block(claim: Obj | None) -> bool:
    return bool(dig(claim, "spec", "volumeMode") == "Block")


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


def images(vmi: Obj) -> list[dict[str, Any]]:
    """The volumes that are images: disks, and the kernel a guest is booted with."""
    kernel = dig(vmi, "spec", "domain", "firmware", "kernelBoot", "container")
    boot = [{"name": KERNEL, "containerDisk": kernel}] if kernel is not None else []
    return container_disks(vmi) + boot


def is_logged(vmi: Obj, settings: Settings) -> dict[str, str]:
    """The variables that make a launcher say more than usual."""
    own = labels(vmi)
    cluster = dig(settings.config.raw, "developerConfiguration", "logVerbosity", "virtLauncher")
    verbosity = own.get("logVerbosity") or str(cluster or _VERBOSITY)
    made = {"VIRT_LAUNCHER_LOG_VERBOSITY": verbosity} if verbosity != str(_VERBOSITY) else {}
    much = (digits.number(verbosity) or 0) > _TALKATIVE
    for label, variable in _SPOKEN.items():
        if own.get(label) == "true" or (much and label == "debugLogs"):
            made[variable] = "1"
    return made


def pull_policy(volume: Obj) -> str:
    return str(dig(volume, "containerDisk", "imagePullPolicy") or "IfNotPresent")
