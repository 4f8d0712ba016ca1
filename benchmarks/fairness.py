"""Small requests beside clients that list everything all the time: what a GET waits for.

Wall-clock time says what a user feels, and also what else the machine does: a GET alone stands beside the others.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks import requests
from benchmarks.asking import fill
from benchmarks.load import Target
from benchmarks.processes import ROOT, Running, fakekube
from benchmarks.records import Record

_LISTERS = 4
_GOAL = 10.0  # milliseconds
_PAUSE = 0.002
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@dataclass(frozen=True, slots=True)
class _Long:
    """A long request, asked again and again."""

    query: str = ""
    accept: str = "application/json"
    zipped: bool = False


_LONG = {
    "alone": None,
    "4 whole lists": _Long(),
    "4 whole lists, compressed": _Long(zipped=True),
    "4 lists in pages of 500": _Long("?limit=500"),
    "4 lists by label": _Long("?labelSelector=n%3D7"),
    "4 lists by what a label is not": _Long("?labelSelector=n!%3D7"),
    "4 Tables": _Long("", _TABLE),
    "4 Tables in pages of 500": _Long("?limit=500", _TABLE),
    "4 watches from the beginning": _Long("?watch=true&resourceVersion=0&timeoutSeconds=1"),
}


def measure(seconds: float, size: int) -> Iterator[Record]:
    """GETs beside each kind of long request, on a server with `size` objects."""
    with fakekube("--only", "api") as server:
        target = Target(server.url)
        labelled = (requests.config(f"c-{number}", {"n": str(number % 100)}) for number in range(size))
        fill(target, requests.MAPS, labelled)
        for name, long in _LONG.items():
            yield asyncio.run(_beside(server, name, long, seconds, size))


async def _beside(server: Running, name: str, long: _Long | None, seconds: float, size: int) -> Record:
    where = urlsplit(server.url)
    async with _listing(where.port or 80, long):
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        request = f"GET /api/v1/namespaces/default HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode()
        took: list[float] = []
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
            took.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(_PAUSE)
        writer.close()
    took.sort()
    what = f"GET beside {name}, p99" if long else "GET alone, p99"
    remark = f"p50 {took[len(took) // 2]:.2f} ms; {size:,} objects, server {server.rss_mb():.0f} MB"
    return Record(what, took[int(len(took) * 0.99)], "ms", _GOAL, remark=remark)


@contextlib.asynccontextmanager
async def _listing(port: int, long: _Long | None) -> AsyncIterator[None]:
    """Clients in processes of their own."""
    running = []
    if long is not None:
        command = [sys.executable, "-m", "benchmarks.lister", str(port), requests.MAPS + long.query]
        command += [long.accept, "gzip" if long.zipped else "identity"]
        running = [await asyncio.create_subprocess_exec(*command, cwd=ROOT) for _ in range(_LISTERS)]
        await asyncio.sleep(1)
    yield
    for one in running:
        one.kill()
        await one.wait()
