"""Registers worker nodes, as their kubelets would, from values that say what they are like.

Nothing happens after that: a node that is registered is ready, until somebody writes otherwise, or stages say so: those of
`stages/node.yaml` at pace chaos, and somebody's own. Only with `heartbeats` are the leases in kube-node-lease renewed every
ten seconds, as tools that look at them expect.
Upstream: k8s: pkg/kubelet/kubelet_node_status.go, pkg/kubelet/nodestatus/setters.go
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from fakekube.agents import identities
from fakekube.client.client import Client
from fakekube.client.recorder import Recorder
from fakekube.clock import Clock, rfc3339, rfc3339_micro
from fakekube.ids import Ids
from fakekube.lifecycle import loading, script
from fakekube.lifecycle.player import Player
from fakekube.lifecycle.stage import CHAOS, INSTANT, Pace, Stage
from fakekube.machinery import objects
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import LEASES, NODES
from fakekube.machinery.versions import Versions
from fakekube.machinery.wire import Object

RENEW_EVERY = 10.0
LEASE_NAMESPACE = "kube-node-lease"

_NODES_NETWORK = IPv4Address("192.168.66.0")
_PODS_NETWORK = IPv4Address("10.244.0.0")
_PODS_PREFIX = 18  # room for 16,000 pods per node
_CAPACITY = {  # large: one node carries every pool anybody tries, unless they say otherwise
    "cpu": "1024",
    "memory": "8Ti",
    "ephemeral-storage": "500Gi",
    "hugepages-1Gi": "0",
    "hugepages-2Mi": "0",
    "pods": "16000",
}


class NodeShape(Struct, frozen=True):
    """What a node is like. Addresses left empty follow from its place among the nodes."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, str]] = ()
    capacity: Mapping[str, str] = field(default_factory=dict)  # beside, or instead of, the usual
    allocatable: Mapping[str, str] | None = None  # None: all of the capacity
    arch: str = "amd64"
    address: str = ""
    pod_cidr: str = ""
    os_image: str = "CentOS Stream 10 (Coughlan)"
    kernel: str = "6.12.0-55.el10.x86_64"
    runtime: str = "containerd://2.1.3"
    kubelet: str = Versions().kubernetes


def shapes(count: int, like: NodeShape | None = None) -> list[NodeShape]:
    """`node01`, `node02`, …, all alike."""
    like = like or NodeShape("")
    return [replace(like, name=f"node{number:02}") for number in range(1, count + 1)]


@cache
def standard_stages() -> tuple[Stage, ...]:
    """The stages of nodes, read once."""
    return loading.packaged(Path(__file__).parent / "stages" / "node.yaml", names=frozenset())


class Nodes:
    """An actor: registers `nodes` and, if asked to, keeps their leases alive. `stages`: somebody's own for nodes."""

    name = "nodes"

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        ids: Ids,
        nodes: Sequence[NodeShape] | None = None,
        heartbeats: bool = False,
        pace: Pace = INSTANT,
        stages: Sequence[Stage] = (),
    ) -> None:
        self._client = client
        self._clock = clock
        self._ids = ids
        self._nodes = shapes(1) if nodes is None else nodes
        self._heartbeats = heartbeats
        self._registered = False
        self._recorder = Recorder(client, "kubelet", clock=clock, ids=ids)
        played = script.merged(standard_stages() if pace is CHAOS else (), stages)
        self._player: Player | None = None
        if played:  # nobody watches nodes for nothing
            self._player = Player(
                client,
                NODES,
                played,
                clock=clock,
                ids=ids,
                pace=pace,
                recorder=self._recorder,
                host=objects.name,
                client_for=lambda node: self._as(objects.name(node)),
                name=self.name,
            )

    @property
    def idle(self) -> bool:
        """Whether all nodes are registered, and no stage has anything to play now."""
        quiet = self._recorder.idle and (self._player is None or self._player.idle)
        return self._registered and quiet

    async def run(self) -> None:
        await self.register()
        async with asyncio.TaskGroup() as tasks:
            if self._heartbeats:
                tasks.create_task(self._renew_for_ever(), name="nodes: leases")
            if self._player is not None:
                tasks.create_task(self._recorder.run(), name="nodes: events")
                tasks.create_task(self._player.run(), name="nodes: stages")

    async def _renew_for_ever(self) -> None:
        while True:
            for shape in self._nodes:
                await self._renew(shape)
            await self._clock.sleep(RENEW_EVERY)

    async def register(self) -> None:
        """Create the nodes that do not exist yet; those that do are left alone."""
        for place, shape in enumerate(self._nodes):
            node = node_object(shape, place, rfc3339(self._clock.now()), self._ids)
            await self._as(shape.name).create_if_absent(NODES, node)
        self._registered = True

    async def _renew(self, shape: NodeShape) -> None:
        client = self._as(shape.name)
        now = rfc3339_micro(self._clock.now())
        try:
            patch = {"spec": {"renewTime": now}}
            await client.patch(LEASES, shape.name, LEASE_NAMESPACE, patch, type="merge")
        except NotFound:
            node = await client.find(NODES, shape.name)
            if node is None:
                return  # deregistered: a node without an object has no lease
            owner = {"apiVersion": "v1", "kind": "Node", "name": shape.name, "uid": node["metadata"]["uid"]}
            meta = {"name": shape.name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]}
            spec = {"holderIdentity": shape.name, "leaseDurationSeconds": 40, "renewTime": now}
            lease = {
                "apiVersion": LEASES.api_version,
                "kind": LEASES.kind,
                "metadata": meta,
                "spec": spec,
            }
            await client.create(LEASES, lease)

    def _as(self, name: str) -> Client:
        return identities.as_kubelet(self._client, name)


def node_object(shape: NodeShape, place: int, now: str, ids: Ids) -> Object:
    """The Node a kubelet registers; `place` counts from 0 and decides its addresses."""
    pods = IPv4Network((_PODS_NETWORK + (place << (32 - _PODS_PREFIX)), _PODS_PREFIX))
    cidr = shape.pod_cidr or str(pods)
    system = {"arch": shape.arch, "os": "linux"}
    labels = {
        f"{prefix}/{name}": value
        for name, value in system.items()
        for prefix in ("beta.kubernetes.io", "kubernetes.io")
    }
    capacity = {**_CAPACITY, **shape.capacity}
    address = shape.address or str(_NODES_NETWORK + 101 + place)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": shape.name,
            "labels": {**labels, "kubernetes.io/hostname": shape.name, **shape.labels},
            "annotations": {
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                **shape.annotations,
            },
        },
        "spec": {
            "podCIDR": cidr,
            "podCIDRs": [cidr],
            **({"taints": [dict(taint) for taint in shape.taints]} if shape.taints else {}),
        },
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": shape.name},
            ],
            "capacity": capacity,
            "allocatable": dict(capacity if shape.allocatable is None else {**capacity, **shape.allocatable}),
            "conditions": [
                {
                    "type": kind,
                    "status": status,
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": now,
                    "reason": reason,
                    "message": message,
                }
                for kind, status, reason, message in _CONDITIONS
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": ids.uid().replace("-", ""),
                "systemUUID": ids.uid(),
                "bootID": ids.uid(),
                "kernelVersion": shape.kernel,
                "osImage": shape.os_image,
                "containerRuntimeVersion": shape.runtime,
                "kubeletVersion": shape.kubelet,
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": shape.arch,
            },
        },
    }


_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)
