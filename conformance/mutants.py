"""Does the suite notice? `python -m conformance.mutants` breaks each rule of the pool controller once and counts.

A mutant (`mutations`) is a change of one line in a copy of the controller; the suite is run on the copy until a test
fails: first the tests that should notice, then all. Where only the adversity suite can notice, all of that is run. A mutant
said to be equivalent is tried with the tests of the rule it belongs to: should one fail, it is not, and the run ends with 1.
All of them take more than an hour, so this is no part of any other run; `--select`, `--only` and `--sample` take some.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from conformance.mutations import ADVERSITY, MUTANTS, SAFETY, Mutant

ROOT = Path(__file__).parents[1]
_PATIENCE = "8"
NOTICED, SURVIVED, EQUIVALENT, MISJUDGED = "noticed", "SURVIVED", "equivalent", "NOT EQUIVALENT"


def main() -> None:
    chosen = _arguments(sys.argv[1:])
    wanted = choose((*MUTANTS, *SAFETY), chosen.only, chosen.select, chosen.sample, chosen.seed)
    if not wanted:
        sys.exit("there is no such mutant: --only looks for text in it, --select for the ids of its tests")
    with _copies(chosen.jobs) as copies, ThreadPoolExecutor(chosen.jobs) as pool:
        if not chosen.hints and _fails(copies[0], ""):
            sys.exit("the suite fails without any mutant; make it pass first")
        free: SimpleQueue[Path] = SimpleQueue()
        for copy in copies:
            free.put(copy)

        def attempt(mutant: Mutant) -> str:
            copy = free.get()
            try:
                seen = is_noticed(mutant, copy, hints_only=chosen.hints)
            finally:
                free.put(copy)
            verdict = verdict_of(mutant, seen=seen)
            change = f"{' '.join(mutant.old.split())} → {' '.join(mutant.new.split()) or 'nothing'}"
            why = f" ({mutant.equivalent})" if mutant.equivalent else ""
            sys.stdout.write(f"{verdict:<14} {mutant.file}: {change}{why}\n")
            sys.stdout.flush()
            return verdict

        verdicts = list(pool.map(attempt, wanted))
    sys.stdout.write(f"{summary(verdicts)}\n")
    if MISJUDGED in verdicts:
        sys.exit(1)


def verdict_of(mutant: Mutant, *, seen: bool) -> str:
    if mutant.equivalent:
        return MISJUDGED if seen else EQUIVALENT
    return NOTICED if seen else SURVIVED


def summary(verdicts: Sequence[str]) -> str:
    """How many were noticed, of those that could be; the equivalent ones apart."""
    counted = [one for one in verdicts if one in (NOTICED, SURVIVED)]
    noticed = counted.count(NOTICED)
    share = f": {noticed / len(counted):.1%}" if counted else ""
    text = f"{noticed} of {len(counted)} mutants noticed{share}"
    if EQUIVALENT in verdicts:
        text += f"; apart from them, {verdicts.count(EQUIVALENT)} that change nothing anybody could see"
    if MISJUDGED in verdicts:
        text += f"; {verdicts.count(MISJUDGED)} said to be equivalent are not"
    return text


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conformance.mutants")
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants whose file or line contains this")
    parser.add_argument(
        "--select", default="", metavar="IDS", help="mutants that tests of these ids should notice: P-09.,D"
    )
    parser.add_argument(
        "--sample", type=float, default=100.0, metavar="PERCENT", help="of these, so many drawn by lot"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the lots")
    parser.add_argument("--hints", action="store_true", help="run no more than the tests that should notice")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="mutants at a time")
    chosen = parser.parse_args(given)
    try:
        re.compile(chosen.select)
    except re.error as error:
        parser.error(f"--select {chosen.select} is no pattern: {error}")
    return chosen


def choose(
    mutants: Sequence[Mutant], only: str = "", select: str = "", sample: float = 100.0, seed: int = 0
) -> list[Mutant]:
    """The mutants to try: by text, by the ids of the tests that should notice, and then by lot."""
    patterns = [re.compile(one.strip()) for one in select.split(",") if one.strip()]
    found = [
        one
        for one in mutants
        if only in f"{one.file} {one.old}"
        and (not patterns or any(pattern.match(id_) for pattern in patterns for id_ in one.hint.split(",")))
    ]
    count = min(len(found), -int(-len(found) * sample // 100))
    return found if count == len(found) else random.Random(seed).sample(found, count)


@contextmanager
def _copies(count: int) -> Iterator[list[Path]]:
    """So many copies of what is broken."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = [Path(folder, str(number)) for number in range(count)]
        for copy in copies:
            for package in ("fakekube", "controller"):
                shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
        yield copies


def is_noticed(mutant: Mutant, folder: Path, *, hints_only: bool = False) -> bool:
    """Whether a test fails on the copy with this mutant. Raises ValueError when its line is not there any more."""
    path = folder / "controller" / f"{mutant.file}.py"
    original = path.read_text()
    if mutant.old not in original:
        raise ValueError(f"{path.name} has no {mutant.old!r}")
    path.write_text(original.replace(mutant.old, mutant.new, 1))
    suite, _, runs = mutant.hint.partition(":")
    try:
        if suite == ADVERSITY:
            all_too = not runs or not hints_only
            return (bool(runs) and _fails(folder, runs, "tests/adversity")) or (
                all_too and _fails(folder, "", "tests/adversity")
            )
        if mutant.equivalent:
            return _fails(folder, mutant.hint)
        return _fails(folder, mutant.hint) or (not hints_only and _fails(folder, ""))
    finally:
        path.write_text(original)


def _fails(folder: Path, select: str, suite: str = "conformance") -> bool:
    environment = os.environ | {
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "PYTHONSAFEPATH": "1",
        "FAKEKUBE_ADVERSITY": "all",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", suite]
    command += ["-n", "0" if select else "6"]
    if suite == "conformance":
        command += ["--patience", _PATIENCE, *(["--select", select] if select else [])]
    elif select:
        command += ["-k", select]
    outcome = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if outcome.returncode not in (0, 1, 2):
        raise RuntimeError(outcome.stdout + outcome.stderr)
    return outcome.returncode != 0


if __name__ == "__main__":
    main()
