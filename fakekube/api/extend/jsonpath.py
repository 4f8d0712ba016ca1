"""JSONPath as printer columns and selectable fields use it: a path compiled to a function from object to found values.

Members, quoted members, indexes, slices, wildcards, `..` and filters that compare with a literal. What the path asks for
and the object lacks yields nothing; a step that does not fit the value's type ends the search likewise.
k8s: staging/src/k8s.io/client-go/util/jsonpath
"""

import operator
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from fakekube.machinery import digits

Find = Callable[[Any], list[Any]]
_Step = Callable[[Any], Iterator[Any]]

_MEMBER = re.compile(r"(?:[^.\[\]\\]|\\.)+")
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(\d*))?")
_FILTER = re.compile(r"\s*@([^=!<>]*?)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?))?\s*$")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class JsonPathError(ValueError):
    """Not a path this module understands."""


@lru_cache(maxsize=1024)
def finder(path: str) -> Find:
    """Everything the path leads to, in order. Raises JsonPathError."""
    steps = list(_parse(path))

    def find(obj: Any) -> list[Any]:
        values = [obj]
        for step in steps:
            values = [found for value in values for found in step(value)]
            if not values:
                break
        return values

    return find


def _parse(path: str) -> Iterator[_Step]:
    at = 0
    while at < len(path):
        if path.startswith("..", at):
            yield _descend
            at += 1
        if path[at] == ".":
            at += 1
            if at >= len(path) or path[at] == "[":
                continue
            member = _MEMBER.match(path, at)
            if member is None:
                raise JsonPathError(f"unexpected {path[at:]!r} in {path!r}")
            yield _member(re.sub(r"\\(.)", r"\1", member[0]))
            at = member.end()
        elif path[at] == "[":
            end = _closing(path, at)
            yield _bracket(path[at + 1 : end])
            at = end + 1
        else:
            raise JsonPathError(f"unexpected {path[at:]!r} in {path!r}")


def _closing(path: str, start: int) -> int:
    """Where the bracket that opens at `start` closes; brackets and quotes may lie inside."""
    depth, quote, at = 0, "", start
    while at < len(path):
        char = path[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
            if not depth:
                return at
        at += 1
    raise JsonPathError(f"unterminated array in {path!r}")


def _member(name: str) -> _Step:
    if name == "*":
        return _every

    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descend(value: Any) -> Iterator[Any]:
    yield value
    for inner in _every(value):
        yield from _descend(inner)


def _bracket(inside: str) -> _Step:
    inside = inside.strip()
    if inside == "*":
        return _every
    if inside.startswith("?(") and inside.endswith(")"):
        return _filter(inside[2:-1])
    quoted = _QUOTED.findall(inside)
    if quoted:
        names = [re.sub(r"\\(.)", r"\1", one or other) for one, other in quoted]
        return lambda value: (value[name] for name in names if isinstance(value, dict) and name in value)
    sliced = _SLICE.fullmatch(inside)
    if sliced is not None:
        first, last, stride = (_index(text) if text else None for text in sliced.groups())
        return lambda value: iter(value[first:last:stride] if isinstance(value, list) else ())
    if re.fullmatch(r"-?\d+(\s*,\s*-?\d+)*", inside):
        indexes = [_index(text.strip()) for text in inside.split(",")]
        return lambda value: (
            value[at] for at in indexes if isinstance(value, list) and -len(value) <= at < len(value)
        )
    raise JsonPathError(f"unrecognized array step [{inside}]")


def _index(text: str) -> int:
    found = digits.integer(text)
    if found is None:
        raise JsonPathError(f"array index {text} is not an integer")
    return found


def _filter(condition: str) -> _Step:
    parts = _FILTER.match(condition)
    if parts is None:
        raise JsonPathError(f"unrecognized filter ({condition})")
    find, compare = finder(parts[1]), _COMPARE.get(parts[2] or "")
    wanted = _literal(parts[3]) if compare is not None else None

    def keeps(item: Any) -> bool:
        found = find(item)
        if compare is None:
            return bool(found)
        try:
            return bool(found) and compare(found[0], wanted)
        except TypeError:
            return False

    return lambda value: (item for item in _every(value) if keeps(item))


def _literal(text: str) -> Any:
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted[1] if quoted[1] is not None else quoted[2])
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if re.search(r"[.eE]", text) else int(text)
    except ValueError:
        raise JsonPathError(f"unrecognized literal {text}") from None
