"""A small shell for containers that run nothing: enough for `kubectl exec` to be answered as people expect. Pure.

It knows quotes, `$VARIABLE`, `$?`, `;`, `&&`, `||` and `>&2`, and a few commands. Pipes and other redirections it refuses.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

_SEPARATORS = (";", "&&", "||")
SHELLS = ("sh", "bash", "ash", "/bin/sh", "/bin/bash", "/bin/ash", "/usr/bin/sh", "/usr/bin/bash")
_TO_ERRORS = "\1"  # stands for >&2
_UNKNOWN = frozenset("|&<>")
_VARIABLE = re.compile(r"\$(\w+|\?|\{\w+\})")
_CTRL_C, _CTRL_D = 0x03, 0x04


@dataclass(frozen=True, slots=True)
class Container:
    """What commands can tell of where they run."""

    hostname: str
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    processes: tuple[str, ...] = ("sh",)
    user: str = "root"
    now: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command line came to. `sleep` is how long it takes; `left` that the shell itself ends."""

    out: str = ""
    err: str = ""
    code: int = 0
    sleep: float = 0.0
    left: bool = False


class NotFound(Exception):
    """There is no such program."""


def program(container: Container, words: list[str], stdin: str = "") -> Done:
    """One program with its arguments, as `exec` starts it: no shell in between. Raises NotFound."""
    if words[0] in SHELLS:
        rest = [word for word in words[1:] if word not in ("-l", "-e", "-x", "-i")]
        if rest[:1] == ["-c"]:
            return line(container, rest[1] if len(rest) > 1 else "")
        return script(container, stdin)
    command = _COMMANDS.get(words[0].rpartition("/")[2])
    if command is None:
        raise NotFound(words[0])
    return command(container, words[1:], stdin)


def script(container: Container, text: str) -> Done:
    """Lines one after the other, as a shell reads them from its input."""
    total = Done()
    for one in text.splitlines():
        done = line(container, one, total.code)
        total = replace(
            done, out=total.out + done.out, err=total.err + done.err, sleep=total.sleep + done.sleep
        )
        if done.left:
            break
    return total


def line(container: Container, text: str, code: int = 0) -> Done:
    """One line of a shell. `code` is what the line before returned."""
    try:
        words = _split(text)
    except ValueError:
        return Done(err="sh: syntax error: unterminated quoted string\n", code=2)
    total, skip, command = Done(code=code), False, list[str]()
    for word in [*words, ";"]:
        if word not in _SEPARATORS:
            command.append(word)
            if word and _UNKNOWN.issuperset(word):
                return replace(total, err=f"sh: {word} is not emulated\n", code=2)
            continue
        if command and not skip:
            done = _simple(container, command, total.code)
            total = replace(
                done, out=total.out + done.out, err=total.err + done.err, sleep=total.sleep + done.sleep
            )
            if total.left:
                return total
        command = []
        skip = (word == "&&" and total.code != 0) or (word == "||" and total.code == 0)
    return total


def _split(text: str) -> list[str]:
    """Words and separators. Variables in single quotes stay as they are, marked by a zero byte."""
    marked = re.sub(r"'[^']*'", lambda match: match[0].replace("$", "\0"), text).replace("2>&1", "")
    marked = re.sub(r"1?>&2", f" {_TO_ERRORS} ", marked)
    lexer = shlex.shlex(marked, posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    return list(lexer)


def _simple(container: Container, words: list[str], code: int) -> Done:
    def value(match: re.Match[str]) -> str:
        name = match[1].strip("{}")
        return str(code) if name == "?" else container.environment.get(name, "")

    words = [_VARIABLE.sub(value, word).replace("\0", "$") for word in words]
    to_errors = _TO_ERRORS in words
    words = [word for word in words if word != _TO_ERRORS]
    words = [word for word in words if word] or ["true"]
    if words[0] in ("exit", "logout"):
        given = words[1] if len(words) > 1 else str(code)
        return Done(code=int(given) & 0xFF if given.isdigit() else 2, left=True)
    if words[0] in ("cd", "export", "set", ":"):
        return Done()
    try:
        done = program(container, words)
    except NotFound:
        return Done(err=f"sh: {words[0]}: not found\n", code=127)
    return replace(done, out="", err=done.out + done.err) if to_errors else done


# --- at a terminal -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a conversation at a terminal stands."""

    container: Container
    typed: bytes = b""
    code: int = 0
    ended: bool = False

    @property
    def prompt(self) -> str:
        return f"{'/ #' if self.container.user == 'root' else '/ $'} "


def fed(terminal: Terminal, data: bytes) -> tuple[Terminal, str]:
    """What the terminal shows of what was typed, and of what came of it."""
    shown: list[str] = []
    for byte in data:
        if terminal.ended:
            break
        if byte in b"\r\n":
            done = line(terminal.container, terminal.typed.decode(errors="replace"), terminal.code)
            terminal = replace(terminal, typed=b"", code=done.code, ended=done.left)
            shown.append("\r\n" + (done.out + done.err).replace("\n", "\r\n"))
            shown.append("" if done.left else terminal.prompt)
        elif byte == _CTRL_C:
            terminal = replace(terminal, typed=b"", code=130)
            shown.append("^C\r\n" + terminal.prompt)
        elif byte == _CTRL_D and not terminal.typed:
            terminal = replace(terminal, ended=True)
            shown.append("\r\n")
        elif byte in b"\x7f\x08":
            shown.append("\b \b" if terminal.typed else "")
            terminal = replace(terminal, typed=terminal.typed[:-1])
        elif byte >= 0x20 or byte == 0x09:
            terminal = replace(terminal, typed=terminal.typed + bytes((byte,)))
            shown.append(chr(byte))
    return terminal, "".join(shown)


# --- commands ----------------------------------------------------------------------------------------------------


def _echo(_at: Container, words: list[str], _stdin: str) -> Done:
    end = "\n"
    if words[:1] == ["-n"]:
        words, end = words[1:], ""
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
        known = [at.environment[word] for word in words if word in at.environment]
        return Done("".join(f"{one}\n" for one in known), code=0 if len(known) == len(words) else 1)
    return Done("".join(f"{name}={value}\n" for name, value in at.environment.items()))


def _uname(at: Container, words: list[str], _stdin: str) -> Done:
    parts = {"s": "Linux", "n": at.hostname, "r": "6.12.0", "m": "x86_64", "o": "GNU/Linux"}
    asked = {letter for word in words for letter in word.removeprefix("-")} or {"s"}
    return Done(" ".join(text for letter, text in parts.items() if letter in asked or "a" in asked) + "\n")


def _sleep(_at: Container, words: list[str], _stdin: str) -> Done:
    try:
        return Done(sleep=float(words[0].removesuffix("s")))
    except (IndexError, ValueError):
        return Done(err="sleep: invalid number\n", code=1)


def _ps(at: Container, _words: list[str], _stdin: str) -> Done:
    rows = [f"{number:5} {at.user:<8} 0:00 {one}\n" for number, one in enumerate(at.processes, 1)]
    return Done("  PID USER     TIME  COMMAND\n" + "".join(rows))


_COMMANDS: Mapping[str, Callable[[Container, list[str], str], Done]] = {
    "cat": _cat,
    "date": lambda at, _words, _stdin: Done(f"{at.now}\n"),
    "echo": _echo,
    "env": _env,
    "false": lambda *_: Done(code=1),
    "hostname": lambda at, _words, _stdin: Done(f"{at.hostname}\n"),
    "id": lambda at, _words, _stdin: Done(f"uid=0({at.user}) gid=0({at.user})\n"),
    "ls": _ls,
    "printenv": _env,
    "ps": _ps,
    "pwd": lambda *_: Done("/\n"),
    "sleep": _sleep,
    "true": lambda *_: Done(),
    "uname": _uname,
    "whoami": lambda at, _words, _stdin: Done(f"{at.user}\n"),
}
