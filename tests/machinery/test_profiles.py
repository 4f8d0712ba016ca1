"""Profiles: lines of text that say how much is used when."""

import pytest

from fakekube.machinery.profiles import BadProfile, read


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("250m", {0: 0.25, 1e6: 0.25}),
        ("64Mi", {0: 64 * 2**20}),
        ("ramp 50m 450m 10m", {0: 0.05, 300: 0.25, 600: 0.45, 6000: 0.45}),
        ("ramp 400m 100m 1m", {0: 0.4, 30: 0.25, 60: 0.1}),
        ("ramp 0 100m 1m every 2m", {60: 0.1, 119: 0.1, 120: 0.0, 150: 0.05}),
        ("sine 100m 300m 4m", {0: 0.1, 60: 0.2, 120: 0.3, 180: 0.2, 240: 0.1}),
        ("replay 0s=50m 2m=300m 10m=10m", {0: 0.05, 119: 0.05, 120: 0.3, 599: 0.3, 600: 0.01, 9999: 0.01}),
        ("replay 10s=1 20s=2", {0: 1, 15: 1, 20: 2}),
        ("replay 0s=1 20s=2 every 30s", {29: 2, 30: 1, 55: 2}),
        ("250m since 2026-01-01T00:10:00Z", {-5: 0.25}),
    ],
)
def test_what_a_profile_says(text, amounts):
    """Constant, ramp, sine and replay give their amount for every moment, before their beginning that of it."""
    profile = read(text)
    assert {at: profile.at(at) for at in amounts} == pytest.approx(amounts)


def test_percentages_and_shares_are_marked():
    """`%` is of what is requested, `shared` of all members together, `since` another beginning."""
    assert read("60%").percent
    assert read("60%").at(0) == 60
    assert not read("600m").percent
    shared = read("shared ramp 100m 2 10m since 2026-01-01T00:10:00Z")
    assert shared.shared
    assert shared.since is not None
    assert (shared.since.hour, shared.since.minute) == (0, 10)
    assert not read("2").shared


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no profile"),
        ("shared", "is no profile"),
        ("lots", "'lots' is no amount"),
        ("-5m", "nobody uses less than nothing"),
        ("ramp 1 2", "write ramp AMOUNT AMOUNT SPAN"),
        ("ramp 1 2 soon", "'soon' is no span of time"),
        ("sine 1 2 0s", "too short"),
        ("sine 10% 2 1m", "mixes percentages"),
        ("replay 5", "write replay SPAN=AMOUNT"),
        ("replay 2m=5 1m=6", "in their order"),
        ("replay", "is no amount"),
        ("5 since yesterday", "'yesterday' is no moment"),
        ("5 every never", "is no span"),
    ],
)
def test_what_is_no_profile(text, said):
    """A text that is none is refused in a sentence that says what would be one."""
    with pytest.raises(BadProfile, match=said):
        read(text)
