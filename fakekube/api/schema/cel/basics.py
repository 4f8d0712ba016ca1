"""Sizes and conversions between the basic types.

cel-spec: doc/langdef.md (Standard Definitions)
"""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from fakekube.api.schema.cel import times
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
    type_of,
)
from fakekube.api.schema.cel.values import CelError, TypeValue, UInt, checked_int, checked_uint, type_name
from fakekube.machinery import digits

_BOOLS = {
    "true": True,
    "t": True,
    "1": True,
    "false": False,
    "f": False,
    "0": False,
    "TRUE": True,
    "FALSE": False,
}
_PLAIN_DIGITS = 6  # before the point; more are written with an exponent
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_int(value: Any) -> int:
    if isinstance(value, datetime):
        return int((value - _EPOCH).total_seconds())
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1) * 1000
    if isinstance(value, str):
        return _parsed("ParseInt", value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise CelError("integer overflow")
        value = math.trunc(value)
    return checked_int(int(value))


def _parsed(function: str, text: str) -> int:
    try:
        return digits.parsed(function, text)
    except ValueError as error:
        raise CelError(str(error)) from None


def to_uint(value: Any) -> UInt:
    if isinstance(value, str):
        return UInt(_parsed("ParseUint", value))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise CelError("unsigned integer overflow")
        value = math.trunc(value)
    return checked_uint(int(value))


def to_double(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        raise CelError(f'strconv.ParseFloat: parsing "{value}": invalid syntax') from None


def to_bool(value: Any) -> bool:
    if isinstance(value, str):
        found = _BOOLS.get(value)
        if found is None:
            raise CelError(f'strconv.ParseBool: parsing "{value}": invalid syntax')
        return found
    return bool(value)


def to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return double_text(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise CelError("invalid UTF-8 in bytes, cannot convert to string") from None
    if isinstance(value, datetime):
        return times.timestamp_text(value)
    if isinstance(value, timedelta):
        return times.duration_text(value)
    return str(value)


def double_text(value: float) -> str:
    """As few digits as tell it from others, with an exponent from a million up: Go's `%g`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    mantissa, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
    if value and not -5 < int(exponent) < _PLAIN_DIGITS:
        return f"{mantissa}e{exponent[0]}{exponent[1:]:0>2}"
    return f"{Decimal(repr(value)).normalize():f}"


def install(library: Library) -> None:
    for one in (STRING, BYTES, list_of(A), map_of(A, B)):
        library.add("size", (one,), INT, len)
        library.member("size", (one,), INT, len)
    library.add("type", (A,), type_of(A), lambda value: TypeValue(type_name(value)))
    library.add("dyn", (A,), DYN, lambda value: value)
    for one in (INT, UINT, DOUBLE, STRING, TIMESTAMP, DURATION):
        library.add("int", (one,), INT, to_int)
    for one in (UINT, INT, DOUBLE, STRING):
        library.add("uint", (one,), UINT, to_uint)
        library.add("double", (one,), DOUBLE, to_double)
    for one in (STRING, BOOL, INT, UINT, DOUBLE, BYTES, TIMESTAMP, DURATION):
        library.add("string", (one,), STRING, to_text)
    for one in (BOOL, STRING):
        library.add("bool", (one,), BOOL, to_bool)
    library.add("bytes", (BYTES,), BYTES, lambda value: value)
    library.add("bytes", (STRING,), BYTES, str.encode)
