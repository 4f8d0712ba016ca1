"""Recordings of the real virt-controller, read back into what a comparison needs: steps to play, and whole objects.

A recording is JSON Lines: a head, then one line for each step of the scenario (`do`, `node`) and for each watch event
(`ev`), whose objects are kept as merge patches against earlier lines. See docs/recordings.md for the format.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.recordings import facts
from tests.recordings.facts import Change, Facts, Object


@dataclass(frozen=True, slots=True)
class Step:
    """Something the scenario did at a moment: a request of its client (`do`), or of its node side (`node`)."""

    at: float
    line: Object

    @property
    def request(self) -> bool:
        return "do" in self.line


@dataclass(slots=True)
class Recording:
    name: str
    about: str
    duration: float
    brief: bool = False  # large ones tell of most objects only which states they had
    steps: list[Step] = field(default_factory=list)
    facts: Facts = field(default_factory=Facts)
    until: float | None = None  # the recording was cut off here


class BadRecording(ValueError):
    """A file that is no recording; the text says where and why."""


def read(path: Path) -> Recording:
    """The recording in a file. Raises BadRecording."""
    try:
        lines = list(_lines(path))
        head = lines[0]
        recording = Recording(
            head["scenario"],
            head["desc"],
            head["duration"],
            brief="brief" in head,
            until=head.get("trimmed_at"),
        )
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise BadRecording(f"{path} is no recording: {error!r}") from error
    changes: list[Change] = []
    first: dict[int, Object] = {}
    last: dict[tuple[str, str], Object] = {}
    for line in lines[1:]:
        if "do" in line or "node" in line:
            recording.steps.append(
                Step(line["t"], {key: value for key, value in line.items() if key not in ("n", "t")})
            )
        elif "ev" in line and not recording.brief:
            changes.append(_change(line, first, last))
    recording.facts = facts.of(changes)
    return recording


def _lines(path: Path) -> Iterator[Object]:
    with path.open() as file:
        for text in file:
            yield json.loads(text)


def _change(line: Object, first: dict[int, Object], last: dict[tuple[str, str], Object]) -> Change:
    key = line["res"], line["name"]
    if "obj" in line:
        obj = first[line["n"]] = line["obj"]
    elif "like" in line:
        obj = merge(first[line["like"]], line["diff"])
    else:
        obj = merge(last.get(key, {}), line.get("diff", {}))
    last[key] = obj
    if line["ev"] == "DELETED":
        del last[key]
    return Change(line["t"], line["ev"], *key, obj)


def merge(old: Any, patch: Any) -> Any:
    """A merge patch (RFC 7386): lists are replaced, null removes."""
    if not isinstance(patch, dict) or not isinstance(old, dict):
        return patch
    new = dict(old)
    for member, value in patch.items():
        if value is None:
            new.pop(member, None)
        else:
            new[member] = merge(new.get(member), value)
    return new
