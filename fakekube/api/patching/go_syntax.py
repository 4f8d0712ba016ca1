"""What Go's decoder makes of JSON text: its value, or where it breaks, in that decoder's words.

A fast parser reads it first. What that refuses may be read slowly: by the decoder's own states, and for each state it is said
what that decoder says.

Origin: go: encoding/json/{scanner,decode}.go
"""

import json
import math
import re
from typing import Any

import orjson

from fakekube.machinery.nesting import DEEPEST, TOO_DEEP, is_too_deep

END = "unexpected end of JSON input"

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_SPACE = " \t\r\n"
_DIGITS = tuple("0123456789")
_HEXADECIMAL = tuple("0123456789abcdefABCDEF")
_LITERALS = {"t": "true", "f": "false", "n": "null"}


class _Broken(Exception):
    """Carries the text of the first error."""


def loads(raw: bytes) -> Any:
    """The value of JSON text. Raises ValueError in the decoder's words."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        value = _lenient(raw)
    if is_too_deep(value, raw):
        raise ValueError(TOO_DEEP)
    return value


def _lenient(raw: bytes) -> Any:
    """The value of text with what Go forgives: bytes that are no UTF-8 and halves of characters, for which it takes U+FFFD.

    Raises ValueError in the decoder's words.
    """
    if broken := error_text(raw):
        raise ValueError(broken)
    # One mark for each byte; strings alone can hold such bytes, or the text were broken.
    return _mended(
        json.loads(raw.decode("utf-8", "surrogateescape"), parse_float=_number_of, parse_int=_number_of)
    )


def _number_of(text: str) -> float:
    """A number that is no integer of 64 bits is a float; the fast parser refuses those a float cannot hold, as Go does."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"json: cannot unmarshal number {text} into Go value of type float64")
    return int(text) if text.lstrip("-").isdigit() and abs(number) < 2**63 else number


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF_CHARACTER.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mended(item) for item in value]
    return (
        {_mended(name): _mended(member) for name, member in value.items()}
        if isinstance(value, dict)
        else value
    )


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
    if depth > DEEPEST:
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
