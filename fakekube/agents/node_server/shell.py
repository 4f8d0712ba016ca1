"""A small shell for containers and guests that run nothing: enough for `kubectl exec` to be answered as people expect. Pure.

It knows quotes, `$VARIABLE`, `NAME=value`, `$?`, `$(…)`, `;`, `&`, `&&`, `||`, pipes, `>`, `>>`, `>&2`, `2>&1`, `2>/dev/null`, `*` in
paths, `~`, `cd`, `if`, and of options `-e` and `pipefail`; other options change nothing, and other syntax is refused. What a line
consists of is `parsing`'s, what its words stand for `expansion`'s, and the programs are `programs`'.
"""

import itertools
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from fakekube.agents.node_server import conditions, expansion, lexing, parsing, place, programs
from fakekube.agents.node_server.budgets import COMMAND, Budget, Exhausted
from fakekube.agents.node_server.parsing import ASSIGNMENT, NAMED
from fakekube.agents.node_server.place import OPTIONS, WHERE, Container, Done

_BEFORE = "OLDPWD"  # the variable that holds the folder a shell was in before


class NotFound(Exception):
    """There is no such program."""


_TOO_DEEP = place.failed("sh: a script that runs itself without end is not emulated", 2)
_TOO_MUCH = place.failed("sh: a line that does so much is not emulated", 2)


def program(container: Container, words: list[str], stdin: str = "") -> Done:
    """One program with its arguments, as `exec` starts it: no shell in between. Raises NotFound."""
    return _whole(container, lambda at: _program(at, words, stdin))


def line(container: Container, text: str, code: int = 0, stdin: str = "") -> Done:
    """One line of a shell. `code` is what the line before returned, `stdin` what its commands read."""
    return _whole(container, lambda at: _line(at, text, code, stdin))


def script(container: Container, text: str) -> Done:
    """Lines one after the other, as a shell reads them from its input."""
    return _whole(container, lambda at: _script(at, text))


def _whole(container: Container, run: Callable[[Container], Done]) -> Done:
    """What comes of it, unless it is too much. What is started by what has begun takes of the same steps, and ends with it."""
    if container.budget is not None:
        return run(container)
    try:
        return run(replace(container, budget=Budget()))
    except RecursionError:
        return _TOO_DEEP
    except Exhausted:
        return _TOO_MUCH


def _program(container: Container, words: list[str], stdin: str) -> Done:
    if words[0] in parsing.SHELLS:
        return replace(_shell(begun(container, words), words, stdin), left=False, variables={})
    found = programs.known(container, words[0])
    if found is None:
        raise NotFound(words[0])
    walks = found in container.programs.values()  # as a place's own may, which do not count what they look at
    container.spend(len(stdin) // 16 + (16 * len(container.files) if walks else 0))
    done = found(container, words[1:], stdin)
    container.spend(len(done.out) + len(done.err))
    if any(not path.startswith("/") for path in done.wrote):
        done = replace(done, wrote={container.path(path): text for path, text in done.wrote.items()})
    if (refusal := container.refusal(done.wrote)) is not None:
        path, why = refusal
        return place.failed(f"{words[0]}: {path.removesuffix(f'/{place.FOLDER}')}: {why}")
    return done


def begun(container: Container, words: Sequence[str]) -> Container:
    """The place as a shell has it that is started with these words."""
    flags, _ = parsing.options(words[1:])
    return container.after({}, {OPTIONS: "".join(sorted(flags)), WHERE: container.folder})


def _shell(container: Container, words: Sequence[str], stdin: str) -> Done:
    flags, rest = parsing.options(words[1:])
    if "c" in flags:
        return (
            _line(container, rest[0], stdin=stdin) if rest else place.failed("sh: -c requires an argument", 2)
        )
    if not rest or "s" in flags:
        return _script(container, stdin)
    path = container.path(rest[0])
    if path not in container.files:
        return place.failed(f"sh: can't open '{rest[0]}': No such file or directory", 2)
    return _script(container, container.read(path))


def _script(container: Container, text: str) -> Done:
    total = Done()
    container.spend(len(text))
    for one in text.splitlines():
        container.spend(total.size)
        total = total.then(_line(container.after(total.wrote, total.variables), one, total.code))
        if total.left:
            break
    return total


def _line(container: Container, text: str, code: int = 0, stdin: str = "") -> Done:
    total, skip, stands = Done(code=code), False, conditions.Stands()
    container.spend(COMMAND // 2 + 2 * len(text))
    try:
        parts = list(parsing.parts(parsing.split(text)))
    except ValueError:
        return place.failed("sh: syntax error: unterminated quoted string", 2)
    except lexing.NotEmulated as error:
        return _given_up(container, place.failed(f"sh: {error} is not emulated", 2))
    try:
        conditions.check(words for words, _ in parts)
        for part, separator in parts:
            for word in conditions.words(part):
                if word == "fi" and stands[-1] == "open":
                    total = replace(total, code=0)
                stands = conditions.met(stands, word, failed=total.code != 0, passed=skip)
            words = part[len(conditions.words(part)) :]
            container.spend(total.size)
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
    except lexing.NotEmulated as error:
        return _given_up(container, total.then(place.failed(f"sh: {error} is not emulated", 2)))
    return total


def _given_up(container: Container, failed: Done) -> Done:
    """A failure, with which a shell ends that is told to (`-e`)."""
    options = failed.variables.get(OPTIONS, container.environment.get(OPTIONS, ""))
    return replace(failed, left="e" in options)


def _pipeline(container: Container, words: list[str], code: int, stdin: str) -> Done:
    """Commands that read what the one before has said."""
    said, errors, wrote = stdin, "", dict[str, str | None]()
    done, failed = Done(code=code), 0
    for part in parsing.commands(words):
        done = _simple(container.after(wrote), part, code, said)
        said, errors, wrote = done.out, errors + done.err, {**wrote, **done.wrote}
        container.spend(len(wrote) + len(errors) // 256)
        failed = done.code or failed
    if "|" in container.environment.get(OPTIONS, ""):  # pipefail
        done = replace(done, code=failed)
    return replace(done, err=errors, wrote=wrote, variables=done.variables if "|" not in words else {})


def _simple(container: Container, words: list[str], code: int, stdin: str) -> Done:
    container.spend(COMMAND)
    words, target, appends = parsing.redirected(words)
    to_errors, silent, together = (mark in words for mark in lexing.MARKS)
    words, said = expansion.filled(
        container, [word for word in words if word not in lexing.MARKS], code, _line
    )
    container = container.after(said.wrote)
    done = _command(container, words, code, said.code, stdin)
    if silent:
        done = replace(done, err="")
    if together:
        done = replace(done, out=done.out + done.err, err="")
    if target:
        target = container.path(" ".join(expansion.filled(container, [target], code, _line)[0]))
        before = container.read(target) if appends else ""
        wrote = {} if target.startswith("/dev/") else {target: before + done.out}
        if (refusal := container.refusal(wrote)) is not None:
            return said.then(place.failed(f"sh: can't create {target}: {refusal[1]}"))
        done = replace(done, out="", wrote={**done.wrote, **wrote})
    elif to_errors:
        done = replace(done, out="", err=done.out + done.err)
    return said.then(done)


def _command(container: Container, words: list[str], code: int, said: int, stdin: str) -> Done:
    """`code` is what the command before returned, `said` the last one in `$(…)`."""
    if words[:1] == ["export"]:
        return Done(variables=dict(word.split("=", 1) for word in words[1:] if ASSIGNMENT.match(word)))
    assigned, words = parsing.assigned(words)
    if not words:
        return Done(variables=assigned, code=said)
    container = container.after({}, assigned)
    if words[0] in ("exit", "logout"):
        given = words[1] if len(words) > 1 else str(code)
        asked = place.number(given)
        return Done(code=2 if asked is None else asked & 0xFF, left=True)
    if words[0] == "set":
        return Done(variables=_set(container, words[1:]))
    if words[0] == "cd":
        return _moved(container, words[1:])
    if words[0] == ":":
        return Done()
    try:
        return _program(container, words, stdin)
    except NotFound:
        return place.failed(f"sh: {words[0]}: not found", 127)


def _set(container: Container, words: list[str]) -> dict[str, str]:
    """A shell's options once it has been told to change them."""
    kept = set(container.environment.get(OPTIONS, ""))
    for before, word in itertools.pairwise(["", *words]):
        sign, letters = (before, NAMED[word]) if word in NAMED else (word, word[1:])
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
