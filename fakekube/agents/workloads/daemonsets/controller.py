"""Keeps a pod of every DaemonSet on every node that suits.

Upstream: k8s: pkg/controller/daemon/daemon_controller.go
"""

from collections.abc import Iterable

from fakekube.agents.workloads import pods
from fakekube.agents.workloads.actor import Workload
from fakekube.agents.workloads.caches import Caches
from fakekube.agents.workloads.claiming import claim, selector_of
from fakekube.agents.workloads.daemonsets import planning
from fakekube.agents.workloads.pod_control import Dependents, PodControl
from fakekube.agents.workloads.revisions import POD_LABEL, History
from fakekube.client.client import Client
from fakekube.client.controller import Result
from fakekube.client.freshness import Freshness
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from fakekube.machinery.wire import Object


class DaemonSets(Workload):
    """An actor."""

    name, account, component = "daemonsets", "daemon-set-controller", "daemonset-controller"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, caches: Caches | None = None) -> None:
        super().__init__(client, clock=clock, ids=ids, caches=caches)
        self._sets = self.caches.of(DAEMON_SETS)
        self._pods = self.caches.of(PODS)
        self._nodes = self.caches.of(NODES)
        revisions = self.caches.of(CONTROLLER_REVISIONS)
        self._history = History(self.client, revisions, by_template=True)
        self._control = PodControl(self.client, self.recorder, self.expected, self._pods.__contains__)
        self._fresh = Freshness(self._sets, clock)
        self.controller.source(self._sets)
        self.controller.source(self._pods, Dependents(self._sets, self.expected))
        self.controller.source(self._nodes, self._all_of_changed)
        self.controller.reads(revisions)

    def _who_would_have(self, pod: Object) -> Iterable[str]:
        return [
            objects.key(one)
            for one in self._sets.in_namespace(objects.namespace(pod))
            if selector_of(one).matches(objects.labels(pod))
        ]

    def _all_of_changed(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """A node that came, went, or may suit others than before; heartbeats change nothing of the kind."""
        if old is not None and new is not None and _traits(old) == _traits(new):
            return ()
        return [objects.key(one) for one in self._sets.objects()]

    async def reconcile(self, key: str) -> Result | None:
        found = self._sets.get(key)
        if found is None:
            self.expected.forget(key)
            return None
        if self._fresh.behind(key):
            return None
        if dig(found, "spec", "selector") == {}:
            said = "This daemon set is selecting all pods. A non-empty selector is required."
            self.recorder.event(found, WARNING, "SelectingAll", said)
            return None
        settled = self.expected.satisfied(key)
        owned = await claim(self.client, found, DAEMON_SETS, self._pods)
        before = int(dig(found, "status", "collisionCount", default=0))
        update, collisions = await self._history.newest(found, before)
        revision = objects.labels(update).get(POD_LABEL, "")
        nodes, placed, now = self._nodes.objects(), planning.by_node(owned), self.clock.now()
        if settled and not objects.is_terminating(found):
            plan = planning.manage(found, nodes, placed)
            if not plan.create and not plan.delete and planning.is_rolling(found):
                plan = planning.roll(found, nodes, placed, revision, now)
            await self._act(found, plan, revision)
        status = planning.status(found, nodes, placed, revision, now)
        if collisions:
            status["collisionCount"] = collisions
        await self.tell(self._fresh, found, status)
        in_use = {planning.pods_revision(pod) for pod in owned}
        live = [
            objects.name(one)
            for one in self._history.of(found)
            if objects.labels(one).get(POD_LABEL) in in_use
        ]
        await self._history.forget(found, [objects.name(update), *live])
        if not settled:
            return Result(requeue_after=self.expected.remaining(key))
        wait = pods.until_next_available(found, owned, now)
        return Result(requeue_after=wait) if wait > 0 else None

    async def _act(self, daemon_set: Object, plan: planning.Plan, revision: str) -> None:
        for pod, ended in plan.delete:
            if ended:
                state = "failed" if ended == "Failed" else "succeeded"
                kind = WARNING if ended == "Failed" else NORMAL
                verb = "kill" if ended == "Failed" else "delete"
                said = f"Found {state} daemon pod {objects.key(pod)} on node {planning.node_of(pod)}, will try to {verb} it"
                self.recorder.event(daemon_set, kind, f"{state.capitalize()}DaemonPod", said)
        refused = await self._control.delete_many(daemon_set, [pod for pod, _ in plan.delete])
        _, error = await self._control.create_many(
            daemon_set,
            len(plan.create),
            lambda number: planning.build(daemon_set, plan.create[number], revision),
        )
        if refused is not None or error is not None:
            raise refused or error  # type: ignore[misc]  # one of them is an exception


def _traits(node: Object) -> object:
    spec = node.get("spec") or {}
    return objects.labels(node), spec.get("taints"), spec.get("unschedulable")
