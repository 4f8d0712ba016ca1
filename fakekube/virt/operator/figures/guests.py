"""What the virt-handler of a node tells of the guests there. Pure.

Nothing is measured: of memory it knows what the guest has, of file systems what the guest's agent says; everything that would
be counted is 0.
Origin: kubevirt: pkg/monitoring/metrics/virt-handler/domainstats
"""

from collections.abc import Iterable, Iterator

from fakekube.machinery.objects import Obj, dig, labels, name, namespace
from fakekube.virt import quantities
from fakekube.virt.operator.figures.exposition import Labels, Sample

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


def are_on(node: str, guests: Iterable[Obj]) -> list[Obj]:
    """Those that run there."""
    return [
        vmi
        for vmi in guests
        if dig(vmi, "status", "nodeName") == node and dig(vmi, "status", "phase") == "Running"
    ]


def of_node(node: str, guests: Iterable[Obj], filesystems: Iterable[tuple[Obj, Obj]]) -> Iterator[Sample]:
    """Everything a virt-handler says, of the guests that run there and their file systems."""
    machine = {"machine_type": _DEPRECATED_MACHINE, "node": node}
    yield "kubevirt_node_deprecated_machine_types", machine, 1.0
    for vmi in guests:
        yield from _guest(vmi, _marks(vmi))
    for vmi, one in filesystems:
        mounted = {
            **_marks(vmi),
            "disk_name": one.get("diskName", ""),
            "mount_point": one.get("mountPoint", ""),
            "file_system_type": one.get("fileSystemType", ""),
        }
        yield "kubevirt_vmi_filesystem_capacity_bytes", mounted, float(one.get("totalBytes", 0))
        yield "kubevirt_vmi_filesystem_used_bytes", mounted, float(one.get("usedBytes", 0))


def _marks(vmi: Obj) -> Labels:
    node = str(dig(vmi, "status", "nodeName", default=""))
    marks = {"node": node, "namespace": namespace(vmi), "name": name(vmi)}
    return marks | {f"kubernetes_vmi_label_{_label(key)}": value for key, value in labels(vmi).items()}


def _guest(vmi: Obj, marks: Labels) -> Iterator[Sample]:
    domain = dig(vmi, "spec", "domain", default={})
    asked = dig(domain, "memory", "guest") or dig(domain, "resources", "requests", "memory")
    memory = float(quantities.whole(asked)) if asked else 0.0
    for one in _MEMORY:
        yield f"kubevirt_vmi_memory_{one}", marks, memory if one in _OF_A_GUEST else 0.0
    for one in _CPU:
        yield f"kubevirt_vmi_{one}", marks, 0.0
    yield "kubevirt_vmi_dirty_rate_bytes_per_second", marks, 0.0
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
