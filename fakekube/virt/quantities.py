"""Amounts as Kubernetes writes them (`128Mi`, `1G`, `500m`), as exact numbers. Pure.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/api/resource/quantity.go
"""

from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

_FACTORS = {
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
}


def exact(amount: Any) -> Decimal:
    """The amount as a number; nothing counts as zero. Raises ValueError when the text is none."""
    if amount is None or amount == "":
        return Decimal(0)
    if isinstance(amount, (int, float)):
        return Decimal(str(amount))
    text = str(amount)
    for width in (2, 1):
        factor = _FACTORS.get(text[-width:])
        if factor is not None:
            return _number(text[:-width], text) * factor
    return _number(text, text)


def whole(amount: Any) -> int:
    """The amount in whole units, rounded up."""
    return int(exact(amount).to_integral_value(ROUND_CEILING))


def times(amount: Any, factor: int) -> str:
    """A multiple, written with the suffix of the original where it has a binary one."""
    return binary(whole(amount) * factor)


def binary(amount: int) -> str:
    """The amount with the largest binary suffix that needs no fraction."""
    for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
        size = int(_FACTORS[suffix])
        if amount and not amount % size:
            return f"{amount // size}{suffix}"
    return str(amount)


def _number(digits: str, text: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a quantity; examples: 128Mi, 1G, 500m") from None
