"""Autohealing: which VMs are failing, and when the next one will be old enough to count.

Age counts from the Ready condition's lastProbeTime, as upstream has it; a null one is older than any patience.
Upstream: kubevirt: pkg/virt-controller/watch/pool/pool.go. Unlike there, only the pool's own VMs are looked at, a
terminating pool heals nothing, and there is a timer.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from controller.spec import Healing
from fakekube.clock import parse_rfc3339
from fakekube.machinery import objects
from fakekube.machinery.wire import Object

FAILING = frozenset(
    {
        "CrashLoopBackOff",
        "DataVolumeError",
        "ErrImagePull",
        "ErrorPvcNotFound",
        "ErrorUnschedulable",
        "ImagePullBackOff",
    }
)
_SOON = 0.1  # seconds: condition times are whole seconds, so being a little late costs nothing


def failing(vms: Iterable[Object], healing: Healing, now: datetime) -> list[Object]:
    """The VMs to replace now."""
    return [vm for vm in vms if not objects.is_terminating(vm) and _is_failing(vm, healing, now)]


def next_due(vms: Iterable[Object], healing: Healing, now: datetime) -> float | None:
    """Seconds until the first of the VMs that look bad has looked bad for long enough."""
    ages = [_age(vm, now) for vm in vms if not objects.is_terminating(vm)]
    waits = [
        (healing.patience - age).total_seconds() for age in ages if age is not None and age < healing.patience
    ]
    return max(_SOON, min(waits)) if waits else None


def _is_failing(vm: Object, healing: Healing, now: datetime) -> bool:
    failures = objects.dig(vm, "status", "startFailure", "consecutiveFailCount", default=0)
    if failures >= healing.threshold:
        return True
    age = _age(vm, now)
    return age is not None and age >= healing.patience


def _age(vm: Object, now: datetime) -> timedelta | None:
    """How long the VM has looked bad; None when it does not."""
    if objects.dig(vm, "status", "printableStatus") not in FAILING:
        return None
    ready = objects.condition(vm, "Ready")
    if ready is None or ready.get("status") != "False":
        return None
    since = ready.get("lastProbeTime")
    return now - parse_rfc3339(since) if since else timedelta.max
