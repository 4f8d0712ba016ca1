"""What a line of the small shell consists of: its commands, their words, redirections and options; and whether they read what comes
in. Nothing is carried out. Pure."""

import itertools
import re
from collections.abc import Iterator, Sequence

from fakekube.agents.node_server import conditions, lexing
from fakekube.agents.node_server.lexing import NotEmulated

SHELLS = ("sh", "bash", "ash", "/bin/sh", "/bin/bash", "/bin/ash", "/usr/bin/sh", "/usr/bin/bash")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
NAMED = {
    "errexit": "e",
    "pipefail": "|",
}  # options by their names; the latter has no letter, so a sign stands for it
_OF_FILES = ("cat", "head", "sort", "tail", "uniq", "wc")  # they read what comes in where no file is named
_ALWAYS_READ = ("cut", "tar", "tee", "tr", "xargs")
_SEPARATORS = (";", "&&", "||", "&")
_REDIRECTIONS = (">", ">>")
_PUNCTUATION = frozenset("|&<>")
_LONGEST = 1 << 17  # characters; Linux starts no program with an argument of more bytes


def reads_lines(words: Sequence[str]) -> bool:
    """Whether this is a shell that takes its commands from what comes in."""
    if words[0] not in SHELLS:
        return False
    flags, rest = options(words[1:])
    return "c" not in flags and (not rest or "s" in flags)


def reads(words: Sequence[str]) -> bool:
    """Whether a program waits for all of its input before it says anything."""
    own = words[0].rpartition("/")[2]
    operands = [word for word in words[1:] if word[:1] != "-" or word == "-"]
    if words[0] in SHELLS:
        flags, rest = options(words[1:])
        return "c" in flags and bool(rest) and _script_reads(rest[0])
    if own in _OF_FILES:
        return not [one for one in operands if not one.isdigit()] or "-" in operands
    return own in _ALWAYS_READ or (own in ("awk", "grep") and len(operands) < 2)


def _script_reads(text: str) -> bool:
    try:
        firsts = [
            assigned([one for one in first if one not in lexing.MARKS])[1] for first, *_ in pipelines(text)
        ]
    except (ValueError, NotEmulated):
        return False
    return any(reads([one.translate(lexing.PLAIN) for one in words]) for words in firsts if words)


def given(words: Sequence[str]) -> str | None:
    """The script a shell is started with, where that is all it is given."""
    flags, rest = options(words[1:])
    return rest[0] if "c" in flags and len(rest) == 1 else None


def split(text: str) -> list[str]:
    """The words of a line, as `lexing` leaves them. Raises ValueError, NotEmulated."""
    if len(text) > _LONGEST:
        raise NotEmulated("so long a line")
    return lexing.split(text)


def pipelines(text: str) -> Iterator[list[list[str]]]:
    """The commands of a script without their redirections, in words as `lexing` leaves them. Raises ValueError, NotEmulated."""
    for words, _ in parts(split(text)):
        rest = words[len(conditions.words(words)) :]
        yield [redirected(one)[0] for one in commands(rest)]


def parts(words: list[str], separators: Sequence[str] = _SEPARATORS) -> Iterator[tuple[list[str], str]]:
    """What stands between separators, each with the separator behind it."""
    part: list[str] = []
    for word in [*words, separators[0]]:
        if word in separators:
            yield part, word
            part = []
        else:
            part.append(word)


def commands(pipeline: list[str]) -> list[list[str]]:
    """Those that read what the one before them says."""
    return [words for words, _ in parts(pipeline, ("|",))]


def assigned(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """The variables that are set in front of a command, and the command."""
    own = list(itertools.takewhile(ASSIGNMENT.match, words))
    return dict(word.split("=", 1) for word in own), words[len(own) :]


def redirected(words: list[str]) -> tuple[list[str], str, bool]:
    """The words without redirections; where the output goes, and whether behind what is there. Raises NotEmulated."""
    kept, target, appends = [], "", False
    rest = iter(words)
    for word in rest:
        if word in _REDIRECTIONS:
            target, appends = next(rest, "/dev/null"), word == ">>"
        elif word and _PUNCTUATION.issuperset(word):
            raise NotEmulated(word)
        else:
            kept.append(word)
    return kept, target, appends


def options(words: Sequence[str]) -> tuple[set[str], Sequence[str]]:
    """The letters of a shell's options, and what follows them."""
    flags: set[str] = set()
    at = 0
    while at < len(words) and words[at][:1] in ("-", "+") and len(words[at]) > 1:
        letters = words[at].lstrip("-+")
        flags |= set() if words[at].startswith("--") else set(letters)
        named = letters.endswith("o") and not words[at].startswith("--")  # `-o pipefail`
        flags |= {NAMED[one] for one in words[at + 1 : at + 2] if named and one in NAMED}
        at += 2 if named else 1
    return flags, words[at:]
