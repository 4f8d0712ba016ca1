"""Strings and patterns: what every CEL has, the extended strings, and Kubernetes' find and findAll.

cel-go: ext/strings.go; k8s: staging/src/k8s.io/apiserver/pkg/cel/library/regex.go
"""

import re
from collections.abc import Callable
from typing import Any

import orjson

from fakekube.api.schema.cel import basics
from fakekube.api.schema.cel.overloads import Library
from fakekube.api.schema.cel.types import BOOL, DYN, INT, STRING, list_of
from fakekube.api.schema.cel.values import CelError
from fakekube.machinery import digits
from fakekube.machinery.regexes import regex

_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_VERB = re.compile(r"%(?:%|(?:\.([0-9]+))?([sdfeboxX]))")
_MOST_PRECISE = 1_000_000  # digits: Go prints no more either


def _compiled(make: Callable[[str], Any], pattern: str) -> Any:
    try:
        return make(pattern)
    except regex.RegexError as error:
        raise CelError(str(error)) from None


def matches(text: str, pattern: str) -> bool:
    return bool(_compiled(regex.searcher, pattern)(text))


def _find(text: str, pattern: str) -> str:
    found = _compiled(regex.finder, pattern)(text, 0)
    return text[found[0] : found[1]] if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    """An empty match right behind another one does not count, as in Go. Each takes linear time: all of them may take its square."""
    find = _compiled(regex.finder, pattern)
    parts, at, last = list[str](), 0, -1
    while at <= len(text) and len(parts) != limit and (found := find(text, at)) is not None:
        begin, end = found
        if end > at or begin != last:
            parts.append(text[begin:end])
        at, last = (end if end > at else end + 1), end
    return parts


def _char_at(text: str, at: int) -> str:
    if not 0 <= at <= len(text):
        raise CelError(f"index out of range: {at}")
    return text[at : at + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if not 0 <= start <= len(text):
        raise CelError(f"index out of range: {start}")
    return text.find(part, start)


def _last_index_of(text: str, part: str, end: int | None = None) -> int:
    if end is not None and not 0 <= end <= len(text):
        raise CelError(f"index out of range: {end}")
    return text.rfind(part, 0, None if end is None else end + len(part))


def _substring(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else end
    if not 0 <= start <= len(text) or not 0 <= end <= len(text):
        raise CelError(f"index out of range: {start if not 0 <= start <= len(text) else end}")
    if start > end:
        raise CelError(f"invalid substring range. start: {start}, end: {end}")
    return text[start:end]


def _replace(text: str, old: str, new: str, limit: int = -1) -> str:
    return text.replace(old, new, limit)


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if not separator:
        return list(text) if limit < 0 else [*text[: limit - 1], text[limit - 1 :]]
    return text.split(separator, -1 if limit < 0 else limit - 1)


def _format(template: str, args: list[Any]) -> str:
    remaining = iter(args)

    def fill(verb: re.Match[str]) -> str:
        if verb[0] == "%%":
            return "%"
        try:
            return _filled(verb[2], _precision(verb[1] or "6"), next(remaining))
        except StopIteration:
            raise CelError("index out of range: not enough arguments for format string") from None

    return _VERB.sub(fill, template)


def _precision(text: str) -> int:
    found = digits.number(text)
    if found is None or found > _MOST_PRECISE:
        raise CelError(f"precision out of range: {text}")
    return found


def _filled(verb: str, precision: int, value: Any) -> str:
    if verb == "s":
        return _shown(value)
    if verb in "fe":
        return f"{value:.{precision}{verb}}"
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return value.hex() if verb == "x" else value.hex().upper()
    return format(int(value), {"d": "d", "b": "b", "o": "o", "x": "x", "X": "X"}[verb])


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_shown(key)}: {_shown(value[key])}" for key in sorted(value, key=str)) + "}"
    return "null" if value is None else basics.to_text(value)


def install(library: Library) -> None:
    texts = list_of(STRING)
    for name, test in (
        ("contains", str.__contains__),
        ("startsWith", str.startswith),
        ("endsWith", str.endswith),
    ):
        library.member(name, (STRING, STRING), BOOL, test)
    library.member("matches", (STRING, STRING), BOOL, matches)
    library.add("matches", (STRING, STRING), BOOL, matches)
    library.member("find", (STRING, STRING), STRING, _find)
    library.member("findAll", (STRING, STRING), texts, _find_all)
    library.member("findAll", (STRING, STRING, INT), texts, _find_all)
    library.member("charAt", (STRING, INT), STRING, _char_at)
    for name, search in (("indexOf", _index_of), ("lastIndexOf", _last_index_of)):
        library.member(name, (STRING, STRING), INT, search)
        library.member(name, (STRING, STRING, INT), INT, search)
    library.member("join", (texts,), STRING, "".join)
    library.member("join", (texts, STRING), STRING, lambda parts, separator: separator.join(parts))
    library.member("lowerAscii", (STRING,), STRING, lambda text: text.translate(_LOWER))
    library.member("upperAscii", (STRING,), STRING, lambda text: text.translate(_UPPER))
    library.member("replace", (STRING, STRING, STRING), STRING, _replace)
    library.member("replace", (STRING, STRING, STRING, INT), STRING, _replace)
    library.member("split", (STRING, STRING), texts, _split)
    library.member("split", (STRING, STRING, INT), texts, _split)
    library.member("substring", (STRING, INT), STRING, _substring)
    library.member("substring", (STRING, INT, INT), STRING, _substring)
    library.member("trim", (STRING,), STRING, str.strip)
    library.member("format", (STRING, list_of(DYN)), STRING, _format)
    library.add("strings.quote", (STRING,), STRING, lambda text: orjson.dumps(text).decode())
