"""Keeps the status of PodDisruptionBudgets.

How many pods there should be is asked of what controls them: ReplicaSets (for their Deployment), ReplicationControllers,
StatefulSets, and anything else that has a scale.
Upstream: k8s: pkg/controller/disruption/disruption.go
"""

from collections.abc import Iterable

from fakekube.agents.disruption import planning
from fakekube.agents.workloads.actor import Workload
from fakekube.agents.workloads.caches import Caches
from fakekube.client.client import Client
from fakekube.client.controller import Result
from fakekube.client.freshness import Freshness
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery import objects, selectors
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import BUDGETS, PODS, Resource, split_api_version
from fakekube.machinery.wire import Object


class _Untold(Exception):
    """It cannot be told how many pods there should be; the text says why."""


class Disruption(Workload):
    """An actor."""

    name, account, component = "disruption", "disruption-controller", "controllermanager"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, caches: Caches | None = None) -> None:
        super().__init__(client, clock=clock, ids=ids, caches=caches)
        self._budgets = self.caches.of(BUDGETS)
        self._pods = self.caches.of(PODS)
        self._fresh = Freshness(self._budgets, clock)
        self.controller.source(self._budgets)
        self.controller.source(self._pods, self._of_pod)

    def _of_pod(self, old: Object | None, new: Object | None) -> Iterable[str]:
        pod = new if new is not None else old
        if pod is None:
            return
        for budget in self._budgets.in_namespace(objects.namespace(pod)):
            if any(_selects(budget, one) for one in (old, new) if one is not None):
                yield objects.key(budget)

    async def reconcile(self, key: str) -> Result | None:
        budget = self._budgets.get(key)
        if budget is None or self._fresh.behind(key):
            return None
        now = self.clock.now()
        selected = [
            pod for pod in self._pods.in_namespace(objects.namespace(budget)) if _selects(budget, pod)
        ]
        if not selected:
            self.recorder.event(budget, NORMAL, "NoPods", "No matching pods found")
        try:
            scale = await self._scale(budget, selected) if planning.needs_scales(budget) else 0
        except _Untold as why:
            said = f"Failed to calculate the number of expected pods: {why}"
            self.recorder.event(budget, WARNING, "CalculateExpectedPodCountFailed", said)
            await self.tell(self._fresh, budget, planning.failed(budget, str(why), now))
            return None
        expected, desired = planning.wanted(budget, len(selected), scale)
        going = planning.disrupted(budget, selected, now)
        for pod in going.given_up:
            said = f"Pod was expected by PDB {key} to be deleted but it wasn't"
            self.recorder.event(pod, WARNING, "NotDeleted", said)
        current = planning.healthy(selected, going.expected)
        counts = expected, desired, current
        await self.tell(self._fresh, budget, planning.status(budget, counts, going.expected, now))
        return Result(requeue_after=going.wait) if going.wait is not None else None

    async def _scale(self, budget: Object, selected: list[Object]) -> int:
        """How many pods their controllers want in all. Raises _Untold."""
        scales: dict[str, int] = {}
        unmanaged = []
        for pod in selected:
            owner = objects.controller_of(pod)
            if owner is None:
                unmanaged.append(objects.name(pod))
                continue
            uid, size = await self._scale_of(owner, objects.namespace(pod))
            scales[uid] = size
        if unmanaged:
            text = str(selectors.from_object(budget["spec"].get("selector")))
            said = (
                f"Pods selected by this PodDisruptionBudget (selector: {text}) were found to be unmanaged. As a result, "
                "the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account "
                'for these pods please set ".spec.minAvailable" field of the PDB to an integer value.'
            )
            self.recorder.event(budget, WARNING, "UnmanagedPods", said)
        return sum(scales.values())

    async def _scale_of(self, owner: Object, namespace: str) -> tuple[str, int]:
        """(uid, size) of whoever scales the pods of a controller: of a ReplicaSet's Deployment, where it has one."""
        group, version = split_api_version(owner["apiVersion"])
        resource = Resource(group, version, f"{owner['kind'].lower()}s", owner["kind"])
        try:
            if owner["kind"] in ("ReplicaSet", "ReplicationController", "StatefulSet"):
                found = await self.client.get(resource, owner["name"], namespace)
                above = objects.controller_of(found)
                if above is not None and above.get("kind") == "Deployment":
                    return await self._scale_of(above, namespace)
            else:
                found = await self.client.get(resource, owner["name"], namespace, subresource="scale")
        except NotFound as error:
            said = f"{resource.qualified} does not implement the scale subresource"
            raise _Untold(
                said if not error.details or not error.details.get("name") else str(error)
            ) from None
        except ApiError as error:
            raise _Untold(str(error)) from None
        return str(owner["uid"]), int(dig(found, "spec", "replicas", default=0))


def _selects(budget: Object, pod: Object) -> bool:
    try:
        return selectors.from_object(budget["spec"].get("selector")).matches(objects.labels(pod))
    except selectors.SelectorError:
        return False
