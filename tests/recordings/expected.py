"""Differences that are known and stay: `differences.toml`, each with its reason."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from tests.recordings.comparing import Difference

_FILE = Path(__file__).with_name("differences.toml")


@dataclass(slots=True)
class Entry:
    scenarios: tuple[str, ...]
    where: re.Pattern[str]
    reason: str
    used: set[str] = field(default_factory=set)  # scenarios it has explained something of

    def explains(self, scenario: str, difference: Difference) -> bool:
        found = any(fnmatchcase(scenario, one) for one in self.scenarios)
        return found and self.where.match(f"{difference.where} ") is not None


def load(path: Path = _FILE) -> list[Entry]:
    listed = tomllib.loads(path.read_text())["difference"]
    return [Entry(tuple(one["scenarios"]), re.compile(one["where"]), one["reason"]) for one in listed]


def unexplained(entries: list[Entry], scenario: str, differences: Iterable[Difference]) -> list[Difference]:
    """Those nobody has given a reason for; the entries remember what they explained."""
    left = []
    for one in differences:
        reasons = [entry for entry in entries if entry.explains(scenario, one)]
        for entry in reasons[:1]:
            entry.used.add(scenario)
        if not reasons:
            left.append(one)
    return left
