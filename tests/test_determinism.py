"""One seed, one story; and clusters that leave nothing behind."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import CONFIG_MAPS
from fakekube.testing.options import Options
from fakekube.testing.templates import cluster as forked

STORY = """
import asyncio, hashlib, sys
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.traffic.history import writes

POOL = {
    "apiVersion": "pool.kubevirt.io/v1beta1",
    "kind": "VirtualMachinePool",
    "metadata": {"name": "p", "namespace": "default"},
    "spec": {
        "replicas": 4,
        "selector": {"matchLabels": {"a": "b"}},
        "virtualMachineTemplate": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "runStrategy": "Always",
                "template": {
                    "metadata": {"labels": {"a": "b"}, "annotations": {"fakekube.io/fate": "crash-after=40s"}},
                    "spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}},
                },
            },
        },
    },
}

async def story(seed):
    async with Cluster(clock=ManualClock(), seed=seed, pace="realistic", nodes=3) as cluster:
        cluster.faults.add(verb="write", status=500, rate=0.05, times=None, client="virt-controller")
        await cluster.apply([POOL])
        await cluster.advance("90s")
        POOL["spec"]["replicas"] = 2
        await cluster.apply([POOL])
        await cluster.advance("2m")
        lines = [f"{one.at:.6f} {one}" for one in cluster.requests]
        for event in await writes(cluster.api.store, ""):
            lines.append(f"{event.revision} {event.key} {event.entry.value if event.entry else None}")
        return "\\n".join(lines)

text = asyncio.run(story(int(sys.argv[1])))
if len(sys.argv) > 2:
    open(sys.argv[2], "w").write(text)
print(len(text), hashlib.sha256(text.encode()).hexdigest())
"""


def tell(*seeds):
    """What processes of their own say, each with other hashes of texts and other addresses of objects."""
    telling = [
        subprocess.Popen(
            [sys.executable, "-c", STORY, str(seed)],
            env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for hash_seed, seed in enumerate(seeds, 1)
    ]
    told = [one.communicate()[0] for one in telling]
    assert not any(one.returncode for one in telling)
    return told


def test_the_same_seed_tells_the_same_story_to_the_byte():
    """Requests, answers, times, uids, names and every stored byte agree between processes; another seed differs."""
    *same, other = tell(7, 7, 7, 7, 7, 7, 8)
    assert int(same[0].split()[0]) > 100_000
    assert {*same} == {same[0]}
    assert other != same[0]


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted the way of Linux")
@pytest.mark.parametrize("kind", ["manual", "flowing"])
async def test_clusters_leave_nothing_behind(kind):
    """Two hundred of them, one after the other, leave no task, no thread, no socket and no cluster."""

    async def one(seed):
        cluster = await forked(Options(only=("scheduler", "kubelet"), seed=seed), kind)
        async with cluster:
            await cluster.settle()

    await one(0)
    gc.collect()
    tasks, threads, files = (
        len(asyncio.all_tasks()),
        threading.active_count(),
        open_files(),
    )
    for seed in range(200):
        await one(seed)
    await asyncio.get_running_loop().shutdown_asyncgens()
    gc.collect()
    assert len(asyncio.all_tasks()) == tasks
    assert threading.active_count() == threads
    assert open_files() == files
    assert sum(isinstance(obj, Cluster) for obj in gc.get_objects()) <= 3


async def test_a_fork_hands_out_nothing_its_origin_has():
    """With the origin's own seed its names and uids are others, and yet the same for every such fork."""

    async def made(cluster: Cluster) -> list[str]:
        client, found = cluster.client(), []
        for _ in range(20):
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}}
            body["metadata"]["namespace"] = "default"
            meta = (await client.create(CONFIG_MAPS, body))["metadata"]
            found += [meta["name"], meta["uid"]]
        return found

    async with Cluster(only=["api"], seed=7, clock=ManualClock()) as origin:
        first = await made(origin)
        async with origin.fork(seed=7) as one, origin.fork(seed=7) as other:
            second, third = await made(one), await made(other)
    assert second == third
    assert not {*first} & {*second}
