"""Linear-time matching for the few patterns that backtracking might hang on: a non-deterministic automaton, made
deterministic one character at a time and remembered, so a pattern that is used often costs one dictionary look-up per
character. Answers only whether there is a match.
"""

import re
from functools import lru_cache

from fakekube.machinery.regexes.re2 import INFINITE, Assertion, Atom, Choice, Node, Repeat, Sequence

_MAX_STATES = 20_000  # of the remembered automaton; beyond it the memory starts afresh
_START, _END = r"\A", r"\Z"


class Automaton:
    """Finds a pattern in a text in time proportional to the text."""

    def __init__(self, tree: Node) -> None:
        self._atoms: list[
            re.Pattern[str] | str | None
        ] = []  # per state: a class, an assertion, or a plain step
        self._next: list[list[int]] = []
        self._accept = self._state(None)
        start = self._build(tree, self._accept)
        self._begin = self._closure([start], at_start=True)
        self._again = self._closure([start], at_start=False)
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def search(self, text: str) -> bool:
        current = self._begin
        steps = self._steps
        for char in text:
            if self._accept in current:
                return True
            following = steps.get((current, char))
            if following is None:
                if len(steps) > _MAX_STATES:
                    steps.clear()
                following = steps[current, char] = self._step(current, char)
            current = following
        return self._accept in self._closure(current, at_start=not text, at_end=True)

    def _state(self, atom: re.Pattern[str] | str | None) -> int:
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
            case Repeat(body, least, most, _):
                return self._repeat(body, least, most, then)

    def _repeat(self, body: Node, least: int, most: int, then: int) -> int:
        if most == INFINITE:
            loop = self._state(None)
            self._next[loop] = [self._build(body, loop), then]
            then = loop
        else:
            for _ in range(most - least):
                maybe = self._state(None)
                self._next[maybe] = [self._build(body, then), then]
                then = maybe
        for _ in range(least):
            then = self._build(body, then)
        return then

    def _closure(
        self, states: frozenset[int] | list[int], *, at_start: bool, at_end: bool = False
    ) -> frozenset[int]:
        seen: set[int] = set()
        todo = list(states)
        while todo:
            state = todo.pop()
            if state in seen:
                continue
            seen.add(state)
            atom = self._atoms[state]
            if atom is None or (atom == _START and at_start) or (atom == _END and at_end):
                todo.extend(self._next[state])
        return frozenset(seen)

    def _step(self, states: frozenset[int], char: str) -> frozenset[int]:
        reached: list[int] = []
        for state in states:
            atom = self._atoms[state]
            if isinstance(atom, re.Pattern) and atom.fullmatch(char):
                reached.extend(self._next[state])
        return self._closure(reached, at_start=False) | self._again


@lru_cache(maxsize=1024)
def _class(text: str) -> re.Pattern[str]:
    return re.compile(text)
