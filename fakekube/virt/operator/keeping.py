"""Keeps what is installed: what somebody changes or deletes comes back.

Workloads are `rollout`'s business, definitions `defining`'s, certificates `certifying`'s. While virt-operator is scaled
to nothing, nobody keeps anything.
Origin: kubevirt: pkg/virt-operator/resource/apply/{core,rbac,admissionregistration,apiservices}.go
"""

from collections.abc import Callable, Iterable, Mapping

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery import objects
from fakekube.machinery.resources import Resource
from fakekube.machinery.wire import Object
from fakekube.virt.operator.marking import restored

_OURS = "app.kubernetes.io/managed-by=virt-operator"
_MANY = ("ClusterRole", "ClusterRoleBinding")  # of which few are ours
_NOT_MADE = "Namespace"  # but marked


class Keeper:
    """See the module text; `installed` is what there is to be, `resources` tells how kinds are reached, `resting` whether
    virt-operator is."""

    def __init__(
        self,
        client: Client,
        installed: Iterable[Object],
        resources: Mapping[str, Resource],
        *,
        clock: Clock,
        namespace: str,
        resting: Callable[[], bool],
    ) -> None:
        self._client = client
        self._resting = resting
        self._wanted = {(one["kind"], objects.key(one)): one for one in installed}
        self._resources = {kind: resources[kind] for kind, _ in self._wanted}
        self._informers = {
            kind: Informer(
                client,
                one,
                clock=clock,
                namespace=namespace if one.namespaced else None,
                label_selector=_OURS if kind in _MANY else "",
                field_selector=f"metadata.name={namespace}" if kind == _NOT_MADE else "",
            )
            for kind, one in self._resources.items()
        }
        self._controller = Controller("virt-operator: keeping", self._reconcile, clock=clock)
        for kind, informer in self._informers.items():
            self._controller.source(
                informer,
                lambda old, new, kind=kind: self._strayed(kind, old, new),  # type: ignore[misc]
            )

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return self._controller.idle

    async def run(self) -> None:
        """Until cancelled."""
        await self._controller.run()

    def want(self, changed: Iterable[Object]) -> None:
        """From now on these are to be otherwise."""
        for one in changed:
            own = one["kind"], objects.key(one)
            if self._wanted.get(own) != one:
                self._wanted[own] = one
                self._controller.queue.add(" ".join(own))

    def look_again(self) -> None:
        """At everything: virt-operator has rested."""
        for own in self._wanted:
            self._controller.queue.add(" ".join(own))

    def _strayed(self, kind: str, old: Object | None, new: Object | None) -> list[str]:
        obj = new or old
        wanted = self._wanted.get((kind, objects.key(obj))) if obj is not None else None
        if obj is None or wanted is None or (new is not None and restored(new, wanted) is new):
            return []
        return [f"{kind} {objects.key(obj)}"]

    async def _reconcile(self, what: str) -> Result | None:
        if self._resting():
            return None
        kind, _, key = what.partition(" ")
        await self._put_back(self._resources[kind], self._wanted[kind, key])
        return None

    async def _put_back(self, resource: Resource, wanted: Object) -> None:
        found = await self._client.find(resource, objects.name(wanted), objects.namespace(wanted))
        if found is None and wanted["kind"] == _NOT_MADE:
            return
        if found is None:
            await self._client.create_if_absent(resource, wanted)
            return
        as_it_was = restored(found, wanted)
        if as_it_was is not found and not objects.is_terminating(found):
            await self._client.update(resource, as_it_was)
