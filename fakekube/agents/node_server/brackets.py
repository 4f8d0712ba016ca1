"""Brackets in patterns, as POSIX has them: characters, ranges and classes, written as Python's `re` wants them. Pure.

A backslash stands for itself there. Upstream: POSIX.1-2017 XBD 9.3.5; glibc's regcomp, whose errors these are
"""

import re

from fakekube.machinery.regexes.re2 import CLASSES

# Without RE2's own.
_CLASSES = {name: said for name, said in CLASSES.items() if name not in ("ascii", "word")}
_NAMED = re.compile(r"\[([:.=])(.*?)\1\]")
_OPEN = "Unmatched [, [^, [:, [., or [="


class PatternError(ValueError):
    """Not a pattern. The text is glibc's."""


def bracket(pattern: str, at: int) -> tuple[str, int]:
    """The one that has been opened before `at`, and where it ends. Raises PatternError."""
    denied = pattern.startswith("^", at)
    begin = at = at + denied
    if at >= len(pattern):
        raise PatternError("Invalid regular expression")
    text = "[^\\n" if denied else "["  # no line is searched beyond its end
    while at == begin or not pattern.startswith("]", at):
        low, named, at = _element(pattern, at)
        if not pattern.startswith("-", at) or pattern.startswith("-]", at):
            text += low if named else _plain(low)
            continue
        high, also, at = _element(pattern, at + 1)
        if named or also or high < low:
            raise PatternError("Invalid range end")
        text += f"{_plain(low)}-{_plain(high)}"
    inner = pattern[begin:at]
    if len(inner) > 1 and inner[0] == inner[-1] == ":":
        raise PatternError("character class syntax is [[:space:]], not [:space:]")
    return f"{text}]", at + 1


def _element(pattern: str, at: int) -> tuple[str, bool, int]:
    """A character, or how the class of them is written that is named there; and where what follows begins."""
    found = _NAMED.match(pattern, at)
    end = found.end() if found is not None else at + 1
    if end >= len(pattern) or (found is None and pattern[at] == "[" and pattern[end] in ":.="):
        raise PatternError(_OPEN)
    if found is None:
        return pattern[at], False, end
    if found[1] == ":":
        if found[2] not in _CLASSES:
            raise PatternError("Invalid character class name")
        return _CLASSES[found[2]], True, end
    if len(found[2]) != 1:
        raise PatternError("Invalid collation character")
    return found[2], False, end


def _plain(char: str) -> str:
    return f"\\{char}" if char in r"\]^-[&~|" else char
