"""A template's text → pieces. Whoever reads actions word by word needs to know which words touch: `$x.a` is not `$x .a`."""

import re
from collections.abc import Iterator

from msgspec import Struct

_STRING = r'"(?:\\.|[^"\\\n])*"|`[^`]*`'
_ACTION = re.compile(rf"\{{\{{(?:-?\s*/\*.*?\*/\s*-?|(?:{_STRING}|(?!\}}\}}).)*)\}}\}}", re.DOTALL)
_COMMENT = re.compile(r"/\*.*\*/", re.DOTALL)
_WORD = re.compile(
    rf"(?P<text>{_STRING})|(?P<sign>:=|[=|(),])|(?P<variable>\$\w*)|(?P<fields>(?:\.[A-Za-z_]\w*)+)|(?P<dot>\.)"
    r"|(?P<number>[-+]?\d[\w.]*)|(?P<name>[A-Za-z_]\w*)"
)


class TemplateError(ValueError):
    """A template that cannot be understood, or not be carried out; the text says what in it."""


class Word(Struct, frozen=True):
    kind: str
    text: str
    touches: bool = False  # the word before


class Action(Struct, frozen=True):
    """`said` is how it stands in the template."""

    said: str
    words: tuple[Word, ...]


def pieces(text: str) -> Iterator[str | Action]:
    """Text to copy and actions, in order; comments are gone, and space where an action asks for that."""
    at, trimmed = 0, False
    for found in _ACTION.finditer(text):
        inner = found[0][2:-2]
        plain = text[at : found.start()]
        if "{{" in plain:
            break
        opens = inner.startswith("-") and inner[1:2].isspace()
        closes = inner.endswith("-") and inner[-2:-1].isspace()
        plain = plain.lstrip() if trimmed else plain
        if plain := plain.rstrip() if opens else plain:
            yield plain
        said = inner[opens : len(inner) - closes].strip()
        if not _COMMENT.fullmatch(said):
            yield Action(said, tuple(_words(said)))
        at, trimmed = found.end(), closes
    rest = text[at:]
    if "{{" in rest:
        raise TemplateError("an action is opened with {{ and never closed")
    if rest := rest.lstrip() if trimmed else rest:
        yield rest


def _words(said: str) -> Iterator[Word]:
    at = 0
    while at < len(said):
        if said[at].isspace():
            at += 1
            continue
        word = _WORD.match(said, at)
        if word is None:
            raise TemplateError(f"{said[at]!r} is not understood in {{{{ {said} }}}}")
        kind = str(word.lastgroup)
        yield Word(kind, word[0], touches=at > 0 and not said[at - 1].isspace())
        at = word.end()
