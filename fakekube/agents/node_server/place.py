"""Where commands run that nobody executes, and what comes of them. Pure.

Places know of files what they are told (`Container.files`); what programs write they tell in turn (`Done.wrote`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Self

from msgspec import Struct, field
from msgspec.structs import replace

EPOCH = datetime.fromtimestamp(0, UTC)
OPTIONS = "-"  # the variable that holds the letters of a shell's options
FOLDER = "."  # the file in a folder that somebody has made, so that it is there

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
    """What commands can tell of where they run. `programs`: those only this place has, or has in its own way."""

    hostname: str
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    processes: tuple[str, ...] = ("sh",)
    user: str = "root"
    now: datetime = EPOCH
    programs: Mapping[str, "Program"] = field(default_factory=dict)

    def after(self, wrote: Files, variables: Mapping[str, str] | None = None) -> Self:
        """The same place once files have been written, and variables set."""
        if not wrote and not variables:
            return self
        there = {path: text for path, text in {**self.files, **wrote}.items() if text is not None}
        return replace(self, files=there, environment={**self.environment, **(variables or {})})


Program = Callable[[Container, list[str], str], Done]


def failed(text: str, code: int = 1) -> Done:
    return Done(err=f"{text}\n", code=code)


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
