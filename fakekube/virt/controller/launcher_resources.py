"""What a launcher pod's containers take of a node: CPUs, memory, devices. Pure.

Origin: kubevirt: pkg/virt-controller/services/renderresources.go, pkg/hypervisor/kvm/launcherhypervisorresources.go
"""

from collections import Counter
from decimal import Decimal

from fakekube.machinery.objects import Obj, annotations, dig
from fakekube.machinery.wire import Object
from fakekube.virt import quantities
from fakekube.virt.config import EVEN_THREADS, ClusterConfig
from fakekube.virt.controller import instance, launcher_networks
from fakekube.virt.controller.launcher_facts import Settings, is_guaranteed, vcpus

_MEBI = 2**20
_KILO = 1000
_DISK_FILES = 50 * 10**6  # bytes of the node's disk a launcher writes
_PROCESSES = 248 * _MEBI  # launcher, libvirt, QEMU, and QEMU's input and output
_PER_CPU, _GRAPHICS, _ARM = 8 * _MEBI, 32 * _MEBI, 128 * _MEBI
_PASSED_THROUGH, _METRICS, _ENCRYPTED, _TPM, _ALONE = (
    1024 * _MEBI,
    _MEBI,
    256 * _MEBI,
    53 * _MEBI,
    100 * _MEBI,
)
_PROBES, _PROBE = 100 * _MEBI, 10 * _MEBI
_USUAL: dict[str, dict[str, dict[str, str]]] = {
    "container-disk": {
        "limits": {"cpu": "10m", "memory": "40M"},
        "requests": {"cpu": "1m", "ephemeral-storage": "50M", "memory": "1M"},
    },
    "guest-console-log": {
        "limits": {"cpu": "15m", "memory": "60M"},
        "requests": {"cpu": "5m", "memory": "35M"},
    },
    "copier": {"limits": {"cpu": "100m", "memory": "40M"}, "requests": {"cpu": "10m", "memory": "1M"}},
    "sidecar": {"limits": {}, "requests": {}},
    "virtiofs": {"limits": {"cpu": "100m", "memory": "80M"}, "requests": {"cpu": "10m", "memory": "1M"}},
}
_KINDS = {"copier": "container-disk"}  # as the configuration knows them
_GUARANTEED_SIDECAR = {"cpu": "200m", "memory": "64M"}


def memory_overhead(vmi: Obj, config: ClusterConfig) -> int:
    """Bytes the launcher needs beside the guest's memory: its processes, page tables, what each device takes; more, if a ratio or bindings say so."""
    domain = dig(vmi, "spec", "domain", default={})
    devices = domain.get("devices") or {}
    needed = _PROCESSES + vcpus(vmi) * _PER_CPU + _page_tables(domain)
    if devices.get("autoattachGraphicsDevice") is not False:
        needed += _GRAPHICS
    if dig(vmi, "spec", "architecture") == "arm64":
        needed += _ARM
    if devices.get("gpus") or devices.get("hostDevices") or launcher_networks.passes_a_card(vmi):
        needed += _PASSED_THROUGH
    if any("downwardMetrics" in one for one in instance.volumes(vmi)):
        needed += _METRICS
    probes = [dig(vmi, "spec", kind, "exec") for kind in ("livenessProbe", "readinessProbe")]
    if asked := sum(one is not None for one in probes):
        needed += _PROBES + asked * _PROBE
    if {"sev", "snp"} & (domain.get("launchSecurity") or {}).keys():
        needed += _ENCRYPTED
    if (tpm := devices.get("tpm")) is not None and tpm.get("enabled") is not False:
        needed += _TPM
    if instance.has_dedicated_cpus(vmi) or is_guaranteed(vmi):
        needed += _ALONE
    needed += quantities.whole(dig(domain, "memory", "reservedOverhead", "addedOverhead"))
    ratio = Decimal(str(config.raw.get("additionalGuestMemoryOverheadRatio") or 1))
    more = int(-(-needed // _KILO) * (ratio - 1)) * _KILO
    return needed + more + launcher_networks.overhead(vmi, config)


def _page_tables(domain: Obj) -> int:
    requested = quantities.whole(dig(domain, "resources", "requests", "memory"))
    return -(-requested // _KILO) * _KILO // 512 if requested else 0


def compute(vmi: Obj, settings: Settings) -> Object:
    """What the guest's own container takes."""
    domain = dig(vmi, "spec", "domain", default={})
    given = domain.get("resources") or {}
    requests, limits = dict(given.get("requests") or {}), dict(given.get("limits") or {})
    _cpus(vmi, settings, requests, limits)
    _memory(vmi, settings, requests, limits)
    stored = requests.get("ephemeral-storage")
    requests["ephemeral-storage"] = _more(stored, _DISK_FILES) if stored else "50M"
    if "ephemeral-storage" in limits:
        limits["ephemeral-storage"] = _more(limits["ephemeral-storage"], _DISK_FILES)
    devices = _devices(vmi, settings)
    made: Object = {"limits": limits | devices, "requests": requests | devices}
    if claims := _claims(vmi["spec"]):
        made["claims"] = claims
    return made


def helper(kind: str, vmi: Obj, settings: Settings) -> Object:
    """What a container beside it takes: all of its limits at once, where the pod has to be guaranteed them."""
    told = settings.config.helper_resources(_KINDS.get(kind, kind), _USUAL[kind])
    made: Object = {part: values for part, values in told.items() if values}
    if not is_guaranteed(vmi):
        return made
    if kind == "sidecar":
        made["limits"] = {**_GUARANTEED_SIDECAR, **made.get("limits", {})}
    return {**made, "requests": {**made.get("requests", {}), **made["limits"]}}


def is_emulated(settings: Settings) -> bool:
    """Whether guests may run without the host's support."""
    developer = settings.config.raw.get("developerConfiguration") or {}
    return settings.use_emulation or bool(developer.get("useEmulation"))


def _more(amount: str, added: int) -> str:
    return quantities.like(quantities.whole(amount) + added, amount)


def _cpus(vmi: Obj, settings: Settings, requests: Object, limits: Object) -> None:
    domain = dig(vmi, "spec", "domain", default={})
    cpus = vcpus(vmi)
    threads = int(dig(domain, "ioThreads", "supplementalPoolThreadCount") or 0)
    if instance.has_dedicated_cpus(vmi):
        alone = cpus + threads
        if dig(domain, "cpu", "isolateEmulatorThread"):
            alone += 2 if EVEN_THREADS in annotations(vmi) and alone % 2 == 0 else 1
        requests["cpu"] = limits["cpu"] = str(alone)
    else:
        requests.setdefault("cpu", _shared(cpus + threads, settings.config.cpu_allocation_ratio))
    if "cpu" in settings.limits:
        limits.setdefault("cpu", str(cpus))


def _shared(cpus: int, ratio: int) -> str:
    """What so many virtual CPUs request of a node that counts each of its own `ratio` times."""
    thousandths = cpus * 1000 // ratio
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def _memory(vmi: Obj, settings: Settings, requests: Object, limits: Object) -> None:
    domain = dig(vmi, "spec", "domain", default={})
    overhead = memory_overhead(vmi, settings.config)
    asked = requests.get("memory") or limits.get("memory") or _for_guest(vmi, settings.config)
    requested = quantities.whole(asked)
    size = dig(domain, "memory", "hugepages", "pageSize")
    if size:
        huge = min(quantities.whole(dig(domain, "memory", "guest") or requested), requested)
        requests[f"hugepages-{size}"] = limits[f"hugepages-{size}"] = quantities.binary(huge)
        requested -= huge
        if "memory" in limits:
            limits["memory"] = quantities.binary(max(quantities.whole(limits["memory"]) - huge, 0))
    if "memory" in limits:
        limits["memory"] = quantities.binary(quantities.whole(limits["memory"]) + overhead)
    free = bool(dig(domain, "resources", "overcommitGuestOverhead"))
    requests["memory"] = quantities.binary(requested if free else requested + overhead)
    if is_guaranteed(vmi) and (instance.has_dedicated_cpus(vmi) or not free):
        limits["memory"] = requests["memory"]
    if "memory" in settings.limits and "memory" not in limits:
        limit = int(quantities.whole(requests["memory"]) * settings.limit_ratio)
        limits["memory"] = quantities.binary(limit)


def _for_guest(vmi: Obj, config: ClusterConfig) -> str:
    """All of the guest's memory; where guests together get more than the nodes have, less than it sees."""
    domain = dig(vmi, "spec", "domain", default={})
    guest = str(dig(domain, "memory", "guest") or "0")
    in_full = dig(domain, "memory", "hugepages") is not None or instance.has_dedicated_cpus(vmi)
    if in_full or config.memory_overcommit == 100:
        return guest
    return str(quantities.whole(guest) * 100 // config.memory_overcommit)


def _devices(vmi: Obj, settings: Settings) -> dict[str, str]:
    """What the guest needs of the host, by the names device plugins have for it."""
    domain = dig(vmi, "spec", "domain", default={})
    devices = domain.get("devices") or {}
    interfaces = devices.get("interfaces") or ()
    wanted = [] if is_emulated(settings) else ["kvm"]
    if interfaces or devices.get("autoattachPodInterface") is not False:
        wanted.append("tun")
    if not is_emulated(settings) and any(one.get("model", "virtio") == "virtio" for one in interfaces):
        wanted.append("vhost-net")
    if instance.has_vsock(vmi):
        wanted.append("vhost-vsock")
    security = (domain.get("launchSecurity") or {}).keys()
    wanted += ["sev"] if {"sev", "snp"} & security else []
    wanted += ["tdx"] if "tdx" in security else []
    if any(dig(one, "lun", "reservation") for one in devices.get("disks") or ()):
        wanted.append("pr-helper")
    made = {f"devices.kubevirt.io/{one}": "1" for one in wanted}
    passed = [one for kind in ("gpus", "hostDevices") for one in devices.get(kind) or ()]
    if passed and settings.config.gate("IOMMUFD"):
        made["devices.kubevirt.io/iommufd"] = "1"
    named = [str(one["deviceName"]) for one in passed if one.get("deviceName")]
    counts = Counter([*named, *settings.cards])
    return made | {own: str(number) for own, number in counts.items()}


def _claims(spec: Obj) -> list[Object]:
    """The requests of resource claims its devices come from, and its networks' cards."""
    listed = [
        one for kind in ("gpus", "hostDevices") for one in dig(spec, "domain", "devices", kind, default=())
    ]
    listed += [one["resourceClaim"] for one in spec.get("networks") or () if "resourceClaim" in one]
    found = [(one["claimName"], one.get("requestName")) for one in listed if one.get("claimName")]
    return [
        {"name": claim, **({"request": request} if request else {})}
        for claim, request in dict.fromkeys(found)
    ]
