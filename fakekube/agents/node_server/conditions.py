"""Which commands of a script are carried out: those between `if`, `then`, `elif`, `else` and `fi` by what conditions have
returned. Pure.

Where a script stands is told by a word for each `if` it is in: `if` while the condition is asked, `then` where it is carried out,
`open` where it is not and a later part may be, `passed` where none will be.
"""

from collections.abc import Iterable, Sequence
from itertools import takewhile

from fakekube.agents.node_server.lexing import NotEmulated

Stands = tuple[str, ...]

_DEEPEST = 32  # in one another
_WORDS = ("if", "then", "elif", "else", "fi")
_NEXT = {
    "elif": {"then": "passed", "open": "if"},
    "else": {"then": "passed", "open": "then"},
}


class Misplaced(Exception):
    """A word that cannot stand where it does."""


def words(command: Sequence[str]) -> list[str]:
    """Those that stand before a command."""
    return list(takewhile(_WORDS.__contains__, command))


def holds(stands: Stands) -> bool:
    """Whether commands are carried out."""
    return all(one in ("if", "then") for one in stands)


def met(stands: Stands, word: str, *, failed: bool, passed: bool = False) -> Stands:
    """Behind a word; what ran before has `failed`, or is `passed` over."""
    if word == "if":
        if len(stands) >= _DEEPEST:
            raise NotEmulated("so much in one another")
        return (*stands, "passed" if passed or not holds(stands) else "if")
    if not stands:
        raise Misplaced(f'"{word}"')
    *outer, last = stands
    if word == "fi":
        return tuple(outer)
    if word == "then":
        last = ("open" if failed else "then") if last == "if" else last
    return (*outer, _NEXT.get(word, {}).get(last, last))


def check(commands: Iterable[Sequence[str]]) -> None:
    """Raises Misplaced where a script is not complete, NotEmulated."""
    stands: Stands = ()
    for command in commands:
        for word in words(command):
            stands = met(stands, word, failed=False)
    if stands:
        raise Misplaced("end of file")
