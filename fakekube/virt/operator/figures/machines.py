"""What virt-controller tells of virtual machines. Pure.

What an instance type gives a machine is not looked up: requests are those the machine itself has.
Origin: kubevirt: pkg/monitoring/metrics/virt-controller/vmstats_collector.go
"""

from collections.abc import Iterable, Iterator, Mapping

from fakekube.clock import parse_rfc3339
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import Obj, annotations, conditions, dig, name, namespace
from fakekube.virt import quantities
from fakekube.virt.claims import behind
from fakekube.virt.instancetypes import kinds
from fakekube.virt.operator.figures import shared
from fakekube.virt.operator.figures.exposition import Labels, Sample
from fakekube.virt.operator.figures.shared import Known

_GROUPS = {
    "starting": ("Provisioning", "Starting", "WaitingForVolumeBinding", "WaitingForReceiver"),
    "running": ("Running",),
    "migrating": ("Migrating",),
    "non_running": ("Stopped", "Paused", "Stopping", "Terminating"),
    "error": (
        *("CrashLoopBackOff", "Unknown", "ErrorUnschedulable", "ErrImagePull", "ImagePullBackOff"),
        *("ErrorPvcNotFound", "DataVolumeError"),
    ),
}
_GROUP = {status: group for group, statuses in _GROUPS.items() for status in statuses}
_TOLD = ("Ready", "Failure", "Paused")
_CPU = ("cores", "threads", "sockets")


def all_of(vms: Iterable[Obj], known: Known, claims: Mapping[str, Obj]) -> Iterator[Sample]:
    """Everything there is to be said; `known` are instance types and preferences, `claims` go by namespaced name."""
    for vm in vms:
        own = {"name": name(vm), "namespace": namespace(vm)}
        yield from _information(vm, own, known)
        yield from _states(vm, own)
        spec = dig(vm, "spec", "template", "spec", default={})
        yield from _requests(spec.get("domain") or {}, own)
        for card in shared.cards(spec):
            yield "kubevirt_vm_vnic_info", {**own, **card}, 1.0
        yield from _disks(spec, own, claims)


def _information(vm: Obj, own: Labels, known: Known) -> Iterator[Sample]:
    template = dig(vm, "spec", "template", default={})
    status = str(dig(vm, "status", "printableStatus", default=""))
    marks = {
        **own,
        **shared.system(annotations(template) if "metadata" in template else {}),
        "machine_type": str(dig(template, "spec", "domain", "machine", "type", default="")),
        "instance_type": _typed(vm, "instancetype", known),
        "preference": _typed(vm, "preference", known),
        "status": status.lower(),
        "status_group": _GROUP.get(status, "<unknown>"),
    }
    yield "kubevirt_vm_info", marks, 1.0
    created = dig(vm, "metadata", "creationTimestamp")
    if created:
        yield "kubevirt_vm_create_date_timestamp_seconds", own, parse_rfc3339(created).timestamp()


def _typed(vm: Obj, member: kinds.Member, known: Known) -> str:
    matcher = dig(vm, "spec", member) or {}
    try:
        resource = kinds.resource_of(matcher, member)
    except NotFound:
        return ""
    return shared.typed(resource, matcher["name"], namespace(vm), known) if matcher.get("name") else ""


def _states(vm: Obj, own: Labels) -> Iterator[Sample]:
    """When the machine got into the state it is in; 0 for the others."""
    status = str(dig(vm, "status", "printableStatus", default=""))
    now = _GROUP.get(status, "error")
    times = [
        parse_rfc3339(one["lastTransitionTime"]).timestamp()
        for one in conditions(vm)
        if one["type"] in _TOLD and one.get("lastTransitionTime")
    ]
    for group in _GROUPS:
        since = max(times, default=-1.0) if group == now else 0.0
        yield f"kubevirt_vm_{group}_status_last_transition_timestamp_seconds", own, since


def _requests(domain: Obj, own: Labels) -> Iterator[Sample]:
    wanted, most = (dig(domain, "resources", part, default={}) for part in ("requests", "limits"))
    asked = "kubevirt_vm_resource_requests"
    memory = {**own, "resource": "memory", "unit": "bytes"}
    sizes = (
        ("domain", wanted.get("memory")),
        ("guest", dig(domain, "memory", "guest")),
        ("hugepages", dig(domain, "memory", "hugepages", "pageSize")),
    )
    for source, size in sizes:
        if size:
            yield asked, {**memory, "source": source}, float(quantities.whole(size))
    if most.get("memory"):
        yield "kubevirt_vm_resource_limits", memory, float(quantities.whole(most["memory"]))
    cpu, source = domain.get("cpu"), "domain"
    if cpu is None:
        cpu, source = ({} if wanted.get("cpu") else dict.fromkeys(_CPU, 1)), "default"
    for unit in _CPU:
        if cpu.get(unit):
            yield asked, {**own, "resource": "cpu", "unit": unit, "source": source}, float(cpu[unit])
    cores = {**own, "resource": "cpu", "unit": "cores"}
    if wanted.get("cpu"):
        yield asked, {**cores, "source": "requests"}, float(quantities.exact(wanted["cpu"]))
    if most.get("cpu"):
        yield "kubevirt_vm_resource_limits", cores, float(quantities.exact(most["cpu"]))


def _disks(spec: Obj, own: Labels, claims: Mapping[str, Obj]) -> Iterator[Sample]:
    for volume in spec.get("volumes") or ():
        source = behind(volume)
        claim = claims.get(f"{own['namespace']}/{source}") if source else None
        if claim is None:
            continue
        marks = {
            **own,
            "persistentvolumeclaim": name(claim),
            "volume_mode": str(dig(claim, "spec", "volumeMode") or "Filesystem"),
            "device": volume["name"],
        }
        size = dig(claim, "spec", "resources", "requests", "storage")
        yield "kubevirt_vm_disk_allocated_size_bytes", marks, float(quantities.whole(size))
