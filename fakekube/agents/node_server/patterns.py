r"""Patterns as grep and find have them, basic and extended ones with GNU's additions, for an automaton that takes linear time. Pure.

Errors are glibc's. Left out: references to what a group has matched, which no automaton knows.
Upstream: POSIX.1-2017 XBD 9; glibc's regcomp; the order in which GNU grep 3.8 judges, as it was measured
"""

import re

from msgspec import Struct

from fakekube.agents.node_server.brackets import PatternError, bracket
from fakekube.machinery.regexes.re2 import INFINITE, Assertion, Atom, Choice, Node, Repeat, Sequence

_MOST = 32767  # times something is repeated
_DEEPEST = 100  # groups in one another
_LARGEST = 20_000  # states
_START, _END = Assertion(r"\A"), Assertion(r"\Z")
_NO_WORD_BEFORE, _NO_WORD_BEHIND = Assertion(r"(?a:(?<!\w))"), Assertion(r"(?a:(?!\w))")
_EDGE = Assertion(r"(?a:\b)")
_NOTHING = Sequence(())
_ESCAPES: dict[str, Node] = {
    "w": Atom("[0-9A-Za-z_]"),
    "W": Atom("[^0-9A-Za-z_]"),
    "s": Atom(r"[\t\n\v\f\r ]"),
    "S": Atom(r"[^\t\n\v\f\r ]"),
    "b": _EDGE,
    "B": Assertion(r"(?a:\B)"),
    "<": Sequence((_NO_WORD_BEFORE, _EDGE)),
    ">": Sequence((_EDGE, _NO_WORD_BEHIND)),
    "`": _START,
    "'": _END,
}
_PLACES = (_START, *(_ESCAPES[one] for one in "bB<>"))
_COUNT = re.compile(r"([0-9]*)(?:(,)([0-9]*))?")


class NotEmulated(PatternError):
    """A pattern for those who remember what they have matched."""


def basic(text: str, *, ignore_case: bool = False) -> Node:
    """Raises PatternError."""
    return _checked(_Reader(text, extended=False, ignore_case=ignore_case).read())


def extended(text: str, *, ignore_case: bool = False) -> Node:
    """Raises PatternError."""
    return _checked(_Reader(text, extended=True, ignore_case=ignore_case).read())


def literal(text: str, *, ignore_case: bool = False) -> Node:
    """The text itself."""
    return Sequence(tuple(Atom(_cased(re.escape(one), ignore_case)) for one in text))


def any_of(nodes: list[Node]) -> Node:
    return Choice(tuple(nodes))


def as_word(node: Node) -> Node:
    """The same where no word goes on before it and behind it."""
    return Sequence((_NO_WORD_BEFORE, node, _NO_WORD_BEHIND))


def whole(node: Node) -> Node:
    """The same from the beginning to the end."""
    return Sequence((_START, node, _END))


def _cased(text: str, ignore_case: bool) -> str:
    return f"(?i:{text})" if ignore_case else text


def _checked(node: Node) -> Node:
    if _size(node) > _LARGEST:
        raise PatternError("Regular expression too big")
    return node


def _size(node: Node) -> int:
    match node:
        case Sequence(parts) | Choice(parts):
            return sum(map(_size, parts)) + 1
        case Repeat(body, least, most, _):
            return (_size(body) + 1) * max(least, most, 1)
    return 1


class _Reader(Struct):
    """Where reading stands. In basic patterns operators have a backslash, which extended ones have before what is none."""

    pattern: str
    extended: bool
    ignore_case: bool
    at: int = 0
    closed: int = 0  # groups that have been

    def read(self) -> Node:
        return self._choice(0)

    def _operator(self, one: str) -> bool:
        """Whether that operator comes next; it is passed then."""
        text = one if self.extended else f"\\{one}"
        if self.pattern.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def _choice(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise PatternError("Regular expression too big")
        options = [self._sequence(depth)]
        while self._operator("|"):
            options.append(self._sequence(depth))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self, depth: int) -> Node:
        parts, begins = list[Node](), True  # begins: nothing stands there that could be repeated
        while self.at < len(self.pattern) and not self._ahead("|"):
            if self._ahead(")") and (depth or not self.extended):
                if not depth:
                    raise PatternError("Unmatched ) or \\)")
                break
            bounds = self._repetition(begins=begins)
            if bounds is None:
                part = self._one(depth, begins=begins)
                begins = not self.extended and begins and part in _PLACES
                parts.append(part)
            elif begins:  # of nothing, as extended patterns have it
                begins = False
                parts.append(_NOTHING)
            else:
                parts[-1] = _repeated(parts[-1], *bounds)
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _ahead(self, one: str) -> bool:
        return self.pattern.startswith(one if self.extended else f"\\{one}", self.at)

    def _repetition(self, *, begins: bool) -> tuple[int, int] | None:
        if begins and not self.extended:
            return None  # it stands for itself there
        if self.pattern.startswith("*", self.at):
            self.at += 1
            return 0, INFINITE
        if self._operator("+"):
            return 1, INFINITE
        if self._operator("?"):
            return 0, 1
        return self._counted()

    def _counted(self) -> tuple[int, int] | None:
        start = self.at
        if not self._operator("{"):
            return None
        count = _COUNT.match(self.pattern, self.at)
        assert count is not None  # it matches nothing, too
        self.at = count.end()
        if not self._operator("}") or not count[0]:
            if self.extended:
                self.at = start
                return None  # a brace
            closed = self.pattern.find("\\}", start) >= 0
            raise PatternError("Invalid content of \\{\\}" if closed else "Unmatched \\{")
        least = _number(count[1]) if count[1] else 0
        most = least if not count[2] else _number(count[3]) if count[3] else INFINITE
        if INFINITE != most < least:
            raise PatternError("Invalid content of \\{\\}")
        if max(least, most) > _MOST:
            raise PatternError("Regular expression too big")
        return least, most

    def _one(self, depth: int, *, begins: bool) -> Node:
        if self._operator("("):
            inner = self._choice(depth + 1)
            if not self._operator(")"):
                raise PatternError("Unmatched ( or \\(")
            self.closed += 1
            return inner
        char = self.pattern[self.at]
        self.at += 1
        if char == "[":
            text, self.at = bracket(self.pattern, self.at)
            return Atom(_cased(text, self.ignore_case))
        if char == ".":
            return Atom(r"[^\n]")
        if char == "^" and (self.extended or begins):
            return _START
        if char == "$" and (self.extended or self._ends()):
            return _END
        if char == "\\":
            char = self.pattern[self.at : self.at + 1]
            self.at += 1
            if not char:
                raise PatternError("Trailing backslash")
            if char in _ESCAPES:
                return _ESCAPES[char]
            if "1" <= char <= "9":
                if int(char) > self.closed:
                    raise PatternError("Invalid back reference")
                raise NotEmulated("back references are not emulated")
        return Atom(_cased(re.escape(char), self.ignore_case))

    def _ends(self) -> bool:
        return self.at >= len(self.pattern) or self._ahead("|") or self._ahead(")")


def _repeated(node: Node, least: int, most: int) -> Node:
    if isinstance(node, Repeat) and (node.least, node.most) == (least, most) == (0, INFINITE):
        return node
    return Repeat(node, least, most)


def _number(text: str) -> int:
    digits = text.lstrip("0")
    return int(digits or 0) if len(digits) < 6 else _MOST + 1
