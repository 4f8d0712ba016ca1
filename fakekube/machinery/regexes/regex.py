"""Matching RE2 patterns in a language whose own engine differs.

The tree of a pattern is run by the automaton next door, in linear time, or printed as a Python pattern where Python's backtracking
has nothing to try twice.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from fakekube.machinery.regexes.automaton import Automaton

Search = Callable[[str], object]
Span = tuple[int, int]
Find = Callable[[str, int], Span | None]

__all__ = ["RegexError", "finder", "parse", "python_pattern", "searcher"]


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


def _is_plain(node: Node) -> bool:
    """Whether there is one way to match it: characters one after the other, of which, from the beginning on, one may be repeated."""
    parts = node.parts if isinstance(node, Sequence) else (node,)
    loops = sum(isinstance(part, Repeat) and isinstance(part.body, Atom) for part in parts)
    most = 1 if parts[:1] == (Assertion(r"\A"),) else 0
    return loops <= most and loops + sum(isinstance(part, Atom | Assertion) for part in parts) == len(parts)


@lru_cache(maxsize=4096)
def searcher(pattern: str) -> Search:
    """A function that tells whether the pattern is found anywhere in a text. Raises RegexError."""
    engine = _engine(pattern)
    return engine.search


@lru_cache(maxsize=1024)
def finder(pattern: str) -> Find:
    """A function that tells where in a text the pattern is found first, from a place on. Raises RegexError."""
    engine = _engine(pattern)
    if not isinstance(engine, re.Pattern):
        return engine.first

    def find(text: str, start: int) -> Span | None:
        found = engine.search(text, start)
        return found.span() if found is not None else None

    return find


@lru_cache(maxsize=4096)
def _engine(pattern: str) -> "re.Pattern[str] | Automaton":
    tree = parse(pattern)
    if _is_plain(tree):
        return re.compile(python_pattern(tree))
    from fakekube.machinery.regexes.automaton import Automaton  # noqa: PLC0415 - not before there is a text to look into

    return Automaton(tree)
