"""A small shell for containers and guests that run nothing: enough for `kubectl exec` to be answered as people expect. Pure.

It knows quotes, `$VARIABLE`, `NAME=value`, `$?`, `$(…)`, `;`, `&`, `&&`, `||`, pipes, `>`, `>>`, `>&2`, `2>&1`, `2>/dev/null`, `*` in absolute paths, and of
options `-e`; what else it does not know it refuses. Folders are no places to be: `cd` changes nothing. The programs are `programs`'.
"""

import itertools
import re
import shlex
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from fakekube.agents.node_server import filters, place, programs
from fakekube.agents.node_server.place import OPTIONS, Container, Done

SHELLS = ("sh", "bash", "ash", "/bin/sh", "/bin/bash", "/bin/ash", "/usr/bin/sh", "/usr/bin/bash")
_SEPARATORS = (";", "&&", "||", "&")
_REDIRECTIONS = (">", ">>")
_TO_ERRORS, _WITHOUT_ERRORS, _ERRORS_TOO = "\1", "\2", "\3"  # stand for >&2, 2>/dev/null and 2>&1
_PUNCTUATION = frozenset("|&<>")
_VARIABLE = re.compile(r"\$(\w+|\?|\{\w+\})")
_SUBSTITUTED = re.compile(r"'[^']*'|\$\(([^()]*)\)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_KEYWORDS = frozenset(["!", "{", "case", "for", "function", "if", "select", "until", "while"])
_NOTHING = re.compile(r"<\s*/dev/null")
_MARKS = (_TO_ERRORS, _WITHOUT_ERRORS, _ERRORS_TOO)


class NotFound(Exception):
    """There is no such program."""


class _NotEmulated(Exception):
    """The shell does not know what this means."""


def program(container: Container, words: list[str], stdin: str = "") -> Done:
    """One program with its arguments, as `exec` starts it: no shell in between. Raises NotFound."""
    if words[0] in SHELLS:
        return replace(_shell(begun(container, words), words, stdin), left=False, variables={})
    found = programs.known(container, words[0])
    if found is None:
        raise NotFound(words[0])
    return found(container, words[1:], stdin)


def begun(container: Container, words: Sequence[str]) -> Container:
    """The place as a shell has it that is started with these words."""
    flags, _ = _options(words[1:])
    return container.after({}, {OPTIONS: "".join(sorted(flags))})


def _shell(container: Container, words: Sequence[str], stdin: str) -> Done:
    flags, rest = _options(words[1:])
    if "c" in flags:
        return line(container, rest[0]) if rest else place.failed("sh: -c requires an argument", 2)
    if not rest or "s" in flags:
        return script(container, stdin)
    if rest[0] not in container.files:
        return place.failed(f"sh: can't open '{rest[0]}': No such file or directory", 2)
    return script(container, container.files[rest[0]])


def reads_lines(words: Sequence[str]) -> bool:
    """Whether this is a shell that takes its commands from what comes in."""
    if words[0] not in SHELLS:
        return False
    flags, rest = _options(words[1:])
    return "c" not in flags and (not rest or "s" in flags)


def reads(words: Sequence[str]) -> bool:
    """Whether a program waits for all of its input before it says anything."""
    return words[0] in (*filters.FILTERS, "tee") or words[-1] in ("cat", "-")


def _options(words: Sequence[str]) -> tuple[set[str], Sequence[str]]:
    """The letters of a shell's options, and what follows them."""
    flags: set[str] = set()
    at = 0
    while at < len(words) and words[at][:1] in ("-", "+") and len(words[at]) > 1:
        letters = words[at].lstrip("-+")
        flags |= set() if words[at].startswith("--") else set(letters)
        named = letters.endswith("o") and not words[at].startswith("--")  # `-o pipefail`
        flags |= {"e"} if named and words[at + 1 : at + 2] == ["errexit"] else set()
        at += 2 if named else 1
    return flags, words[at:]


def script(container: Container, text: str) -> Done:
    """Lines one after the other, as a shell reads them from its input."""
    total = Done()
    for one in text.splitlines():
        total = total.then(line(container.after(total.wrote, total.variables), one, total.code))
        if total.left:
            break
    return total


def line(container: Container, text: str, code: int = 0, stdin: str = "") -> Done:
    """One line of a shell. `code` is what the line before returned, `stdin` what its commands read."""
    text, errors, code = _substituted(container, text, code)
    total, skip = Done(err=errors, code=code), False
    try:
        for words, separator in _parts(_split(text)):
            if words and not skip:
                done = _pipeline(container.after(total.wrote, total.variables), words, total.code, stdin)
                total = total.then(replace(done, sleep=0.0, code=0) if separator == "&" else done)
                if total.left or total.act:
                    return total
                if done.code and separator == ";":
                    total = _given_up(container, total)
                    if total.left:
                        return total
            skip = (separator == "&&" and total.code != 0) or (separator == "||" and total.code == 0)
    except _NotEmulated as error:
        return _given_up(container, total.then(place.failed(f"sh: {error} is not emulated", 2)))
    except ValueError:
        return place.failed("sh: syntax error: unterminated quoted string", 2)
    return total


def _given_up(container: Container, failed: Done) -> Done:
    """A failure, with which a shell ends that is told to (`-e`)."""
    return replace(failed, left="e" in {**container.environment, **failed.variables}.get(OPTIONS, ""))


def _substituted(container: Container, text: str, code: int) -> tuple[str, str, int]:
    """With what commands in `$(…)` say in place of them, what they complain of, and what the last one returned; what they
    write is lost."""
    errors, codes = [], [code]

    def said(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        done = line(container, match[1])
        errors.append(done.err)
        codes.append(done.code)
        return " ".join(done.out.split())

    text = _SUBSTITUTED.sub(said, text) if "$(" in text else text
    return text, "".join(errors), codes[-1]


def _split(text: str) -> list[str]:
    """Words and separators. Variables in single quotes stay as they are, marked by a zero byte."""
    marked = re.sub(r"'[^']*'", lambda match: match[0].replace("$", "\0"), text)
    marked = re.sub(r"&>\s*/dev/null", " > /dev/null 2>&1", _NOTHING.sub("", marked))
    marked = re.sub(r"2>\s*/dev/null", f" {_WITHOUT_ERRORS} ", marked)
    marked = re.sub(r"2>&1", f" {_ERRORS_TOO} ", marked)
    marked = re.sub(r"1?>&2", f" {_TO_ERRORS} ", marked)
    marked = re.sub(r"(?<!\S)1>", ">", marked)
    lexer = shlex.shlex(marked, posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    return list(lexer)


def _parts(words: list[str]) -> Iterator[tuple[list[str], str]]:
    """What stands between separators, each with the separator behind it."""
    part: list[str] = []
    for word in [*words, ";"]:
        if word in _SEPARATORS:
            yield part, word
            part = []
        else:
            part.append(word)


def _pipeline(container: Container, words: list[str], code: int, stdin: str) -> Done:
    """Commands that read what the one before has said."""
    said, errors, wrote = stdin, "", dict[str, str | None]()
    done = Done(code=code)
    for part in _between(words, "|"):
        done = _simple(container.after(wrote), part, code, said)
        said, errors, wrote = done.out, errors + done.err, {**wrote, **done.wrote}
    return replace(done, err=errors, wrote=wrote, variables=done.variables if "|" not in words else {})


def _between(words: list[str], separator: str) -> Iterator[list[str]]:
    part: list[str] = []
    for word in words:
        if word == separator:
            yield part
            part = []
        else:
            part.append(word)
    yield part


def _simple(container: Container, words: list[str], code: int, stdin: str) -> Done:
    def value(match: re.Match[str]) -> str:
        name = match[1].strip("{}")
        return str(code) if name == "?" else container.environment.get(name, "")

    words, target, appends = _redirected(words)
    words = [_VARIABLE.sub(value, word).replace("\0", "$") for word in words]
    words = [one for word in words for one in _expanded(container, word)]
    to_errors, silent, together = (mark in words for mark in _MARKS)
    words = [word for word in words if word and word not in _MARKS] or ["true"]
    if words[0] in _KEYWORDS:
        raise _NotEmulated(words[0])
    if words[0] == "export":
        words = [*(word for word in words[1:] if _ASSIGNMENT.match(word)), "true"]
    assigned, words = _assigned(words)
    if not words or words == ["true"]:
        return Done(variables=assigned)
    container = container.after({}, assigned)
    if words[0] in ("exit", "logout"):
        given = words[1] if len(words) > 1 else str(code)
        return Done(code=int(given) & 0xFF if given.isdigit() else 2, left=True)
    if words[0] == "set":
        return Done(variables=_set(container, words[1:]))
    if words[0] in ("cd", ":"):
        return Done()
    try:
        done = program(container, words, stdin)
    except NotFound:
        done = place.failed(f"sh: {words[0]}: not found", 127)
    if silent:
        done = replace(done, err="")
    if together:
        done = replace(done, out=done.out + done.err, err="")
    if target:
        before = container.files.get(target, "") if appends else ""
        wrote = {} if target.startswith("/dev/") else {target: before + done.out}
        return replace(done, out="", wrote={**done.wrote, **wrote})
    return replace(done, out="", err=done.out + done.err) if to_errors else done


def _assigned(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """The variables that are set in front of a command, and the command."""
    own = list(itertools.takewhile(_ASSIGNMENT.match, words))
    return dict(word.split("=", 1) for word in own), words[len(own) :]


def _set(container: Container, words: list[str]) -> dict[str, str]:
    """A shell's options once it has been told to change them."""
    kept = set(container.environment.get(OPTIONS, ""))
    for before, word in itertools.pairwise(["", *words]):
        sign, letters = (before, "e") if word == "errexit" else (word, word[1:])
        kept |= set(letters) if sign.startswith("-") else set()
        kept -= set(letters) if sign.startswith("+") else set()
    return {OPTIONS: "".join(sorted(kept))}


def _expanded(container: Container, word: str) -> list[str]:
    """The paths a word stands for; itself where there are none."""
    if "*" not in word or not word.startswith("/"):
        return [word]
    pattern = re.compile(re.escape(word).replace(r"\*", "[^/]*"))
    deep = word.count("/") + 1
    paths = {"/".join(path.split("/")[:deep]) for path in container.files}
    hidden = f"/{place.FOLDER}"
    return sorted(one for one in paths if pattern.fullmatch(one) and not one.endswith(hidden)) or [word]


def _redirected(words: list[str]) -> tuple[list[str], str, bool]:
    """The words without redirections; where the output goes, and whether behind what is there. Raises _NotEmulated."""
    kept, target, appends = [], "", False
    rest = iter(words)
    for word in rest:
        if word in _REDIRECTIONS:
            target, appends = next(rest, "/dev/null"), word == ">>"
        elif word and _PUNCTUATION.issuperset(word):
            raise _NotEmulated(word)
        else:
            kept.append(word)
    return kept, target, appends
