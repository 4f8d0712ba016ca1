"""Words of the small shell, with values of variables, paths and what commands say in place of what stands for them. Pure."""

import re
from collections.abc import Callable

from msgspec.structs import replace

from fakekube.agents.node_server import globs, lexing
from fakekube.agents.node_server.lexing import NotEmulated
from fakekube.agents.node_server.parsing import ASSIGNMENT
from fakekube.agents.node_server.place import Container, Done, resolved

VARIABLE = re.compile(r"\$(\w+|\?|\{\w+\})")
_OF_HOME = re.compile(r"^~(?=/|$)")
_KEYWORDS = frozenset(["!", "{", "case", "for", "function", "select", "until", "while"])
_CLASSES = re.compile(r"([?\[])")  # of characters: what shells know, and this one does not
_LONGEST = 1 << 19  # characters of a command, and of what is put into it

Play = Callable[[Container, str, int], Done]  # a line, behind a command that returned that number


def filled(container: Container, words: list[str], code: int, play: Play) -> tuple[list[str], Done]:
    """With values of variables, paths and what commands in `$(…)` say in place of these; and what else came of those commands."""
    if words and words[0] in _KEYWORDS:
        raise NotEmulated(words[0])
    total, filled, length = Done(), list[str](), 0

    def counted(text: str) -> str:
        nonlocal length
        length += len(text)
        if length > _LONGEST:
            raise NotEmulated("so long a command")
        return text

    def value(match: re.Match[str]) -> str:
        name = match[1].strip("{}")
        return counted(str(code) if name == "?" else container.environment.get(name, ""))

    def said(match: re.Match[str]) -> str:
        nonlocal total
        done = play(container.after(total.wrote), lexing.command(match), code)
        total = total.then(replace(done, out="", left=False, variables={}))
        container.spend(total.size)
        words = done.out.rstrip("\n") if match[1] == lexing.SAID else lexing.NEXT_WORD.join(done.out.split())
        return counted(words)

    home = container.environment.get("HOME", "~")
    for word in words:
        whole = word.replace(lexing.SAID_IN_WORDS, lexing.SAID) if ASSIGNMENT.match(word) else word
        for one in lexing.COMMANDS.sub(said, VARIABLE.sub(value, whole)).split(lexing.NEXT_WORD):
            text = _OF_HOME.sub(lambda _: counted(home), one)
            paths = _expanded(container, text.replace(lexing.QUOTED, "")) if "*" in text else [text]
            filled += [counted(path.translate(lexing.PLAIN)) for path in paths if path]
        container.spend(len(word))
    container.spend(length)
    return filled, total


def _expanded(container: Container, word: str) -> list[str]:
    """The paths a word stands for; itself where there are none."""
    here = "" if word.startswith("/") else f"{container.folder.rstrip('/')}/"
    there = resolved(here + word)
    linked = (here + word).removesuffix(there)
    container.spend(64 * len(container.files))
    wanted = [
        (part, globs.matching(_CLASSES.sub(r"[\1]", part), container.spend)) for part in there.split("/")
    ]
    paths = {tuple(path.split("/")[: len(wanted)]) for path in container.files}
    found = (path for path in paths if len(path) == len(wanted) and all(map(_is_meant, wanted, path)))
    return sorted((linked + "/".join(path)).removeprefix(here) for path in found) or [word]


def _is_meant(wanted: tuple[str, Callable[[str], object]], own: str) -> bool:
    """Whether a part of a path is: hidden ones only by those that begin so, too."""
    part, matches = wanted
    return bool(matches(own)) and own.startswith(".") <= part.startswith(".")
