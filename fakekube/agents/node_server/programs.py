"""Programs for containers and guests that run nothing: what each says, and what it returns. Pure.

They know of files what they are told (`Container.files`); what they write they tell in turn (`Done.wrote`).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

Files = Mapping[str, str | None]  # None: there is none any more


@dataclass(frozen=True, slots=True)
class Done:
    """What a command line came to. `sleep` is how long it takes; `left` that the shell itself ends; `act` what it does to the
    machine it runs on."""

    out: str = ""
    err: str = ""
    code: int = 0
    sleep: float = 0.0
    left: bool = False
    act: str = ""
    wrote: Files = field(default_factory=dict)

    def then(self, done: Self) -> Self:
        """This, and afterwards that."""
        return replace(
            done,
            out=self.out + done.out,
            err=self.err + done.err,
            sleep=self.sleep + done.sleep,
            wrote={**self.wrote, **done.wrote},
        )


@dataclass(frozen=True, slots=True)
class Container:
    """What commands can tell of where they run. `programs`: those only this place has, or has in its own way."""

    hostname: str
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    processes: tuple[str, ...] = ("sh",)
    user: str = "root"
    now: str = ""
    programs: Mapping[str, "Program"] = field(default_factory=dict)

    def after(self, wrote: Files) -> Self:
        """The same place once files have been written."""
        if not wrote:
            return self
        there = {path: text for path, text in {**self.files, **wrote}.items() if text is not None}
        return replace(self, files=there)


Program = Callable[[Container, list[str], str], Done]


def known(container: Container, word: str) -> Program | None:
    """The program of a name or a path."""
    own = word.rpartition("/")[2]
    return container.programs.get(own) or _PROGRAMS.get(own)


def failed(text: str, code: int = 1) -> Done:
    return Done(err=f"{text}\n", code=code)


def _echo(_at: Container, words: list[str], _stdin: str) -> Done:
    end = "\n"
    while words[:1] in (["-n"], ["-e"]):
        end = "" if words[0] == "-n" else end
        words = words[1:]
    return Done(" ".join(words) + end)


def _cat(at: Container, words: list[str], stdin: str) -> Done:
    out, err = [], []
    for word in words or ["-"]:
        if word == "-":
            out.append(stdin)
        elif word in at.files:
            out.append(at.files[word])
        else:
            err.append(f"cat: can't open '{word}': No such file or directory\n")
    return Done("".join(out), "".join(err), 1 if err else 0)


def _ls(at: Container, words: list[str], _stdin: str) -> Done:
    wanted = [word for word in words if not word.startswith("-")] or ["/"]
    out, err = [], []
    for folder in wanted:
        inside = f"{folder.rstrip('/')}/"
        below = {path.removeprefix(inside).partition("/")[0] for path in at.files if path.startswith(inside)}
        if inside == "/":
            below |= {"bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "usr", "var"}
        if folder in at.files:
            below = {folder}
        if not below:
            err.append(f"ls: {folder}: No such file or directory\n")
        out += [f"{one}\n" for one in sorted(below)]
    return Done("".join(out), "".join(err), 1 if err else 0)


def _env(at: Container, words: list[str], _stdin: str) -> Done:
    if words:
        values = [at.environment[word] for word in words if word in at.environment]
        return Done("".join(f"{one}\n" for one in values), code=0 if len(values) == len(words) else 1)
    return Done("".join(f"{name}={value}\n" for name, value in at.environment.items()))


def _uname(at: Container, words: list[str], _stdin: str) -> Done:
    return uname({"s": "Linux", "n": at.hostname, "r": "6.12.0", "m": "x86_64", "o": "GNU/Linux"}, words)


def uname(parts: Mapping[str, str], words: Iterable[str]) -> Done:
    """Those parts that are asked for by their letters."""
    asked = {letter for word in words for letter in word.removeprefix("-")} or {"s"}
    if unknown := sorted(asked - parts.keys() - {"a"}):
        return failed(f"uname: invalid option -- '{unknown[0]}'")
    return Done(" ".join(text for letter, text in parts.items() if letter in asked or "a" in asked) + "\n")


def _sleep(_at: Container, words: list[str], _stdin: str) -> Done:
    try:
        return Done(sleep=float(words[0].removesuffix("s")))
    except (IndexError, ValueError):
        return failed("sleep: invalid number")


def _ps(at: Container, _words: list[str], _stdin: str) -> Done:
    rows = [f"{number:5} {at.user:<8} 0:00 {one}\n" for number, one in enumerate(at.processes, 1)]
    return Done("  PID USER     TIME  COMMAND\n" + "".join(rows))


def _pidof(at: Container, words: list[str], _stdin: str) -> Done:
    found = [
        str(number)
        for number, one in enumerate(at.processes, 1)
        if one.partition(" ")[0].rpartition("/")[2] in words
    ]
    return Done(" ".join(found) + "\n") if found else Done(code=1)


# --- writing files -----------------------------------------------------------------------------------------------


def _touch(at: Container, words: list[str], _stdin: str) -> Done:
    return Done(wrote={word: at.files.get(word, "") for word in words if not word.startswith("-")})


def _rm(at: Container, words: list[str], _stdin: str) -> Done:
    named = [word for word in words if not word.startswith("-")]
    forced = any(word.startswith("-") and "f" in word for word in words)
    gone = {
        path: None
        for path in at.files
        if any(path == word or path.startswith(f"{word.rstrip('/')}/") for word in named)
    }
    missing = [word for word in named if not any(path.startswith(word) for path in gone)]
    if missing and not forced:
        return replace(failed(f"rm: can't remove '{missing[0]}': No such file or directory"), wrote=gone)
    return Done(wrote=gone)


def _test(at: Container, words: list[str], _stdin: str) -> Done:
    match [word for word in words if word != "]"]:
        case ["-e" | "-f" | "-b" | "-s", path]:
            holds = path in at.files
        case ["-d", path]:
            holds = any(one.startswith(f"{path.rstrip('/')}/") for one in at.files)
        case ["-n", text] | [text]:
            holds = bool(text)
        case ["-z", text]:
            holds = not text
        case [left, "=" | "==", right]:
            holds = left == right
        case [left, "!=", right]:
            holds = left != right
        case [left, "-eq", right]:
            holds = left.strip() == right.strip()
        case _:
            return failed("sh: test: is not emulated", 2)
    return Done(code=0 if holds else 1)


# --- filters -----------------------------------------------------------------------------------------------------


def _input(at: Container, names: list[str], stdin: str) -> list[str]:
    """The lines of files, or of what comes in."""
    return "".join(at.files.get(one, "") for one in names).splitlines() if names else stdin.splitlines()


def _listed(lines: Iterable[str], code: int = 0) -> Done:
    return Done("".join(f"{one}\n" for one in lines), code=code)


def _grep(at: Container, words: list[str], stdin: str) -> Done:
    flags = {letter for word in words if word.startswith("-") for letter in word[1:]}
    pattern, *names = [word for word in words if not word.startswith("-")] or [""]
    if "F" in flags:
        pattern = re.escape(pattern)
    try:
        wanted = re.compile(pattern, re.IGNORECASE if "i" in flags else 0)
    except re.error:
        return failed(f"grep: bad regex '{pattern}'", 2)
    lines = _input(at, names, stdin)
    found = [one for one in lines if bool(wanted.search(one)) != ("v" in flags)]
    code = 0 if found else 1
    if "q" in flags:
        return Done(code=code)
    if "c" in flags:
        return Done(f"{len(found)}\n", code=code)
    if "o" in flags:
        found = [match[0] for one in found for match in wanted.finditer(one)]
    return _listed(found, code)


def _wc(at: Container, words: list[str], stdin: str) -> Done:
    flags = {letter for word in words if word.startswith("-") for letter in word[1:]} or set("lwc")
    names = [word for word in words if not word.startswith("-")]
    text = "".join(at.files.get(one, "") for one in names) if names else stdin
    counts = {"l": text.count("\n"), "w": len(text.split()), "c": len(text.encode())}
    told = " ".join(str(count) for letter, count in counts.items() if letter in flags)
    return Done(f"{' '.join([told, *names])}\n")


def _ends(*, first: bool) -> Program:
    def run(at: Container, words: list[str], stdin: str) -> Done:
        count, names = 10, list[str]()
        for word in words:
            if (digits := word.removeprefix("-n").removeprefix("-")).isdigit():
                count = int(digits)
            elif not word.startswith("-"):
                names.append(word)
        lines = _input(at, names, stdin)
        return _listed(lines[:count] if first else lines[-count:] if count else [])

    return run


def _cut(at: Container, words: list[str], stdin: str) -> Done:
    given, names = {"d": "\t", "f": ""}, list[str]()
    rest = iter(words)
    for word in rest:
        if word[:2] in ("-d", "-f"):
            given[word[1]] = word[2:] or next(rest, "")
        elif not word.startswith("-"):
            names.append(word)
    if not given["f"].isdigit():
        return failed("cut: only one field is emulated")
    number = int(given["f"]) - 1
    fields = (line.split(given["d"]) for line in _input(at, names, stdin))
    return _listed(one[number] if number < len(one) else "" if len(one) > 1 else one[0] for one in fields)


_PRINT = re.compile(r"\s*\{\s*print\s+\$(\d+);?\s*\}\s*")


def _awk(at: Container, words: list[str], stdin: str) -> Done:
    separator = None
    if words[:1] and words[0].startswith("-F"):
        separator, words = (words[0][2:], words[1:]) if words[0] != "-F" else (words[1], words[2:])
    script = _PRINT.fullmatch(words[0]) if words else None
    if script is None:
        return failed("awk: only {print $N} is emulated", 2)
    number = int(script[1])
    lines = _input(at, words[1:], stdin)
    split = [line.split(separator) for line in lines]
    return _listed(
        line if number == 0 else parts[number - 1] if number <= len(parts) else ""
        for line, parts in zip(lines, split, strict=True)
    )


_PROGRAMS: Mapping[str, Program] = {
    "[": _test,
    "awk": _awk,
    "cat": _cat,
    "cut": _cut,
    "date": lambda at, _words, _stdin: Done(f"{at.now}\n"),
    "echo": _echo,
    "env": _env,
    "false": lambda *_: Done(code=1),
    "grep": _grep,
    "head": _ends(first=True),
    "hostname": lambda at, _words, _stdin: Done(f"{at.hostname}\n"),
    "id": lambda at, _words, _stdin: Done(f"uid=0({at.user}) gid=0({at.user})\n"),
    "ls": _ls,
    "mkdir": lambda *_: Done(),
    "pidof": _pidof,
    "printenv": _env,
    "ps": _ps,
    "pwd": lambda *_: Done("/\n"),
    "rm": _rm,
    "sleep": _sleep,
    "sort": lambda at, words, stdin: _listed(
        sorted(_input(at, [one for one in words if not one.startswith("-")], stdin))
    ),
    "sync": lambda *_: Done(),
    "tail": _ends(first=False),
    "test": _test,
    "touch": _touch,
    "true": lambda *_: Done(),
    "uname": _uname,
    "wc": _wc,
    "whoami": lambda at, _words, _stdin: Done(f"{at.user}\n"),
}
