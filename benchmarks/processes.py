"""Server processes to measure: ours, and a bare aiohttp server that returns given bytes."""

import contextlib
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass
class Running:
    """A server process, and how long it took from its start to its first answer."""

    process: subprocess.Popen[str]
    url: str
    first_answer: float

    def rss_mb(self) -> float:
        """Resident memory, from Linux' /proc or else from ps."""
        status = Path(f"/proc/{self.process.pid}/status")
        if status.exists():
            found = re.search(r"VmRSS:\s+(\d+)", status.read_text())
            return int(found.group(1)) / 1024 if found else float("nan")
        told = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.process.pid)], capture_output=True, text=True, check=True
        )
        return int(told.stdout) / 1024

    def cpu_seconds(self) -> float:
        """CPU time used so far, where Linux' /proc tells it."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        if not stat.exists():
            return float("nan")
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def fakekube(*flags: str) -> Iterator[Running]:
    """`fakekube up`, answering."""
    with _running([sys.executable, "-m", "fakekube", "up", *flags], "/api/v1/namespaces/default") as running:
        yield running


@contextlib.contextmanager
def bare(body: bytes, *flags: str) -> Iterator[Running]:
    """The bare server: aiohttp, or with `--raw` no library at all; uvloop if there, one handler, these bytes."""
    with _running([sys.executable, "-m", "benchmarks.bare", *flags], "/", body.decode()) as running:
        yield running


@contextlib.contextmanager
def _running(command: list[str], path: str, stdin: str = "") -> Iterator[Running]:
    # As for any user: compiled modules are kept from one start to the next.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(stdin)
        process.stdin.close()
        found = re.search(r"http://[^\s;]+", process.stdout.readline())
        if found is None:
            raise SystemExit(f"{' '.join(command)} did not start")
        with urllib.request.urlopen(found.group() + path, timeout=30) as answer:
            answer.read()
        yield Running(process, found.group(), time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(60)
        for pipe in (process.stdout, process.stdin):
            if pipe is not None:
                pipe.close()
