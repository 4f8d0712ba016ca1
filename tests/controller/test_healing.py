from datetime import timedelta

import pytest

from controller import healing
from controller.spec import Healing

DEFAULT = Healing(3, timedelta(minutes=5))


def bad(world, since="2026-01-01T11:54:59Z", *, status="CrashLoopBackOff", ready="False"):
    condition = {
        "type": "Ready",
        "status": ready,
        "lastProbeTime": since,
        "lastTransitionTime": "2026-01-01T11:59:59Z",
    }
    return world.vm(world.pool(), 0, printableStatus=status, conditions=[condition] if ready else [])


@pytest.mark.parametrize(("failures", "healed"), [(2, False), (3, True), (4, True)])
def test_start_failures_count(world, failures, healed):
    """P-163, P-164: as many consecutive start failures as the threshold, not fewer."""
    vm = world.vm(world.pool(), 0, ready=False, startFailure={"consecutiveFailCount": failures})
    assert bool(healing.failing([vm], DEFAULT, world.now)) is healed


@pytest.mark.parametrize("status", sorted(healing.FAILING))
def test_bad_statuses_are_healed_in_time(world, status):
    """P-166, P-168: each of the six statuses, once Ready has been False for the duration."""
    assert healing.failing([bad(world, status=status)], DEFAULT, world.now)
    young = bad(world, "2026-01-01T11:55:01Z", status=status)
    assert not healing.failing([young], DEFAULT, world.now)
    assert healing.failing([young], Healing(3, timedelta(minutes=1)), world.now)


@pytest.mark.parametrize(
    "status", ["Starting", "Provisioning", "Stopped", "WaitingForVolumeBinding", "Unknown"]
)
def test_other_statuses_are_never_healed(world, status):
    """P-167: however long they last."""
    assert not healing.failing([bad(world, "2020-01-01T00:00:00Z", status=status)], DEFAULT, world.now)


@pytest.mark.parametrize("ready", ["Unknown", "True", None])
def test_ready_must_be_false(world, ready):
    """P-170: absent and Unknown are not False."""
    assert not healing.failing([bad(world, ready=ready)], DEFAULT, world.now)


def test_age_counts_from_the_probe(world):
    """P-169: lastProbeTime, not lastTransitionTime, and a null one is older than any patience."""
    assert healing.failing([bad(world, None)], DEFAULT, world.now)


def test_terminating_vms_are_not_healed(world):
    """A VM that goes already needs no second deletion."""
    vm = bad(world)
    vm["metadata"]["deletionTimestamp"] = "2026-01-01T11:59:00Z"
    assert not healing.failing([vm], DEFAULT, world.now)


def test_the_next_one_has_a_timer(world):
    """P-177: a VM that will be old enough later makes the pool look again then, without any event."""
    vms = [
        bad(world, "2026-01-01T11:55:30Z"),
        bad(world, "2026-01-01T11:57:00Z"),
        bad(world, status="Running"),
    ]
    assert healing.next_due(vms, DEFAULT, world.now) == 30
    assert healing.next_due(vms[2:], DEFAULT, world.now) is None
