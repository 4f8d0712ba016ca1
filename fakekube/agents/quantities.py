"""Reading resource quantities as the scheduler counts them: CPU in thousandths of a core, all else in whole units.

Upstream: k8s: staging/src/k8s.io/apimachinery/pkg/api/resource/quantity.go
"""

from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import lru_cache

_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}


@lru_cache(maxsize=1024)
def amount(resource: str, quantity: str | float) -> int:
    """How much of `resource` a quantity is, rounded up; what is no quantity counts as nothing."""
    text = str(quantity).strip()
    number = text.rstrip("numkMGTPEi")
    suffix = text[len(number) :]
    try:
        value = Decimal(number) * _SUFFIXES[suffix]
    except (InvalidOperation, KeyError):
        return 0
    if resource == "cpu":
        value *= 1000
    return int(value.to_integral_value(rounding=ROUND_CEILING))
