"""Where commands run that nobody executes, and what comes of them. Pure.

Places know of files what they are told (`Container.files`); what programs write they tell in turn (`Done.wrote`).
"""

import posixpath
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Self

from msgspec import Struct, field
from msgspec.structs import replace

from fakekube.agents.node_server.budgets import Budget

EPOCH = datetime.fromtimestamp(0, UTC)
OPTIONS = "-"  # the variable that holds the letters of a shell's options
WHERE = "PWD"  # the variable that holds the folder a shell is in
FOLDER = "."  # the file in a folder that somebody has made, so that it is there
ROOM = 1 << 20  # characters that can be written in a container, paths among them
_MOST_FILES = 1 << 14  # that can be in one in which somebody writes
_LONGEST_NAME, _LONGEST_PATH = 255, 4096

FOLDERS = frozenset(
    f"/{one}"
    for one in [
        "",
        "bin",
        "dev",
        "etc",
        "home",
        "mnt",
        "proc",
        "root",
        "run",
        "sys",
        "tmp",
        "usr",
        "var",
        "var/run",
    ]
)

Files = Mapping[str, str | None]  # None: there is none any more


class Done(Struct, frozen=True):
    """What a command line came to. `sleep` is how long it takes; `left` that the shell itself ends; `act` what it does to the
    machine it runs on."""

    out: str = ""
    err: str = ""
    code: int = 0
    sleep: float = 0.0
    left: bool = False
    act: str = ""
    wrote: Files = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)  # that it has set, for what follows

    @property
    def size(self) -> int:
        """The steps it takes to put something behind it."""
        return (len(self.out) + len(self.err)) // 256 + len(self.wrote) + len(self.variables)

    def then(self, done: Self) -> Self:
        """This, and afterwards that."""
        return replace(
            done,
            out=self.out + done.out,
            err=self.err + done.err,
            sleep=self.sleep + done.sleep,
            wrote={**self.wrote, **done.wrote},
            variables={**self.variables, **done.variables},
        )


class Container(Struct, frozen=True):
    """What commands can tell of where they run. `workdir`: the folder they begin in. `programs`: those only this place has, or has in
    its own way. `given`: the files that were there before anybody wrote, where what is written takes room; `mounts`: paths, the longest
    first, and whether they are only read.
    """

    hostname: str
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    processes: Mapping[int, str] = field(default_factory=lambda: {1: "sh"})
    user: str = "root"
    workdir: str = "/"
    now: datetime = EPOCH
    programs: Mapping[str, "Program"] = field(default_factory=dict)
    given: Mapping[str, str] | None = None
    mounts: Mapping[str, bool] = field(default_factory=dict)
    budget: Budget | None = None

    @property
    def folder(self) -> str:
        """The one they are in."""
        return self.environment.get(WHERE, self.workdir)

    def path(self, word: str) -> str:
        """The whole path of a word."""
        return resolved(f"/{posixpath.normpath(posixpath.join('/', self.folder, word)).lstrip('/')}")

    def spend(self, steps: int) -> None:
        """Raises Exhausted."""
        if self.budget is not None:
            self.budget.spend(steps)

    def read(self, path: str) -> str:
        """The text of a file."""
        text = self.files.get(path, "")
        self.spend(len(text))
        return text

    def below(self, path: str) -> list[tuple[str, str]]:
        """The files in a folder, or the one that is there, by their paths."""
        self.spend(16 * len(self.files))
        return sorted((one, text) for one, text in self.files.items() if is_below(one, path))

    def is_folder(self, path: str) -> bool:
        """Whether there is such a folder: one that systems have, or that something is in."""
        self.spend(2 * len(self.files))
        inside = f"{path.rstrip('/')}/"
        return path in (*FOLDERS, self.workdir) or any(one.startswith(inside) for one in self.files)

    def after(self, wrote: Files, variables: Mapping[str, str] | None = None) -> Self:
        """The same place once files have been written, and variables set."""
        if not wrote and not variables:
            return self
        self.spend(len(self.files) + len(self.environment))
        there = {path: text for path, text in {**self.files, **wrote}.items() if text is not None}
        return replace(self, files=there, environment={**self.environment, **(variables or {})})

    def refusal(self, wrote: Files) -> tuple[str, str] | None:
        """The file that cannot be written, and why."""
        if self.given is None or not wrote:
            return None
        self.spend(16 * (len(self.files) + len(wrote)))
        there = sorted(self.files)
        for path, text in wrote.items():
            if next((only_read for mount, only_read in self.mounts.items() if is_below(path, mount)), False):
                return path, "Read-only file system"
            if text is not None and (path in FOLDERS or _is_within(there, path)):
                return path, "Is a directory"
            if len(path) > _LONGEST_PATH or max(map(len, path.split("/"))) > _LONGEST_NAME:
                return path, "File name too long"
        if all(text is None for text in wrote.values()):
            return None
        after = self.after(wrote).files
        taken, before = _taken(after, self.given), _taken(self.files, self.given)
        full = (taken > ROOM and taken > before) or len(self.files) < len(after) > _MOST_FILES
        return (path, "No space left on device") if full else None


Program = Callable[[Container, list[str], str], Done]


def _is_within(paths: Sequence[str], folder: str) -> bool:
    """Whether something is in a folder, of paths in their order."""
    at = bisect_left(paths, f"{folder}/")
    return at < len(paths) and paths[at].startswith(f"{folder}/")


def _taken(files: Mapping[str, str], given: Mapping[str, str]) -> int:
    """The room files take that are not those that were given."""
    return sum(len(path) + len(text) for path, text in files.items() if given.get(path) is not text)


def text_of(data: bytes) -> str:
    """Files, pipes and terminals hold text: bytes that are no UTF-8 are kept as Python keeps them in names of files."""
    return data.decode(errors="surrogateescape")


def bytes_of(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def failed(text: str, code: int = 1) -> Done:
    return Done(err=f"{text}\n", code=code)


def number(text: str) -> int | None:
    """A whole number that a program is given; None: it is none."""
    try:
        return int(text)
    except ValueError:
        return None


def resolved(path: str) -> str:
    """The same without the one link that all images have: `/var/run` is `/run`."""
    return path.removeprefix("/var") if is_below(path, "/var/run") else path


def is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def flags(words: Sequence[str]) -> tuple[set[str], list[str]]:
    """The letters of options, none of which takes a value; and the words that are none."""
    letters = {letter for word in words if word.startswith("-") for letter in word[1:]}
    return letters, [word for word in words if not word.startswith("-") or word == "-"]


def options(
    words: Sequence[str], with_value: str, long: Collection[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """Options by their letters, or their names, with the values some of them take; and what is none."""
    given, named = dict[str, str](), list[str]()
    rest = iter(words)
    for word in rest:
        if word.startswith("--"):
            own, _, value = word[2:].partition("=")
            given[own] = value or (next(rest, "") if own in long else "")
        elif word.startswith("-") and len(word) > 1:
            for place, letter in enumerate(word[1:], 2):
                given[letter] = (word[place:] or next(rest, "")) if letter in with_value else ""
                if letter in with_value:
                    break
        else:
            named.append(word)
    return given, named


def seen_from(home: str, folder: str) -> str:
    """A folder as prompts tell it."""
    return f"~{folder.removeprefix(home)}" if home and is_below(folder, home) else folder
