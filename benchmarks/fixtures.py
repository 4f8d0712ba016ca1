"""What a test pays for its cluster: fixtures, forks, virtual time; and that a thousand of them leave nothing behind."""

import asyncio
import gc
import os
import statistics
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import fakekube
from benchmarks.records import Record
from fakekube.testing import templates
from fakekube.testing.kit import Fakekube
from fakekube.testing.options import Options

TIMES = 30
_CLUSTERS = 1_000
_MACHINES = 100
_CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


def measure(clusters: int = _CLUSTERS) -> Iterator[Record]:
    """In this process, as pytest would."""
    yield from asyncio.run(_asynchronous(clusters))
    yield Record("blocking server, to the first answer and its end", _median(_blocking), "ms", 60)
    yield asyncio.run(_back_off())


async def _asynchronous(clusters: int) -> list[Record]:
    options = Options()
    await _one(options)
    first = await _median_of(lambda: _one(options))
    loaded = await templates.cluster(options, "manual")
    async with loaded:
        await loaded.apply([fakekube.vmpool("web", 20)])
        await loaded.advance("1m")
        fork = _median(lambda: loaded.fork() and None)
    before = _left()
    for _ in range(clusters):
        await _one(options)
    grown = _left()[0] - before[0]
    others = [now - then for now, then in zip(_left()[1:], before[1:], strict=True)]
    remark = f"tasks, threads, open files left: {', '.join(map(str, others))}"
    return [
        Record("cluster in the test's loop, to the first answer and its end", first, "ms", 20),
        Record("fork of a cluster with 20 running VMs", fork, "ms", 2),
        Record(f"memory after {clusters:,} clusters one after the other", grown, "MB more", 5, remark=remark),
    ]


async def _one(options: Options) -> None:
    kit = await Fakekube.started(await templates.cluster(options, "manual"), options)
    async with kit:
        await kit.apply(_CONFIG)


def _blocking() -> None:
    with fakekube.Server() as server:
        server.apply(_CONFIG)


async def _back_off() -> Record:
    """CPU time of ten minutes in which a hundred VMs fail to boot, ever more rarely."""
    cluster = await templates.cluster(Options(), "manual")
    async with cluster:
        await cluster.apply(
            [fakekube.vm(f"vm-{n}", fate="fail-to-boot", namespace="default") for n in range(_MACHINES)]
        )
        await cluster.settle()
        began = time.process_time()
        await cluster.advance("10m")
        spent = time.process_time() - began
    return Record("ten minutes of back-off of 100 VMs, virtual", spent, "s", 0.5, remark="CPU time")


def _left() -> tuple[float, int, int, int]:
    """Resident megabytes, tasks, threads, open files."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    return pages * 4096 / 2**20, len(asyncio.all_tasks()), threading.active_count(), files


def _median(act: Callable[[], object]) -> float:
    """Milliseconds."""
    act()
    return statistics.median(_timed(act) for _ in range(TIMES)) * 1000


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


async def _median_of(act: Callable[[], Awaitable[None]]) -> float:
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await act()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000
