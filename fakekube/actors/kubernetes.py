"""How the actors of a plain cluster are made. Every import waits until its actor is wanted."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from fakekube.actors.setting import KUBERNETES, ActorSpec, Made, Setting
from fakekube.machinery import objects
from fakekube.machinery.errors import ApiError
from fakekube.machinery.wire import Object

if TYPE_CHECKING:
    from asyncio import Event

    from fakekube.agents.node_server.commands import Inside
    from fakekube.agents.node_server.listening import Serve
    from fakekube.agents.node_server.logs import Line
    from fakekube.agents.node_server.place import Container
    from fakekube.virt.handler.deeds import Deeds

KUBELET = ("kube-system", "kubelet")  # under which Service the kubelets answer
_ENDPOINTS_BATCH = 0.1  # seconds in which the changes of many pods become one look at their Service


def _garbage_collector(at: Setting) -> Made:
    from fakekube.agents.garbage_collector import GarbageCollector

    return Made(GarbageCollector(at.client, clock=at.clock, ids=at.ids))


def _namespaces(at: Setting) -> Made:
    from fakekube.agents.namespaces import Namespaces

    return Made(Namespaces(at.client, clock=at.clock, ids=at.ids))


def _service_accounts(at: Setting) -> Made:
    from fakekube.agents.service_accounts import ServiceAccounts

    return Made(ServiceAccounts(at.client, clock=at.clock, ids=at.ids))


def _endpoints(at: Setting) -> Made:
    from fakekube.agents.endpoints import Endpoints

    return Made(Endpoints(at.client, clock=at.clock, ids=at.ids, batch=_ENDPOINTS_BATCH))


def _api_services(at: Setting) -> Made:
    from fakekube.agents.api_services import ApiServices
    from fakekube.agents.garbage_collector import GarbageCollector

    collector = at.made.get("garbage-collector")
    definitions = collector.definitions if isinstance(collector, GarbageCollector) else None
    return Made(ApiServices(at.client, clock=at.clock, ids=at.ids, definitions=definitions))


def _policy_status(at: Setting) -> Made:
    from fakekube.agents.policy_status import PolicyStatus

    def check(*given: Any) -> list[dict[str, str]]:
        from fakekube.api.admission.type_checking import check  # and the CEL engine with it

        return check(*given)

    return Made(PolicyStatus(at.client, clock=at.clock, ids=at.ids, check=check))


def _nodes(at: Setting) -> Made:
    from fakekube.agents.nodes import Nodes, NodeShape, shapes
    from fakekube.lifecycle.stage import PACES

    nodes = Nodes(
        at.client,
        clock=at.clock,
        ids=at.ids,
        nodes=shapes(at.nodes, NodeShape("", kubelet=at.versions.kubernetes)),
        heartbeats=at.pace == "realistic",
        pace=PACES[at.pace],
        stages=[one for one in at.stages if (one.group, one.kind) == _PLAYERS["nodes"]],
    )
    return Made(nodes, nodes.register)


def _scheduler(at: Setting) -> Made:
    from fakekube.agents.scheduler import Scheduler

    def select(expression: str, device: Mapping[str, Any]) -> bool:
        from fakekube.actors.device_selectors import holds  # and the CEL engine with it

        return holds(expression, device)

    return Made(Scheduler(at.client.sharing(), clock=at.clock, ids=at.ids, select=select))


def _kubelet(at: Setting) -> Made:
    from fakekube.agents.kubelet import Kubelet
    from fakekube.agents.node_server.server import NodeServer
    from fakekube.agents.node_server.written import Written
    from fakekube.lifecycle.stage import PACES

    def ends_with_its_guest(pod: Object) -> bool:
        return objects.labels(pod).get("kubevirt.io") == "virt-launcher"

    def killed(node: str, processes: str) -> None:
        handler = at.made.get("virt-handler")
        if isinstance(handler, _Opens):
            handler.deeds.kill(node, processes)

    async def guest(pod: Object, port: int) -> "Serve | None":
        """A port of KubeVirt's own pods, exporters and the like, or of a virtual machine where a virt-handler of ours plays it.
        Raises ConnectionRefusedError where that one lets nobody in."""
        from fakekube.actors import pod_servers  # and TLS with them

        if (served := pod_servers.of_pod(pod, port, at)) is not None:
            return served
        handler, owner = at.made.get("virt-handler"), objects.controller_of(pod)
        if owner is None or not ends_with_its_guest(pod) or not isinstance(handler, _Opens):
            return None
        try:
            return await handler.open(objects.namespace(pod), owner["name"], "portforward", port)
        except ApiError as error:
            raise ConnectionRefusedError(error.message) from error

    pace = PACES[at.pace]
    kubelet = Kubelet(
        at.client.sharing(),
        clock=at.clock,
        ids=at.ids,
        pace=pace,
        ends_elsewhere=ends_with_its_guest,
        killed=killed,
        stages=[one for one in at.stages if not one.name.startswith(_LAUNCHER)],
    )
    written = Written(kubelet.runs, at.contents)
    kubelet.pods.on_change(written.forget)
    server = NodeServer(at.client, clock=at.clock, written=written, guests=guest, inside=_Launchers(at))
    return Made(kubelet, services={KUBELET: server})


def _stages(at: Setting) -> Made:
    from fakekube.agents.own_stages import OwnStages
    from fakekube.lifecycle.stage import PACES

    played = {kind for actor, kind in _PLAYERS.items() if actor in at.chosen}
    pace, pods = PACES[at.pace], []
    of_pods = [one for one in at.stages if (one.group, one.kind) == _PLAYERS["kubelet"]]
    if of_pods and "kubelet" not in at.chosen:  # no kubelet of ours, but one that lives by these stages alone
        from fakekube.agents.kubelet import Kubelet

        client = at.client.sharing()
        pods = [Kubelet(client, clock=at.clock, ids=at.ids, pace=pace, stages=of_pods, standard=())]
        played.add(_PLAYERS["kubelet"])
    stages = [one for one in at.stages if (one.group, one.kind) not in played]
    client = at.as_account("kubevirt-handler", "stages")  # who may change statuses of instances
    return Made(OwnStages(client, clock=at.clock, ids=at.ids, stages=stages, pace=pace, beside=pods))


_LAUNCHER = "launcher-"  # stages of pods so called are virt-handler's

# Actors that play a kind's stages themselves.
_PLAYERS: Mapping[str, tuple[str, str]] = {
    "nodes": ("", "Node"),
    "kubelet": ("", "Pod"),
    "virt-handler": ("kubevirt.io", "VirtualMachineInstance"),
    "cdi": ("cdi.kubevirt.io", "DataVolume"),
}


class _Launchers:
    """Commands in launchers, and what they write, where a virt-handler of ours plays their guests."""

    def __init__(self, at: Setting) -> None:
        self._at = at

    async def enter(self, pod: Object, name: str, container: "Container") -> "Container":
        handler = self._at.made.get("virt-handler")
        return await handler.inside.enter(pod, name, container) if isinstance(handler, _Opens) else container

    async def act(self, pod: Object, act: str) -> None:
        handler = self._at.made.get("virt-handler")
        if isinstance(handler, _Opens):
            await handler.inside.act(pod, act)

    async def said(self, pod: Object, name: str) -> "list[Line] | None":
        handler = self._at.made.get("virt-handler")
        return await handler.inside.said(pod, name) if isinstance(handler, _Opens) else None

    def more(self, pod: Object, name: str) -> "Event | None":
        handler = self._at.made.get("virt-handler")
        return handler.inside.more(pod, name) if isinstance(handler, _Opens) else None


@runtime_checkable
class _Opens(Protocol):
    """What is asked of a virt-handler."""

    inside: "Inside"
    deeds: "Deeds"

    async def open(
        self, namespace: str, name: str, kind: Literal["portforward"], port: int = 0
    ) -> "Serve": ...


def _volumes(at: Setting) -> Made:
    from fakekube.agents.volume_objects import default_class
    from fakekube.agents.volumes import Volumes

    async def prepare() -> None:
        await at.preload([default_class()])

    volumes = Volumes(
        at.client, clock=at.clock, ids=at.ids, contents=at.contents, populators=("cdi.kubevirt.io",)
    )
    return Made(volumes, prepare)


def _volume_snapshots(at: Setting) -> Made:
    from fakekube.agents.volume_snapshots import VolumeSnapshots

    client = at.as_account("snapshot-controller", "snapshot-controller", "kube-system")
    return Made(VolumeSnapshots(client, clock=at.clock, contents=at.contents))


def _metrics(at: Setting) -> Made:
    from fakekube.agents.metrics import actor

    metrics = actor.Metrics(at.client, clock=at.clock, ids=at.ids)

    async def prepare() -> None:
        await at.preload(actor.manifests())

    return Made(metrics, prepare, services={(actor.NAMESPACE, actor.SERVICE): metrics})


def _horizontal_pod_autoscaler(at: Setting) -> Made:
    from fakekube.agents.autoscaling.controller import HorizontalPodAutoscaler

    return Made(HorizontalPodAutoscaler(at.client, clock=at.clock, ids=at.ids))


SPECS = (
    ActorSpec("nodes", KUBERNETES, "registers worker nodes", _nodes),
    ActorSpec("garbage-collector", KUBERNETES, "deletes what lost its owner", _garbage_collector),
    ActorSpec("namespaces", KUBERNETES, "empties namespaces that are being deleted", _namespaces),
    ActorSpec("service-accounts", KUBERNETES, "gives namespaces their default account", _service_accounts),
    ActorSpec("api-services", KUBERNETES, "registers the API's own groups", _api_services),
    ActorSpec("endpoints", KUBERNETES, "lists the ready pods behind Services", _endpoints),
    ActorSpec(
        "policy-status",
        KUBERNETES,
        "tells where admission policies do not fit their types",
        _policy_status,
    ),
    ActorSpec("scheduler", KUBERNETES, "binds pods to nodes", _scheduler),
    ActorSpec("kubelet", KUBERNETES, "runs pods, or says it does", _kubelet),
    ActorSpec("stages", KUBERNETES, "plays your own stages (--stages) for other kinds", _stages),
    ActorSpec("volumes", KUBERNETES, "binds and provisions volumes", _volumes),
    ActorSpec(
        "volume-snapshots",
        KUBERNETES,
        "takes snapshots of volumes, once their types are installed",
        _volume_snapshots,
    ),
    ActorSpec("metrics", KUBERNETES, "tells what nodes and pods use: kubectl top, autoscaling", _metrics),
    ActorSpec(
        "horizontal-pod-autoscaler",
        KUBERNETES,
        "scales pools and workloads by their metrics",
        _horizontal_pod_autoscaler,
    ),
)
