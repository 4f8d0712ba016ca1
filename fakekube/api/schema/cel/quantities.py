"""Quantities and semantic versions.

k8s: staging/src/k8s.io/apiserver/pkg/cel/library/{quantity,semverlib}.go
"""

import re
from fractions import Fraction
from typing import Any, ClassVar

from msgspec import Struct

from fakekube.api.schema.cel.networks import parses
from fakekube.api.schema.cel.overloads import Library
from fakekube.api.schema.cel.types import BOOL, DOUBLE, INT, QUANTITY, SEMVER, STRING
from fakekube.api.schema.cel.values import INT_MAX, INT_MIN, CelError
from fakekube.machinery import digits
from fakekube.machinery.quantities import parse

_SEMVER = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:-((?:[0-9A-Za-z-]+)(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)


class Quantity(Struct, frozen=True, order=True):
    cel_type: ClassVar[str] = "kubernetes.Quantity"
    amount: Fraction


class Semver(Struct, frozen=True, order=True):
    cel_type: ClassVar[str] = "kubernetes.Semver"
    major: int
    minor: int
    patch: int
    rank: tuple[Any, ...]  # of the pre-release; a release ranks above all of them


def parse_quantity(text: str) -> Quantity:
    try:
        return Quantity(Fraction(parse(text)[0], 10**9))
    except ValueError as error:
        raise CelError(str(error)) from None


def parse_semver(text: str) -> Semver:
    found = _SEMVER.fullmatch(text)
    if found is None:
        raise CelError(f"semver parse error: {text}")
    parts = found[4].split(".") if found[4] else []
    try:
        major, minor, patch = (digits.parsed("ParseUint", found[at]) for at in (1, 2, 3))
        rank = tuple(
            (0, digits.parsed("ParseUint", part), "") if part.isdigit() else (1, 0, part) for part in parts
        )
    except ValueError:
        raise CelError(f"semver parse error: {text}") from None
    return Semver(major, minor, patch, (0, rank) if rank else (1, ()))


def _as_integer(quantity: Quantity) -> int:
    if quantity.amount.denominator != 1 or not INT_MIN <= quantity.amount <= INT_MAX:
        raise CelError("cannot convert value to integer")
    return int(quantity.amount)


def _amount(value: Any) -> Fraction:
    return value.amount if isinstance(value, Quantity) else Fraction(value)


def _compare(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def install(library: Library) -> None:
    library.add("quantity", (STRING,), QUANTITY, parse_quantity)
    library.add("isQuantity", (STRING,), BOOL, parses(parse_quantity))
    library.add("semver", (STRING,), SEMVER, parse_semver)
    library.add("isSemver", (STRING,), BOOL, parses(parse_semver))
    for one in (QUANTITY, SEMVER):
        library.member("isLessThan", (one, one), BOOL, lambda left, right: left < right)
        library.member("isGreaterThan", (one, one), BOOL, lambda left, right: left > right)
        library.member("compareTo", (one, one), INT, _compare)
    for name in ("major", "minor", "patch"):
        library.member(name, (SEMVER,), INT, _part(name))
    library.member("asInteger", (QUANTITY,), INT, _as_integer)
    library.member("isInteger", (QUANTITY,), BOOL, lambda quantity: quantity.amount.denominator == 1)
    library.member("asApproximateFloat", (QUANTITY,), DOUBLE, lambda quantity: float(quantity.amount))
    library.member("sign", (QUANTITY,), INT, lambda quantity: _compare(quantity.amount, 0))
    for one in (QUANTITY, INT):
        library.member(
            "add", (QUANTITY, one), QUANTITY, lambda left, right: Quantity(left.amount + _amount(right))
        )
        library.member(
            "sub", (QUANTITY, one), QUANTITY, lambda left, right: Quantity(left.amount - _amount(right))
        )


def _part(name: str) -> Any:
    return lambda version: getattr(version, name)
