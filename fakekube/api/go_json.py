"""What Go's encoding/json says about text that is not JSON. A scanner for error messages, not a parser.

Origin: Go: src/encoding/json/scanner.go
"""

import re

_LITERALS = {"t": "true", "f": "false", "n": "null"}
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_END = "unexpected end of JSON input"


class _Bad(Exception):
    """The message, ready."""


def syntax_error(body: bytes) -> str:
    """The first complaint about `body`, or an empty text when Go would accept it."""
    scanner = _Scanner(body.decode("utf-8", "replace"))
    try:
        scanner.value("looking for beginning of value")
        scanner.space()
        if scanner.at < len(scanner.text):
            raise scanner.bad("after top-level value")
    except _Bad as bad:
        return str(bad)
    except RecursionError:
        return "exceeded max depth"
    return ""


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def space(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1

    def bad(self, where: str) -> _Bad:
        if self.at >= len(self.text):
            return _Bad(_END)
        char = self.text[self.at]
        shown = {"'": "'\\''", '"': "'\"'"}.get(char, f"'{char}'" if char.isprintable() else repr(char))
        return _Bad(f"invalid character {shown} {where}")

    def value(self, where: str) -> None:
        self.space()
        char = self.text[self.at : self.at + 1]
        if char == "{":
            self.object()
        elif char == "[":
            self.array()
        elif char == '"':
            self.string()
        elif char in _LITERALS and char:
            self.literal(_LITERALS[char])
        elif char and (char == "-" or char.isdigit()):
            match = _NUMBER.match(self.text, self.at)
            if match is None:
                self.at += 1
                raise self.bad("in numeric literal")
            self.at = match.end()
        else:
            raise self.bad(where)

    def literal(self, word: str) -> None:
        for index, char in enumerate(word):
            if self.text[self.at : self.at + 1] != char:
                raise self.bad(
                    f"in literal {word} (expecting '{char}')" if index else "looking for beginning of value"
                )
            self.at += 1

    def string(self) -> None:
        self.at += 1
        while True:
            char = self.text[self.at : self.at + 1]
            if char == '"':
                self.at += 1
                return
            if char == "\\":
                self.at += 1
                if self.text[self.at : self.at + 1] not in tuple('"\\/bfnrtu'):
                    raise self.bad("in string escape code")
            elif not char or char < " ":
                raise self.bad("in string literal")
            self.at += 1

    def object(self) -> None:
        self.at += 1
        self.space()
        if self.text[self.at : self.at + 1] == "}":
            self.at += 1
            return
        while True:
            self.space()
            if self.text[self.at : self.at + 1] != '"':
                raise self.bad("looking for beginning of object key string")
            self.string()
            self.space()
            if self.text[self.at : self.at + 1] != ":":
                raise self.bad("after object key")
            self.at += 1
            self.value("looking for beginning of value")
            self.space()
            char = self.text[self.at : self.at + 1]
            if char not in (",", "}"):
                raise self.bad("after object key:value pair")
            self.at += 1
            if char == "}":
                return

    def array(self) -> None:
        self.at += 1
        self.space()
        if self.text[self.at : self.at + 1] == "]":
            self.at += 1
            return
        while True:
            self.value("looking for beginning of value")
            self.space()
            char = self.text[self.at : self.at + 1]
            if char not in (",", "]"):
                raise self.bad("after array element")
            self.at += 1
            if char == "]":
                return
