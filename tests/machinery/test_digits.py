"""Numbers that somebody else writes."""

import pytest

from fakekube.agents import fates
from fakekube.api.schema.cel.basics import to_uint
from fakekube.api.schema.cel.values import CelError
from fakekube.machinery import digits


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("9" * 20, 10**20 - 1), ("", None), ("-1", None), ("²", None), ("٣", None), ("9" * 21, None)],
)  # fmt: skip
def test_numbers(text, number):
    """Only ASCII's digits are numbers, and not any number of them: Python's own `isdigit` knows more than `int` reads."""
    assert digits.number(text) == number


@pytest.mark.parametrize("text", ["²", "٣", "9" * 5000])
def test_whoever_reads_them(text):
    """What is none is refused, or changes nothing: a pod whose fate it was to be would never have started."""
    assert fates.read(f"exit={text}") == fates.NONE
    assert fates.read("exit=259").exit == 3
    with pytest.raises(CelError, match=r"strconv\.ParseUint"):
        to_uint(text)
