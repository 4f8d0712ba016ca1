"""What a failed test wants to know of its cluster: what was asked and what came of it, in order; and what went wrong."""

import traceback

from msgspec import Struct

from fakekube.cluster import Cluster
from fakekube.traffic import history
from fakekube.traffic.log import Recorded
from fakekube.traffic.seen import READS

_LINES = 60


class _Line(Struct, frozen=True):
    place: float  # between the revisions of the store
    text: str
    matters: bool = False  # refused, or disturbed: told even if it was long ago


async def timeline(cluster: Cluster, lines: int = _LINES) -> str:
    """The newest requests that changed something or were refused, with what they led to; faults, and dead actors."""
    now = cluster.clock.monotonic()
    told = [
        _Line(one.revision + 0.5, f"{one.at:>9.3f}s  {one}", bool(one.fault) or one.status >= 400)
        for one in cluster.requests
        if _matters(one, now)
    ]
    changes = await history.changes(cluster.api.store, cluster.api.catalog, cluster.born)
    told += [_Line(change.revision, f"{'':>10}    {change.text}") for change in changes]
    told.sort(key=lambda line: line.place)
    early = [line for line in told[:-lines] if line.matters][-lines // 2 :]
    shown = [line.text for line in (*early, *told[-lines:])]
    if len(told) > len(shown):
        shown.insert(0, f"({len(told) - len(shown)} earlier lines that matter less are left out)")
    faults = [f"fault: {one}" for one in cluster.faults]
    dead = [f"{name} died: {error!r}" for name, error in cluster.failures.items()]
    time = f"cluster time: {cluster.clock.now():%Y-%m-%d %H:%M:%S} UTC, {cluster.clock.monotonic():.3f} s after the start"
    return "\n".join([time, *faults, *dead, *shown])


def problems(cluster: Cluster) -> list[str]:
    """What fails a test that believes it has passed."""
    found = [f"a fault never fired: {one}; remove it, or say optional=True" for one in cluster.faults.unfired]
    for name, error in cluster.failures.items():
        found.append(f"{name} died:\n{''.join(traceback.format_exception(error))}")
    return found


def _matters(one: Recorded, now: float) -> bool:
    """Reads that were answered, or may still be, are not told, nor the Events people have in words of their own."""
    seen = one.seen
    if one.fault or one.status >= 400:
        return True
    if one.status == 0 and seen.verb in READS:
        return seen.verb != "watch" and one.at < now
    return seen.verb not in READS and seen.resource != "events" and bool(seen.resource)
