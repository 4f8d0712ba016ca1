"""Where pods fit by what they claim, and that it is theirs then: what the scheduler asks and does about claims.

Upstream: k8s: pkg/scheduler/framework/plugins/dynamicresources
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from fakekube.agents.devices import allocation
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import Conflict, NotFound
from fakekube.machinery.resources import RESOURCE_CLAIMS
from fakekube.machinery.wire import Object

CANNOT = "cannot allocate all claims"
ELSEWHERE = "resourceclaim not available on the node"
PROTECTION = "resource.kubernetes.io/delete-protection"


class Wanted(Struct, frozen=True):
    """What a pod that is to be placed claims; `reasons` says what a node lacks for it."""

    claims: Sequence[Object]
    reasons: Callable[[Object], tuple[str, ...]]


class Reservations:
    """By what the caches know, and by what was written and they do not show yet."""

    def __init__(
        self, client: Client, claims: Informer, classes: Informer, slices: Informer, select: allocation.Select
    ) -> None:
        self._client = client
        self._claims = claims
        self._classes = classes
        self._slices = slices
        self._select = select
        self._ahead: dict[str, Object] = {}

    def wanted(self, pod: Object) -> Wanted | None:
        """What it claims; None: some of that is not there yet."""
        names = [allocation.claim_name(pod, one) for one in pod["spec"]["resourceClaims"]]
        claims = [self.current(f"{objects.namespace(pod)}/{own}") for own in names if own]
        found = [one for one in claims if one is not None and not objects.is_terminating(one)]
        if len(found) < len(names):
            return None

        taken = self._taken()

        def reasons(node: Object) -> tuple[str, ...]:
            if not all(allocation.admits(one, node) for one in found):
                return (ELSEWHERE,)
            return () if self._plan(found, node, taken) is not None else (CANNOT,)

        return Wanted(found, reasons)

    async def reserve(self, pod: Object, wanted: Wanted, node: Object) -> bool:
        """Whether all of it is the pod's now, on this node."""
        plan = self._plan(wanted.claims, node, self._taken())
        if plan is None:
            return False
        consumer = {"resource": "pods", "name": objects.name(pod), "uid": objects.uid(pod)}
        for claim in wanted.claims:
            own, namespace = objects.name(claim), objects.namespace(claim)
            status = copy_of(claim.get("status") or {})
            results = plan.get(objects.uid(claim))
            if results is not None:
                status["allocation"] = allocation.bound_to(results, node)
            reserved = status.setdefault("reservedFor", [])
            if consumer not in reserved:
                reserved.append(consumer)
            try:
                if PROTECTION not in objects.finalizers(claim):
                    marked = {"metadata": {"finalizers": [*objects.finalizers(claim), PROTECTION]}}
                    await self._client.patch(RESOURCE_CLAIMS, own, namespace, marked, type="merge")
                written = await self._client.patch(
                    RESOURCE_CLAIMS, own, namespace, {"status": status}, type="merge", subresource="status"
                )
            except (Conflict, NotFound):
                return False
            self.note(written)
        return True

    def _taken(self) -> frozenset[allocation.Id]:
        """What claims have been given."""
        everybody = [self.current(objects.key(one)) or one for one in self._claims.objects()]
        return frozenset(device for one in everybody for device in allocation.given(one))

    def _plan(
        self, claims: Sequence[Object], node: Object, taken: frozenset[allocation.Id]
    ) -> Mapping[str, list[allocation.Result]] | None:
        """By claim, what those get that have nothing yet."""
        open_ = [one for one in claims if not objects.dig(one, "status", "allocation")]
        if not open_:
            return {}
        devices, plan = allocation.on_node(self._slices.objects(), node), dict[str, list[allocation.Result]]()
        for claim in open_:
            results = allocation.allocate(claim, devices, taken, self._classes.known, self._select)
            if results is None:
                return None
            plan[objects.uid(claim)] = results
            taken |= {(one["driver"], one["pool"], one["device"]) for one in results}
        return plan

    def current(self, key: str) -> Object | None:
        cached, ahead = self._claims.get(key), self._ahead.get(key)
        if ahead is None:
            return cached
        if cached is None or objects.uid(cached) != objects.uid(ahead):
            del self._ahead[key]
            return cached
        if int(objects.resource_version(cached)) >= int(objects.resource_version(ahead)):
            del self._ahead[key]
            return cached
        return ahead

    def note(self, written: Object) -> None:
        """A claim as it is since a write."""
        self._ahead[objects.key(written)] = written

    def forget(self, key: str) -> None:
        self._ahead.pop(key, None)
