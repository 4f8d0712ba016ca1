"""What virt-controller tells of instances, and of how long they take from phase to phase. Pure.

How long changes took is told of the instances that are there: those of instances that have gone are gone, too.
Origin: kubevirt: pkg/monitoring/metrics/virt-controller/{vmistats_collector,vmi_metrics,perfscale_metrics}.go
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from fakekube.clock import parse_rfc3339
from fakekube.machinery.objects import (
    FINAL,
    Obj,
    annotations,
    condition_is,
    dig,
    labels,
    name,
    namespace,
    uid,
)
from fakekube.virt import quantities
from fakekube.virt.instancetypes import kinds
from fakekube.virt.operator.figures import shared
from fakekube.virt.operator.figures.exposition import Labels, Sample, histogram
from fakekube.virt.operator.figures.shared import Known

_OUTDATED = "kubevirt.io/outdatedLauncherImage"
_TYPES = {
    "instance_type": (
        ("kubevirt.io/instancetype-name", kinds.INSTANCETYPES),
        ("kubevirt.io/cluster-instancetype-name", kinds.CLUSTER_INSTANCETYPES),
    ),
    "preference": (
        ("kubevirt.io/preference-name", kinds.PREFERENCES),
        ("kubevirt.io/cluster-preference-name", kinds.CLUSTER_PREFERENCES),
    ),
}
_GUEST = {
    "guest_os_kernel_release": "kernelRelease",
    "guest_os_arch": "machine",
    "guest_os_name": "name",
    "guest_os_version_id": "versionId",
}


def all_of(
    vmis: Iterable[Obj], strategy: str, known: Known, pods: Mapping[str, Obj], migrations: Mapping[str, str]
) -> Iterator[Sample]:
    """Everything there is to be said. `strategy`: of eviction, where an instance has none; `pods` are the running launchers
    by the instance's uid and node, `migrations` the names by uid."""
    listed = list(vmis)
    yield "kubevirt_vmi_number_of_outdated", {}, float(sum(_OUTDATED in labels(vmi) for vmi in listed))
    for vmi in listed:
        node = str(dig(vmi, "status", "nodeName", default=""))
        own = {"node": node, "namespace": namespace(vmi), "name": name(vmi)}
        stays = (dig(vmi, "spec", "evictionStrategy") or strategy) == "LiveMigrate" and not condition_is(
            vmi, "LiveMigratable"
        )
        pod = pods.get(f"{uid(vmi)}/{node}")
        yield "kubevirt_vmi_info", _information(vmi, own, known, stays=stays, pod=pod), 1.0
        yield "kubevirt_vmi_non_evictable", own, float(stays)
        yield from _addresses(vmi, own)
        yield from _migration(vmi, own, migrations)
        for card in shared.cards(vmi["spec"]):
            yield "kubevirt_vmi_vnic_info", {"name": own["name"], "namespace": own["namespace"], **card}, 1.0
        if overhead := dig(vmi, "status", "memory", "memoryOverhead"):
            marks = {"namespace": own["namespace"], "name": own["name"]}
            yield "kubevirt_vmi_launcher_memory_overhead_bytes", marks, float(quantities.whole(overhead))
    yield from phases(listed)


def _information(vmi: Obj, own: Labels, known: Known, *, stays: bool, pod: Obj | None) -> Labels:
    told = dig(vmi, "status", "guestOSInfo", default={})
    return {
        **own,
        "phase": str(dig(vmi, "status", "phase", default="")).lower(),
        **shared.system(annotations(vmi)),
        **{mark: _typed(vmi, mark, known) for mark in _TYPES},
        **{mark: str(told.get(member) or "") for mark, member in _GUEST.items()},
        "guest_os_machine": str(dig(vmi, "status", "machine", "type", default="")),
        "evictable": "false" if stays else "true",
        "outdated": "true" if _OUTDATED in labels(vmi) else "false",
        "vmi_pod": name(pod) if pod is not None else "",
    }


def _typed(vmi: Obj, mark: str, known: Known) -> str:
    for key, resource in _TYPES[mark]:
        if own := annotations(vmi).get(key):
            return shared.typed(resource, own, namespace(vmi), known)
    return ""


def _addresses(vmi: Obj, own: Labels) -> Iterator[Sample]:
    for nic in dig(vmi, "status", "interfaces", default=()):
        address = nic.get("ipAddress", "")
        if not (address or nic.get("name") or nic.get("interfaceName")):
            continue
        marks = {
            **own,
            "vnic_name": nic.get("name", ""),
            "interface_name": nic.get("interfaceName", ""),
            "address": address,
            "type": "ExternalInterface" if address else "SystemInterface",
        }
        yield "kubevirt_vmi_status_addresses", marks, 1.0


def _migration(vmi: Obj, own: Labels, names: Mapping[str, str]) -> Iterator[Sample]:
    state = dig(vmi, "status", "migrationState") or {}
    marks = {**own, "migration_name": names.get(state.get("migrationUid", ""), "")}
    if begun := state.get("startTimestamp"):
        yield "kubevirt_vmi_migration_start_time_seconds", marks, parse_rfc3339(begun).timestamp()
    if ended := state.get("endTimestamp"):
        outcome = "failed" if state.get("failed") else "succeeded"
        marks["status"] = outcome if state.get("completed") else ""
        yield "kubevirt_vmi_migration_end_time_seconds", marks, parse_rfc3339(ended).timestamp()


def phases(vmis: Iterable[Obj]) -> Iterator[Sample]:
    """How long instances took from one phase to the next, and since they were created or deleted."""
    between, created, deleted = (defaultdict[tuple[tuple[str, str], ...], list[float]](list) for _ in "abc")
    for vmi in vmis:
        last, before = "", dig(vmi, "metadata", "creationTimestamp")
        begin, end = before, dig(vmi, "metadata", "deletionTimestamp")
        for one in dig(vmi, "status", "phaseTransitionTimestamps", default=()):
            phase, at = str(one["phase"]), one["phaseTransitionTimestamp"]
            between[("phase", phase), ("last_phase", last)].append(elapsed(before, at))
            created[(("phase", phase),)].append(elapsed(begin, at))
            if end and phase in FINAL:
                deleted[(("phase", phase),)].append(elapsed(end, at))
            last, before = phase, at
    own = "kubevirt_vmi_phase_transition_time"
    yield from histogram(f"{own}_seconds", between)
    yield from histogram(f"{own}_from_creation_seconds", created)
    yield from histogram(f"{own}_from_deletion_seconds", deleted)


def elapsed(first: str, then: str) -> float:
    return max(0.0, (parse_rfc3339(then) - parse_rfc3339(first)).total_seconds())
