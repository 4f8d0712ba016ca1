"""What has gone is not remembered: no map of any actor, nor anything else in the process, grows by what came and went.

Whatever is reachable from the cluster is looked through for names and uids of objects that are no more. What remembers
them on purpose is bounded, and listed here with its bound.
"""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.objects import condition_is
from fakekube.machinery.resources import (
    INSTANCE_ACTIONS,
    MIGRATIONS,
    NAMESPACES,
    NODES,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
)
from tests import mentions

BOUNDED = {
    "Correlator._written": "4,096 Events told last, by each who tells any",
    "GarbageCollector._gone": "10,000 uids",
    "Knowledge._failed_boots": "4,096 machines that are to fail",
    "Kept._past": "128 states",
    "EventLog._events": "the history of writes: --retention",
    "Channel._events": "the same, and 1,000 writes before it",
    "RequestLog._kept": "the log of requests: by number and size",
    "Parts._young": "parts met lately",
    "Parts._old": "parts met lately",
    "fakekube.api.registry.watching:_rendered": "2,000 watch events",
    "fakekube.api.registry.watching:_shared": "256 watch events",
    # Variables of those who wait for the next one.
    "Client.watch_batches~batch": "what a watch told last",
    "Controller._work~key": "what was worked on last",
    "Informer._follow~batch": "what a watch told last",
    "Needs.run~pod": "what was woken last",
    "_events~some": "what a watch told last",
    "_pieces~batch": "what a watch told last",
    "_pieces~change": "what a watch told last",
    "_pieces~event": "what a watch told last",
    "_pieces~lines": "what a watch told last",
    "_pieces~some": "what a watch told first",
    "events~batch": "what a watch told last",
}
_UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LIVES = Path(__file__).with_name("mayfly.yaml")


@pytest.fixture
async def cluster() -> Any:
    async with Cluster(pace="fast", clock=ManualClock(), seed=1, nodes=2) as running:
        await running.settle()
        yield running
        assert not running.failures


async def test_nothing_is_remembered(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """After all that can be in a namespace has lived and gone, no name and no uid of it is to be found."""
    with monkeypatch.context() as noting:
        uids = _noted(cluster, noting)
        await _live(cluster, "mayfly-1")
        tasks = len(asyncio.all_tasks())
        await _live(cluster, "mayfly-2")
    assert len(asyncio.all_tasks()) == tasks
    alive = b"".join(entry.value for entry in (await cluster.store.list("")).entries).decode()
    assert "mayfly" not in alive
    gone = uids - set(_UID.findall(alive))
    assert len(gone) > 100

    def is_gone(text: str) -> bool:
        return "mayfly" in text or not gone.isdisjoint(_UID.findall(text))

    assert mentions.found(cluster, is_gone, BOUNDED) == {}


def _noted(cluster: Cluster, noting: pytest.MonkeyPatch) -> set[str]:
    """Every uid given from now on."""
    uids: set[str] = set()
    give = cluster.ids.uid

    def uid() -> str:
        uids.add(one := give())
        return one

    noting.setattr(cluster.ids, "uid", uid)
    return uids


async def _live(cluster: Cluster, space: str) -> None:
    client = cluster.client()
    wanted = _objects(space)
    late = [one for one in wanted if one["kind"] == MIGRATIONS.kind]
    await cluster.apply(one for one in wanted if one not in late)
    await cluster.advance("3m")
    await cluster.apply(late)
    await cluster.advance("3m")
    await client.request("PUT", f"{INSTANCE_ACTIONS.path(space, 'mayfly-vm')}/pause")
    await cluster.advance("3m")
    assert condition_is(await client.get(VIRTUAL_MACHINE_INSTANCES, "mayfly-vm", space), "Paused")
    await client.delete(NODES, f"node-of-{space}")
    await client.delete(NAMESPACES, space)
    await cluster.advance("4h")  # Events have expired, and who tells too many may speak again
    await client.list(PODS, space)  # what has expired goes with the next request
    await cluster.settle()


def _objects(space: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(_LIVES.read_text().replace("SPACE", space)) if one]
