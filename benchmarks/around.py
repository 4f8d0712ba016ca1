"""What stands around pools, in this process and in virtual time: autoscalers by the thousand, Services with many VMs.

All figures are CPU time.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.machines import SPACE, pool
from benchmarks.records import Record
from fakekube.agents.autoscaling.controller import AUTOSCALERS, SYNC
from fakekube.client.client import Client
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import PODS, SERVICES, VIRTUAL_MACHINE_POOLS

Object = dict[str, Any]
_AGO = "2025-01-01T00:00:00Z"
_LOOKS = 3


def measure(autoscalers: int, endpoints: int) -> Iterator[Record]:
    name = f"one look of {autoscalers} autoscalers at pools of three"
    yield Record(name, asyncio.run(_looks(autoscalers)), "s", 1.0 if autoscalers == 1_000 else None)
    yield Record("ten minutes of a pool under a load that comes and goes", asyncio.run(_ramp()), "s", 0.5)
    took, writes = asyncio.run(_flips(endpoints))
    yield Record(f"one of {endpoints} VMs behind a Service turns unready", took * 1000, "ms")
    yield Record("objects written for it", writes, "", 2, remark="its slice, and the Endpoints")


def autoscaler(name: str) -> Object:
    target = {"apiVersion": "pool.kubevirt.io/v1beta1", "kind": "VirtualMachinePool", "name": name}
    usage = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": 3,
            "maxReplicas": 10,
            "metrics": [{"type": "Resource", "resource": usage}],
        },
    }


async def _pod(client: Client, name: str, labels: Object, number: int) -> None:
    """A pod that has been ready for long, whoever made it."""
    container = {"name": "compute", "image": "x", "resources": {"requests": {"cpu": "100m"}}}
    meta = {"name": name, "namespace": SPACE, "labels": labels}
    spec = {"containers": [container], "nodeName": "n"}
    await client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    ip = f"10.1.{number // 200}.{number % 200 + 1}"
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": _AGO}
    status = {
        "phase": "Running",
        "startTime": _AGO,
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "conditions": [ready],
    }
    await _status(client, name, status)


async def _status(client: Client, name: str, status: Object) -> None:
    await client.patch(PODS, name, SPACE, {"status": status}, type="merge", subresource="status")


async def _looks(count: int) -> float:
    """Seconds one round takes once everything has been seen."""
    actors = ["virt-operator", "metrics", "horizontal-pod-autoscaler"]
    async with Cluster(only=actors, clock=ManualClock(), seed=1) as cluster:
        client = cluster.client()
        for number in range(count):
            name = f"p{number}"
            await client.create(
                VIRTUAL_MACHINE_POOLS, pool(name, 3) | {"metadata": {"name": name, "namespace": SPACE}}
            )
            status = {"status": {"replicas": 3, "labelSelector": f"kubevirt.io/vmpool={name}"}}
            await client.patch(VIRTUAL_MACHINE_POOLS, name, SPACE, status, type="merge", subresource="status")
            for one in range(3):
                await _pod(client, f"{name}-{one}", {"kubevirt.io/vmpool": name}, number)
            await client.create(AUTOSCALERS, autoscaler(name))
        await cluster.advance(SYNC)
        began = time.process_time()
        await cluster.advance(SYNC * _LOOKS)
        return (time.process_time() - began) / _LOOKS


async def _ramp() -> float:
    async with Cluster(clock=ManualClock(), seed=1) as cluster:
        load = {"fakekube.io/cpu": "shared replay 0s=60m 2m=500m 4m=60m"}
        metadata = {"name": "p", "namespace": SPACE, "annotations": load}
        await cluster.apply([pool("p", 3) | {"metadata": metadata}, autoscaler("p")])
        await cluster.settle()
        began = time.process_time()
        await cluster.advance("10m")
        return time.process_time() - began


async def _flips(count: int) -> tuple[float, int]:
    async with Cluster(only=["endpoints"], clock=ManualClock(), seed=1) as cluster:
        client = cluster.client()
        for number in range(count):
            await _pod(client, f"p{number}", {"app": "web"}, number)
        spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
        meta = {"name": "s", "namespace": SPACE}
        await client.create(SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})
        await cluster.advance("5s")
        unready = {"type": "Ready", "status": "False"}
        await _status(client, "p0", {"conditions": [unready]})
        before, began = cluster.store.revision, time.process_time()
        await cluster.advance("1s")
        return time.process_time() - began, cluster.store.revision - before
