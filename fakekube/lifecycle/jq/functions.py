"""jq's functions that expressions may call. A filter is what jq calls a filter: from a value, any number of values.

What jq calls an error is a `JqError`. Origin: https://jqlang.org/manual/ (gojq, in kwok).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

Filter = Callable[[Any], Iterator[Any]]


class JqError(Exception):
    """jq would stop here."""


def true(value: Any) -> bool:
    return value is not None and value is not False


def member(value: Any, key: Any) -> Any:
    """`.name` and `[key]`; of nothing there is nothing."""
    if value is None:
        return None
    if isinstance(value, dict) and isinstance(key, str):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int) and not isinstance(key, bool):
        return value[key] if -len(value) <= key < len(value) else None
    raise JqError(f"cannot index {kind(value)} with {key!r}")


def each(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        return iter(list(value.values()))
    if isinstance(value, list):
        return iter(value)
    raise JqError(f"cannot iterate over {kind(value)}")


def kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        return orjson.loads(_of(value, str))
    except orjson.JSONDecodeError:
        raise JqError(f"cannot read {value!r} as a number") from None


def _of(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds):
        raise JqError(f"{kind(value)} is of no use here")
    return value


def _length(value: Any) -> Any:
    if value is None:
        return 0
    return abs(value) if kind(value) == "number" else len(_of(value, str, list, dict))


_RANK = ("null", "boolean", "number", "string", "array", "object")


def order(value: Any) -> tuple[Any, ...]:
    """The order jq has for all values."""
    of = kind(value)
    if of == "array":
        return _RANK.index(of), [order(one) for one in value]
    if of == "object":
        return _RANK.index(of), sorted(value), [order(value[key]) for key in sorted(value)]
    return (_RANK.index(of), 0 if value is None else value)


def _added(values: Any) -> Any:
    found: Any = None
    for one in each(values):
        found = plus(found, one)
    return found


def plus(left: Any, right: Any) -> Any:
    if left is None or right is None:
        return right if left is None else left
    if kind(left) != kind(right) or isinstance(left, bool):
        raise JqError(f"cannot add {kind(left)} and {kind(right)}")
    return {**left, **right} if isinstance(left, dict) else left + right


def _has(value: Any, key: Any) -> bool:
    if isinstance(value, dict):
        return key in value
    return isinstance(key, int) and 0 <= key < len(_of(value, list))


def _contains(value: Any, part: Any) -> bool:
    if isinstance(value, dict) and isinstance(part, dict):
        return all(key in value and _contains(value[key], one) for key, one in part.items())
    if isinstance(value, list) and isinstance(part, list):
        return all(any(_contains(one, wanted) for one in value) for wanted in part)
    if isinstance(value, str) and isinstance(part, str):
        return part in value
    return bool(value == part)


def _unique(values: list[Any]) -> list[Any]:
    return [one for at, one in enumerate(values) if at == 0 or values[at - 1] != one]


def _tested(value: Any, pattern: Any) -> bool:
    try:
        return re.search(_of(pattern, str), _of(value, str)) is not None
    except re.error as error:
        raise JqError(str(error)) from None


# From the value, to one value.
PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "add": _added,
    "all": lambda value: all(map(true, each(value))),
    "any": lambda value: any(map(true, each(value))),
    "ascii_downcase": lambda value: _of(value, str).lower(),
    "ascii_upcase": lambda value: _of(value, str).upper(),
    "first": lambda value: member(value, 0),
    "floor": lambda value: int(_of(value, int, float) // 1),
    "keys": lambda value: sorted(value) if isinstance(value, dict) else list(range(len(_of(value, list)))),
    "last": lambda value: member(value, -1),
    "length": _length,
    "max": lambda value: max(_of(value, list), key=order, default=None),
    "min": lambda value: min(_of(value, list), key=order, default=None),
    "not": lambda value: not true(value),
    "reverse": lambda value: _of(value or [], list)[::-1],
    "sort": lambda value: sorted(_of(value, list), key=order),
    "to_entries": lambda value: [{"key": key, "value": one} for key, one in _of(value, dict).items()],
    "tonumber": _number,
    "tostring": _text,
    "type": kind,
    "unique": lambda value: _unique(sorted(_of(value, list), key=order)),
}

# From the value and what the argument makes of it, to one value.
WITH_VALUE: Mapping[str, Callable[[Any, Any], Any]] = {
    "contains": _contains,
    "endswith": lambda value, end: _of(value, str).endswith(_of(end, str)),
    "has": _has,
    "join": lambda value, between: _of(between, str).join(
        "" if one is None else _text(one) for one in each(value)
    ),
    "ltrimstr": lambda value, start: _of(value, str).removeprefix(_of(start, str)),
    "rtrimstr": lambda value, end: _of(value, str).removesuffix(_of(end, str)),
    "split": lambda value, between: _of(value, str).split(_of(between, str)),
    "startswith": lambda value, start: _of(value, str).startswith(_of(start, str)),
    "test": _tested,
}


def _select(inner: Filter, value: Any) -> Iterator[Any]:
    for one in inner(value):
        if true(one):
            yield value


def _first(inner: Filter, value: Any) -> Iterator[Any]:
    for one in inner(value):
        yield one
        return


def _last(inner: Filter, value: Any) -> Iterator[Any]:
    found = list(inner(value))
    yield from found[-1:]


# From the value and the argument itself.
WITH_FILTER: Mapping[str, Callable[[Filter, Any], Iterator[Any]]] = {
    "all": lambda inner, value: iter([all(true(found) for one in each(value) for found in inner(one))]),
    "any": lambda inner, value: iter([any(true(found) for one in each(value) for found in inner(one))]),
    "first": _first,
    "last": _last,
    "map": lambda inner, value: iter([[found for one in each(value) for found in inner(one)]]),
    "select": _select,
    "sort_by": lambda inner, value: iter(
        [sorted(_of(value, list), key=lambda one: [order(x) for x in inner(one)])]
    ),
}
