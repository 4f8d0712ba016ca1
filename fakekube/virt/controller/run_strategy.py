"""What a VM's run strategy demands right now: start, stop, wait or nothing. One decision table, pure.

Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (syncRunStrategy), staging/…/core/v1/types.go (RunStrategy).
"""

from datetime import datetime
from typing import Any

from msgspec import Struct

from fakekube.machinery.objects import Obj, annotations, dig, is_final, is_terminating, uid
from fakekube.virt import sides
from fakekube.virt.controller import instance, names, start_failure
from fakekube.virt.controller.conditions import Failure

ALWAYS = "Always"
RERUN_ON_FAILURE = "RerunOnFailure"
MANUAL = "Manual"
HALTED = "Halted"
ONCE = "Once"
WAIT_AS_RECEIVER = "WaitAsReceiver"


_TOLD_LATER = 2.0  # seconds


class InvalidRunStrategyError(ValueError):
    """Both `running` and `runStrategy` are set."""


class Decision(Struct, frozen=True):
    """What has to be done. At most one of start, stop and run_always is set."""

    start: bool = False
    stop: bool = False
    run_always: bool = False  # put `Always` into the spec: a paused start of a halted VM
    request_start: bool = False  # queue a Start request, so that the VMI is made again once it has gone
    receiver: bool = False  # the VMI is the target of a migration from another cluster
    restore: str = ""  # put this strategy into the spec: a guest has come from another machine, or gone there
    wait: float = 0.0  # look again after so many seconds
    failure: Failure | None = None


NOTHING = Decision()
START = Decision(start=True)
STOP = Decision(stop=True)


def of(vm: Obj) -> str:
    """The strategy in force. Raises InvalidRunStrategyError when the spec says two things."""
    spec = vm.get("spec") or {}
    running, strategy = spec.get("running"), spec.get("runStrategy")
    if running is not None and strategy:
        raise InvalidRunStrategyError("running and runstrategy are mutually exclusive")
    if strategy:
        return str(strategy)
    return ALWAYS if running else HALTED


def or_none(vm: Obj) -> str:
    """The strategy in force; empty when the spec says two things."""
    try:
        return of(vm)
    except InvalidRunStrategyError:
        return ""


def first_request(vm: Obj) -> dict[str, Any]:
    return dict(dig(vm, "status", "stateChangeRequests", 0, default={}))


def wants_start(vm: Obj) -> bool:
    return first_request(vm).get("action") == "Start"


def wants_paused_start(vm: Obj) -> bool:
    request = first_request(vm)
    return request.get("action") == "Start" and (request.get("data") or {}).get("paused") == "true"


def wants_stop(vm: Obj, vmi: Obj) -> bool:
    """Whether the first request asks to stop exactly this VMI."""
    request = first_request(vm)
    return request.get("action") == "Stop" and request.get("uid") == uid(vmi)


def decide(vm: Obj, vmi: Obj | None, now: datetime) -> Decision:
    """The decision table."""
    strategy = of(vm)
    final = vmi is not None and is_final(vmi)

    if strategy == ALWAYS:
        if vmi is None:
            return _start_after_backoff(vm, now)
        if not final and not wants_stop(vm, vmi):
            return NOTHING
        return _left(vmi) if sides.takes_part(vmi) else STOP

    if strategy == RERUN_ON_FAILURE:
        if vmi is None:
            first_time = dig(vm, "status", "runStrategy", default="") != RERUN_ON_FAILURE
            return _start_after_backoff(vm, now) if wants_start(vm) or first_time else NOTHING
        if final:
            failed = instance.phase(vmi) == names.FAILED
            return Decision(
                stop=True, request_start=failed and not is_terminating(vmi) and not wants_start(vm)
            )
        return STOP if wants_stop(vm, vmi) and not is_terminating(vmi) else NOTHING

    if strategy == MANUAL:
        if vmi is None:
            return START if wants_start(vm) else NOTHING
        return STOP if wants_stop(vm, vmi) else NOTHING

    if strategy == HALTED:
        if vmi is not None:
            return STOP
        if not wants_start(vm):
            return NOTHING
        # Upstream reports the change of the spec as a failure without an error; the next pass takes it back.
        return Decision(run_always=True, failure=Failure("FailedCreate", "Failure while starting VMI: <nil>"))

    if strategy == ONCE:
        return START if vmi is None else NOTHING

    if strategy == WAIT_AS_RECEIVER:
        return _receive(vm, vmi)

    return Decision(failure=Failure("FailedCreate", f"unknown runstrategy: {strategy}"))


def is_set_to_start(vm: Obj, vmi: Obj | None, now: datetime) -> bool:
    """Whether the VM means to run: what makes an unbound claim worth reporting."""
    strategy = of(vm)
    if strategy == ALWAYS:
        return True
    if strategy == MANUAL:
        return not wants_stop(vm, vmi) if vmi is not None else wants_start(vm)
    if strategy == RERUN_ON_FAILURE:
        if vmi is not None:
            return instance.phase(vmi) != names.SUCCEEDED
        decision = decide(vm, None, now)
        return decision.start or decision.wait > 0
    return strategy == ONCE and vmi is None


def remaining_requests(vm: Obj, vmi: Obj | None) -> list[dict[str, Any]]:
    """The queue of requests after this pass: at most its first element has been served."""
    requests = list(dig(vm, "status", "stateChangeRequests", default=()))
    if not requests:
        return requests
    first = requests[0]
    if first.get("action") == "Stop":
        served = vmi is None or not first.get("uid") or first.get("uid") != uid(vmi)
    else:
        served = vmi is not None and not is_terminating(vmi) and not is_final(vmi)
    return requests[1:] if served else requests


def _start_after_backoff(vm: Obj, now: datetime) -> Decision:
    left = start_failure.seconds_left(vm, now)
    return Decision(wait=left) if left > 0 else START


def _left(vmi: Obj) -> Decision:
    """Its guest has left for another machine, and this one is to stay off; or the nodes have not told yet how that went."""
    over = dig(vmi, "status", "migrationState", "completed", default=False)
    return Decision(restore=HALTED) if over else Decision(wait=_TOLD_LATER)


def _receive(vm: Obj, vmi: Obj | None) -> Decision:
    if vmi is None:
        return Decision(start=True, receiver=True)
    if names.CREATE_MIGRATION_TARGET in annotations(vmi):
        return NOTHING
    if dig(vmi, "status", "migrationState", "completed", default=False):
        return Decision(restore=str(annotations(vm).get(names.RESTORE_RUN_STRATEGY, "")))
    return Decision(failure=Failure("FailedCreate", "Found non receiver VMI while VM is receiver"))
