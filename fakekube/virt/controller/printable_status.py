"""`status.printableStatus`: an ordered table, the first row that matches wins. Pure.

Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (setPrintableStatus).
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct

from fakekube.clock import parse_rfc3339
from fakekube.machinery.objects import Obj, condition, condition_is, dig, is_final, is_terminating
from fakekube.virt.controller import instance, names, run_strategy, start_failure


class Observed(Struct, frozen=True):
    """Everything the table looks at."""

    vm: Obj
    now: datetime
    vmi: Obj | None = None
    data_volumes: Sequence[Obj] = ()  # those existing that a volume of the template names
    claims: Sequence[Obj] = ()  # likewise
    creating: bool = False  # this pass has asked for the VMI, the cache does not show it yet
    deleting: bool = False  # this pass has asked for the VMI's deletion


def _stopping(seen: Observed) -> bool:
    vmi = seen.vmi
    return vmi is not None and not is_final(vmi) and (is_terminating(vmi) or seen.deleting)


def _migrating(seen: Observed) -> bool:
    if seen.vmi is None or not instance.is_migrating(seen.vmi):
        return False
    return parse_rfc3339(seen.vmi["status"]["migrationState"]["startTimestamp"]) <= seen.now


def _running(seen: Observed) -> bool:
    return seen.vmi is not None and instance.phase(seen.vmi) == names.RUNNING


def _paused(seen: Observed) -> bool:
    return seen.vmi is not None and _running(seen) and condition_is(seen.vmi, "Paused")


def _out_of_sync(reason: str) -> Callable[[Observed], bool]:
    return lambda seen: _is_false_because(seen.vmi, "Synchronized", reason)


def _data_volume_error(seen: Observed) -> bool:
    return any(
        dig(volume, "status", "phase") == "Failed"
        or _is_false_because(volume, "Running", "Error")
        or _is_false_because(volume, "Running", "ImagePullFailed")
        for volume in seen.data_volumes
    )


def _unschedulable(seen: Observed) -> bool:
    return _is_false_because(seen.vmi, "PodScheduled", "Unschedulable")


def _provisioning(seen: Observed) -> bool:
    return any(_is_provisioning(volume) for volume in seen.data_volumes)


def _is_provisioning(volume: Obj) -> bool:
    now = dig(volume, "status", "phase", default="")
    if now == "WaitForFirstConsumer" and not condition_is(volume, "Bound"):
        return False
    return now not in ("Succeeded", "PendingPopulation")


def _waiting_for_binding(seen: Observed) -> bool:
    unbound = any(dig(claim, "status", "phase", default="") != "Bound" for claim in seen.claims)
    return unbound and run_strategy.is_set_to_start(seen.vm, seen.vmi, seen.now)


def _starting(seen: Observed) -> bool:
    if seen.vmi is None:
        return seen.creating
    return instance.is_unprocessed(seen.vmi) or instance.phase(seen.vmi) in (
        names.SCHEDULING,
        names.SCHEDULED,
    )


def _crash_loop(seen: Observed) -> bool:
    if seen.vmi is not None and not is_final(seen.vmi):
        return False
    trying = run_strategy.of(seen.vm) in (
        run_strategy.ALWAYS,
        run_strategy.RERUN_ON_FAILURE,
        run_strategy.ONCE,
    )
    return trying and start_failure.count(seen.vm) > 0


def _stopped(seen: Observed) -> bool:
    return is_final(seen.vmi) if seen.vmi is not None else not seen.creating


def _is_false_because(obj: Obj | None, type_: str, reason: str) -> bool:
    found = condition(obj, type_) if obj is not None else None
    return found is not None and found.get("status") == "False" and found.get("reason") == reason


TABLE: tuple[tuple[str, Callable[[Observed], bool]], ...] = (
    ("Terminating", lambda seen: is_terminating(seen.vm)),
    ("Stopping", _stopping),
    ("Migrating", _migrating),
    ("Paused", _paused),
    ("Running", _running),
    ("ErrorPvcNotFound", _out_of_sync("FailedPvcNotFound")),
    ("DataVolumeError", _data_volume_error),
    ("ErrorUnschedulable", _unschedulable),
    ("Provisioning", _provisioning),
    ("WaitingForVolumeBinding", _waiting_for_binding),
    ("ErrImagePull", _out_of_sync("ErrImagePull")),
    ("ImagePullBackOff", _out_of_sync("ImagePullBackOff")),
    ("Starting", _starting),
    ("CrashLoopBackOff", _crash_loop),
    ("Stopped", _stopped),
    (
        "WaitingForReceiver",
        lambda seen: seen.vmi is not None and instance.phase(seen.vmi) == names.WAITING_FOR_SYNC,
    ),
)


def of(seen: Observed) -> str:
    """The word kubectl prints in the column Status."""
    for word, matches in TABLE:
        if matches(seen):
            return word
    return "Unknown"
