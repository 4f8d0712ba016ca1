"""Clusters to begin with: each set of parts is installed once per process, and every test forks what that left behind.

Installing KubeVirt takes a quarter of a second, forking a millisecond.
"""

import gc
from collections.abc import Callable
from datetime import datetime

from fakekube import dumps, snapshot
from fakekube.clock import Clock, FlowingClock, ManualClock, RealClock
from fakekube.cluster import Cluster
from fakekube.machinery.wire import Object
from fakekube.testing.options import ClockKind, Options

Fork = Callable[[Options, ClockKind], Cluster]

_installed: dict[object, Cluster] = {}


async def template(options: Options) -> Cluster:
    """A cluster of these parts, settled and at rest, to be forked. Made in the running loop, but tied to none."""
    found = _installed.get(options.parts)
    if found is None:
        found, dump = _begun(options)
        try:
            await found.start()
            await found.take_over(dump)
            await found.settle()
        finally:
            await found.close()
        _installed[options.parts] = found
        gc.freeze()  # it stays until the process ends: not to be visited with every collection
    return found


def _begun(options: Options) -> tuple[Cluster, list[Object]]:
    """A cluster to be started, and what it then has to take over."""
    only, without, nodes, path, versions = options.parts
    if path and snapshot.is_one(path):
        return Cluster.load(path, only=only, without=without, nodes=nodes, versions=versions, seed=0), []
    made = Cluster(only=only, without=without, nodes=nodes, versions=versions, seed=0, clock=ManualClock())
    return made, dumps.read(path) if path else []


async def cluster(options: Options, clock: ClockKind, forked: "Fork | None" = None) -> Cluster:
    """What `forked` makes, or else a fork of the template of these options. To be started."""
    if forked is not None:
        return forked(options, clock)
    origin = await template(options)
    start = origin.clock.now()
    if clock == "flowing":  # clients outside go by the machine's time, and may write it into objects
        start = max(start, RealClock().now())
    return fork(origin, options, clock, start)


def fork(origin: Cluster, options: Options, clock: ClockKind, start: datetime | None = None) -> Cluster:
    """A fork with such a clock, which begins at `start`, or where the origin's stands."""
    start = start or origin.clock.now()
    clocks: dict[ClockKind, Callable[[], Clock]] = {
        "manual": lambda: ManualClock(start),
        "flowing": lambda: FlowingClock(start),
        "real": RealClock,
    }
    return origin.fork(seed=options.seed, clock=clocks[clock](), pace=options.pace, stages=options.stages)
