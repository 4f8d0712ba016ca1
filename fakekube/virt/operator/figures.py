"""What KubeVirt's own pods tell Prometheus, in its text format. Pure.

virt-controller and virt-operator tell who leads, virt-handlers of the guests on their nodes. Nothing is measured: of memory
they know what the guest has, everything that would be counted is 0.
Origin: kubevirt: pkg/monitoring/metrics/{virt-controller,virt-operator,virt-handler,common}
"""

from collections.abc import Iterable, Iterator, Mapping

from fakekube.machinery.objects import Obj, condition_is, dig, labels, name, namespace
from fakekube.virt import quantities

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]  # name, labels, value

_MEMORY = (
    *("actual_balloon_bytes", "available_bytes", "domain_bytes", "resident_bytes", "unused_bytes"),
    *("usable_bytes", "cached_bytes", "swap_in_traffic_bytes", "swap_out_traffic_bytes"),
    *("pgmajfault_total", "pgminfault_total"),
)
_OF_A_GUEST = frozenset(
    (
        "actual_balloon_bytes",
        "available_bytes",
        "domain_bytes",
        "resident_bytes",
        "unused_bytes",
        "usable_bytes",
    )
)
_CPU = ("cpu_usage_seconds_total", "cpu_user_usage_seconds_total", "cpu_system_usage_seconds_total")
_VCPU = ("vcpu_wait_seconds_total", "vcpu_delay_seconds_total")
_DRIVE = (
    *("iops_read_total", "iops_write_total", "read_traffic_bytes_total", "write_traffic_bytes_total"),
    *(
        "read_times_seconds_total",
        "write_times_seconds_total",
        "flush_requests_total",
        "flush_times_seconds_total",
    ),
)
_NIC = tuple(
    f"{way}_{what}_total"
    for way in ("receive", "transmit")
    for what in ("bytes", "packets", "errors", "packets_dropped")
)
_DEPRECATED_MACHINE = "pc-q35-rhel8.6.0"


def told(component: str, node: str, *, leads: bool, guests: Iterable[Obj]) -> str:
    """What a pod of a component on a node says; `guests` are all there are."""
    return text([("go_goroutines", {}, 100.0), *_of(component, node, leads, list(guests))])


def text(samples: Iterable[Sample]) -> str:
    """The format: one line per sample, samples of a name together."""
    lines: dict[str, list[str]] = {}
    for own, marks, value in samples:
        kind = "counter" if own.endswith("_total") else "gauge"
        listed = ",".join(f'{key}="{_escaped(said)}"' for key, said in marks.items())
        found = lines.setdefault(own, [f"# TYPE {own} {kind}"])
        found.append(f"{own}{{{listed}}} {value:g}" if listed else f"{own} {value:g}")
    return "".join(f"{line}\n" for group in lines.values() for line in group)


def _of(component: str, node: str, leads: bool, guests: list[Obj]) -> Iterator[Sample]:
    if component in ("virt-controller", "virt-operator"):
        own = f"kubevirt_{component.replace('-', '_')}"
        yield f"{own}_ready_status", {}, 1.0
        yield f"{own}_leading_status", {}, float(leads)
    if component == "virt-controller" and leads:
        for vmi in guests:
            yield from _known(vmi)
    if component == "virt-handler":
        marks = {"machine_type": _DEPRECATED_MACHINE, "node": node}
        yield "kubevirt_node_deprecated_machine_types", marks, 1.0
        for vmi in guests:
            if dig(vmi, "status", "nodeName") == node and dig(vmi, "status", "phase") == "Running":
                yield from _measured(vmi, node)


def _known(vmi: Obj) -> Iterator[Sample]:
    """What virt-controller says of an instance, wherever it is."""
    node = str(dig(vmi, "status", "nodeName", default=""))
    marks = {"node": node, "namespace": namespace(vmi), "name": name(vmi)}
    phase = str(dig(vmi, "status", "phase", default="")).lower()
    yield "kubevirt_vmi_info", {**marks, "phase": phase}, 1.0
    strategy = dig(vmi, "spec", "evictionStrategy", default="")
    blocked = strategy == "LiveMigrate" and not condition_is(vmi, "LiveMigratable")
    yield "kubevirt_vmi_non_evictable", marks, float(blocked)


def _measured(vmi: Obj, node: str) -> Iterator[Sample]:
    """What the virt-handler of its node says."""
    marks = {"node": node, "namespace": namespace(vmi), "name": name(vmi)}
    marks |= {f"kubernetes_vmi_label_{_label(key)}": value for key, value in labels(vmi).items()}
    domain = dig(vmi, "spec", "domain", default={})
    asked = dig(domain, "memory", "guest") or dig(domain, "resources", "requests", "memory")
    memory = float(quantities.whole(asked)) if asked else 0.0
    for one in _MEMORY:
        yield f"kubevirt_vmi_memory_{one}", marks, memory if one in _OF_A_GUEST else 0.0
    for one in _CPU:
        yield f"kubevirt_vmi_{one}", marks, 0.0
    cpu = domain.get("cpu") or {}
    for number in range(
        int(cpu.get("sockets") or 1) * int(cpu.get("cores") or 1) * int(cpu.get("threads") or 1)
    ):
        yield "kubevirt_vmi_vcpu_seconds_total", {**marks, "id": str(number), "state": "running"}, 0.0
        for one in _VCPU:
            yield f"kubevirt_vmi_{one}", {**marks, "id": str(number)}, 0.0
    for volume in dig(vmi, "spec", "volumes", default=()):
        for one in _DRIVE:
            yield f"kubevirt_vmi_storage_{one}", {**marks, "drive": volume["name"]}, 0.0
    for nic in dig(domain, "devices", "interfaces", default=()):
        for one in _NIC:
            yield f"kubevirt_vmi_network_{one}", {**marks, "interface": nic["name"]}, 0.0


def _label(key: str) -> str:
    return "".join(one if one.isalnum() else "_" for one in key)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
