"""`fakekube conformance`: judge a VirtualMachinePool controller, ours or another, on a fakekube or on a real cluster.

The suite itself is the package `conformance`, which knows nothing of fakekube; here it is only found and run by pytest.
"""

import importlib.util
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from fakekube.cli.mistakes import Mistake

_NEEDED = ("pytest", "pytest_asyncio", "xdist", "lightkube")
_NOTHING_CHOSEN = "no test is chosen by --select or --smoke; ids look like P-044, D-08, S-06"
_WRONG_USAGE, _NO_TESTS = 4, 5  # pytest's codes


@click.command()
@click.option(
    "--kubeconfig", metavar="PATH", default="", help="The cluster to judge; without, a fakekube is started."
)
@click.option(
    "--bare-kubeconfig",
    metavar="PATH",
    default="",
    help="A second cluster, with the judged controller and without KubeVirt, for tests that play it.",
)
@click.option(
    "--controller",
    type=click.Choice(["ours", "none"]),
    default=None,
    help="Whether to run this project's pool controller; by default only on a fakekube.",
)
@click.option(
    "--implementation",
    type=click.Choice(["ours", "kubevirt-1.9", "other"]),
    default="ours",
    show_default=True,
    help="Whose known deviations are expected.",
)
@click.option("--select", metavar="IDS", default="", help="Patterns of ids, separated by commas: P-04.,P-1,D")
@click.option("--smoke", is_flag=True, help="Only one or two tests of each section.")
@click.option(
    "--report", metavar="DIR", default="", help="Write junit.xml, report.json and report.html there."
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds to wait for what is to come.",
)
@click.option("--jobs", type=click.IntRange(0, 64), default=6, show_default=True, help="Tests at a time.")
def conformance(*, jobs: int, smoke: bool, **flags: Any) -> None:
    """Judge a pool controller by its behaviour, a test for each statement."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    suite = importlib.util.find_spec("conformance")
    if missing or suite is None or suite.origin is None:
        raise Mistake("the suite needs more than the server: pip install 'fakekube[conformance]'")
    for name in ("kubeconfig", "bare_kubeconfig"):
        if flags[name] and not Path(flags[name]).is_file():
            there = "is no file" if Path(flags[name]).exists() else "does not exist"
            raise Mistake(f"{flags[name]} {there}")
    for pattern in flags["select"].split(","):
        try:
            re.compile(pattern.strip())
        except re.error as error:
            raise Mistake(f"--select {pattern} is no pattern: {error}") from error
    folder = Path(suite.origin).parent
    if flags["select"] and not _chosen(folder, flags["select"]):
        raise Mistake(_NOTHING_CHOSEN)
    if flags["report"]:
        try:
            Path(flags["report"]).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Mistake(f"cannot write a report to {flags['report']}: {error.strerror}") from error
    for name in ("kubeconfig", "bare_kubeconfig", "report"):
        flags[name] = flags[name] and str(Path(flags[name]).absolute())
    options = {f"--{name.replace('_', '-')}": str(value) for name, value in flags.items() if value} | (
        {"-m": "smoke"} if smoke else {}
    )
    command = [*_pytest(folder, jobs), *itertools.chain.from_iterable(options.items())]
    code = subprocess.run(command, cwd=folder.parent, check=False).returncode  # noqa: S603 - pytest, as ourselves
    if code == _NO_TESTS:
        raise Mistake(_NOTHING_CHOSEN)
    sys.exit(Mistake.exit_code if code == _WRONG_USAGE else code)


def _chosen(folder: Path, patterns: str) -> bool:
    """Whether any test has such an id: told before clusters are started for none."""
    found = (re.findall(r"def test_([PDS])_(\d+)", file.read_text()) for file in folder.rglob("test_*.py"))
    ids = [f"{kind}-{number}" for some in found for kind, number in some]
    wanted = [one.strip() for one in patterns.split(",") if one.strip()]
    return not wanted or any(re.match(one, id_) for one in wanted for id_ in ids)


def _pytest(folder: Path, jobs: int) -> list[str]:
    settings = [
        "-c",
        os.devnull,
        "--rootdir",
        str(folder.parent),
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
    ]
    settings += ["-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function"]
    settings += ["-o", "xfail_strict=true", "-q", "-ra", "--tb=short"]
    parallel = ["-n", str(jobs), "--dist", "worksteal"] if jobs > 1 else []
    return [sys.executable, "-m", "pytest", *settings, *parallel, str(folder)]
