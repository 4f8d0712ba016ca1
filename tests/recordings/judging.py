"""One recording played and compared."""

import asyncio
from dataclasses import dataclass

from tests.recordings import comparing, expected, facts
from tests.recordings.comparing import Difference
from tests.recordings.playing import Run
from tests.recordings.reading import Recording


@dataclass(frozen=True, slots=True)
class Verdict:
    differences: list[Difference]
    unexplained: list[Difference]


def judge(recording: Recording, entries: list[expected.Entry]) -> Verdict:
    """Play a recording and compare what comes of it. Raises what a broken cluster raises."""
    return asyncio.run(judged(recording, entries))


async def judged(recording: Recording, entries: list[expected.Entry]) -> Verdict:
    run = Run(recording)
    played = facts.of(await run.play())
    differences = [*_answers(run), *comparing.differences(recording.facts, played)]
    return Verdict(differences, expected.unexplained(entries, recording.name, differences))


def _answers(run: Run) -> list[Difference]:
    """What the client of the scenario was told otherwise."""
    found = []
    for step, code, text in run.answers:
        line = step.line
        told = line.get("error", text if line["code"] == code else "")
        if (code, text) != (line["code"], told):
            where = f"{line['do']} {line['res']}/{line['name']}"
            found.append(Difference(where, f"{line['code']} {told}", f"{code} {text}"))
    return found
