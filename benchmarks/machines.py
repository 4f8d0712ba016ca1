"""Virtual machines against time, from outside and over HTTP: pools that come up, are rolled and go, and VMs made by hand.

Beside wall-clock time each figure has the CPU time of the server process, which other work on the machine leaves alone.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from benchmarks.processes import Running, fakekube
from benchmarks.records import Record, exponent

SPACE = "default"
MACHINES = f"/apis/kubevirt.io/v1/namespaces/{SPACE}/virtualmachines"
POOLS = f"/apis/pool.kubevirt.io/v1beta1/namespaces/{SPACE}/virtualmachinepools"
POOL_GOALS = {300: 2.0, 1_000: 5.0, 5_000: 40.0}
HAND_GOALS = {1_000: 3.0, 8_000: 30.0}
_AT_ONCE = 16
_LIVING = 100  # VMs, at pace realistic
_LIVING_SECONDS = 15.0

Object = dict[str, Any]


def template(name: str, marked: str = "") -> Object:
    """The VM of KubeVirt's own pool example: a container disk, cloud-init and one network interface."""
    labels = {"kubevirt.io/vm": name} | ({"marked": marked} if marked else {})
    devices = {
        "disks": [{"disk": {"bus": "virtio"}, "name": "root"}, {"disk": {"bus": "virtio"}, "name": "seed"}],
        "interfaces": [{"masquerade": {}, "name": "default"}],
    }
    volumes = [
        {"containerDisk": {"image": "kubevirt/cirros-container-disk-demo:latest"}, "name": "root"},
        {"cloudInitNoCloud": {"userDataBase64": "SGkuXG4="}, "name": "seed"},
    ]
    spec = {
        "domain": {"devices": devices, "resources": {"requests": {"memory": "128Mi"}}},
        "networks": [{"name": "default", "pod": {}}],
        "terminationGracePeriodSeconds": 0,
        "volumes": volumes,
    }
    return {"metadata": {"labels": labels}, "spec": spec}


def machine(name: str) -> Object:
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name},
        "spec": {"runStrategy": "Always", "template": template(name)},
    }


def pool(name: str, replicas: int, marked: str = "") -> Object:
    labels = {"kubevirt.io/vmpool": name}
    return {
        "apiVersion": "pool.kubevirt.io/v1beta1",
        "kind": "VirtualMachinePool",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "virtualMachineTemplate": {
                "metadata": {"labels": labels},
                "spec": {"runStrategy": "Always", "template": template(name, marked)},
            },
        },
    }


@dataclass
class Run:
    """One thing measured at several sizes."""

    what: str
    goals: dict[int, float]
    wall: dict[int, float] = field(default_factory=dict)
    cpu: dict[int, float] = field(default_factory=dict)
    writes: dict[int, float] = field(default_factory=dict)

    def records(self) -> Iterator[Record]:
        for size, seconds in self.wall.items():
            remark = (
                f"{self.cpu[size] / size * 1000:.2f} ms CPU and {self.writes[size] / size:.1f} writes per VM"
            )
            yield Record(f"{self.what}, {size:,} VMs", seconds, "s", self.goals.get(size), remark=remark)
        if len(self.wall) > 1:
            yield Record(f"{self.what}, exponent", exponent(self.cpu), "", 1.1, remark="of CPU time by size")


def measure(
    sizes: tuple[int, ...] = (300, 1_000), *, by_hand: tuple[int, ...] = (300, 1_000)
) -> Iterator[Record]:
    """Each size on a server of its own."""
    made, scaled_in, rolled = (
        Run("pool ready", POOL_GOALS),
        Run("pool scaled to 0", POOL_GOALS),
        Run("pool rolled", POOL_GOALS),
    )
    hand = Run("VMs made by hand, ready", HAND_GOALS)
    for size in sizes:
        with fakekube() as server:
            asyncio.run(_pool_life(server, size, made, rolled, scaled_in))
    for size in by_hand:
        with fakekube() as server:
            asyncio.run(_by_hand(server, size, hand))
    for run in (made, rolled, scaled_in, hand):
        yield from run.records()
    with fakekube("--pace", "realistic") as server:
        yield asyncio.run(_living(server))


async def _pool_life(server: Running, size: int, made: Run, rolled: Run, scaled_in: Run) -> None:
    async with aiohttp.ClientSession(server.url) as session, _Machines(session) as machines:
        at = _At(server, session, size)
        await at.timed(made, _sent(session, "POST", POOLS, pool("bench", size)), machines.ready(size))
        template = pool("bench", size, "second")["spec"]["virtualMachineTemplate"]
        change = _sent(session, "PATCH", f"{POOLS}/bench", {"spec": {"virtualMachineTemplate": template}})
        await at.timed(rolled, change, machines.all_marked(size))
        await _quiet(session)  # the instances follow their machines, and are none of the scale-in's business
        change = _sent(session, "PATCH", f"{POOLS}/bench", {"spec": {"replicas": 0}})
        await at.timed(scaled_in, change, machines.gone())


async def _by_hand(server: Running, size: int, hand: Run) -> None:
    async with aiohttp.ClientSession(server.url) as session, _Machines(session) as machines:
        numbers = iter(range(size))

        async def make() -> None:
            for number in numbers:
                await _sent(session, "POST", MACHINES, machine(f"vm-{number}"))

        async def all_made() -> None:
            await asyncio.gather(*(make() for _ in range(_AT_ONCE)))

        await _At(server, session, size).timed(hand, all_made(), machines.ready(size))


async def _living(server: Running) -> Record:
    """What VMs cost that are up and do what VMs do: heartbeats and reports, nothing else."""
    async with aiohttp.ClientSession(server.url) as session, _Machines(session) as machines:
        for number in range(_LIVING):
            await _sent(session, "POST", MACHINES, machine(f"vm-{number}"))
        await asyncio.wait_for(machines.ready(_LIVING), 600)
        await _quiet(session)
        cpu = server.cpu_seconds()
        await asyncio.sleep(_LIVING_SECONDS)
        share = (server.cpu_seconds() - cpu) / _LIVING_SECONDS * 100
        return Record(f"{_LIVING} running VMs, pace realistic", share, "%", 5.0, remark="of a core")


@dataclass(frozen=True)
class _At:
    """Where and at which size something is measured."""

    server: Running
    session: aiohttp.ClientSession
    size: int

    async def timed(self, run: Run, act: Awaitable[None], until: Awaitable[None]) -> None:
        waiting = asyncio.ensure_future(until)
        before, cpu, began = await _revision(self.session), self.server.cpu_seconds(), time.perf_counter()
        await act
        await asyncio.wait_for(waiting, 600)
        run.wall[self.size] = time.perf_counter() - began
        run.cpu[self.size] = self.server.cpu_seconds() - cpu
        run.writes[self.size] = await _revision(self.session) - before


async def _revision(session: aiohttp.ClientSession) -> int:
    async with session.get("/api/v1/namespaces?limit=1") as answer:
        return int((await answer.json())["metadata"]["resourceVersion"])


async def _quiet(session: aiohttp.ClientSession, seconds: float = 1.5) -> None:
    """Return once nothing has been written for a while."""
    before = -1
    while (now := await _revision(session)) != before:
        before = now
        await asyncio.sleep(seconds)


async def _sent(session: aiohttp.ClientSession, method: str, path: str, body: Object) -> None:
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    async with session.request(method, path, data=json.dumps(body), headers={"Content-Type": kind}) as answer:
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {await answer.text()}")


class _Machines:
    """The VMs of the namespace, followed by a watch: what a client can know of them."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._ready: set[str] = set()
        self._marked: set[str] = set()
        self._there: set[str] = set()
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        async with self._session.get(MACHINES) as answer:
            version = (await answer.json())["metadata"]["resourceVersion"]
        self._task = asyncio.create_task(self._follow(version))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def ready(self, count: int) -> None:
        await self._until(lambda: len(self._ready) == count)

    async def all_marked(self, count: int) -> None:
        await self._until(lambda: len(self._marked & self._ready) == count)

    async def gone(self) -> None:
        await self._until(lambda: not self._there)

    async def _until(self, true: Callable[[], bool]) -> None:
        async with self._news:
            await self._news.wait_for(true)

    async def _follow(self, version: str) -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        query = {"watch": "true", "resourceVersion": version}
        async with self._session.get(MACHINES, params=query, timeout=timeout) as answer:
            async for line in _lines(answer.content):
                self._note(json.loads(line))
                async with self._news:
                    self._news.notify_all()

    def _note(self, event: Object) -> None:
        obj = event["object"]
        name = obj["metadata"]["name"]
        gone = event["type"] == "DELETED"
        labels = obj["spec"]["template"]["metadata"].get("labels") or {}
        for kept, holds in (
            (self._there, True),
            (self._ready, bool((obj.get("status") or {}).get("ready"))),
            (self._marked, "marked" in labels),
        ):
            if holds and not gone:
                kept.add(name)
            else:
                kept.discard(name)


async def _lines(stream: aiohttp.StreamReader) -> AsyncGenerator[bytes, None]:
    rest = b""
    async for chunk in stream.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


if __name__ == "__main__":
    import sys

    counts = tuple(int(one) for one in sys.argv[1:]) or (300, 1_000)
    for record in measure(counts, by_hand=counts):
        goal = "" if record.goal is None else f"goal {record.goal:g}"
        print(f"{record.name:<44}{record.value:>10.2f} {record.unit:<3} {goal:<10} {record.remark}")
