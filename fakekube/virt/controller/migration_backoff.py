"""How long a migration that nobody asked for by hand waits after others of its kind have failed. Pure.

Origin: kubevirt: pkg/virt-controller/watch/migration/migration.go (handleMigrationBackoff)
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from fakekube.clock import parse_rfc3339
from fakekube.machinery.objects import annotations, dig, is_terminating, uid
from fakekube.machinery.wire import Object
from fakekube.virt.controller import migration_phases, migration_plan

EVACUATION = "kubevirt.io/evacuationMigration"
UPDATE = "kubevirt.io/workloadUpdateMigration"
_IGNORED = "kubevirt.io/func-test-ignore-migration-backoff"
_FIRST = 20.0  # seconds, doubled by each further failure in a row


def seconds(migration: Object, known: Iterable[Object], now: datetime) -> float:
    """Until `migration` may begin; `known` are all of its VMI. Only the youngest waits, and only for failures in a row."""
    eligible = [one for one in known if EVACUATION in annotations(one) or UPDATE in annotations(one)]
    eligible.sort(key=_age, reverse=True)
    if len(eligible) < 2 or uid(eligible[0]) != uid(migration) or _IGNORED in annotations(migration):
        return 0.0
    wait = 0.0
    for one in eligible[1:]:
        if migration_plan.phase_of(one) == migration_phases.SUCCEEDED:
            break
        if migration_plan.phase_of(one) == migration_phases.FAILED and not is_terminating(one):
            wait = wait * 2 or _FIRST
    failed = _failed_at(eligible[1])
    if not wait or failed is None:
        return 0.0
    return max(0.0, (failed + timedelta(seconds=wait) - now).total_seconds())


def _age(migration: Object) -> tuple[str, int]:
    meta = migration["metadata"]
    return meta["creationTimestamp"], int(meta["resourceVersion"])


def _failed_at(migration: Object) -> datetime | None:
    for entry in dig(migration, "status", "phaseTransitionTimestamps", default=()):
        if entry.get("phase") == migration_phases.FAILED:
            return parse_rfc3339(entry["phaseTransitionTimestamp"])
    return None
