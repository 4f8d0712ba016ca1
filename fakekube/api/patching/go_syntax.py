"""Where JSON text breaks, in the words of Go's decoder: the texts of `400 error decoding patch: …`.

Only asked after a fast parser refused the text, so it may be slow. It follows the decoder's own states, for each state
says what that decoder says, and knows nothing of values.

Origin: go: encoding/json/scanner.go
"""

END = "unexpected end of JSON input"
TOO_DEEP = "exceeded max depth"
MAX_DEPTH = 300  # the real decoder goes to 10,000; nothing here could hold such an object

_SPACE = " \t\r\n"
_DIGITS = tuple("0123456789")
_HEXADECIMAL = tuple("0123456789abcdefABCDEF")
_LITERALS = {"t": "true", "f": "false", "n": "null"}


class _Broken(Exception):
    """Carries the text of the first error."""


def error_text(raw: bytes) -> str:
    """What the decoder says about the first error in `raw`; empty when it finds none."""
    text = raw.decode("latin-1")  # that decoder looks at bytes, and shows each as a character
    try:
        at = _value(text, _skip(text, 0), 0)
        at = _skip(text, at)
        if at < len(text):
            raise _unexpected(text, at, "after top-level value")
    except _Broken as broken:
        return str(broken)
    return ""


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _unexpected(text: str, at: int, context: str) -> _Broken:
    if at >= len(text):
        return _Broken(END)
    character = text[at]
    shown = {"'": "'\\''", '"': "'\"'"}.get(character) or f"'{_escaped(character)}'"
    return _Broken(f"invalid character {shown} {context}")


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _value(text: str, at: int, depth: int) -> int:
    """The position behind the value that begins at `at`."""
    if depth > MAX_DEPTH:
        raise _Broken(TOO_DEEP)
    first = text[at : at + 1]
    if first == "{":
        return _object(text, at + 1, depth + 1)
    if first == "[":
        return _array(text, at + 1, depth + 1)
    if first == '"':
        return _string(text, at + 1)
    if first in _LITERALS and first:
        return _literal(text, at, _LITERALS[first])
    if first in _DIGITS or first == "-":
        return _number(text, at)
    raise _unexpected(text, at, "looking for beginning of value")


def _object(text: str, at: int, depth: int) -> int:
    at = _skip(text, at)
    if text[at : at + 1] == "}":
        return at + 1
    while True:
        if text[at : at + 1] != '"':
            raise _unexpected(text, at, "looking for beginning of object key string")
        at = _skip(text, _string(text, at + 1))
        if text[at : at + 1] != ":":
            raise _unexpected(text, at, "after object key")
        at = _skip(text, _value(text, _skip(text, at + 1), depth))
        if text[at : at + 1] == "}":
            return at + 1
        if text[at : at + 1] != ",":
            raise _unexpected(text, at, "after object key:value pair")
        at = _skip(text, at + 1)


def _array(text: str, at: int, depth: int) -> int:
    at = _skip(text, at)
    if text[at : at + 1] == "]":
        return at + 1
    while True:
        at = _skip(text, _value(text, _skip(text, at), depth))
        if text[at : at + 1] == "]":
            return at + 1
        if text[at : at + 1] != ",":
            raise _unexpected(text, at, "after array element")
        at += 1


def _string(text: str, at: int) -> int:
    while at < len(text):
        character = text[at]
        if character == '"':
            return at + 1
        if character < " ":
            raise _unexpected(text, at, "in string literal")
        if character == "\\":
            at = _escape(text, at + 1)
        at += 1
    raise _Broken(END)


def _escape(text: str, at: int) -> int:
    """The position of an escape's last character."""
    if text[at : at + 1] != "u":
        if at >= len(text) or text[at] not in '"\\/bfnrt':
            raise _unexpected(text, at, "in string escape code")
        return at
    for digit in range(at + 1, at + 5):
        if text[digit : digit + 1] not in _HEXADECIMAL:
            raise _unexpected(text, digit, "in \\u hexadecimal character escape")
    return at + 4


def _literal(text: str, at: int, word: str) -> int:
    for offset, expected in enumerate(word[1:], start=1):
        if text[at + offset : at + offset + 1] != expected:
            raise _unexpected(text, at + offset, f"in literal {word} (expecting '{expected}')")
    return at + len(word)


def _number(text: str, at: int) -> int:
    at += text[at] == "-"
    at = at + 1 if text[at : at + 1] == "0" else _digits(text, at, "in numeric literal")
    if text[at : at + 1] == ".":
        at = _digits(text, at + 1, "after decimal point in numeric literal")
    if text[at : at + 1] in ("e", "E"):
        at += 2 if text[at + 1 : at + 2] in ("+", "-") else 1
        at = _digits(text, at, "in exponent of numeric literal")
    return at


def _digits(text: str, at: int, context: str) -> int:
    start = at
    while text[at : at + 1] in _DIGITS:
        at += 1
    if at == start:
        raise _unexpected(text, at, context)
    return at
