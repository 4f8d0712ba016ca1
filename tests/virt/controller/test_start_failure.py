"""Counting failed starts."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakekube.virt.controller import start_failure

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def vmi(phase, *phases, uid="u1"):
    return {
        "metadata": {"uid": uid},
        "status": {"phase": phase, "phaseTransitionTimestamps": [{"phase": one} for one in phases]},
    }


def following(old, seen, strategy="Always"):
    return start_failure.following(old, seen, strategy, NOW, random.Random(1))


@given(st.integers(min_value=1, max_value=20), st.integers())
def test_delay_bounds(count, seed):
    """V-082: the n-th delay lies in [10·n², 15·n²] and never exceeds 300 seconds."""
    delay = start_failure.delay(count, random.Random(seed))
    assert min(300, 10 * count**2) <= delay <= min(300, 15 * count**2)


def test_first_failure():
    """V-081: a VMI that failed before Running is counted, named, and delays the next start by 10 to 15 s."""
    failure = following(None, vmi("Failed", "Pending", "Scheduling", "Failed"))
    assert failure is not None
    assert (failure["consecutiveFailCount"], failure["lastFailedVMIUID"]) == (1, "u1")
    left = start_failure.seconds_left({"status": {"startFailure": failure}}, NOW)
    assert 10 <= left <= 15


def test_counted_once():
    """V-086: the same final VMI seen twice counts once; another one counts again."""
    first = following(None, vmi("Failed"))
    assert following(first, vmi("Failed")) == first
    second = following(first, vmi("Failed", uid="u2"))
    assert second is not None
    assert second["consecutiveFailCount"] == 2


def test_cleared_by_running():
    """V-084: a VMI that reached Running clears the count."""
    assert following({"consecutiveFailCount": 3}, vmi("Running", "Running")) is None


def test_crash_after_running_is_no_start_failure():
    """V-087: a VMI that ran and then failed does not count."""
    assert following(None, vmi("Failed", "Running", "Failed")) is None


@pytest.mark.parametrize("strategy", ["Halted", "Manual"])
def test_cleared_by_strategy(strategy):
    """V-085: Halted and Manual forget the count."""
    assert following({"consecutiveFailCount": 3}, None, strategy) is None


def test_kept_while_waiting():
    """Between two tries, without a VMI, the count stays."""
    assert following({"consecutiveFailCount": 3}, None) == {"consecutiveFailCount": 3}
