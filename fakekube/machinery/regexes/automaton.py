r"""Linear-time matching, which backtracking is not: a non-deterministic automaton, made deterministic one character at a time and
remembered, so a pattern that is used often costs one dictionary look-up per character.

What an assertion asks for is decided between two characters: a state remembers what kind the one before was.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import chain

from msgspec import Struct, field

from fakekube.machinery.regexes.re2 import INFINITE, Assertion, Atom, Choice, Node, Repeat, Sequence

_MOST_KNOWN = 50_000  # steps that are remembered, and states of the places they lead to; beyond them the memory starts afresh
_VISIT = 16  # what a state takes, where looking one character up takes one
_BUILT = 128  # what it takes to make one
_EDGE, _WORD, _LINE, _OTHER = "edge", "word", "line", "other"  # an end of the text, and kinds of characters
_HOLDS: Mapping[str, Callable[[str, str], bool]] = {
    r"\A": lambda before, _after: before == _EDGE,
    r"\Z": lambda _before, after: after == _EDGE,
    "(?m:^)": lambda before, _after: before in (_EDGE, _LINE),
    "(?m:$)": lambda _before, after: after in (_EDGE, _LINE),
    r"(?a:\b)": lambda before, after: (before == _WORD) != (after == _WORD),
    r"(?a:\B)": lambda before, after: (before == _WORD) == (after == _WORD),
    r"(?a:(?<!\w))": lambda before, _after: before != _WORD,
    r"(?a:(?!\w))": lambda _before, after: after != _WORD,
}


class _Place(Struct, eq=False):
    """Where the automaton may be behind a character of a kind, and where it gets from there."""

    states: frozenset[int]
    before: str
    steps: "dict[str, _Place | None]" = field(default_factory=dict)  # None: it has been found already


def _free(_steps: int) -> None:
    """What is remembered need not be counted."""


class Automaton:
    """Finds a pattern in a text in time proportional to the text. `spend` is told how much is done where little is remembered."""

    def __init__(self, tree: Node, spend: Callable[[int], None] = _free) -> None:
        self._spend = spend
        self._atoms: list[re.Pattern[str] | str | None] = []  # per state: a class, an assertion, or neither
        self._next: list[list[int]] = []
        self._accept = self._state(None)
        self._entry = self._build(tree, self._accept)
        self._start = frozenset([self._entry])
        self._places: dict[tuple[frozenset[int], str], _Place] = {}
        self._known = 0

    def search(self, text: str) -> bool:
        at = self._place(self._start, _EDGE)
        for char in chain(text, ("",)):  # and its end
            try:
                following = at.steps[char]
            except KeyError:
                following = self._step(at, char)
            if following is None:
                return True
            at = following
        return False

    def first(self, text: str, start: int) -> tuple[int, int] | None:
        """Where the first match lies that does not begin before `start`; of several that begin there the one that backtracking would
        try first, as Go has it."""
        threads: list[
            tuple[int, int]
        ] = []  # states, and where their matches begin, those that are tried first in front
        found = None
        for at in range(start, len(text) + 1):
            char = text[at : at + 1]
            if found is None:
                threads.append((self._entry, at))
            going, threads = self._ordered(threads, _kind(text[at - 1 : at] if at else ""), _kind(char)), []
            for state, begin in going:
                if state == self._accept:
                    found = begin, at
                    break  # what would be tried later is of no interest any more
                if self._reads(state, char):
                    threads += [(one, begin) for one in self._next[state]]
            if found is not None and not threads:
                break
        return found

    def longest(self, text: str, start: int) -> int | None:
        """Where the longest match ends that begins at `start`; None: there is none."""
        states = self._start
        before, found = _kind(text[start - 1 : start] if start else ""), None
        for at in range(start, len(text) + 1):
            char = text[at : at + 1]
            inside = self._closure(states, before, _kind(char))
            found = at if self._accept in inside else found
            states, before = self._reached(inside, char), _kind(char)
            if not states:
                break
        return found

    def _state(self, atom: re.Pattern[str] | str | None) -> int:
        self._spend(_BUILT)
        self._atoms.append(atom)
        self._next.append([])
        return len(self._atoms) - 1

    def _build(self, node: Node, then: int) -> int:
        """The state where matching `node` begins, when `then` is where it goes on."""
        match node:
            case Atom(text):
                state = self._state(_class(text))
                self._next[state] = [then]
                return state
            case Assertion(text):
                state = self._state(text)
                self._next[state] = [then]
                return state
            case Sequence(parts):
                for part in reversed(parts):
                    then = self._build(part, then)
                return then
            case Choice(options):
                state = self._state(None)
                self._next[state] = [self._build(option, then) for option in options]
                return state
            case Repeat(body, least, most, lazy):
                return self._repeat(body, least, most, then, lazy=lazy)

    def _repeat(self, body: Node, least: int, most: int, then: int, *, lazy: bool) -> int:
        def either(again: int) -> list[int]:
            return [end, again] if lazy else [again, end]

        end = then
        if most == INFINITE:
            loop = self._state(None)
            then = self._build(body, loop)
            self._next[loop] = either(then)
            if least == 0:  # not the loop itself: it would not be left again where the body matches nothing
                maybe = self._state(None)
                self._next[maybe] = either(then)
                return maybe
            least -= 1
        else:
            for _ in range(most - least):
                maybe = self._state(None)
                self._next[maybe] = either(self._build(body, then))
                then = maybe
        for _ in range(least):
            then = self._build(body, then)
        return then

    def _place(self, states: frozenset[int], before: str) -> _Place:
        place = self._places.get((states, before))
        if place is None:
            place = self._places[states, before] = _Place(states, before)
            self._known += len(states)
        return place

    def _step(self, at: _Place, char: str) -> _Place | None:
        if self._known > _MOST_KNOWN:
            for place in self._places.values():
                place.steps.clear()
            self._places.clear()
            self._known = 0
        self._known += 1
        inside = self._closure(at.states, at.before, _kind(char))
        found = self._accept in inside
        at.steps[char] = following = (
            None if found else self._place(self._reached(inside, char) | self._start, _kind(char))
        )
        return following

    def _reached(self, inside: frozenset[int], char: str) -> frozenset[int]:
        """Behind a character; none is behind the end."""
        return frozenset(one for state in inside if self._reads(state, char) for one in self._next[state])

    def _reads(self, state: int, char: str) -> bool:
        atom = self._atoms[state]
        return isinstance(atom, re.Pattern) and atom.fullmatch(char) is not None

    def _ordered(self, threads: list[tuple[int, int]], before: str, after: str) -> Iterator[tuple[int, int]]:
        """Where they may be between two characters, those that are tried first in front; each state once."""
        seen: set[int] = set()
        for entry, begin in threads:
            todo = [entry]
            while todo:
                state = todo.pop()
                if state in seen:
                    continue
                seen.add(state)
                yield state, begin
                if self._passes(state, before, after):
                    todo.extend(reversed(self._next[state]))

    def _passes(self, state: int, before: str, after: str) -> bool:
        atom = self._atoms[state]
        return atom is None or (isinstance(atom, str) and _HOLDS[atom](before, after))

    def _closure(self, states: frozenset[int], before: str, after: str) -> frozenset[int]:
        """Where it may be between two characters without reading one."""
        seen: set[int] = set()
        todo = list(states)
        while todo:
            state = todo.pop()
            if state in seen:
                continue
            seen.add(state)
            if self._passes(state, before, after):
                todo.extend(self._next[state])
        self._spend(_VISIT * len(seen))
        return frozenset(seen)


@lru_cache(maxsize=1024)
def _class(text: str) -> re.Pattern[str]:
    return re.compile(text)


@lru_cache(maxsize=256)
def _kind(char: str) -> str:
    if not char:
        return _EDGE
    if char == "\n":
        return _LINE
    return _WORD if char == "_" or (char.isascii() and char.isalnum()) else _OTHER
