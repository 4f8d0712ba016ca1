"""Operators: what they take, and their arithmetic, which never overflows silently and never mixes number types.

cel-spec: doc/langdef.md (Numeric values, Overflow); cel-go: common/stdlib
"""

import math
import operator
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from fakekube.api.schema.cel.overloads import Library
from fakekube.api.schema.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    A,
    B,
    list_of,
    map_of,
)
from fakekube.api.schema.cel.values import (
    CelError,
    UInt,
    checked_int,
    checked_uint,
    contains,
    equal,
    joined,
    no_such_overload,
)

_NUMBERS = frozenset({int, UInt, float})
_ORDERED = frozenset({str, bytes, bool, datetime, timedelta})


def add(one: Any, other: Any) -> Any:
    kinds = (type(one), type(other))
    if kinds == (int, int):
        return checked_int(one + other)
    if kinds in ((str, str), (float, float), (bytes, bytes)):
        return one + other
    if kinds == (UInt, UInt):
        return checked_uint(int(one) + int(other))
    if isinstance(one, list) and isinstance(other, list):
        return joined(one, other)
    return _add_times(one, other)


def _add_times(one: Any, other: Any) -> Any:
    moments = isinstance(one, datetime) + isinstance(other, datetime)
    spans = isinstance(one, timedelta) + isinstance(other, timedelta)
    if moments + spans != 2 or moments == 2:
        raise no_such_overload()
    try:
        return one + other
    except OverflowError:
        raise CelError("timestamp overflow" if moments else "duration overflow") from None


def subtract(one: Any, other: Any) -> Any:
    kinds = (type(one), type(other))
    if kinds == (int, int):
        return checked_int(one - other)
    if kinds == (float, float):
        return one - other
    if kinds == (UInt, UInt):
        return checked_uint(int(one) - int(other))
    if kinds in ((datetime, datetime), (datetime, timedelta), (timedelta, timedelta)):
        return one - other
    raise no_such_overload()


def multiply(one: Any, other: Any) -> Any:
    kinds = (type(one), type(other))
    if kinds == (int, int):
        return checked_int(one * other)
    if kinds == (float, float):
        return one * other
    if kinds == (UInt, UInt):
        return checked_uint(int(one) * int(other))
    raise no_such_overload()


def divide(one: Any, other: Any) -> Any:
    kinds = (type(one), type(other))
    if kinds == (float, float):
        return one / other if other else _by_zero(one, other)
    if kinds not in ((int, int), (UInt, UInt)):
        raise no_such_overload()
    if not other:
        raise CelError("division by zero")
    quotient = abs(int(one)) // abs(int(other))
    return (
        checked_int(quotient if (one < 0) == (other < 0) else -quotient)
        if kinds[0] is int
        else UInt(quotient)
    )


def _by_zero(one: float, zero: float) -> float:
    if one == 0 or math.isnan(one):
        return math.nan
    return math.copysign(math.inf, one) * math.copysign(1, zero)


def modulo(one: Any, other: Any) -> Any:
    kinds = (type(one), type(other))
    if kinds not in ((int, int), (UInt, UInt)):
        raise no_such_overload()
    if not other:
        raise CelError("modulus by zero")
    rest = abs(int(one)) % abs(int(other))
    return checked_int(-rest if one < 0 else rest) if kinds[0] is int else UInt(rest)


def negate(value: Any) -> Any:
    if type(value) is int:
        return checked_int(-value)
    if type(value) is float:
        return -value
    raise no_such_overload()


def invert(value: Any) -> bool:
    if value is True or value is False:
        return not value
    raise no_such_overload()


def is_in(value: Any, container: Any) -> bool:
    if isinstance(container, list):
        return contains(container, value)
    if isinstance(container, dict):
        return isinstance(value, (str, int, float, bool)) and value in container
    raise no_such_overload()


def _ordering(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def ordered(one: Any, other: Any) -> bool:
        kind = type(one)
        if (kind in _NUMBERS and type(other) in _NUMBERS) or (kind is type(other) and kind in _ORDERED):
            return compare(one, other)
        raise no_such_overload()

    return ordered


OPERATORS: dict[str, Callable[..., Any]] = {
    "_+_": add,
    "_-_": subtract,
    "_*_": multiply,
    "_/_": divide,
    "_%_": modulo,
    "-_": negate,
    "!_": invert,
    "_==_": equal,
    "_!=_": lambda one, other: not equal(one, other),
    "@in": is_in,
    "_<_": _ordering(operator.lt),
    "_<=_": _ordering(operator.le),
    "_>_": _ordering(operator.gt),
    "_>=_": _ordering(operator.ge),
}


def install(library: Library) -> None:
    """The signatures, for the checker."""
    numeric = (INT, UINT, DOUBLE)
    for name in ("_+_", "_-_", "_*_", "_/_"):
        for one in numeric:
            library.add(name, (one, one), one, OPERATORS[name])
    for one in (INT, UINT):
        library.add("_%_", (one, one), one, modulo)
    for params in ((STRING, STRING), (BYTES, BYTES), (list_of(A), list_of(A))):
        library.add("_+_", params, params[0], add)
    for one, other, result in (
        (DURATION, DURATION, DURATION),
        (TIMESTAMP, DURATION, TIMESTAMP),
        (DURATION, TIMESTAMP, TIMESTAMP),
    ):
        library.add("_+_", (one, other), result, add)
    for one, other, result in (
        (DURATION, DURATION, DURATION),
        (TIMESTAMP, DURATION, TIMESTAMP),
        (TIMESTAMP, TIMESTAMP, DURATION),
    ):
        library.add("_-_", (one, other), result, subtract)
    for one in (INT, DOUBLE):
        library.add("-_", (one,), one, negate)
    library.add("!_", (BOOL,), BOOL, invert)
    for name in ("_<_", "_<=_", "_>_", "_>=_"):
        for one in (BOOL, STRING, BYTES, TIMESTAMP, DURATION):
            library.add(name, (one, one), BOOL, OPERATORS[name])
        for one in numeric:
            for other in numeric:
                library.add(name, (one, other), BOOL, OPERATORS[name])
    for name in ("_==_", "_!=_"):
        library.add(name, (A, A), BOOL, OPERATORS[name])
    library.add("@in", (A, list_of(A)), BOOL, is_in)
    library.add("@in", (A, map_of(A, B)), BOOL, is_in)
    for name in ("_&&_", "_||_"):
        library.add(name, (BOOL, BOOL), BOOL, lambda *_: None)
    library.add("_?_:_", (BOOL, A, A), A, lambda *_: DYN)
