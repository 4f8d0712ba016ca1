"""`status` of a VM as a function of what is there. Pure.

Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (updateStatus).
"""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

from fakekube.clock import rfc3339
from fakekube.machinery.objects import condition_is, generation
from fakekube.machinery.wire import Object
from fakekube.virt.controller import (
    conditions,
    data_volumes,
    instance,
    printable_status,
    restart_required,
    run_strategy,
    start_failure,
    tracking,
    volume_migration,
)


class Seen(Struct, frozen=True):
    """What a pass saw and did."""

    vm: Object
    now: datetime
    vmi: Object | None = None
    volumes: Sequence[Object] = ()  # DataVolumes named by the template
    claims: Mapping[str, Object] | None = None  # claims named by the template, those that exist
    snapshot_classes: Mapping[str, str] = field(default_factory=dict)  # by storage class
    failure: conditions.Failure | None = None
    creating: bool = False
    deleting: bool = False
    tracked: tracking.Wish = tracking.NOTHING
    restart: str | None = ""  # message of RestartRequired; empty: not required, None: leave it as it is


def compute(seen: Seen, chance: random.Random) -> Object:
    """The whole new status. Members that would be empty are absent, as Go's omitempty leaves them."""
    vm, vmi, now = seen.vm, seen.vmi, rfc3339(seen.now)
    old: Object = vm.get("status") or {}
    status: Object = dict(old)
    strategy = run_strategy.or_none(vm)
    claims = seen.claims or {}

    _set(status, "created", vmi is not None)
    _set(status, "ready", vmi is not None and condition_is(vmi, "Ready"))
    _set(status, "stateChangeRequests", run_strategy.remaining_requests(vm, vmi))
    _set(
        status,
        "startFailure",
        start_failure.following(old.get("startFailure"), vmi, strategy, seen.now, chance),
    )
    _set(status, "volumeSnapshotStatuses", _snapshot_statuses(seen))
    _set(status, "changedBlockTracking", tracking.of_machine(vm, vmi, seen.tracked))
    if vmi is not None or old.get("runStrategy"):
        _set(status, "runStrategy", strategy)
    if vmi is not None:
        status["desiredGeneration"] = generation(vm)
        if (observed := instance.made_from(vmi)) is not None:
            status["observedGeneration"] = observed

    listed = conditions.of_vm(old.get("conditions") or (), vmi, seen.failure, now)
    not_required = seen.restart == "" and (vmi is not None or seen.creating)
    if not_required or (seen.deleting and seen.restart is not None):
        listed = conditions.drop(listed, "RestartRequired")
    if seen.restart and _is_told_anew(seen, conditions.find(listed, "RestartRequired")):
        asked = conditions.make("RestartRequired", "True", message=seen.restart)
        listed = conditions.drop(listed, "RestartRequired")
        listed.append({**asked, "lastTransitionTime": now})
    _set(status, "volumeUpdateState", volume_migration.of_machine(vm, vmi, old.get("volumeUpdateState")))
    listed = volume_migration.recovery(listed, status.get("volumeUpdateState"), vmi, now)
    _set(status, "conditions", listed)

    observed_by_table = printable_status.Observed(
        vm={**vm, "status": status},
        now=seen.now,
        vmi=vmi,
        data_volumes=seen.volumes,
        claims=list(claims.values()),
        creating=seen.creating,
        deleting=seen.deleting,
    )
    status["printableStatus"] = printable_status.of(observed_by_table)
    return status


def _is_told_anew(seen: Seen, told: conditions.Condition | None) -> bool:
    """A change that no running guest takes leaves what was told before; one that some take is told by its own reason."""
    if seen.deleting:  # whatever was told is forgotten, and only what no running guest takes is found again
        return seen.restart == restart_required.OTHER_FIELD
    return told is None or seen.restart not in (told.get("message"), restart_required.OTHER_FIELD)


def first(seen: Seen, chance: random.Random) -> Object:
    """The status of a VM nobody has looked at yet: stopped, whatever comes next; and nothing else if it says two things."""
    if not run_strategy.or_none(seen.vm):
        told = _snapshot_statuses(seen)
        return {"printableStatus": "Stopped", **({"volumeSnapshotStatuses": told} if told else {})}
    status = compute(replace(seen, creating=False, volumes=(), claims=seen.claims), chance)
    return {**status, "printableStatus": "Stopped"}


def _snapshot_statuses(seen: Seen) -> list[Object]:
    return data_volumes.snapshot_statuses(seen.vm, seen.claims or {}, seen.snapshot_classes, seen.volumes)


def _set(status: Object, member: str, value: object) -> None:
    if value:
        status[member] = value
    else:
        status.pop(member, None)
