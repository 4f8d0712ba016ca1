"""Matching RE2 patterns in a language whose own engine differs.

The tree of a pattern is printed as a Python pattern, or, where Python's backtracking could hang on hostile input (a
repetition inside a repetition), run by the automaton next door. Limit: a pattern with word boundaries inside nested
repetition still runs on Python's engine.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from fakekube.machinery.regexes.re2 import (
    INFINITE,
    Assertion,
    Atom,
    Choice,
    Node,
    RegexError,
    Repeat,
    Sequence,
    parse,
)

Search = Callable[[str], object]

__all__ = ["RegexError", "compiled", "parse", "python_pattern", "searcher"]


def python_pattern(node: Node) -> str:
    """The tree in Python's syntax, for `re.compile(…, re.ASCII)`."""
    match node:
        case Atom(text) | Assertion(text):
            return text
        case Sequence(parts):
            return "".join(python_pattern(part) for part in parts)
        case Choice(options):
            return f"(?:{'|'.join(python_pattern(option) for option in options)})"
        case Repeat(body, least, most, lazy):
            bounds = (
                "*" if (least, most) == (0, INFINITE) else f"{{{least},{'' if most == INFINITE else most}}}"
            )
            return f"(?:{python_pattern(body)}){bounds}{'?' if lazy else ''}"


def _loops(node: Node, *, inside: bool = False) -> bool:
    """Whether a loop lies inside a loop: what backtracking cannot be trusted with."""
    match node:
        case Sequence(parts) | Choice(parts):
            return any(_loops(part, inside=inside) for part in parts)
        case Repeat(body, _, most, _):
            looping = most == INFINITE or most > 16  # small counts cannot explode
            return (looping and inside) or _loops(body, inside=inside or looping)
    return False


def _bounded(node: Node) -> bool:
    """Whether the automaton can run it: no word boundaries, no multi-line anchors."""
    match node:
        case Assertion(text):
            return text in (r"\A", r"\Z")
        case Sequence(parts) | Choice(parts):
            return all(_bounded(part) for part in parts)
        case Repeat(body, _, _, _):
            return _bounded(body)
    return True


@lru_cache(maxsize=4096)
def searcher(pattern: str) -> Search:
    """A function that tells whether the pattern is found anywhere in a text. Raises RegexError."""
    tree = parse(pattern)
    if _loops(tree) and _bounded(tree):
        from fakekube.machinery.regexes.automaton import Automaton  # noqa: PLC0415 - only patterns with nested loops need it

        return Automaton(tree).search
    return compiled(pattern).search


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern on Python's engine, for callers that need to know where it matched."""
    return re.compile(python_pattern(parse(pattern)))
