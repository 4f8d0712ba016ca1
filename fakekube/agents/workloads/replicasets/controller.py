"""Keeps ReplicaSets, or ReplicationControllers, at their size.

Upstream: k8s: pkg/controller/replicaset/replica_set.go
"""

from collections.abc import Iterable

from fakekube.agents.workloads import pods
from fakekube.agents.workloads.actor import Workload
from fakekube.agents.workloads.caches import OWNER, REPLICATION_CONTROLLERS, Caches
from fakekube.agents.workloads.claiming import claim
from fakekube.agents.workloads.pod_control import Dependents, PodControl, pod_of
from fakekube.agents.workloads.replicasets import planning
from fakekube.client.client import Client
from fakekube.client.controller import Result
from fakekube.client.freshness import Freshness
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.errors import ApiError
from fakekube.machinery.resources import PODS, REPLICA_SETS, Resource
from fakekube.machinery.wire import Object


class ReplicaSets(Workload):
    """An actor."""

    name, account = "replicasets", "replicaset-controller"
    resource: Resource = REPLICA_SETS

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, caches: Caches | None = None) -> None:
        super().__init__(client, clock=clock, ids=ids, caches=caches)
        self._sets = self.caches.of(self.resource)
        self._pods = self.caches.of(PODS)
        self._control = PodControl(self.client, self.recorder, self.expected, self._pods.__contains__)
        self._fresh = Freshness(self._sets, clock)
        self.controller.source(self._sets)
        self.controller.source(self._pods, Dependents(self._sets, self.expected))

    async def reconcile(self, key: str) -> Result | None:
        found = self._sets.get(key)
        if found is None:
            self.expected.forget(key)
            return None
        if self._fresh.behind(key):
            return None
        settled = self.expected.satisfied(key)
        now = self.clock.now()
        owned = await claim(self.client, found, self.resource, self._pods, suits=pods.is_active)
        failure, error = None, None
        if settled and not objects.is_terminating(found):
            failure, error = await self._manage(found, [pod for pod in owned if pods.is_active(pod)])
        await self.tell(self._fresh, found, planning.status(found, owned, failure, now))
        if error is not None:
            raise error
        if not settled:
            return Result(requeue_after=self.expected.remaining(key))
        wait = pods.until_next_available(found, filter(pods.is_active, owned), now)
        return Result(requeue_after=wait) if wait > 0 else None

    async def _manage(
        self, owner: Object, active: list[Object]
    ) -> tuple[tuple[str, str] | None, ApiError | None]:
        wanted = planning.replicas_of(owner)
        plan = planning.plan(wanted, active, self._family(owner), self.clock.now())
        error: ApiError | None = None
        if plan.create:
            template = owner["spec"].get("template") or {}
            _, error = await self._control.create_many(owner, plan.create, lambda _: pod_of(template, owner))
        elif plan.delete:
            error = await self._control.delete_many(owner, plan.delete)
        if error is None:
            return None, None
        return ("FailedCreate" if plan.create else "FailedDelete", str(error)), error

    def _family(self, owner: Object) -> Iterable[Object]:
        """The active pods of every set that has the same controller as this one."""
        controller = objects.controller_of(owner)
        family = self._sets.by_index(OWNER, controller["uid"]) if controller else [owner]
        for one in family:
            yield from (pod for pod in self._pods.by_index(OWNER, objects.uid(one)) if pods.is_active(pod))


class ReplicationControllers(ReplicaSets):
    """An actor: the same for the elder sibling."""

    name, account = "replicationcontrollers", "replication-controller"
    resource = REPLICATION_CONTROLLERS
