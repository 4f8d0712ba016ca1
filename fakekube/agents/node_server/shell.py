"""A small shell for containers and guests that run nothing: enough for `kubectl exec` to be answered as people expect. Pure.

It knows quotes, `$VARIABLE`, `NAME=value`, `$?`, `$(…)`, `;`, `&`, `&&`, `||`, pipes, `>`, `>>`, `>&2`, `2>&1`, `2>/dev/null`, `*` in paths, `~`, `cd`, `if`, and
of options `-e`; what else it does not know it refuses. The programs are `programs`'.
"""

import itertools
import re
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from fakekube.agents.node_server import conditions, lexing, place, programs
from fakekube.agents.node_server.place import OPTIONS, WHERE, Container, Done

SHELLS = ("sh", "bash", "ash", "/bin/sh", "/bin/bash", "/bin/ash", "/usr/bin/sh", "/usr/bin/bash")
_BEFORE = "OLDPWD"  # the variable that holds the folder a shell was in before
_LONGEST = 1 << 18  # characters of a command
_OF_FILES = (
    "cat",
    "head",
    "sort",
    "tail",
    "uniq",
    "wc",
)  # programs that read what comes in where no file is named
_ALWAYS_READ = ("cut", "tar", "tee", "tr", "xargs")
_SEPARATORS = (";", "&&", "||", "&")
_REDIRECTIONS = (">", ">>")
_PUNCTUATION = frozenset("|&<>")
VARIABLE = re.compile(r"\$(\w+|\?|\{\w+\})")
_OF_HOME = re.compile(r"^~(?=/|$)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_KEYWORDS = frozenset(["!", "{", "case", "for", "function", "select", "until", "while"])


class NotFound(Exception):
    """There is no such program."""


class NotEmulated(Exception):
    """The shell does not know what this means."""


def program(container: Container, words: list[str], stdin: str = "") -> Done:
    """One program with its arguments, as `exec` starts it: no shell in between. Raises NotFound."""
    if words[0] in SHELLS:
        return replace(_shell(begun(container, words), words, stdin), left=False, variables={})
    found = programs.known(container, words[0])
    if found is None:
        raise NotFound(words[0])
    done = found(container, words[1:], stdin)
    if any(not path.startswith("/") for path in done.wrote):
        done = replace(done, wrote={container.path(path): text for path, text in done.wrote.items()})
    if (refusal := container.refusal(done.wrote)) is not None:
        path, why = refusal
        return place.failed(f"{words[0]}: {path.removesuffix(f'/{place.FOLDER}')}: {why}")
    return done


def begun(container: Container, words: Sequence[str]) -> Container:
    """The place as a shell has it that is started with these words."""
    flags, _ = _options(words[1:])
    return container.after({}, {OPTIONS: "".join(sorted(flags)), WHERE: container.folder})


def _shell(container: Container, words: Sequence[str], stdin: str) -> Done:
    flags, rest = _options(words[1:])
    if "c" in flags:
        return (
            line(container, rest[0], stdin=stdin) if rest else place.failed("sh: -c requires an argument", 2)
        )
    if not rest or "s" in flags:
        return script(container, stdin)
    path = container.path(rest[0])
    if path not in container.files:
        return place.failed(f"sh: can't open '{rest[0]}': No such file or directory", 2)
    return script(container, container.files[path])


def reads_lines(words: Sequence[str]) -> bool:
    """Whether this is a shell that takes its commands from what comes in."""
    if words[0] not in SHELLS:
        return False
    flags, rest = _options(words[1:])
    return "c" not in flags and (not rest or "s" in flags)


def reads(words: Sequence[str]) -> bool:
    """Whether a program waits for all of its input before it says anything."""
    own, operands = (
        words[0].rpartition("/")[2],
        [word for word in words[1:] if word[:1] != "-" or word == "-"],
    )
    if words[0] in SHELLS:
        flags, rest = _options(words[1:])
        return "c" in flags and bool(rest) and _script_reads(rest[0])
    if own in _OF_FILES:
        return not [one for one in operands if not one.isdigit()] or "-" in operands
    return own in _ALWAYS_READ or (own in ("awk", "grep") and len(operands) < 2)


def _script_reads(text: str) -> bool:
    try:
        commands = [
            without_assignments([one for one in first if one not in lexing.MARKS])
            for first, *_ in pipelines(text)
        ]
    except (ValueError, NotEmulated):
        return False
    return any(reads([one.translate(lexing.PLAIN) for one in words]) for words in commands if words)


def given(words: Sequence[str]) -> str | None:
    """The script a shell is started with, where that is all it is given."""
    flags, rest = _options(words[1:])
    return rest[0] if "c" in flags and len(rest) == 1 else None


def pipelines(text: str) -> Iterator[list[list[str]]]:
    """The commands of a script without their redirections, in words as `lexing` leaves them. Raises ValueError, NotEmulated."""
    for words, _ in _parts(lexing.split(text)):
        rest = words[len(conditions.words(words)) :]
        yield [_redirected(one)[0] for one in _between(rest, "|")]


def without_assignments(words: list[str]) -> list[str]:
    return _assigned(words)[1]


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
    total, skip, stands = Done(code=code), False, conditions.Stands()
    try:
        parts = list(_parts(lexing.split(text)))
        conditions.check(words for words, _ in parts)
        for part, separator in parts:
            words = part
            for word in conditions.words(words):
                words = words[1:]
                if word == "fi" and stands[-1] == "open":
                    total = replace(total, code=0)
                stands = conditions.met(stands, word, failed=total.code != 0, passed=skip)
            if words and not skip and conditions.holds(stands):
                done = _pipeline(container.after(total.wrote, total.variables), words, total.code, stdin)
                total = total.then(replace(done, sleep=0.0, code=0) if separator == "&" else done)
                if total.left or total.act:
                    return total
                if done.code and separator == ";" and "if" not in stands:
                    total = _given_up(container, total)
                    if total.left:
                        return total
            skip = (separator == "&&" and total.code != 0) or (separator == "||" and total.code == 0)
    except conditions.Misplaced as error:
        return place.failed(f"sh: syntax error: unexpected {error}", 2)
    except NotEmulated as error:
        return _given_up(container, total.then(place.failed(f"sh: {error} is not emulated", 2)))
    except ValueError:
        return place.failed("sh: syntax error: unterminated quoted string", 2)
    return total


def _given_up(container: Container, failed: Done) -> Done:
    """A failure, with which a shell ends that is told to (`-e`)."""
    return replace(failed, left="e" in {**container.environment, **failed.variables}.get(OPTIONS, ""))


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
    words, target, appends = _redirected(words)
    to_errors, silent, together = (mark in words for mark in lexing.MARKS)
    words, said = _filled(container, [word for word in words if word not in lexing.MARKS], code)
    container = container.after(said.wrote)
    done = _command(container, words, code, said.code, stdin)
    if silent:
        done = replace(done, err="")
    if together:
        done = replace(done, out=done.out + done.err, err="")
    if target:
        target = container.path(" ".join(_filled(container, [target], code)[0]))
        before = container.files.get(target, "") if appends else ""
        wrote = {} if target.startswith("/dev/") else {target: before + done.out}
        if (refusal := container.refusal(wrote)) is not None:
            return said.then(place.failed(f"sh: can't create {target}: {refusal[1]}"))
        done = replace(done, out="", wrote={**done.wrote, **wrote})
    elif to_errors:
        done = replace(done, out="", err=done.out + done.err)
    return said.then(done)


def _filled(container: Container, words: list[str], code: int) -> tuple[list[str], Done]:
    """With values of variables, paths and what commands in `$(…)` say in place of these; and what else came of those commands."""
    if words and words[0] in _KEYWORDS:
        raise NotEmulated(words[0])
    total, filled = Done(), list[str]()

    def value(match: re.Match[str]) -> str:
        name = match[1].strip("{}")
        return str(code) if name == "?" else container.environment.get(name, "")

    def said(match: re.Match[str]) -> str:
        nonlocal total
        done = line(container.after(total.wrote), lexing.command(match), code)
        total = total.then(replace(done, out="", left=False, variables={}))
        return done.out.rstrip("\n") if match[1] == lexing.SAID else lexing.NEXT_WORD.join(done.out.split())

    for word in words:
        whole = word.replace(lexing.SAID_IN_WORDS, lexing.SAID) if _ASSIGNMENT.match(word) else word
        for one in lexing.COMMANDS.sub(said, VARIABLE.sub(value, whole)).split(lexing.NEXT_WORD):
            text = _OF_HOME.sub(container.environment.get("HOME", "~"), one)
            paths = _expanded(container, text.replace(lexing.QUOTED, "")) if "*" in text else [text]
            filled += [path.translate(lexing.PLAIN) for path in paths if path]
    if sum(map(len, filled)) > _LONGEST:
        raise NotEmulated("so long a command")
    return filled, total


def _command(container: Container, words: list[str], code: int, said: int, stdin: str) -> Done:
    """`code` is what the command before returned, `said` the last one in `$(…)`."""
    if words[:1] == ["export"]:
        return Done(variables=dict(word.split("=", 1) for word in words[1:] if _ASSIGNMENT.match(word)))
    assigned, words = _assigned(words)
    if not words:
        return Done(variables=assigned, code=said)
    container = container.after({}, assigned)
    if words[0] in ("exit", "logout"):
        given = words[1] if len(words) > 1 else str(code)
        return Done(code=int(given) & 0xFF if given.isdigit() else 2, left=True)
    if words[0] == "set":
        return Done(variables=_set(container, words[1:]))
    if words[0] == "cd":
        return _moved(container, words[1:])
    if words[0] == ":":
        return Done()
    try:
        return program(container, words, stdin)
    except NotFound:
        return place.failed(f"sh: {words[0]}: not found", 127)


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


def _moved(container: Container, words: list[str]) -> Done:
    """`cd`: the shell is in another folder afterwards, or in the one it came from (`-`)."""
    back = words[:1] == ["-"]
    home = container.environment.get(_BEFORE if back else "HOME", "/")
    named = words[0] if words and not back else home
    path = container.path(named)
    if not container.is_folder(path):
        why = "Not a directory" if path in container.files else "No such file or directory"
        return place.failed(f"sh: cd: can't cd to {named}: {why}", 2)
    return Done(f"{path}\n" if back else "", variables={WHERE: path, _BEFORE: container.folder})


def _expanded(container: Container, word: str) -> list[str]:
    """The paths a word stands for; itself where there are none."""
    here = "" if word.startswith("/") else f"{container.folder.rstrip('/')}/"
    escaped = re.escape(here + word).replace(r"/\*", r"/(?!\.)[^/]*")
    pattern = re.compile(escaped.replace(r"\*", "[^/]*"))
    deep = (here + word).count("/") + 1
    paths = {"/".join(path.split("/")[:deep]) for path in container.files}
    return sorted(one.removeprefix(here) for one in paths if pattern.fullmatch(one)) or [word]


def _redirected(words: list[str]) -> tuple[list[str], str, bool]:
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
