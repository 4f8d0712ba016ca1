"""Recordings reduced to what is compared, all in one small file: `facts.jsonl.xz`.

It is made by `python -m tests.recordings PATH --distil tests/recordings/facts.jsonl.xz`, from recordings that are a
hundred times as large. One line for each: its head, the steps to play, and its `Facts`.
"""

import json
import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.recordings.facts import Facts, Life, Told
from tests.recordings.reading import Recording, Step

FILE = Path(__file__).with_name("facts.jsonl.xz")


def write(path: Path, recordings: Iterable[Recording]) -> None:
    lines = [json.dumps(_told(one), separators=(",", ":")) for one in recordings if not one.brief]
    path.write_bytes(lzma.compress("\n".join(lines).encode()))


def read(path: Path = FILE) -> Iterator[Recording]:
    for line in lzma.decompress(path.read_bytes()).decode().splitlines():
        yield _read(json.loads(line))


def _told(one: Recording) -> dict[str, Any]:
    lives = {
        own: [
            life.resource,
            life.name,
            life.born,
            life.gone,
            {path: [values, life.moments[path]] for path, values in life.fields.items()},
        ]
        for own, life in one.facts.lives.items()
    }
    events = [
        [told.about, told.type, told.reason, told.message, told.source, count]
        for told, count in one.facts.events.items()
    ]
    steps = [[step.at, step.line] for step in one.steps]
    head = {"name": one.name, "about": one.about, "duration": one.duration, "until": one.until}
    return {**head, "steps": steps, "lives": lives, "events": events}


def _read(line: dict[str, Any]) -> Recording:
    facts = Facts()
    for own, (resource, name, born, gone, fields) in line["lives"].items():
        life = facts.lives[own] = Life(resource, name, born, gone=gone)
        for path, (values, moments) in fields.items():
            life.fields[path], life.moments[path] = values, moments
    for *told, count in line["events"]:
        facts.events[Told(*told)] = count
    steps = [Step(at, step) for at, step in line["steps"]]
    return Recording(
        line["name"], line["about"], line["duration"], steps=steps, facts=facts, until=line["until"]
    )
