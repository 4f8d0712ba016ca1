"""Durations as Go reads them, and what differs where."""

import pytest

from fakekube.machinery.durations import WITH_DAYS, given, parse


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("2m0s", 120),
        ("2562047h", 2562047 * 3600),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("5.s", 5),
        ("-300ms", -0.3),
        ("+1h2m3s", 3723),
        ("1us1µs1μs1ns", 3.001e-6),
    ],
)
def test_what_go_reads(text, seconds):
    """Numbers with units, joined, with a sign before all of them."""
    assert parse(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        ("soon", 'time: invalid duration "soon"'),
        (".s", 'time: invalid duration ".s"'),
        ("2562048h", 'time: invalid duration "2562048h"'),
        pytest.param("9" * 5000 + "ns", f'time: invalid duration "{"9" * 5000}ns"', id="endless"),
        ("1h-2m", 'time: unknown unit "h-" in duration "1h-2m"'),
        ("5", 'time: missing unit in duration "5"'),
        ("1m5", 'time: missing unit in duration "1m5"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("1h ", 'time: unknown unit "h " in duration "1h "'),
        ("١s", 'time: invalid duration "١s"'),
    ],
)
def test_what_go_refuses(text, told):
    """In Go's words."""
    with pytest.raises(ValueError) as refusal:
        parse(text)
    assert str(refusal.value) == told


def test_what_others_read_beside():
    """Days where people write them, numbers without a unit where something says what they count."""
    assert parse("1d12h", units=WITH_DAYS) == 129_600
    assert (parse("250", bare=0.001), parse("2.5", bare=1.0)) == (0.25, 2.5)
    with pytest.raises(ValueError, match="missing unit"):
        parse("1m5", bare=1.0)


def test_members_that_may_be_absent():
    """Nothing, and what was refused elsewhere, is the default."""
    assert (given("90s", 1.0), given(None, 1.0), given("", 2.0), given("x", 3.0)) == (90.0, 1.0, 2.0, 3.0)
