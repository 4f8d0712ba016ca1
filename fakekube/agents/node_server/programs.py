"""Programs for containers and guests that run nothing: what each says, and what it returns. Pure."""

import math
import operator
import re
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import dropwhile

from fakekube.agents.node_server import searching
from fakekube.agents.node_server.filters import FILTERS
from fakekube.agents.node_server.place import (
    FOLDER,
    FOLDERS,
    OPTIONS,
    Container,
    Done,
    Program,
    failed,
    flags,
    number,
    text_of,
)
from fakekube.agents.node_server.writing import WRITING

_NUMBERS = {"root": 0, "qemu": 107}  # of users; others are the first one somebody has added


def known(container: Container, word: str) -> Program | None:
    """The program of a name or a path."""
    own = word.rpartition("/")[2]
    return container.programs.get(own) or _PROGRAMS.get(own)


def _echo(_at: Container, words: list[str], _stdin: str) -> Done:
    flags = ""
    while words and words[0] in ("-n", "-e", "-ne", "-en"):
        flags += words[0]
        words = words[1:]
    text = " ".join(words)
    return Done((_unescaped(text) if "e" in flags else text) + ("" if "n" in flags else "\n"))


def _printf(at: Container, words: list[str], _stdin: str) -> Done:
    """The form is said again as long as it takes values, and some are left."""
    form, *values = words or [""]
    left, whole = deque(values), _unescaped(form)

    def value(found: re.Match[str]) -> str:
        return "%" if found[0] == "%%" else left.popleft() if left else ""

    told, before = _VALUES.sub(value, whole), len(values)
    while left and len(left) < before:
        before = len(left)
        at.spend(2 * len(whole))
        told += _VALUES.sub(value, whole)
    return Done(told)


_VALUES = re.compile("%[sd%]")


def _unescaped(text: str) -> str:
    return _BYTES.sub(_of_bytes, text).replace("\\n", "\n").replace("\\t", "\t")


def _of_bytes(found: re.Match[str]) -> str:
    data = bytes(int(one, 16) for one in found[0].split("\\x")[1:])
    return text_of(data)


_BYTES = re.compile(r"(?:\\x[0-9a-fA-F]{1,2})+")


def _ls(at: Container, words: list[str], _stdin: str) -> Done:
    asked, named = flags(words)
    out, err = list[str](), []
    for word in named or ["."]:
        path = at.path(word)
        inside = f"{path.rstrip('/')}/"
        if path in at.files or ("d" in asked and at.is_folder(path)):
            out.append(f"{word}\n")
        elif at.is_folder(path):
            every = [*(one for one, _ in at.below(path)), *FOLDERS, at.workdir]
            below = {one.removeprefix(inside).partition("/")[0] for one in every if one.startswith(inside)}
            out += [f"{one}\n" for one in sorted(below - {FOLDER, ""})]
        else:
            err.append(f"ls: {word}: No such file or directory\n")
    return Done("".join(out), "".join(err), 1 if err else 0)


def _env(at: Container, words: list[str], _stdin: str) -> Done:
    if words:
        values = [at.environment[word] for word in words if word in at.environment]
        return Done("".join(f"{one}\n" for one in values), code=0 if len(values) == len(words) else 1)
    return Done("".join(f"{name}={value}\n" for name, value in at.environment.items() if name != OPTIONS))


def _id(at: Container, words: list[str], _stdin: str) -> Done:
    asked, named = flags(words)
    user = (*named, at.user)[0]
    number = _NUMBERS.get(user, 1000)
    if asked & {"u", "g"}:
        return Done(f"{user if 'n' in asked else number}\n")
    return Done(f"uid={number}({user}) gid={number}({user}) groups={number}({user})\n")


def _uname(at: Container, words: list[str], _stdin: str) -> Done:
    return uname({"s": "Linux", "n": at.hostname, "r": "6.12.0", "m": "x86_64", "o": "GNU/Linux"}, words)


def uname(parts: Mapping[str, str], words: Iterable[str]) -> Done:
    """Those parts that are asked for by their letters."""
    asked = {letter for word in words for letter in word.removeprefix("-")} or {"s"}
    if unknown := sorted(asked - parts.keys() - {"a"}):
        return failed(f"uname: invalid option -- '{unknown[0]}'")
    return Done(" ".join(text for letter, text in parts.items() if letter in asked or "a" in asked) + "\n")


def _sleep(_at: Container, words: list[str], _stdin: str) -> Done:
    """As long as all of its words say together."""
    if not words:
        return failed("sleep: missing operand")
    seconds = 0.0
    for word in words:
        own = word.rstrip("smhd")
        try:
            seconds += float(own) * _UNITS.get(word.removeprefix(own), math.nan)
        except ValueError:
            seconds = math.nan
        if not seconds >= 0:  # whatever is no number is neither less nor more
            return failed(f"sleep: invalid number '{word}'")
    return Done(sleep=min(seconds, _FOR_EVER))


_FOR_EVER = 1e9  # seconds: clocks go no further
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _ps(at: Container, _words: list[str], _stdin: str) -> Done:
    rows = [f"{number:5} {at.user:<8} 0:00 {one}\n" for number, one in at.processes.items()]
    return Done("  PID USER     TIME  COMMAND\n" + "".join(rows))


def _date(at: Container, words: list[str], _stdin: str) -> Done:
    """Nobody can set it."""
    form = next((word[1:] for word in words if word.startswith("+")), "%a %b %e %H:%M:%S UTC %Y")
    at.spend(_MOMENT * len(form))
    try:
        return Done(f"{at.now.strftime(form)}\n")
    except ValueError:  # it holds what no character is
        return failed(f"date: invalid date format '{form}'")


_MOMENT = 32  # steps for a character: one letter can stand for a whole date


def _pidof(at: Container, words: list[str], _stdin: str) -> Done:
    found = [
        str(number)
        for number, one in at.processes.items()
        if one.partition(" ")[0].rpartition("/")[2] in words
    ]
    return Done(" ".join(found) + "\n") if found else Done(code=1)


_COMPARED = {
    "-eq": operator.eq,
    "-ne": operator.ne,
    "-gt": operator.gt,
    "-ge": operator.ge,
    "-lt": operator.lt,
    "-le": operator.le,
}


def _test(at: Container, words: list[str], _stdin: str) -> Done:
    wanted = [word for word in words if word not in ("]", "]]")]
    asked = list(dropwhile("!".__eq__, wanted[:-1])) + wanted[-1:]
    denied = (len(wanted) - len(asked)) % 2 == 1
    match asked:
        case ["-e" | "-f" | "-b" | "-s", path]:
            holds = at.path(path) in at.files
        case ["-d", path]:
            holds = at.is_folder(at.path(path))
        case ["-n", text] | [text]:
            holds = bool(text)
        case ["-z", text]:
            holds = not text
        case [left, "=" | "==", right]:
            holds = left == right
        case [left, "!=", right]:
            holds = left != right
        case [left, "-eq" | "-ne" | "-gt" | "-ge" | "-lt" | "-le" as how, right]:
            one, other = number(left), number(right)
            if one is None or other is None:
                return failed("sh: out of range", 2)
            holds = _COMPARED[how](one, other)
        case _:
            return failed("sh: test: is not emulated", 2)
    return Done(code=0 if holds != denied else 1)


def _xargs(at: Container, words: list[str], stdin: str) -> Done:
    own, *rest = [*dropwhile(lambda word: known(at, word) is _xargs, words)] or ["echo"]
    found = known(at, own)
    return (
        found(at, [*rest, *stdin.split()], "")
        if found
        else failed(f"xargs: {own}: No such file or directory", 127)
    )


_PROGRAMS: Mapping[str, Program] = {
    **FILTERS,
    **WRITING,
    "[": _test,
    "[[": _test,
    "date": _date,
    "echo": _echo,
    "env": _env,
    "find": searching.find,
    "false": lambda *_: Done(code=1),
    "hostname": lambda at, _words, _stdin: Done(f"{at.hostname}\n"),
    "id": _id,
    "ls": _ls,
    "pidof": _pidof,
    "printenv": _env,
    "printf": _printf,
    "ps": _ps,
    "pwd": lambda at, _words, _stdin: Done(f"{at.folder}\n"),
    "sleep": _sleep,
    "sync": lambda *_: Done(),
    "test": _test,
    "true": lambda *_: Done(),
    "uname": _uname,
    "whoami": lambda at, _words, _stdin: Done(f"{at.user}\n"),
    "xargs": _xargs,
}
