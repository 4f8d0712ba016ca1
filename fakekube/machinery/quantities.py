"""Quantities in their canonical spelling: `0.5` → `500m`, `1024Mi` → `1Gi`.

k8s: staging/src/k8s.io/apimachinery/pkg/api/resource/quantity.go
"""

import re
from functools import lru_cache

from fakekube.machinery import digits

_PATTERN = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([KMGTPE]i|[numkMGTPE]?|[eE][+-]?[0-9]+)")
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_NAMES = {power: name for name, power in _BINARY.items()} | {0: ""}
_DECIMAL_NAMES = {power: name for name, power in _DECIMAL.items()}
_NANO = 10**9
_MOST_DIGITS = 128  # and zeros behind them: a float can still hold it, and it takes no time to count

MUST_MATCH = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def parse(text: str) -> tuple[int, str]:
    """(billionths, format): the format is `binary`, `decimal` or `exponent`. Raises ValueError.

    What is finer than a billionth rounds away from zero, as upstream rounds it.
    """
    match = _PATTERN.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise ValueError(MUST_MATCH)
    sign, whole, fraction, suffix = match[1], match[2], match[3] or "", match[4]
    if len(whole) + len(fraction) > _MOST_DIGITS:
        raise ValueError(MUST_MATCH)
    number = int((whole + fraction) or "0")
    if suffix in _BINARY:
        value, form = number * _NANO << _BINARY[suffix], "binary"
        down = 10 ** len(fraction)
    else:
        exponent, form = _DECIMAL.get(suffix), "decimal"
        if exponent is None:
            exponent, form = _exponent(suffix[1:]), "exponent"
        power = exponent - len(fraction) + 9
        value, down = (number * 10**power, 1) if power >= 0 else (number, 10**-power)
    value = -(-value // down)
    return (-value if sign == "-" else value), form


def _exponent(text: str) -> int:
    found = digits.integer(text)
    if found is None or found > _MOST_DIGITS:
        raise ValueError("unable to parse quantity's suffix")
    return max(found, -2 * _MOST_DIGITS)  # finer than a billionth, whatever stands before it


@lru_cache(maxsize=4096)
def canonical(text: str, *, milli: bool = False) -> str:
    """The text with the fewest digits that says the same; with `milli`, rounded up to thousandths. Raises ValueError."""
    value, form = parse(text)
    if milli:
        value = -(-value // 10**6) * 10**6
    return render(value, form)


def render(value: int, form: str) -> str:
    """Billionths → text."""
    if not value:
        return "0"
    whole, rest = divmod(value, _NANO)
    if form == "binary" and not rest and abs(whole) >= 1024:
        power = 0
        while whole % 1024 == 0 and power < 60:
            whole, power = whole // 1024, power + 10
        return f"{whole}{_BINARY_NAMES[power]}"
    power = -9
    while value % 1000 == 0 and (power < 18 or form == "exponent"):
        value, power = value // 1000, power + 3
    if form == "exponent":
        return f"{value}e{power}" if power else str(value)
    return f"{value}{_DECIMAL_NAMES[power]}"
