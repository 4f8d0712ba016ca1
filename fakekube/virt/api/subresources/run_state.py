"""Start, stop and restart as decisions: what to change, or why not. Pure.

Origin: kubevirt: pkg/virt-api/rest/lifecycle.go
"""

from typing import Any

from msgspec import Struct

from fakekube.machinery.errors import BadRequest
from fakekube.machinery.objects import FINAL, condition_is, dig, is_final, name, uid
from fakekube.machinery.wire import Object
from fakekube.virt.api.subresources.replies import MACHINE, conflicting, internal

Operations = list[dict[str, Any]]

NOT_RUNNING = "VM is not running"
RECOVERY = (
    "VM recovery required: Volume migration failed, leaving some volumes pointing to non-consistent targets; "
    "manual intervention is needed to reassign them to their original volumes."
)


class Change(Struct, frozen=True):
    """A JSON patch of the machine, or of its status."""

    operations: Operations
    of_status: bool = False


def run_strategy(vm: Object) -> str:
    """What the machine's spec asks for."""
    spec = vm.get("spec") or {}
    if spec.get("running") is not None:
        return "Always" if spec["running"] else "Halted"
    return str(spec.get("runStrategy") or "Halted")


def start(vm: Object, vmi: Object | None, *, paused: bool) -> Change | None:
    """How to start; None where there is nothing to write."""
    phase = dig(vmi, "status", "phase") if vmi else None
    if phase and phase not in (*FINAL, "Unknown"):
        raise _refused(vm, "VM is already running")
    if condition_is(vm, "ManualRecoveryRequired"):
        raise _refused(vm, RECOVERY)
    strategy = run_strategy(vm)
    if strategy == "Halted":
        return _requests(vm, {"action": "Start", "data": {"paused": "true"}}) if paused else _run(vm, on=True)
    if strategy in ("Always", "Once"):
        raise _refused(vm, f"{strategy} does not support manual start requests")
    if strategy not in ("Manual", "RerunOnFailure"):
        return None
    if strategy == "RerunOnFailure" and phase == "Failed":
        raise _refused(vm, "RerunOnFailure does not support starting VM from failed state")
    begin: dict[str, Any] = {"action": "Start"}
    if paused:
        begin["data"] = {"paused": "true"}
    if vmi is not None and phase in FINAL:
        return _requests(vm, _stop(vmi), begin)
    return _requests(vm, begin)


def lives(vmi: Object | None) -> bool:
    """Whether there is an instance that has not ended."""
    return vmi is not None and not is_final(vmi)


def stop(vm: Object, vmi: Object | None, grace_period: int | None) -> Change | None:
    """How to stop; None where there is nothing to write."""
    strategy = run_strategy(vm)
    if strategy in ("Always", "Once"):
        return _run(vm, on=False)
    if strategy not in ("Halted", "Manual", "RerunOnFailure"):
        return None
    if vmi is None or not lives(vmi):
        raise _refused(vm, NOT_RUNNING)
    if strategy == "Halted":
        present = dig(vmi, "spec", "terminationGracePeriodSeconds")
        if grace_period is None or (present is not None and grace_period >= present):
            raise _refused(vm, "Halted only supports manual stop requests with a shorter graceperiod")
    return _requests(vm, _stop(vmi), replace=True)


def check_restart(given: dict[str, Any]) -> None:
    """Whether the options of a restart make sense."""
    grace = given.get("gracePeriodSeconds")
    if grace is None:
        return
    if grace > 0:
        raise BadRequest("For force restart, only gracePeriod=0 is supported for now")
    if grace < 0:
        raise BadRequest("gracePeriod has to be greater or equal to 0")


def check_restartable(vm: Object, vmi: Object | None) -> Object:
    """The instance that is to be restarted."""
    if condition_is(vm, "VolumesChange"):
        raise _refused(vm, RECOVERY)
    strategy = run_strategy(vm)
    if strategy in ("Halted", "Once"):
        raise _refused(
            vm, f"RunStategy {strategy} does not support manual restart requests"
        )  # upstream's spelling
    if vmi is None:
        raise _refused(vm, f"{NOT_RUNNING}: Halted")
    return vmi


def restart(vm: Object, vmi: Object) -> Change:
    """How to restart, where that can be."""
    return _requests(vm, _stop(vmi), {"action": "Start"})


def grace_period(present: int | None, seconds: int) -> Operations:
    """The patch of an instance that shortens, or prolongs, its end."""
    path = "/spec/terminationGracePeriodSeconds"
    return [
        {"op": "test", "path": path, "value": present},
        {"op": "replace", "path": path, "value": seconds},
    ]


def _refused(vm: Object, text: str) -> Exception:
    return conflicting(MACHINE, name(vm), text)


def _stop(vmi: Object) -> dict[str, Any]:
    return {"action": "Stop", "uid": uid(vmi)}


def _run(vm: Object, *, on: bool) -> Change:
    """Switch the run strategy, in the words the machine's spec uses."""
    spec = vm["spec"]
    if spec.get("running") is not None:
        return _switched("/spec/running", spec["running"], on)
    return _switched("/spec/runStrategy", spec.get("runStrategy"), "Always" if on else "Halted")


def _switched(path: str, before: Any, after: Any) -> Change:
    return Change(
        [{"op": "test", "path": path, "value": before}, {"op": "replace", "path": path, "value": after}]
    )


def _requests(vm: Object, *requests: dict[str, Any], replace: bool = False) -> Change:
    """Write down what the controller shall do. Only a stop takes the place of what is still to do."""
    status = vm.get("status")
    if not status:
        return Change(
            [{"op": "add", "path": "/status", "value": {"stateChangeRequests": list(requests)}}],
            of_status=True,
        )
    pending = status.get("stateChangeRequests")
    if pending and not replace:
        raise internal("unable to complete request: stop/start already underway")
    path = "/status/stateChangeRequests"
    operations: Operations = [
        {"op": "test", "path": path, "value": pending},
        {"op": "replace" if pending else "add", "path": path, "value": list(requests)},
    ]
    if status.get("startFailure") is not None:
        operations.append({"op": "remove", "path": "/status/startFailure"})
    return Change(operations, of_status=True)
