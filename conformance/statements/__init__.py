"""The statements that tests prove: P of the pool, S of KubeVirt's page about pools, V of VMs, one line each in a table."""

import csv
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Statement:
    """One behaviour. `kind` says how binding it is: core, eventual, server, internal, quirk, defect."""

    id: str
    kind: str
    section: str
    text: str


def load(table: str) -> list[Statement]:
    """`pool`, `page` or `virt`."""
    with (_FOLDER / f"{table}.tsv").open(newline="") as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return [Statement(*row) for row in rows]
