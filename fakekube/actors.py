"""Which actors there are: names, groups, what each does, and how it is made. Nothing is imported before it is wanted.

An actor may have something to finish before the first request is answered (CRDs, webhook configurations, nodes): that
is its `prepare`. It may also answer requests itself (virt-api): those are its `services`.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from fakekube.client.client import Client
from fakekube.client.controller import Actor
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.lifecycle.stage import Stage
from fakekube.machinery import objects
from fakekube.machinery.errors import ApiError
from fakekube.machinery.versions import Versions
from fakekube.machinery.wire import Handler, Object

if TYPE_CHECKING:
    from fakekube.agents.node_server.listening import Serve
    from fakekube.agents.workloads.actor import Workload
    from fakekube.agents.workloads.caches import Caches

Pace = Literal["instant", "fast", "realistic"]
KUBERNETES, KUBEVIRT, WORKLOADS = "kubernetes", "kubevirt", "workloads"
KUBELET = ("kube-system", "kubelet")  # under which Service the kubelets answer
_WITHIN = {WORKLOADS: KUBERNETES}  # groups that are part of another


@dataclass(frozen=True, slots=True)
class Setting:
    """What actors are made from."""

    client: Client
    clock: Clock
    ids: Ids
    pace: Pace
    nodes: int
    preload: Callable[[Iterable[Object]], Awaitable[None]]  # into the server, past its validation
    chosen: frozenset[str] = frozenset()  # the names of all actors that are to run
    elsewhere: frozenset[tuple[str, str]] = frozenset()  # Services that somebody outside answers for
    made: dict[str, Actor] = field(default_factory=dict)  # those before this one, in the order of ACTORS
    caches: "list[Caches]" = field(
        default_factory=list
    )  # those the workload controllers share, once one is made
    stages: tuple[Stage, ...] = ()  # somebody's own
    versions: Versions = field(default_factory=Versions)

    def as_account(self, account: str, agent: str) -> Client:
        """A client with the identity of one of KubeVirt's service accounts."""
        groups = ("system:serviceaccounts", "system:serviceaccounts:kubevirt", "system:masters")
        return self.client.as_user(f"system:serviceaccount:kubevirt:{account}", *groups, user_agent=agent)


@dataclass(frozen=True, slots=True)
class Made:
    """An actor with what the composition root has to know of it."""

    actor: Actor
    prepare: Callable[[], Awaitable[None]] | None = None
    services: Mapping[tuple[str, str], Handler] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActorSpec:
    """One line of `fakekube actors`."""

    name: str
    group: str
    about: str
    make: Callable[[Setting], Made]


class UnknownActor(Exception):
    """A name that no actor has; the text is one sentence for people."""


def choose(only: Iterable[str] = (), without: Iterable[str] = ()) -> list[ActorSpec]:
    """The actors that are to run, in the order of ACTORS. Raises UnknownActor."""
    only, without = list(only), list(without)
    wanted = _members(only) if only else set(ACTORS)
    return [ACTORS[name] for name in ACTORS if name in wanted - _members(without)]


def _members(names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    groups = {spec.group for spec in ACTORS.values()}
    for name in names:
        if name in ACTORS:
            found.add(name)
        elif name in groups:
            found |= {spec.name for spec in ACTORS.values() if name in (spec.group, _WITHIN.get(spec.group))}
        elif name != API:
            known = [*ACTORS, *groups, API]
            near = get_close_matches(name, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise UnknownActor(f"there is no actor named {name!r}; {hint}")
    return found


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

    nodes = Nodes(
        at.client,
        clock=at.clock,
        ids=at.ids,
        nodes=shapes(at.nodes, NodeShape("", kubelet=at.versions.kubernetes)),
        heartbeats=at.pace == "realistic",
    )
    return Made(nodes, nodes.register)


def _scheduler(at: Setting) -> Made:
    from fakekube.agents.scheduler import Scheduler

    return Made(Scheduler(at.client.sharing(), clock=at.clock, ids=at.ids))


def _kubelet(at: Setting) -> Made:
    from fakekube.agents.kubelet import Kubelet
    from fakekube.agents.node_server.server import NodeServer
    from fakekube.lifecycle.stage import PACES

    def ends_with_its_guest(pod: Object) -> bool:
        return objects.labels(pod).get("kubevirt.io") == "virt-launcher"

    async def guest(pod: Object, port: int) -> "Serve | None":
        """A port of KubeVirt's own pods, or of a virtual machine where a virt-handler of ours plays it."""
        from fakekube.virt.operator import health  # and TLS with it

        if (well := health.of_pod(pod, port, at.client)) is not None:
            return well
        handler, owner = at.made.get("virt-handler"), objects.controller_of(pod)
        if owner is None or not ends_with_its_guest(pod) or not isinstance(handler, _Opens):
            return None
        try:
            return await handler.open(objects.namespace(pod), owner["name"], "portforward", port)
        except ApiError:
            return None

    pace = PACES[at.pace]
    kubelet = Kubelet(
        at.client.sharing(),
        clock=at.clock,
        ids=at.ids,
        pace=pace,
        ends_elsewhere=ends_with_its_guest,
        stages=[one for one in at.stages if not one.name.startswith(_LAUNCHER)],
    )
    return Made(kubelet, services={KUBELET: NodeServer(at.client, clock=at.clock, guests=guest)})


def _stages(at: Setting) -> Made:
    from fakekube.agents.own_stages import OwnStages
    from fakekube.lifecycle.stage import PACES

    played = {kind for actor, kind in _PLAYERS.items() if actor in at.chosen}
    stages = [one for one in at.stages if (one.group, one.kind) not in played]
    client = at.as_account("kubevirt-handler", "stages")  # who may change statuses of instances
    return Made(OwnStages(client, clock=at.clock, ids=at.ids, stages=stages, pace=PACES[at.pace]))


_LAUNCHER = "launcher-"  # stages of pods so called are virt-handler's

# Actors that play a kind's stages themselves.
_PLAYERS: Mapping[str, tuple[str, str]] = {
    "kubelet": ("", "Pod"),
    "virt-handler": ("kubevirt.io", "VirtualMachineInstance"),
}


@runtime_checkable
class _Opens(Protocol):
    """What is asked of a virt-handler."""

    async def open(
        self, namespace: str, name: str, kind: Literal["portforward"], port: int = 0
    ) -> "Serve": ...


def _volumes(at: Setting) -> Made:
    from fakekube.agents.volumes import Volumes, default_class

    async def prepare() -> None:
        await at.preload([default_class()])

    return Made(Volumes(at.client, clock=at.clock, ids=at.ids), prepare)


def _metrics(at: Setting) -> Made:
    from fakekube.agents.metrics import actor

    metrics = actor.Metrics(at.client, clock=at.clock, ids=at.ids)

    async def prepare() -> None:
        await at.preload(actor.manifests())

    return Made(metrics, prepare, services={(actor.NAMESPACE, actor.SERVICE): metrics})


def _horizontal_pod_autoscaler(at: Setting) -> Made:
    from fakekube.agents.autoscaling.controller import HorizontalPodAutoscaler

    return Made(HorizontalPodAutoscaler(at.client, clock=at.clock, ids=at.ids))


def _caches(at: Setting) -> "Caches":
    from fakekube.agents.workloads.caches import Caches

    if not at.caches:
        at.caches.append(Caches(at.client.sharing(), at.clock))
    return at.caches[0]


def _workload(at: Setting, kind: "type[Workload]") -> Made:
    return Made(kind(at.client, clock=at.clock, ids=at.ids, caches=_caches(at)))


def _deployments(at: Setting) -> Made:
    from fakekube.agents.workloads.deployments.controller import Deployments

    return _workload(at, Deployments)


def _replica_sets(at: Setting) -> Made:
    from fakekube.agents.workloads.replicasets.controller import ReplicaSets

    return _workload(at, ReplicaSets)


def _replication_controllers(at: Setting) -> Made:
    from fakekube.agents.workloads.replicasets.controller import ReplicationControllers

    return _workload(at, ReplicationControllers)


def _jobs(at: Setting) -> Made:
    from fakekube.agents.workloads.jobs.controller import Jobs

    return _workload(at, Jobs)


def _cron_jobs(at: Setting) -> Made:
    from fakekube.agents.workloads.cronjobs.controller import CronJobs

    return _workload(at, CronJobs)


def _stateful_sets(at: Setting) -> Made:
    from fakekube.agents.workloads.statefulsets.controller import StatefulSets

    return _workload(at, StatefulSets)


def _daemon_sets(at: Setting) -> Made:
    from fakekube.agents.workloads.daemonsets.controller import DaemonSets

    return _workload(at, DaemonSets)


def _disruption(at: Setting) -> Made:
    from fakekube.agents.disruption.controller import Disruption

    return _workload(at, Disruption)


def _node_lifecycle(at: Setting) -> Made:
    from fakekube.agents.node_lifecycle.controller import NodeLifecycle

    return Made(NodeLifecycle(at.client, clock=at.clock, ids=at.ids, caches=_caches(at)))


def _virt_operator(at: Setting) -> Made:
    from fakekube.virt.operator import install, webhooks
    from fakekube.virt.operator.crds import crds

    client = at.as_account("kubevirt-operator", "virt-operator")
    webhook = "virt-api" in at.chosen or (install.NAMESPACE, "virt-api") in at.elsewhere
    operator = install.VirtOperator(
        client, clock=at.clock, ids=at.ids, webhook=webhook, release=at.versions.kubevirt
    )

    async def prepare() -> None:
        """What the very first write of a user must meet: types and webhooks. The operator installs the rest."""
        await at.preload(crds())
        if webhook:
            await at.preload(webhooks.api_services(install.NAMESPACE))
            await at.preload(webhooks.configurations(install.NAMESPACE))

    return Made(operator, prepare)


def _virt_api(at: Setting) -> Made:
    from fakekube.virt.api.handler import VirtApi
    from fakekube.virt.handler.guest import VirtHandler

    handler = at.made.get("virt-handler")
    node = handler if isinstance(handler, VirtHandler) else None
    stand_ins = not at.chosen >= {"virt-controller", "virt-handler"}
    api = VirtApi(
        at.client, clock=at.clock, ids=at.ids, node=node, release=at.versions.kubevirt, stand_ins=stand_ins
    )
    return Made(api, services={("kubevirt", "virt-api"): api})


def _virt_controller(at: Setting) -> Made:
    from fakekube.virt.controller.app import VirtController

    client = at.as_account("kubevirt-controller", "virt-controller").sharing()
    return Made(VirtController(client, clock=at.clock, ids=at.ids))


def _virt_handler(at: Setting) -> Made:
    from fakekube.lifecycle.stage import PACES
    from fakekube.virt.handler.guest import VirtHandler

    client = at.as_account("kubevirt-handler", "virt-handler").sharing()
    return Made(VirtHandler(client, clock=at.clock, ids=at.ids, pace=PACES[at.pace], stages=at.stages))


def _cdi(at: Setting) -> Made:
    from fakekube.virt.cdi import uploads
    from fakekube.virt.cdi.app import Cdi

    cdi = Cdi(at.client, clock=at.clock, ids=at.ids, pace=at.pace)

    async def prepare() -> None:
        await at.preload([uploads.api_service("cdi")])

    services: dict[tuple[str, str], Handler] = {
        ("cdi", "cdi-api"): cdi.api,
        ("cdi", "cdi-uploadproxy"): cdi.proxy,
    }
    return Made(cdi, prepare, services)


def _pool_controller(at: Setting) -> Made:
    from controller.app import PoolController

    client = at.as_account("kubevirt-controller", "virtualmachinepool-controller").sharing()
    delay = _POOL_DELAY[at.pace]
    return Made(PoolController(client, clock=at.clock, ids=at.ids, reconcile_delay=delay))


# How long the pool controller lets changes gather; upstream's is a second. Never zero: `kubectl delete vm` looks again
# for the name it deleted, and waits for ever if a replacement of that name comes before its second look.
_POOL_DELAY: Mapping[Pace, float] = {"instant": 0.2, "fast": 0.5, "realistic": 1.0}

_ENDPOINTS_BATCH = 0.1  # seconds in which the changes of many pods become one look at their Service

API = "api"  # always there; a name of its own only so that `--only api` can be said

ACTORS: dict[str, ActorSpec] = {
    spec.name: spec
    for spec in (
        ActorSpec("nodes", KUBERNETES, "registers worker nodes", _nodes),
        ActorSpec("garbage-collector", KUBERNETES, "deletes what lost its owner", _garbage_collector),
        ActorSpec("namespaces", KUBERNETES, "empties namespaces that are being deleted", _namespaces),
        ActorSpec(
            "service-accounts", KUBERNETES, "gives namespaces their default account", _service_accounts
        ),
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
        ActorSpec("metrics", KUBERNETES, "tells what nodes and pods use: kubectl top, autoscaling", _metrics),
        ActorSpec(
            "horizontal-pod-autoscaler",
            KUBERNETES,
            "scales pools and workloads by their metrics",
            _horizontal_pod_autoscaler,
        ),
        ActorSpec("disruption", KUBERNETES, "tells what PodDisruptionBudgets allow", _disruption),
        ActorSpec(
            "node-lifecycle", KUBERNETES, "taints nodes in trouble, evicts and clears pods", _node_lifecycle
        ),
        ActorSpec("deployments", WORKLOADS, "rolls out Deployments", _deployments),
        ActorSpec("replicasets", WORKLOADS, "keeps ReplicaSets at their size", _replica_sets),
        ActorSpec(
            "replicationcontrollers",
            WORKLOADS,
            "the same for ReplicationControllers",
            _replication_controllers,
        ),
        ActorSpec("statefulsets", WORKLOADS, "keeps StatefulSets, one pod after the other", _stateful_sets),
        ActorSpec("daemonsets", WORKLOADS, "keeps a pod of each DaemonSet on every node", _daemon_sets),
        ActorSpec("cronjobs", WORKLOADS, "makes Jobs by the clock", _cron_jobs),
        ActorSpec("jobs", WORKLOADS, "runs Jobs, and deletes those that are to go after", _jobs),
        ActorSpec(
            "virt-operator", KUBEVIRT, "installs KubeVirt's and CDI's types and webhooks", _virt_operator
        ),
        ActorSpec(
            "virt-controller", KUBEVIRT, "turns VMs into instances and launcher pods", _virt_controller
        ),
        ActorSpec(
            "virt-handler", KUBEVIRT, "plays nodes and guests: boots, pauses, migrates, ends", _virt_handler
        ),
        ActorSpec(
            "virt-api", KUBEVIRT, "admits and defaults KubeVirt's objects; start, stop, pause, …", _virt_api
        ),
        ActorSpec("cdi", KUBEVIRT, "fills DataVolumes, takes uploads", _cdi),
        ActorSpec("pool-controller", KUBEVIRT, "keeps VirtualMachinePools at their size", _pool_controller),
    )
}
