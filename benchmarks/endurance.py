"""For a long time and against ill will: a steady load with faults, and clients that mean no good.

What is looked at is what must not grow: memory, answers that take long, files left open.
"""

import asyncio
import contextlib
import os
import statistics
import time
from collections.abc import AsyncIterator, Iterator

import aiohttp

from benchmarks import machines
from benchmarks.asking import call, fill
from benchmarks.load import Target
from benchmarks.processes import Running, fakekube
from benchmarks.records import Record
from fakekube.cli.open_files import allow_many

_FAULTS = (
    {"verb": "write", "status": 409, "rate": 0.02, "times": None, "optional": True},
    {"verb": "write", "status": 500, "rate": 0.01, "times": None, "optional": True},
    {
        "client": "virt*",
        "watch": "close",
        "event": "MODIFIED",
        "rate": 0.001,
        "times": None,
        "optional": True,
    },
)
_POOL, _SIZES = "soak", (10, 40)
_IDLE, _SLOW, _UNREAD = 10_000, 200, 50
_KB = 20  # of memory, at most, for a connection or a watch where nothing happens
_SAMPLES = 20
_RETENTION = 1_000  # soon full: what grows then is no history


def soak(seconds: float) -> Iterator[Record]:
    """A pool that breathes and whose guests come to grief, small writes and watches, while requests are refused and
    watches cut at random."""
    with fakekube("--pace", "chaos", "--retention", str(_RETENTION)) as server:
        target = Target(server.url)
        for fault in _FAULTS:
            call(target, "POST", "/fakekube/faults", fault)
        memory, late = asyncio.run(_soaked(server, seconds))
        call(target, "DELETE", "/fakekube/faults")
        files = len(os.listdir(f"/proc/{server.process.pid}/fd"))  # noqa: PTH208
    half = len(memory) // 2
    grown = statistics.median(memory[-3:]) - statistics.median(memory[half : half + 3])
    late.sort()
    p99 = late[int(len(late) * 0.99)] * 1000
    remark = (
        f"{memory[0]:.0f} MB at first, {memory[-1]:.0f} MB at last; history is kept for {_RETENTION:,} writes"
    )
    yield Record(f"soak of {seconds:.0f} s: memory in the second half", grown, "MB more", 10, remark=remark)
    yield Record(
        "soak: GET of one object, p99", p99, "ms", remark=f"{len(late):,} GETs, {files} files open in the end"
    )


async def _soaked(server: Running, seconds: float) -> tuple[list[float], list[float]]:
    memory, late = [server.rss_mb()], []
    async with aiohttp.ClientSession(server.url) as session:
        await _asked(session, "POST", machines.POOLS, machines.pool(_POOL, _SIZES[0]))
        began = time.perf_counter()
        tasks = [asyncio.create_task(_breathing(session)), asyncio.create_task(_writing(session))]
        while (spent := time.perf_counter() - began) < seconds:
            start = time.perf_counter()
            async with session.get("/api/v1/namespaces/default") as answer:
                await answer.read()
            late.append(time.perf_counter() - start)
            if spent > seconds * len(memory) / _SAMPLES:
                memory.append(server.rss_mb())
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
    return memory, late


async def _breathing(session: aiohttp.ClientSession) -> None:
    while True:
        for size in _SIZES:
            await _asked(session, "PATCH", f"{machines.POOLS}/{_POOL}", {"spec": {"replicas": size}})
            await asyncio.sleep(5)
            # Events are kept for an hour, and would look like a leak until then.
            await _asked(session, "DELETE", f"/api/v1/namespaces/{machines.SPACE}/events", None)


async def _writing(session: aiohttp.ClientSession) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    for number in range(10**9):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c-{number % 500}"}}
        await _asked(session, "POST", path, body)
        await _asked(session, "DELETE", f"{path}/c-{(number + 250) % 500}", None)
        await asyncio.sleep(0.005)


async def _asked(session: aiohttp.ClientSession, method: str, path: str, body: object) -> None:
    """A refusal is what faults are for."""
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    with contextlib.suppress(aiohttp.ClientError):
        async with session.request(method, path, json=body, headers={"Content-Type": kind}) as answer:
            await answer.read()


def hostility() -> Iterator[Record]:
    """Connections that say nothing, heads that never end, bodies without end, watches that are never read."""
    many = min(_IDLE, (allow_many() or _IDLE) - 200)
    watch = b"GET /api/v1/configmaps?watch=true HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for name, said in ((f"{many:,} idle connections", b""), (f"{many:,} half-open watches", watch)):
        with fakekube("--only", "api") as server:
            yield from asyncio.run(_crowd(server, name, many, said))
    with fakekube("--only", "api") as server:
        yield from asyncio.run(_hostile(server, watch))


async def _hostile(server: Running, watch: bytes) -> list[Record]:
    target = Target(server.url)
    before = server.rss_mb()
    found = []
    async with _held(target, _SLOW, b"GET /api/v1/namespaces HTTP/1.1\r\nHost: localhost\r\nX: "):
        found.append(_answers(target, f"GET beside {_SLOW} heads that never end"))
    body = b"POST /api/v1/namespaces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n{"
    async with _held(target, _SLOW, body):
        found.append(_answers(target, f"GET beside {_SLOW} bodies that never end"))
    async with _held(target, _UNREAD, watch):
        await asyncio.to_thread(_fill, target)
        found.append(_answers(target, f"GET beside {_UNREAD} watches that nobody reads"))
    grown = server.rss_mb() - before
    return [
        *found,
        Record("memory after all that", grown, "MB more", 150, remark="10,000 writes of 2 kB among it"),
    ]


async def _crowd(server: Running, name: str, count: int, said: bytes) -> list[Record]:
    """A GET beside so many connections, and what each of them costs."""
    target = Target(server.url)
    before = server.rss_mb()
    async with _held(target, count, said):
        await asyncio.sleep(1)
        beside = await asyncio.to_thread(_answers, target, f"GET beside {name}")
        each = (server.rss_mb() - before) / count * 1024
    return [beside, Record(f"memory of {name}, each", each, "KB", _KB)]


def _fill(target: Target) -> None:

    pad = "x" * 2_000
    objects = (
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "c-"}, "data": {"pad": pad}}
        for _ in range(10_000)
    )
    fill(target, "/api/v1/namespaces/default/configmaps", objects)


def _answers(target: Target, name: str) -> Record:
    times = []
    for _ in range(200):
        began = time.perf_counter()
        call(target, "GET", "/api/v1/namespaces/default")
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return Record(f"{name}, p99", times[197], "ms", 50, remark=f"p50 {times[100]:.2f} ms, a connection each")


@contextlib.asynccontextmanager
async def _held(target: Target, count: int, said: bytes) -> AsyncIterator[None]:
    host, _, port = target.url.removeprefix("http://").partition(":")
    connections = [await asyncio.open_connection(host, int(port)) for _ in range(count)]
    for _, writer in connections:
        writer.write(said)
    yield
    for _, writer in connections:
        writer.close()
