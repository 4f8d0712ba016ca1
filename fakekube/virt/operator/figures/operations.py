"""What virt-controller tells of what is done to machines: migrations and snapshots. Pure.

Origin: kubevirt: pkg/monitoring/metrics/virt-controller/{migrationstats_collector,migration_metrics,vmsnapshot}.go
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from fakekube.clock import parse_rfc3339
from fakekube.machinery.objects import Obj, dig, name, namespace
from fakekube.virt.operator.figures.exposition import Sample, histogram
from fakekube.virt.operator.figures.instances import elapsed

_COUNTED = {"": "unset", "Pending": "pending", "Scheduling": "scheduling"}
_ENDED = {"Succeeded": "succeeded", "Failed": "failed"}


def migrations(objs: Iterable[Obj]) -> Iterator[Sample]:
    """How many are in which phase, what came of those that have ended, and how long each phase was in coming."""
    counts = Counter[str](dict.fromkeys((*_COUNTED.values(), "running"), 0))
    took = defaultdict[tuple[tuple[str, str], ...], list[float]](list)
    for one in objs:
        phase = str(dig(one, "status", "phase", default=""))
        for change in dig(one, "status", "phaseTransitionTimestamps", default=()):
            since = elapsed(one["metadata"]["creationTimestamp"], change["phaseTransitionTimestamp"])
            took[(("phase", str(change["phase"])),)].append(since)
        if phase in _ENDED:
            marks = {"vmi": dig(one, "spec", "vmiName"), "vmim": name(one), "namespace": namespace(one)}
            yield f"kubevirt_vmi_migration_{_ENDED[phase]}", marks, 1.0
        else:
            counts[_COUNTED.get(phase, "running")] += 1
    for phase, count in counts.items():
        yield f"kubevirt_vmi_migrations_in_{phase}_phase", {}, float(count)
    yield from histogram("kubevirt_vmi_migration_phase_transition_time_from_creation_seconds", took)


def snapshots(objs: Iterable[Obj]) -> Iterator[Sample]:
    """When those that have succeeded were taken."""
    for one in objs:
        taken = dig(one, "status", "creationTime")
        if dig(one, "status", "phase") == "Succeeded" and taken:
            marks = {
                "name": str(dig(one, "spec", "source", "name", default="")),
                "snapshot_name": name(one),
                "namespace": namespace(one),
            }
            yield "kubevirt_vmsnapshot_succeeded_timestamp_seconds", marks, parse_rfc3339(taken).timestamp()
