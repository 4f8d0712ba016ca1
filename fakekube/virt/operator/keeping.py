"""Keeps what is installed: what somebody changes or deletes comes back; and authorities of others join the bundle that
KubeVirt's components trust.

Workloads are `rollout`'s business, definitions `defining`'s. While virt-operator is scaled to nothing, nobody keeps anything.
Origin: kubevirt: pkg/virt-operator/resource/apply/{core,rbac,admissionregistration,apiservices,certificates}.go
"""

from collections.abc import Callable, Iterable, Mapping

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery import objects
from fakekube.machinery.resources import CONFIG_MAPS, Resource
from fakekube.machinery.wire import Object
from fakekube.virt.operator import authorities
from fakekube.virt.operator.marking import restored

OWN, FOREIGN = "kubevirt-ca", "kubevirt-external-ca"
_BUNDLE = "ca-bundle"
_OURS = "app.kubernetes.io/managed-by=virt-operator"
_MANY = ("ClusterRole", "ClusterRoleBinding")  # of which few are ours


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
        self._clock = clock
        self._namespace = namespace
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
            )
            for kind, one in self._resources.items()
        }
        self._bundles = self._informers[CONFIG_MAPS.kind]
        self._controller = Controller("virt-operator: keeping", self._reconcile, clock=clock)
        for kind, informer in self._informers.items():
            self._controller.source(
                informer,
                lambda old, new, kind=kind: self._strayed(kind, old, new),  # type: ignore[misc]
            )
        self._controller.source(self._bundles, self._joining)

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

    @staticmethod
    def _joining(_old: Object | None, new: Object | None) -> list[str]:
        return [FOREIGN] if new is not None and objects.name(new) in (OWN, FOREIGN) else []

    async def _reconcile(self, what: str) -> Result | None:
        if self._resting():
            return None
        if what == FOREIGN:
            await self._join()
            return None
        kind, _, key = what.partition(" ")
        await self._put_back(self._resources[kind], self._wanted[kind, key])
        return None

    async def _put_back(self, resource: Resource, wanted: Object) -> None:
        found = await self._client.find(resource, objects.name(wanted), objects.namespace(wanted))
        if found is None:
            await self._client.create_if_absent(resource, wanted)
            return
        as_it_was = restored(found, wanted)
        if as_it_was is not found and not objects.is_terminating(found):
            await self._client.update(resource, as_it_was)

    async def _join(self) -> None:
        own, foreign = (self._bundles.get(f"{self._namespace}/{name}") for name in (OWN, FOREIGN))
        if own is None or foreign is None:
            return
        bundle, others = ((one.get("data") or {}).get(_BUNDLE, "") for one in (own, foreign))
        joined = authorities.joined(bundle, others, self._clock.now())
        if joined != bundle:
            await self._client.update(CONFIG_MAPS, {**own, "data": {**own["data"], _BUNDLE: joined}})
