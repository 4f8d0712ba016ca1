from datetime import timedelta

import pytest

from controller import spec
from controller.spec import SpecError


@pytest.mark.parametrize(
    ("replicas", "given", "allowed"),
    [
        (4, "25%", 1),
        (4, 1, 1),
        (5, "50%", 2),
        (3, "10%", 1),
        (2, 5, 5),
        (4, None, 4),
        (None, None, 1),
        (0, "50%", 1),
    ],
)
def test_max_unavailable(world, replicas, given, allowed):
    """P-149…P-151: percentages of replicas are rounded down, the minimum is one, absent means all."""
    more = {} if given is None else {"maxUnavailable": given}
    assert spec.max_unavailable(world.pool(replicas=replicas, **more)) == allowed


@pytest.mark.parametrize("given", ["many", " 5", "5_0", "", "٥", "5%"])
def test_max_unavailable_that_is_no_number(world, given):
    """Where the webhook was bypassed, a wrong percentage is a mistake with Go's text, also where Python reads a number."""
    with pytest.raises(SpecError) as caught:
        spec.max_unavailable(world.pool(maxUnavailable=f"{given}%"))
    text = f'invalid maxUnavailable percentage: strconv.ParseInt: parsing "{given}": invalid syntax'
    assert str(caught.value) == text


def test_replicas_default_to_one(world):
    """P-075: one VM is kept when replicas is unset, and zero means zero."""
    assert spec.replicas(world.pool(replicas=None)) == 1
    assert spec.replicas(world.pool(replicas=0)) == 0


@pytest.mark.parametrize(
    ("given", "strategy"),
    [
        (None, "proactive"),
        ({}, "proactive"),
        ({"proactive": {}}, "proactive"),
        ({"opportunistic": {}}, "opportunistic"),
        ({"unmanaged": {}}, "unmanaged"),
        ({"proactive": {}, "unmanaged": {}}, "unmanaged"),
    ],
)
def test_strategies(world, given, strategy):
    """P-026, P-148: absent and empty strategies are proactive; of several the most cautious counts."""
    more = {} if given is None else {"updateStrategy": given, "scaleInStrategy": given}
    pool = world.pool(**more)
    assert spec.update_strategy(pool) == spec.scale_in_strategy(pool) == strategy


@pytest.mark.parametrize(
    ("strategy", "preserved"),
    [
        ({"proactive": {"statePreservation": "Offline"}}, True),
        ({"proactive": {"statePreservation": "Online"}}, True),
        ({"opportunistic": {"statePreservation": "Offline"}}, True),
        ({"proactive": {"statePreservation": "Disabled"}}, False),
        ({"opportunistic": {}}, False),
        ({"unmanaged": {}}, False),
        ({}, False),
    ],
)
def test_state_preservation_is_the_active_strategys(world, strategy, preserved):
    """P-108, P-112, D11: Offline and Online both keep storage, under whichever strategy is active."""
    assert spec.preserves_state(world.pool(scaleInStrategy=strategy)) is preserved


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2m0s", 120), ("1.5h", 5400), ("300ms", 0.3), ("-10s", -10), ("0", 0), ("1h2m3s", 3723)],
)
def test_durations_are_go_durations(text, seconds):
    """minFailingToStartDuration is written as Go writes durations, and may be negative."""
    assert spec.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "1h-2m", "1d"])
def test_what_is_no_duration(text):
    """Anything else is a mistake in the spec."""
    with pytest.raises(SpecError):
        spec.duration(text)


def test_healing_defaults(world):
    """P-162, P-163: absent means never; an empty object means three failures or five minutes."""
    assert spec.healing(world.pool()) is None
    assert spec.healing(world.pool(autohealing={})) == spec.Healing(3, timedelta(minutes=5))
    given = {"startUpFailureThreshold": 1, "minFailingToStartDuration": "8s"}
    assert spec.healing(world.pool(autohealing=given)) == spec.Healing(1, timedelta(seconds=8))
