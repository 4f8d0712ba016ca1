"""How long the conformance suite takes, all of it, on our controller."""

import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.processes import ROOT
from benchmarks.records import Record


def measure() -> Iterator[Record]:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "fakekube", "conformance"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr.strip()
    yield Record("conformance suite", time.perf_counter() - began, "s", remark=told.strip("= "))
