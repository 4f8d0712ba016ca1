"""Where commands run that nobody executes, and what comes of them. Pure.

Places know of files what they are told (`Container.files`); what programs write they tell in turn (`Done.wrote`).
"""

import posixpath
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Self

from msgspec import Struct, field
from msgspec.structs import replace

EPOCH = datetime.fromtimestamp(0, UTC)
OPTIONS = "-"  # the variable that holds the letters of a shell's options
WHERE = "PWD"  # the variable that holds the folder a shell is in
FOLDER = "."  # the file in a folder that somebody has made, so that it is there
ROOM = 1 << 20  # characters that can be written in a container, paths among them

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

    @property
    def folder(self) -> str:
        """The one they are in."""
        return self.environment.get(WHERE, self.workdir)

    def path(self, word: str) -> str:
        """The whole path of a word."""
        return resolved(f"/{posixpath.normpath(posixpath.join('/', self.folder, word)).lstrip('/')}")

    def is_folder(self, path: str) -> bool:
        """Whether there is such a folder: one that systems have, or that something is in."""
        inside = f"{path.rstrip('/')}/"
        return path in (*FOLDERS, self.workdir) or any(one.startswith(inside) for one in self.files)

    def after(self, wrote: Files, variables: Mapping[str, str] | None = None) -> Self:
        """The same place once files have been written, and variables set."""
        if not wrote and not variables:
            return self
        there = {path: text for path, text in {**self.files, **wrote}.items() if text is not None}
        return replace(self, files=there, environment={**self.environment, **(variables or {})})

    def refusal(self, wrote: Files) -> tuple[str, str] | None:
        """The file that cannot be written, and why."""
        if self.given is None or not wrote:
            return None
        folders = _folders(self.files) | FOLDERS
        for path, text in wrote.items():
            if next((only_read for mount, only_read in self.mounts.items() if is_below(path, mount)), False):
                return path, "Read-only file system"
            if text is not None and path in folders:
                return path, "Is a directory"
        grows = any(text is not None for text in wrote.values())
        taken = _taken(self.after(wrote).files, self.given) if grows else 0
        full = taken > ROOM and taken > _taken(self.files, self.given)
        return (path, "No space left on device") if full else None


Program = Callable[[Container, list[str], str], Done]


def _folders(paths: Iterable[str]) -> set[str]:
    """Those that paths are in."""
    found = set[str]()
    for path in paths:
        while (path := path.rpartition("/")[0]) and path not in found:
            found.add(path)
    return found


def _taken(files: Mapping[str, str], given: Mapping[str, str]) -> int:
    """The room files take that are not those that were given."""
    return sum(len(path) + len(text) for path, text in files.items() if given.get(path) is not text)


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
