"""Amounts of memory as Kubernetes writes them: `128Mi`, `1G`, `1.5Gi`. Pure.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/api/resource/quantity.go
"""

from decimal import Decimal, InvalidOperation

_BINARY: dict[str, int] = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL: dict[str, int | str] = {
    "m": "0.001",
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "P": 10**15,
    "E": 10**18,
}


def parse(text: str) -> int:
    """The amount in whole units, rounded up. Raises ValueError when the text is none."""
    for suffix, factor in (_BINARY | _DECIMAL).items():
        if text.endswith(suffix):
            return _times(text[: -len(suffix)], Decimal(factor), text)
    return _times(text, Decimal(1), text)


def binary(amount: int) -> str:
    """The amount with the largest binary suffix that needs no fraction."""
    chosen, count = "", amount
    for suffix, factor in _BINARY.items():
        if amount == 0 or amount % factor:
            break
        chosen, count = suffix, amount // factor
    return f"{count}{chosen}"


def _times(number: str, factor: Decimal, text: str) -> int:
    try:
        exact = Decimal(number) * factor
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a quantity; examples: 128Mi, 1G, 500m") from None
    return int(exact.to_integral_value(rounding="ROUND_CEILING"))
