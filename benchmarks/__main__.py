"""`make bench`, or `python -m benchmarks`: one table, and the same as JSON and as a page with curves in build/bench.

    python -m benchmarks --only requests,watches       parts of it; --list names them
    python -m benchmarks --against https://host:6443 --token T   ratios to another Kubernetes API, for what goes over HTTP
    python -m benchmarks --full                        the largest sizes too, and endurance: about an hour
    python -m benchmarks --full --only soak --seconds 20    one part of that, for as long as one has time

Nothing here passes or fails: a figure out of line is for people to look into. Only figures of one sitting compare.
"""

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import (
    around,
    endurance,
    events,
    fairness,
    fixtures,
    leaks,
    machines,
    page,
    requests,
    starting,
    suite,
    watching,
)
from benchmarks.load import Target
from benchmarks.processes import fakekube
from benchmarks.records import Record

_FOLDER = Path("build/bench")


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is measured."""

    asked: float | None
    full: bool

    @property
    def seconds(self) -> float:
        """For each figure of a load."""
        return self.asked or 3.0

    def long(self, full: float, short: float) -> float:
        """For what is about endurance."""
        return self.asked or (full if self.full else short)


Part = Callable[[Settings], Iterator[Record]]
OverHttp = Callable[[Target, Settings], Iterator[Record]]


def _machines(how: Settings) -> Iterator[Record]:
    sizes = (10, 100, 300, 1_000, 5_000) if how.full else (100, 300, 1_000)
    return machines.measure(sizes, by_hand=(300, 1_000, 8_000) if how.full else (300, 1_000))


def _sizes(how: Settings) -> tuple[int, ...]:
    return requests.SIZES if how.full else requests.SIZES[:2]


HTTP: dict[str, OverHttp] = {
    "requests": lambda target, how: requests.verbs(target, how.seconds),
    "lists": lambda target, how: requests.growing(target, how.seconds, _sizes(how)),
    "watches": lambda target, _: watching.measure(target),
}
PARTS: dict[str, Part] = {
    "start": lambda _: starting.starting(),
    "import": lambda _: starting.importing(),
    "memory": lambda _: starting.filling(),
    "limits": lambda how: _bare_server(lambda target: requests.limits(target, how.seconds)),
    **{
        name: lambda how, part=part: _bare_server(lambda target: part(target, how))  # type: ignore[misc]
        for name, part in HTTP.items()
    },
    "fairness": lambda how: fairness.measure(how.seconds, 100_000 if how.full else 20_000),
    "machines": _machines,
    "around": lambda how: around.measure(1_000 if how.full else 300, 1_000),
    "fixtures": lambda how: fixtures.measure(1_000 if how.full else 200),
    "suite": lambda _: suite.measure(),
    "hostility": lambda _: endurance.hostility(),
    "events": lambda how: events.measure(how.long(600, 10)),
    "soak": lambda how: endurance.soak(how.long(900, 30)),
    "leaks": lambda how: leaks.measure(how.long(300, 20)),
}


def _bare_server(measured: Callable[[Target], Iterator[Record]]) -> Iterator[Record]:
    """On a fakekube with the API and KubeVirt's types, where nobody acts."""
    with fakekube("--only", "virt-operator", "--only", "namespaces") as server:
        yield from measured(Target(server.url))


def main() -> None:
    given = _arguments()
    if given.list:
        print("\n".join(PARTS))
        return
    how = Settings(given.seconds, given.full)
    chosen = given.only.split(",") if given.only else list(HTTP if given.against else PARTS)
    for name in chosen:
        if name not in PARTS:
            sys.exit(f"there is no part {name!r}; there are {', '.join(PARTS)}")
    head = _head()
    print(f"{head}\n")
    other = _other(given, chosen, how) if given.against else None
    measured: dict[str, list[Record]] = {}
    for name in chosen:
        print(name)
        for one in PARTS[name](how):
            measured.setdefault(name, []).append(one)
            print(_line(one, other), flush=True)
    _write(given.report, head, measured, other)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", default="", metavar="PARTS", help="parts, separated by commas; see --list")
    parser.add_argument("--list", action="store_true", help="the names of the parts")
    parser.add_argument("--full", action="store_true", help="the largest sizes too; about an hour")
    parser.add_argument(
        "--seconds", type=float, help="for each figure of a load (3), for each part of endurance (minutes)"
    )
    parser.add_argument("--against", default="", metavar="URL", help="another Kubernetes API, for ratios")
    parser.add_argument("--token", default="", help="to be let in there")
    parser.add_argument(
        "--report", type=Path, default=_FOLDER, metavar="DIR", help="for bench.json and bench.html"
    )
    return parser.parse_args()


def _head() -> str:
    tool = "wrk" if shutil.which("wrk") else "the load generator of this folder (wrk is not on PATH)"
    cores, load = os.cpu_count(), os.getloadavg()[0]
    return f"Python {platform.python_version()}, {platform.machine()}, {cores} cores, load {load:.1f} before; load by {tool}"


def _other(given: argparse.Namespace, chosen: list[str], how: Settings) -> dict[str, float]:
    """The figures of the other server, by name."""
    target = Target(given.against.rstrip("/"), given.token)
    print(f"first {target.url}")
    found = [one for name in chosen if name in HTTP for one in HTTP[name](target, how)]
    for one in found:
        print(_line(one, None), flush=True)
    return {one.name: one.value for one in found}


def _line(one: Record, other: dict[str, float] | None) -> str:
    goal = "" if one.goal is None else f"{'ok' if one.met else 'MISSED'}, goal {one.goal:,g}"
    ratio = f"{one.value / other[one.name]:6.2f}×" if other and other.get(one.name) else ""
    return f"  {one.name:<62}{page.figure(one):>14} {ratio} {goal:<22} {one.remark}".rstrip()


def _write(
    folder: Path, head: str, measured: dict[str, list[Record]], other: dict[str, float] | None
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    plain = {name: [asdict(one) | {"met": one.met} for one in some] for name, some in measured.items()}
    (folder / "bench.json").write_text(json.dumps({"head": head, "parts": plain, "against": other}, indent=1))
    (folder / "bench.html").write_text(page.html(head, measured, other))
    print(f"\n{folder / 'bench.json'} and {folder / 'bench.html'}")


if __name__ == "__main__":
    main()
