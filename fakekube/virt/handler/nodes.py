"""virt-handler's marks on nodes: what it can run, told by labels and devices, and that it lives, told by heartbeats.

A node annotated `fakekube.io/fate: no-heartbeat`, or whose virt-handler pod has gone, gets no more heartbeats: its virt-handler
is dead, and nothing happens to the guests there either.
Origin: kubevirt: pkg/virt-handler/heartbeat/heartbeat.go, pkg/virt-handler/node-labeller/
"""

from collections.abc import Callable, Iterable

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.clock import Clock, parse_rfc3339, rfc3339
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import Obj, annotations, dig, labels, name
from fakekube.machinery.resources import NODES, PODS
from fakekube.machinery.wire import Object

HEARTBEAT = "kubevirt.io/heartbeat"
SCHEDULABLE = "kubevirt.io/schedulable"
PERIOD = 60.0

_FATE = "fakekube.io/fate"
_HOST_MODEL = "Cascadelake-Server"
_MODELS = (
    _HOST_MODEL,
    "Haswell",
    "Broadwell",
    "Skylake-Server",
    "Nehalem",
    "Westmere",
    "SandyBridge",
    "IvyBridge",
)
_FEATURES = ("aes", "avx", "avx2", "sse4.1", "sse4.2", "vmx", "apic", "pcid", "xsave")
_MACHINES = (
    "pc",
    "pc-i440fx-rhel7.6.0",
    "q35",
    "pc-q35-rhel9.6.0",
    "pc-q35-rhel9.4.0",
    "pc-q35-rhel9.2.0",
    "pc-q35-rhel8.6.0",
)
# A virt-handler says 1k unless --max-devices tells it otherwise; here as many as a node of this size takes pods.
_DEVICES = {f"devices.kubevirt.io/{device}": "16k" for device in ("kvm", "tun", "vhost-net")}

CAPABILITIES: dict[str, str] = {
    SCHEDULABLE: "true",
    **dict.fromkeys(("cpumanager", "kubevirt.io/cpumanager"), "true"),  # kubelets with the static policy
    **{f"machine-type.node.kubevirt.io/{machine}": "true" for machine in _MACHINES},
    **{f"cpu-model.node.kubevirt.io/{model}": "true" for model in _MODELS},
    **{f"cpu-model-migration.node.kubevirt.io/{model}": "true" for model in _MODELS},
    **{f"cpu-feature.node.kubevirt.io/{feature}": "true" for feature in _FEATURES},
    **{f"host-model-required-features.node.kubevirt.io/{feature}": "true" for feature in ("vmx", "pcid")},
    f"host-model-cpu.node.kubevirt.io/{_HOST_MODEL}": "true",
    "cpu-vendor.node.kubevirt.io/Intel": "true",
    "cpu-timer.node.kubevirt.io/tsc-frequency": "2400000000",
    "cpu-timer.node.kubevirt.io/tsc-scalable": "false",
}


def missing_labels(node: Obj) -> dict[str, str]:
    """What the node's labels lack. Labels somebody has set otherwise are left alone, but for schedulability."""
    own = labels(node)
    lacking = {key: value for key, value in CAPABILITIES.items() if key not in own}
    if own.get(SCHEDULABLE) != "true":
        lacking[SCHEDULABLE] = "true"
    return lacking


def lives(node: Obj) -> bool:
    return "no-heartbeat" not in annotations(node).get(_FATE, "")


class Heartbeats:
    """Keeps every node labelled and alive."""

    def __init__(self, client: Client, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._nodes = Informer(client, NODES, clock=clock)
        self._pods = Informer(client, PODS, clock=clock, label_selector="kubevirt.io=virt-handler")
        self._pods.add_index("node", _node_of)
        self._housed: set[str] = (
            set()
        )  # nodes that have had a virt-handler pod: where one never was, one is assumed
        self._told: list[Callable[[str], None]] = []
        self._pods.on_change(self._note)
        self.controller = Controller("virt-handler nodes", self._reconcile, clock=clock)
        self.controller.source(self._nodes)
        self.controller.source(self._pods, _nodes_of)

    def beats_on(self, node: str) -> bool:
        """Whether the virt-handler there lives."""
        found = self._nodes.get(node)
        return found is None or self._lives(found)

    def _lives(self, node: Obj) -> bool:
        own = name(node)
        return lives(node) and (own not in self._housed or any(self._pods.by_index("node", own)))

    def _note(self, old: Object | None, new: Object | None) -> None:
        for node in _node_of(new) if new is not None else ():
            if node in self._housed and old is None:
                for tell in self._told:
                    tell(node)
            self._housed.add(node)

    def on_change(self, told: Callable[[str], None]) -> None:
        """Call `told` with the name of a node whose virt-handler has come back."""

        def changed(old: Object | None, new: Object | None) -> None:
            if old is not None and new is not None and lives(new) and not lives(old):
                told(name(new))

        self._nodes.on_change(changed)
        self._told.append(told)

    async def _reconcile(self, own: str) -> Result | None:
        node = self._nodes.get(own)
        if node is None or not self._lives(node):
            return None
        now = self._clock.now()
        beat = annotations(node).get(HEARTBEAT)
        age = (now - parse_rfc3339(beat)).total_seconds() if beat else PERIOD
        lacking = missing_labels(node)
        try:
            if age >= PERIOD or lacking:
                meta = {"labels": lacking, "annotations": {HEARTBEAT: rfc3339(now)}}
                await self._client.patch(NODES, own, None, {"metadata": meta}, type="merge")
                age = 0.0
            if any(device not in dig(node, "status", "allocatable", default={}) for device in _DEVICES):
                status = {"status": {"capacity": _DEVICES, "allocatable": _DEVICES}}
                await self._client.patch(NODES, own, None, status, type="merge", subresource="status")
        except NotFound:
            return None
        return Result(requeue_after=PERIOD - age)


def _node_of(pod: Object) -> Iterable[str]:
    node = dig(pod, "spec", "nodeName", default="")
    return (node,) if node else ()


def _nodes_of(old: Object | None, new: Object | None) -> Iterable[str]:
    return _node_of(new or old or {})
