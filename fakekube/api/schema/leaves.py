"""Checks of strings, numbers and enums: the rules that look at one value only, with the server's words.

kube-openapi: pkg/validation/validate/{values,validator}.go, pkg/validation/errors/schema.go
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from fakekube.api.schema import formats
from fakekube.api.schema.model import Schema
from fakekube.api.schema.problems import PATH, Problem, Problems
from fakekube.machinery import field_errors
from fakekube.machinery.regexes import regex

Check = Callable[[Any], Problems]

_INT_RANGES = {"int32": 2**31, "int64": 2**63, "": 2**63}


def go_number(value: float) -> str:
    """A limit as Go's %v prints it: whole numbers without a point, big ones with an exponent."""
    if isinstance(value, int):
        return str(value)
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return f"{value:g}" if abs(value) >= 1e21 else repr(value)


def wrong_type(expected: str) -> Check:
    """The finding for a value of another JSON type, null included."""

    def check(value: Any) -> list[Problem]:
        actual = type_name(value)
        return [
            Problem(
                field_errors.TYPE_INVALID, f'{PATH} in body must be of type {expected}: "{actual}"', actual
            )
        ]

    return check


def type_name(value: Any) -> str:
    """How OpenAPI calls the type of a decoded JSON value."""
    return _TYPE_NAMES[type(value)]


_TYPE_NAMES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "null",
}


def string_check(raw: dict[str, Any]) -> Check | None:
    """Length, pattern (the first that fails is reported), then format."""
    most, least, pattern = raw.get("maxLength"), raw.get("minLength"), raw.get("pattern")
    search = _searcher(pattern) if pattern else None
    format_ = str(raw.get("format") or "")
    fits = formats.checker(format_) if format_ else None
    if most is None and least is None and search is None and fits is None:
        return None

    def check(value: str) -> Problems:
        problem = None
        if most is not None and len(value) > most:
            problem = Problem(field_errors.TOO_LONG, f"may not be more than {most} bytes")
        elif least is not None and len(value) < least:
            problem = Problem(
                field_errors.INVALID, f"{PATH} in body should be at least {least} chars long", value
            )
        elif search is not None and not search(value):
            problem = Problem(field_errors.INVALID, f"{PATH} in body should match '{pattern}'", value)
        found = [problem] if problem else None
        if fits is not None and not fits(value):
            found = found or []
            text = f"{PATH} in body must be of type {format_}: {orjson.dumps(value).decode()}"
            found.append(Problem(field_errors.TYPE_INVALID, text, value))
        return found

    return check


def _searcher(pattern: str) -> Callable[[str], object]:
    """CRDs with a broken pattern are refused; should one be stored all the same, nothing matches it."""
    try:
        return regex.searcher(pattern)
    except regex.RegexError:
        return lambda _: False


def number_check(raw: dict[str, Any]) -> Check | None:
    """Range of the format, then multipleOf, maximum and minimum; every failure is reported."""
    factor, most, least = raw.get("multipleOf"), raw.get("maximum"), raw.get("minimum")
    over, under = bool(raw.get("exclusiveMaximum")), bool(raw.get("exclusiveMinimum"))
    whole = raw.get("type") == "integer" or bool(raw.get("x-kubernetes-int-or-string"))
    format_ = str(raw.get("format") or "")
    limit = _INT_RANGES.get(format_, 2**63) if whole else None
    if factor is None and most is None and least is None and limit is None:
        return None

    def check(value: float) -> Problems:
        if (
            (limit is None or -limit <= value < limit)
            and (most is None or value < most or (value == most and not over))
            and (least is None or value > least or (value == least and not under))
            and (factor is None or _is_multiple(value, factor))
        ):
            return None
        found: list[Problem] = []
        if limit is not None and not -limit <= value < limit:
            how = f"with format {format_}" if format_ else "(default format)"
            text = f"Checked value must be of type integer {how} in {PATH}"
            found.append(Problem(field_errors.INVALID, text, "", nowhere=True))
        if factor is not None and not _is_multiple(value, factor):
            found.append(_bad(value, f"a multiple of {go_number(factor)}"))
        if most is not None and (value >= most if over else value > most):
            found.append(_bad(value, f"less than {'' if over else 'or equal to '}{go_number(most)}"))
        if least is not None and (value <= least if under else value < least):
            found.append(_bad(value, f"greater than {'' if under else 'or equal to '}{go_number(least)}"))
        return found

    return check


def _bad(value: float, rule: str) -> Problem:
    return Problem(field_errors.INVALID, f"{PATH} in body should be {rule}", value)


def _is_multiple(value: float, factor: float) -> bool:
    if isinstance(value, int) and float(factor).is_integer():
        return value % int(factor) == 0
    ratio = value / factor
    return math.isfinite(ratio) and ratio == int(ratio)


def enum_check(allowed: Sequence[Any]) -> Check:
    """Membership; JSON's true is not 1."""
    plain = frozenset(value for value in allowed if isinstance(value, str))
    words = [value if isinstance(value, str) else orjson.dumps(value).decode() for value in allowed]
    detail = "supported values: " + ", ".join(f'"{word}"' for word in words)
    others = [value for value in allowed if not isinstance(value, str)]

    def check(value: Any) -> Problems:
        if type(value) is str:
            if value in plain:
                return None
        elif any(same(value, other) for other in others):
            return None
        return [Problem(field_errors.NOT_SUPPORTED, detail, value)]

    return check


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: 1 is 1.0 but never true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def expected_types(node: Schema) -> tuple[str, tuple[type, ...]]:
    """What a node's type is called in errors, and the Python types that satisfy it; no types: anything goes."""
    if node.raw.get("x-kubernetes-int-or-string"):
        return "integer,string", (int, str)
    return node.type, _PYTHON_TYPES.get(node.type, ())


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "array": (list,),
}
