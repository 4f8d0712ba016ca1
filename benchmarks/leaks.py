"""What life leaves behind: a cluster in this process and in virtual time, round after round of the same, with random faults.

Every round ends where it began, and is about objects of other names. What is there more of after the last round than after
half of them, when caches are full, has leaked. Each actor that tells Events remembers the last 4,096 of them, as client-go
does; those that tell few would take hours to fill that, so here they remember fewer.
"""

import asyncio
import contextlib
import gc
import itertools
import logging
import os
import time
import tracemalloc
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import Any

import fakekube
from benchmarks.machines import SPACE, pool
from benchmarks.records import Record
from fakekube.client import event_correlation
from fakekube.client.client import Client
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import ApiError
from fakekube.machinery.resources import CONFIG_MAPS, VIRTUAL_MACHINE_POOLS, VIRTUAL_MACHINES

_WARM = 110_000  # requests until what remembers them, and the 10,000 objects deleted last, is full
_REMEMBERED = 64  # Events
_LEAST = 2  # rounds at least, before the middle and after
_RETENTION = 1_000
_GOAL = 1.0  # MB


@dataclass(frozen=True, slots=True)
class _Left:
    """What is there at one moment."""

    memory: tracemalloc.Snapshot
    tasks: int
    files: int

    @classmethod
    def now(cls) -> "_Left":
        gc.collect()
        snapshot = tracemalloc.take_snapshot().filter_traces(
            (tracemalloc.Filter(False, tracemalloc.__file__),)
        )
        return cls(snapshot, len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")))  # noqa: PTH208


def measure(seconds: float) -> Iterator[Record]:
    """For about as many seconds of CPU time."""
    logging.getLogger("fakekube").setLevel(logging.CRITICAL)  # what faults lead to is no news
    usual, event_correlation.REMEMBERED = event_correlation.REMEMBERED, _REMEMBERED
    tracemalloc.start()
    try:
        rounds, before, after = asyncio.run(_lives(seconds))
    finally:
        tracemalloc.stop()
        event_correlation.REMEMBERED = usual
    grown = after.memory.compare_to(before.memory, "lineno")
    total = sum(one.size_diff for one in grown) / 2**20
    most = max(grown, key=lambda one: one.size_diff)
    where = f"{most.traceback[0].filename.rpartition('fakekube/')[2]}:{most.traceback[0].lineno}"
    remark = f"by tracemalloc; most of it, {most.size_diff / 1024:.0f} KB, at {where}"
    yield Record(
        f"memory after {rounds} rounds of life, the second half", total, "MB more", _GOAL, remark=remark
    )
    yield Record("tasks after them", after.tasks - before.tasks, "more", 0)
    yield Record("open files after them", after.files - before.files, "more", 0)


async def _lives(seconds: float) -> tuple[int, _Left, _Left]:
    async with Cluster(pace="fast", clock=ManualClock(), seed=1, retention=_RETENTION) as cluster:
        await cluster.settle()
        every: dict[str, Any] = {"rate": 0.01, "times": None, "optional": True}
        for fault in (
            {"verb": "write", "status": 409},
            {"verb": "write", "status": 500},
            {"client": "virt*", "watch": "close", "event": "MODIFIED"},
            {"client": "virt*", "watch": "expire", "event": "MODIFIED"},
        ):
            cluster.faults.add(**every, **fault)
        numbers = itertools.count()
        while cluster.requests.count < _WARM:
            await _life(cluster, next(numbers))
        await _lived(cluster, seconds / 2, numbers)
        before = _Left.now()
        rounds = await _lived(cluster, seconds / 2, numbers)
        return rounds, before, _Left.now()


async def _lived(cluster: Cluster, seconds: float, numbers: Iterator[int]) -> int:
    """How many rounds that were."""
    rounds, until = 0, time.process_time() + seconds
    while rounds < _LEAST or time.process_time() < until:
        await _life(cluster, next(numbers))
        rounds += 1
    return rounds


async def _life(cluster: Cluster, number: int) -> None:
    """A pool comes, breathes and goes; a VM fails; small objects come and go; a watch is opened and left."""
    client = cluster.client()
    watching = client.watch(VIRTUAL_MACHINES, SPACE)
    own = f"leaks-{number}"
    ill = fakekube.vm(f"ill-{number}", fate="fail-to-boot", namespace=SPACE)
    await _tried(client.create(VIRTUAL_MACHINE_POOLS, pool(own, 5), SPACE))
    await _tried(client.create(VIRTUAL_MACHINES, ill, SPACE))
    for size in (10, 3):
        scaled = {"spec": {"replicas": size}}
        await _tried(client.patch(VIRTUAL_MACHINE_POOLS, own, SPACE, scaled, type="merge"))
        await cluster.advance("2m")
    await anext(watching)
    await watching.aclose()
    for one in range(100):
        await _tried(client.create(CONFIG_MAPS, _config(f"c-{number}-{one}"), SPACE))
    while await _there(client):
        await cluster.advance("10m")
    await cluster.advance("65m")  # Events are forgotten


async def _there(client: Client) -> bool:
    """Whether something of the round is left; what is, is deleted."""
    left = False
    for resource in (VIRTUAL_MACHINE_POOLS, VIRTUAL_MACHINES, CONFIG_MAPS):
        for one in (await client.list(resource, SPACE)).items:
            name = one["metadata"]["name"]
            if resource is CONFIG_MAPS and not name.startswith("c-"):
                continue
            left = True
            await _tried(client.delete(resource, name, SPACE))
    return left


def _config(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"pad": "x" * 500}}


async def _tried(request: Awaitable[object]) -> None:
    """A refusal is what faults are for."""
    with contextlib.suppress(ApiError):
        await request
