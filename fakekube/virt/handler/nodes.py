"""virt-handler's marks on nodes: what it can run, told by labels and devices, and that it lives, told by heartbeats.

A node annotated `fakekube.io/fate: no-heartbeat`, or whose virt-handler pod has gone, gets no more heartbeats: its virt-handler
is dead, and nothing happens to the guests there either.
Origin: kubevirt: pkg/virt-handler/heartbeat/heartbeat.go, pkg/virt-handler/node-labeller/
"""

from collections.abc import Callable, Iterable

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.client.recorder import WARNING, Recorder
from fakekube.clock import Clock, parse_rfc3339, rfc3339
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import Obj, annotations, dig, name
from fakekube.machinery.resources import KUBEVIRTS, NODES, PODS
from fakekube.machinery.wire import Object
from fakekube.virt import multus
from fakekube.virt.handler import labeller

HEARTBEAT = "kubevirt.io/heartbeat"
PERIOD = 60.0

_FATE = "fakekube.io/fate"


def lives(node: Obj) -> bool:
    return "no-heartbeat" not in annotations(node).get(_FATE, "")


class Heartbeats:
    """Keeps every node labelled and alive. `recorder` speaks for the node labeller."""

    def __init__(self, client: Client, *, clock: Clock, recorder: Recorder) -> None:
        self._client = client
        self._clock = clock
        self._recorder = recorder
        self._kubevirts = Informer(client, KUBEVIRTS, clock=clock)
        self._anew: set[str] = set()  # nodes to be labelled anew, as the configuration has changed
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
        self.controller.source(self._kubevirts, self._configured)

    def beats_on(self, node: str) -> bool:
        """Whether the virt-handler there lives."""
        found = self._nodes.get(node)
        return found is None or self._lives(found)

    def merges_on(self, node: str) -> bool:
        """Whether virt-handler has equal pages merged there."""
        return annotations(self._nodes.get(node) or {"metadata": {}}).get(labeller.MERGED_BY_US) == "true"

    def is_movable(self, binding: str) -> bool:
        """Whether guests with a network binding plugin of this name can be migrated."""
        return dig(self.configuration(), "network", "binding", binding, "migration") is not None

    def is_housed(self, node: str) -> bool:
        """Whether there is a virt-handler to be asked."""
        return node not in self._housed or any(self._pods.by_index("node", node))

    def migration_address(self, node: str) -> str:
        """Where guests that migrate there are sent, if over a network of its own."""
        return next(filter(None, map(multus.migration_address, self._pods.by_index("node", node))), "")

    def _lives(self, node: Obj) -> bool:
        return lives(node) and self.is_housed(name(node))

    def _configured(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """All nodes, when the configuration has changed."""
        if old is None or new is None or _configuration(old) == _configuration(new):
            return ()
        self._anew = {name(one) for one in self._nodes.objects()}
        return tuple(sorted(self._anew))

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
        now, configuration = self._clock.now(), self.configuration()
        beat = annotations(node).get(HEARTBEAT)
        age = (now - parse_rfc3339(beat)).total_seconds() if beat else PERIOD
        anew = own in self._anew
        changed: dict[str, str | None] = dict(labeller.missing(node, configuration))
        if anew:
            changed |= labeller.anew(node, configuration)
        merges, marks = labeller.merging(node, configuration)
        changed |= merges
        try:
            if age >= PERIOD or changed or marks:
                meta = {"labels": changed, "annotations": {HEARTBEAT: rfc3339(now), **marks}}
                await self._client.patch(NODES, own, None, {"metadata": meta}, type="merge")
                age = 0.0
            await self._offer(node, labeller.devices(node, configuration), anew=anew)
        except NotFound:
            return None
        self._anew.discard(own)
        if changed.get(labeller.OBSOLETE):
            self._recorder.event(node, WARNING, "HostModelIsObsolete", labeller.alarm(configuration))
        return Result(requeue_after=PERIOD - age)

    async def _offer(self, node: Object, devices: dict[str, str], *, anew: bool) -> None:
        """Say how many guests there is room for, where nobody has said so, or the configuration does now."""
        known = dig(node, "status", "allocatable", default={})
        if all(device in known for device in devices) and not anew:
            return
        if all(known.get(device) == number for device, number in devices.items()):
            return
        status = {"status": {"capacity": devices, "allocatable": devices}}
        await self._client.patch(NODES, name(node), None, status, type="merge", subresource="status")

    def configuration(self) -> labeller.Configuration:
        return _configuration(next(iter(self._kubevirts.objects()), {}))


def _configuration(kubevirt: Obj) -> labeller.Configuration:
    found: labeller.Configuration = dig(kubevirt, "spec", "configuration") or {}
    return found


def _node_of(pod: Object) -> Iterable[str]:
    node = dig(pod, "spec", "nodeName", default="")
    return (node,) if node else ()


def _nodes_of(old: Object | None, new: Object | None) -> Iterable[str]:
    return _node_of(new or old or {})
