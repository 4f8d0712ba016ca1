"""Numbers that somebody else writes as text: annotations, words of commands, what comes over a connection. Pure.

Python's `isdigit` knows digits that its `int` does not read, and `int` reads no number of more than 4,300 of them.
"""

from fakekube.machinery.field_errors import show

_LONGEST = 20  # digits; nothing here counts further


def number(text: str) -> int | None:
    """What digits stand for; None: these are none of ASCII's, or too many."""
    return int(text) if len(text) <= _LONGEST and _are_digits(text) else None


def parsed(function: str, text: str, bits: int = 64) -> int:
    """What Go's `strconv` reads by Atoi, ParseInt or ParseUint in base ten. Raises ValueError with its words."""
    signed = function != "ParseUint"
    unsigned = text[1:] if signed and text.startswith(("+", "-")) else text
    if not _are_digits(unsigned):
        raise ValueError(f"strconv.{function}: parsing {show(text)}: invalid syntax")
    found = number(unsigned.lstrip("0") or "0")
    if found is not None:
        found = -found if text.startswith("-") else found
        if found in (range(-(1 << bits - 1), 1 << bits - 1) if signed else range(1 << bits)):
            return found
    raise ValueError(f"strconv.{function}: parsing {show(text)}: value out of range")


def integer(text: str, bits: int = 64) -> int | None:
    """What `parsed` reads with a sign or without; None where Go tells of an error."""
    try:
        return parsed("ParseInt", text, bits)
    except ValueError:
        return None


def _are_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
