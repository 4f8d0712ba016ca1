"""Quantities, against upstream's documented spellings and against arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakekube.machinery.quantities import canonical, parse


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("0.5", "500m"), ("1000m", "1"), ("1500m", "1500m"), ("1024Mi", "1Gi"), ("512Mi", "512Mi"), ("1Ki", "1Ki"),
        ("0.5Gi", "512Mi"), ("1000", "1k"), ("1e3", "1e3"), ("1000e3", "1e6"), ("-5", "-5"), ("0", "0"), ("0Gi", "0"),
        ("100Ki", "100Ki"), ("512", "512"), ("1.0Ki", "1Ki"), ("2M", "2M"), ("1G", "1G"), ("0.001Ki", "1024m"),
        ("5n", "5n"), ("12E", "12E"), (".5", "500m"), ("5.", "5"),
    ],
)  # fmt: skip
def test_spelling(text, spelled):
    """The canonical form has no fraction, the largest suffix that loses nothing, and keeps the family."""
    assert canonical(text) == spelled


@pytest.mark.parametrize("text", ["", ".", "1x", "Ki", "1 Gi", "1KiB", "--1", "1e", "lots"])
def test_what_is_none(text):
    """Anything else is refused with the text clients know."""
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        canonical(text)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("1e129", "unable to parse quantity's suffix"),
        ("1e999999999", "unable to parse quantity's suffix"),
        (f"1e{'9' * 5000}", "unable to parse quantity's suffix"),
        ("9" * 5000, "quantities must match"),
        ("\u0663", "quantities must match"),
    ],
    ids=["one more", "a billion", "an endless exponent", "endless", "no digit of ASCII's"],
)
def test_what_is_too_much(text, wrong):
    """A dozen characters ask for no more digits than a server has time for: and of no amount that no float holds."""
    with pytest.raises(ValueError, match=wrong):
        canonical(text)


def test_the_least_there_is():
    """What is finer than a billionth is one, however fine."""
    assert canonical(f"0.{'0' * 100}1") == "1n"
    assert canonical("1e-999999999") == canonical(f"{'9' * 128}e-999999999") == "1e-9"
    assert float(parse(f"{'9' * 128}e128")[0]) > 1e256


@given(st.integers(-(10**18), 10**18), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi", "e3", "u", "n"]))
def test_spelling_changes_no_amount(number, suffix):
    """Canonical text means the same amount, and is its own canonical text."""
    text = f"{number}{suffix}"
    spelled = canonical(text)
    assert parse(spelled)[0] == parse(text)[0]
    assert canonical(spelled) == spelled


def test_rounding_is_up():
    """What is finer than a thousandth, or a billionth, rounds away from nothing."""
    assert canonical("0.0001", milli=True) == "1m"
    assert canonical("0.00000000001") == "1n"
