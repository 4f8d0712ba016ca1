"""Amounts of memory and CPU as KubeVirt reckons with them: as numbers, rounded up to whole units, and back as text. Pure.

Reading and writing is `machinery.quantities`; here nothing counts as zero, and numbers that are no text count, too.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Any

from fakekube.machinery import quantities

_NANO = 10**9


def exact(amount: Any) -> Decimal:
    """The amount as a number; nothing counts as zero. Raises ValueError when the text is none."""
    return Decimal(_billionths(amount)).scaleb(-9)


def whole(amount: Any) -> int:
    """The amount in whole units, rounded up. Raises ValueError as above."""
    return -(-_billionths(amount) // _NANO)


def times(amount: Any, factor: int) -> str:
    """A multiple, written with the suffix of the original where it has a binary one."""
    return binary(whole(amount) * factor)


def like(amount: int, original: Any) -> str:
    """The amount, written in the format of another one: with binary suffixes or with decimal ones."""
    return quantities.render(amount * _NANO, quantities.parse(str(original))[1])


def grown(amount: Any, thousandths: int) -> str:
    """The amount and so many thousandths more, written as it was."""
    text = str(amount)
    return quantities.render(_billionths(text) + thousandths * 10**6, quantities.parse(text)[1])


@lru_cache(maxsize=1024)
def binary(amount: int) -> str:
    """The amount with the largest binary suffix that needs no fraction."""
    return quantities.render(amount * _NANO, "binary")


def _billionths(amount: Any) -> int:
    if amount is None or amount == "":
        return 0
    try:
        return _parsed(str(amount))
    except ValueError:
        raise ValueError(f"{str(amount)!r} is not a quantity; examples: 128Mi, 1G, 500m") from None


@lru_cache(maxsize=1024)  # guests come in few sizes
def _parsed(text: str) -> int:
    return quantities.parse(text)[0]
