"""A line of the small shell taken apart: words and separators, in which marks stand for what is replaced only when its turn has come,
or not at all. Pure."""

import re
import shlex

_TO_ERRORS, _WITHOUT_ERRORS, _ERRORS_TOO = "\1", "\2", "\3"  # stand for >&2, 2>/dev/null and 2>&1
MARKS = (_TO_ERRORS, _WITHOUT_ERRORS, _ERRORS_TOO)
_DOLLAR, _STAR, QUOTED = "\0", "\4", "\5"  # stand for `$` and `*` in quotes, and for a quote that begins
SAID, SAID_IN_WORDS = "\6", "\16"  # around a command; what it says stands there as one word, or as several
NEXT_WORD = "\17"  # between those
COMMANDS = re.compile(f"([{SAID}{SAID_IN_WORDS}])([0-9a-f]*)\\1")
PLAIN = str.maketrans({_DOLLAR: "$", _STAR: "*", QUOTED: None})
_BEFORE_COMMENTS = ("", " ", "\t", "\n", ";")
_DEEPEST = 32  # brackets in one another
_NOTHING = re.compile(r"<\s*/dev/null")


class NotEmulated(Exception):
    """The shell does not know what this means."""


def split(text: str) -> list[str]:
    """Words and separators, in which marks stand for what is not yet replaced, or is not to be."""
    marked = re.sub(r"&>\s*/dev/null", " > /dev/null 2>&1", _NOTHING.sub("", _marked(text)))
    marked = re.sub(r"2>\s*/dev/null", f" {_WITHOUT_ERRORS} ", marked)
    marked = re.sub(r"2>&1", f" {_ERRORS_TOO} ", marked)
    marked = re.sub(r"1?>&2", f" {_TO_ERRORS} ", marked)
    marked = re.sub(r"(?<!\S)1>", ">", marked)
    lexer = shlex.shlex(marked, posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    return list(lexer)


def _marked(text: str) -> str:
    """What quotes keep from being replaced, and commands in `$(…)`, as marks. Raises ValueError."""
    made, quote, solid, at = list[str](), "", "", 0  # solid: what was no blank last
    while at < len(text):
        one = text[at]
        at += 1
        if one == "\\" and quote != "'":
            one = {"$": _DOLLAR, "\n": ""}.get(text[at : at + 1], one + text[at : at + 1])
            at += 1
        elif one in "'\"" and quote in ("", one):
            quote = "" if quote else one
            one += QUOTED if quote else ""
        elif one == "$" and text[at : at + 1] == "(" and quote != "'":
            end = _closing(text, at)
            mark = SAID if quote else SAID_IN_WORDS
            one = f"{mark}{text[at + 1 : end].encode(errors='surrogateescape').hex()}{mark}"
            at = end + 1
        elif not quote and one == "#" and text[at - 2 : at - 1] in _BEFORE_COMMENTS:
            one, at = "", (text + "\n").index("\n", at)
        elif not quote and one == "\n":
            one = " " if solid in ("", "&", "|", ";") else " ; "
        elif quote:
            one = {"$": _DOLLAR if quote == "'" else one, "*": _STAR}.get(one, one)
        made.append(one)
        solid = one.strip()[-1:] or solid
    return "".join(made)


def _closing(text: str, start: int) -> int:
    """Where the bracket at `start` is closed."""
    depth, quote = 0, ""
    for at in range(start, len(text)):
        one = text[at]
        if one in "'\"" and quote in ("", one):
            quote = "" if quote else one
        elif not quote and one in "()":
            depth += 1 if one == "(" else -1
            if not depth:
                return at
            if depth > _DEEPEST:
                break
    raise ValueError(text)


def command(found: re.Match[str]) -> str:
    """The one in `$(…)` that has been found."""
    return bytes.fromhex(found[2]).decode(errors="surrogateescape")
