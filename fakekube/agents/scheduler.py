"""Binds pods to nodes: where they fit (`scheduling`), on the best of those (`choosing`), once their claims are there (`volume_waits`).

One pod at a time, in the order of arrival. A pod that fits nowhere gets condition PodScheduled=False, reason
Unschedulable, with the reasons counted over the nodes, and is looked at again when something that could help has
changed: a node, a pod that has left, a claim. What was bound counts at once, before the cache shows it.
There is no preemption; of preferences, affinity is weighed. Devices that pods claim: `devices`.
Upstream: k8s: pkg/scheduler/{scheduler,schedule_one}.go
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fakekube.agents import choosing, ephemeral_claims, fates, scheduling, spreading, volume_waits
from fakekube.agents.claims_used import claims_of
from fakekube.agents.placements import Books
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.client.recorder import NORMAL, WARNING, Recorder
from fakekube.clock import Clock, parse_rfc3339, rfc3339
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.errors import Conflict, NotFound
from fakekube.machinery.resources import NODES, PERSISTENT_VOLUME_CLAIMS, PODS, STORAGE_CLASSES
from fakekube.machinery.wire import Object

if TYPE_CHECKING:
    from fakekube.agents.devices.claims import Claims
    from fakekube.agents.devices.reservations import Wanted

Select = Callable[[str, Mapping[str, Any]], bool]
USER = "system:kube-scheduler"
SCHEDULER_NAME = "default-scheduler"

_SOON = 1.0  # when somebody else has changed a claim meanwhile


def no_device(_expression: str, _device: Mapping[str, Any]) -> bool:
    return False


class Scheduler:
    """An actor. `select` says whether an expression holds for a device."""

    name = "scheduler"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, select: Select = no_device) -> None:
        self._client = client.as_user(USER, user_agent="kube-scheduler")
        self._clock = clock
        self._recorder = Recorder(self._client, SCHEDULER_NAME, clock=clock, ids=ids)
        self._pods = Informer(self._client, PODS, clock=clock)
        self._nodes = Informer(self._client, NODES, clock=clock)
        self._claims = Informer(self._client, PERSISTENT_VOLUME_CLAIMS, clock=clock)
        self._classes = Informer(self._client, STORAGE_CLASSES, clock=clock)
        self._select = select
        self._devices: Claims | None = None  # from the first pod on that claims some
        self._tasks: asyncio.TaskGroup | None = None
        self._books = Books()
        self._unschedulable: set[str] = set()
        self._sociable: set[str] = set()  # those of them whose place depends on where others are
        self._controller = Controller(self.name, self._schedule, clock=clock)
        # The books are kept before anything is queued, so whoever is woken sees them as they are now.
        self._pods.on_change(self._books.count_pod)
        self._nodes.on_change(self._books.count_node)
        self._controller.source(self._pods, self._pods_to_try)
        self._controller.source(self._nodes, self._all_waiting)
        self._controller.source(self._claims, self._waiting_for_claims)
        self._controller.source(self._classes, self._all_waiting)

    @property
    def idle(self) -> bool:
        return self._controller.idle and self._recorder.idle and (self._devices is None or self._devices.idle)

    @property
    def informers(self) -> Sequence[Informer]:
        return self._controller.informers

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks, self._devices = tasks, None
            tasks.create_task(self._recorder.run(), name="scheduler: events")
            tasks.create_task(self._controller.run(), name="scheduler: pods")

    # What wakes whom

    def _pods_to_try(self, old: Object | None, new: Object | None) -> Iterable[str]:
        key = objects.key(new or old or {})
        if (pod := new or old) is not None and pod["spec"].get("resourceClaims"):
            self._claimed().note(pod)
        if new is None or objects.is_final(new):
            self._unschedulable.discard(key)
            if old is not None and old["spec"].get("nodeName"):
                return self._take_waiting()  # room has been made
            return ()
        if not _wants_a_node(new):
            self._unschedulable.discard(key)
            arrived = new["spec"].get("nodeName") and not (old and old["spec"].get("nodeName"))
            return self._waiting_for_company() if arrived else ()
        same = old is not None and old["spec"] == new["spec"] and objects.labels(old) == objects.labels(new)
        if same and fates.of(old or {}) == fates.of(new) and _claims_told(old or {}) == _claims_told(new):
            return ()  # our own condition, most likely
        return (key,)

    def _all_waiting(self, old: Object | None, new: Object | None) -> Iterable[str]:
        if old is not None and new is not None and _for_scheduling(old) == _for_scheduling(new):
            return ()
        return self._take_waiting()

    def _waiting_for_claims(self, _old: Object | None, new: Object | None) -> Iterable[str]:
        if new is None:
            return ()
        prefix = f"{objects.namespace(new)}/"
        found = sorted(key for key in self._unschedulable if key.startswith(prefix))
        return [key for key in found if (pod := self._pods.get(key)) and objects.key(new) in claims_of(pod)]

    def _waiting_for_company(self) -> list[str]:
        """Those a pod that has found its place may help to theirs."""
        self._sociable &= self._unschedulable
        return sorted(self._sociable)

    def _take_waiting(self) -> list[str]:
        return sorted(self._unschedulable)

    # One pod

    async def _schedule(self, key: str) -> Result | None:
        pod = self._pods.get(key)
        if pod is None or key in self._books.placed or not _wants_a_node(pod):
            return None
        if not self._books.states:
            await self._reject(key, pod, scheduling.NO_NODES)
            return None
        if (left := self._fated(pod)) > 0:
            await self._reject(
                key, pod, scheduling.explain(dict.fromkeys(self._books.states, (scheduling.AFFINITY,)))
            )
            return Result(requeue_after=left) if left != fates.FOR_EVER else None
        trouble, unbound = volume_waits.trouble(pod, self._claims, self._classes)
        if trouble:
            await self._reject(key, pod, scheduling.explain(dict.fromkeys(self._books.states, ()), trouble))
            await ephemeral_claims.make(self._client, pod, self._claims)
            return None
        claimed = await self._wanted(pod) if pod["spec"].get("resourceClaims") else None
        if claimed is None and pod["spec"].get("resourceClaims"):
            self._unschedulable.add(key)  # until its claims are there
            return None
        node, rejected = choosing.choose(pod, self._books, claimed)
        if node is None:
            await self._reject(key, pod, scheduling.explain(rejected))
            return None
        if unbound:
            self._unschedulable.add(key)
            await volume_waits.provision(self._client, unbound, node)
            return None
        if claimed is not None and not await self._claimed().reservations.reserve(
            pod, claimed, self._books.states[node].node
        ):
            return Result(requeue_after=_SOON)
        await self._bind(key, pod, node)
        return None

    def _claimed(self) -> "Claims":
        """Who knows of claims for devices: nobody, until there is a pod that has some."""
        if self._devices is None:
            from fakekube.agents.devices.claims import Claims  # noqa: PLC0415 - few clusters have any

            assert self._tasks is not None
            self._devices = Claims(
                self._client,
                clock=self._clock,
                recorder=self._recorder,
                pods=self._pods,
                select=self._select,
                wake=self._wake_claiming,
            )
            self._tasks.create_task(self._devices.run(), name="scheduler: devices")
        return self._devices

    async def _wanted(self, pod: Object) -> "Wanted | None":
        devices = self._claimed()
        await devices.synced()
        return devices.reservations.wanted(pod)

    def _wake_claiming(self) -> None:
        for key in self._take_waiting():
            if (pod := self._pods.get(key)) is not None and pod["spec"].get("resourceClaims"):
                self._controller.queue.add(key)

    def _fated(self, pod: Object) -> float:
        """Seconds for which the pod is to fit nowhere."""
        wanted = fates.of(pod).unschedulable
        if not wanted:
            return 0.0
        return (
            wanted - (self._clock.now() - parse_rfc3339(pod["metadata"]["creationTimestamp"])).total_seconds()
        )

    async def _bind(self, key: str, pod: Object, node: str) -> None:
        name, namespace = objects.name(pod), objects.namespace(pod)
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": objects.uid(pod)},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        self._unschedulable.discard(key)
        self._books.place(key, pod, node)
        try:
            await self._client.create(PODS, binding, subresource="binding")
        except (Conflict, NotFound):  # bound or deleted by somebody else: the watch will tell, if it has not
            self._books.unplace(key)
            if (now := self._pods.get(key)) is not None:
                self._books.count_pod(None, now)
            return
        except BaseException:
            self._books.unplace(key)
            raise
        self._recorder.event(pod, NORMAL, "Scheduled", f"Successfully assigned {namespace}/{name} to {node}")

    async def _reject(self, key: str, pod: Object, message: str) -> None:
        self._unschedulable.add(key)
        if scheduling.required_terms(pod, "podAffinity") or spreading.constraints(pod):
            self._sociable.add(key)
        present = objects.condition(pod, "PodScheduled") or {}
        if present.get("status") == "False" and present.get("message") == message:
            return
        now = rfc3339(self._clock.now())
        since = present.get("lastTransitionTime") if present.get("status") == "False" else now
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": since,
            "observedGeneration": objects.generation(pod),
        }
        self._recorder.event(pod, WARNING, "FailedScheduling", message)
        try:
            await self._client.patch(
                PODS,
                objects.name(pod),
                objects.namespace(pod),
                {"status": {"conditions": [condition]}},
                type="strategic",
                subresource="status",
            )
        except NotFound:
            self._unschedulable.discard(key)


def _wants_a_node(pod: Object) -> bool:
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and not spec.get("schedulingGates")
        and (spec.get("schedulerName") or SCHEDULER_NAME) == SCHEDULER_NAME
        and not objects.is_terminating(pod)
        and not objects.is_final(pod)
    )


def _claims_told(pod: Object) -> Any:
    return (pod.get("status") or {}).get("resourceClaimStatuses")


def _for_scheduling(node: Object) -> tuple[Any, ...]:
    """What of a node (or storage class) may change a decision: not its heartbeats."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    return (
        objects.labels(node),
        spec.get("taints"),
        spec.get("unschedulable"),
        status.get("allocatable"),
        node.get("volumeBindingMode"),
    )
