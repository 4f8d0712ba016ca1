r"""RE2 patterns, as Go reads them, parsed into a small tree. Errors carry Go's words.

Limits: of Unicode classes, scripts (`\p{Greek}`) are refused; the general categories are known.
Go: regexp/syntax/parse.go
"""

import re

from msgspec import Struct, field

from fakekube.machinery.regexes.unicode_classes import ranges

MAX_REPEAT = 1000
INFINITE = -1
_LAST_RUNE = 0x10FFFF


class RegexError(ValueError):
    """Not an RE2 pattern. The text is Go's."""

    def __init__(self, why: str, part: str) -> None:
        super().__init__(f"error parsing regexp: {why}: `{part}`")


class Atom(Struct, frozen=True):
    """One character out of a class, printed the way Python's `re` wants it."""

    text: str


class Assertion(Struct, frozen=True):
    r"""A place, not a character: `\A`, `\Z`, `\b`, `\B`, or a multi-line `^` and `$`."""

    text: str


class Repeat(Struct, frozen=True):
    body: "Node"
    least: int
    most: int
    lazy: bool = False


class Sequence(Struct, frozen=True):
    parts: "tuple[Node, ...]"


class Choice(Struct, frozen=True):
    options: "tuple[Node, ...]"


Node = Atom | Assertion | Repeat | Sequence | Choice

_PERL = {
    "d": r"[0-9]",
    "D": r"[^0-9]",
    "s": r"[\t\n\f\r ]",
    "S": r"[^\t\n\f\r ]",
    "w": r"[0-9A-Za-z_]",
    "W": r"[^0-9A-Za-z_]",
}
CLASSES = {  # `[:alnum:]` …, as Python's `re` wants what is in brackets
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_CONTROL = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}


class _Flags(Struct):
    ignore_case: bool = False
    multi_line: bool = False
    dot_all: bool = False
    swap_greed: bool = False

    def copy(self) -> "_Flags":
        return _Flags(self.ignore_case, self.multi_line, self.dot_all, self.swap_greed)


class _Parser(Struct):
    pattern: str
    at: int = 0
    flags: _Flags = field(default_factory=_Flags)

    def parse(self) -> Node:
        node = self.choice(depth=0)
        if self.at < len(self.pattern):
            raise RegexError("unexpected )", self.pattern)
        return node

    def peek(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def take(self, text: str) -> bool:
        if self.peek(text):
            self.at += len(text)
            return True
        return False

    def choice(self, depth: int) -> Node:
        options = [self.sequence(depth)]
        while self.take("|"):
            options.append(self.sequence(depth))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        repeated_from = -1
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            if char == "|" or (char == ")" and depth):
                break
            if char == ")":
                raise RegexError("unexpected )", self.pattern)
            start = self.at
            bounds = self.repetition()
            if bounds is None:
                part = self.one(depth)
                repeated_from = -1
                if part is not None:
                    parts.append(part)
                continue
            operator = self.pattern[start : self.at]
            if not parts:
                raise RegexError("missing argument to repetition operator", operator.rstrip("?") or operator)
            if repeated_from >= 0:
                raise RegexError("invalid nested repetition operator", self.pattern[repeated_from : self.at])
            repeated_from = start
            parts[-1] = Repeat(parts[-1], *bounds)
            if operator.startswith("{") and not _fits(parts[-1], MAX_REPEAT):
                raise RegexError("invalid repeat count", operator)
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def repetition(self) -> tuple[int, int, bool] | None:
        """`*`, `+`, `?`, `{n}`, `{n,}`, `{n,m}`, each perhaps lazy; a brace that is none of these is a literal."""
        start = self.at
        for operator, bounds in (("*", (0, INFINITE)), ("+", (1, INFINITE)), ("?", (0, 1))):
            if self.take(operator):
                return (*bounds, self.take("?") != self.flags.swap_greed)
        braces = re.compile(r"\{([0-9]+)(,([0-9]*))?\}").match(self.pattern, self.at)
        if braces is None:
            return None
        self.at = braces.end()
        least = int(braces[1])
        most = least if braces[2] is None else INFINITE if not braces[3] else int(braces[3])
        if least > MAX_REPEAT or most > MAX_REPEAT or (most != INFINITE and least > most):
            raise RegexError("invalid repeat count", self.pattern[start : self.at])
        return least, most, self.take("?") != self.flags.swap_greed

    def one(self, depth: int) -> Node | None:
        char = self.pattern[self.at]
        if char == "(":
            return self.group(depth)
        if char == "[":
            return Atom(self.cased(self.bracket()))
        if char == "\\":
            return self.escape()
        self.at += 1
        if char == ".":
            return Atom(r"[\s\S]" if self.flags.dot_all else r"[^\n]")
        if char == "^":
            return Assertion("(?m:^)" if self.flags.multi_line else r"\A")
        if char == "$":
            return Assertion("(?m:$)" if self.flags.multi_line else r"\Z")
        return Atom(self.cased(re.escape(char)))

    def cased(self, text: str) -> str:
        return f"(?i:{text})" if self.flags.ignore_case else text

    def group(self, depth: int) -> Node | None:
        start = self.at
        self.at += 1
        outer = self.flags.copy()
        if self.take("?"):
            named = re.compile(r"P?<([^>]*)>").match(self.pattern, self.at)
            if named is not None and not self.peek("<=") and not self.peek("<!"):
                if not re.fullmatch(r"[A-Za-z0-9_]+", named[1]):
                    raise RegexError("invalid named capture", self.pattern[start : named.end()])
                self.at = named.end()
            else:
                switches = re.compile(r"([imsU]*)(-[imsU]+)?([:)])").match(self.pattern, self.at)
                if switches is None or (switches[0] == ")"):
                    raise RegexError(
                        "invalid or unsupported Perl syntax",
                        self.pattern[start : min(len(self.pattern), self.at + 1)],
                    )
                self.at = switches.end()
                self.switch(switches[1], on=True)
                self.switch((switches[2] or "")[1:], on=False)
                if switches[3] == ")":
                    return None
        body = self.choice(depth + 1)
        if not self.take(")"):
            raise RegexError("missing closing )", self.pattern)
        self.flags = outer
        return body

    def switch(self, letters: str, *, on: bool) -> None:
        names = {"i": "ignore_case", "m": "multi_line", "s": "dot_all", "U": "swap_greed"}
        for letter in letters:
            setattr(self.flags, names[letter], on)

    def escape(self) -> Node | None:
        start = self.at
        self.at += 1
        if self.at >= len(self.pattern):
            raise RegexError("trailing backslash at end of expression", "")
        char = self.pattern[self.at]
        if char in "AzbB":
            self.at += 1
            return Assertion({"A": r"\A", "z": r"\Z", "b": r"(?a:\b)", "B": r"(?a:\B)"}[char])
        if char == "Q":
            end = self.pattern.find("\\E", self.at)
            end = len(self.pattern) if end < 0 else end
            literal = self.pattern[self.at + 1 : end]
            self.at = min(len(self.pattern), end + 2)
            return Sequence(tuple(Atom(self.cased(re.escape(one))) for one in literal))
        if char in _PERL:
            self.at += 1
            return Atom(_PERL[char])
        if char in "pP":
            self.at += 1
            return Atom(f"[{self.unicode_class(start, negated=char == 'P')}]")
        return Atom(self.cased(re.escape(self.escaped_char(start))))

    def unicode_class(self, start: int, *, negated: bool) -> str:
        named = re.compile(r"\{(\^?)([A-Za-z_]+)\}|([A-Z])").match(self.pattern, self.at)
        known = None
        if named is not None:
            known = ranges(named[2] or named[3], negated=negated != bool(named[1]))
        if named is None or known is None:
            raise RegexError(
                "invalid character class range", self.pattern[start : named.end() if named else None]
            )
        self.at = named.end()
        return known

    def escaped_char(self, start: int) -> str:
        """The character behind a backslash that stands for itself or by its number."""
        octal = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}").match(self.pattern, self.at)
        number = re.compile(r"x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))").match(self.pattern, self.at)
        char = self.pattern[self.at]
        if octal is not None:
            self.at = octal.end()
            return chr(int(octal[0], 8))
        if number is not None:
            self.at = number.end()
            code = int(number[1] or number[2], 16)
            if code > _LAST_RUNE:
                raise RegexError("invalid escape sequence", self.pattern[start : self.at])
            return chr(code)
        self.at += 1
        if char in _CONTROL:
            return _CONTROL[char]
        if char.isascii() and char.isalnum():
            raise RegexError("invalid escape sequence", self.pattern[start : self.at])
        return char

    def bracket(self) -> str:
        start = self.at
        self.at += 1
        text = "[^" if self.take("^") else "["
        first = True
        while True:
            if self.at >= len(self.pattern):
                raise RegexError("missing closing ]", self.pattern[start:])
            if self.peek("]") and not first:
                self.at += 1
                return text + "]"
            first = False
            text += self.class_part()

    def class_part(self) -> str:
        named = re.compile(r"\[:(\^?)([a-z]+):\]").match(self.pattern, self.at)
        if named is not None:
            self.at = named.end()
            if named[2] not in CLASSES or named[1]:
                raise RegexError("invalid character class range", named[0])
            return CLASSES[named[2]]
        start = self.at
        if self.peek("\\") and self.pattern[self.at + 1 : self.at + 2] in ("d", "s", "w", "D", "S", "W"):
            self.at += 2
            letter = self.pattern[self.at - 1]
            return _PERL[letter][1:-1] if letter.islower() else f"\\{letter}"
        if self.peek("\\p") or self.peek("\\P"):
            self.at += 2
            return self.unicode_class(start, negated=self.pattern[self.at - 1] == "P")
        low = self.class_char()
        if self.peek("-") and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
            self.at += 1
            high = self.class_char()
            if high < low:
                raise RegexError("invalid character class range", self.pattern[start : self.at])
            return f"{_in_class(low)}-{_in_class(high)}"
        return _in_class(low)

    def class_char(self) -> str:
        if self.take("\\"):
            if self.at >= len(self.pattern):
                raise RegexError("trailing backslash at end of expression", "")
            return self.escaped_char(self.at - 1)
        self.at += 1
        return self.pattern[self.at - 1]


def _fits(node: Node, left: int) -> bool:
    """Whether counts within counts come to no more than that together."""
    match node:
        case Repeat(body, least, most, _):
            count = least if most == INFINITE else most
            return count <= left and _fits(body, left // max(count, 1))
        case Sequence(parts) | Choice(parts):
            return all(_fits(part, left) for part in parts)
    return True


def _in_class(char: str) -> str:
    return f"\\{char}" if char in r"\]^-[&~|" else char


def parse(pattern: str) -> Node:
    """Raises RegexError with Go's text."""
    return _Parser(pattern).parse()
