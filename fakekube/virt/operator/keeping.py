"""Keeps what an installation marks as its own: labels that somebody takes off come back, as do the ports of services; and
authorities of others join the bundle that KubeVirt's components trust.

Workloads are `rollout`'s business; of everything else nobody takes care.
Origin: kubevirt: pkg/virt-operator/resource/apply/{core,admissionregistration,apiservices,certificates}.go
"""

from collections.abc import Iterable, Mapping

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery import objects
from fakekube.machinery.objects import Obj
from fakekube.machinery.resources import CONFIG_MAPS, Resource
from fakekube.machinery.wire import Object
from fakekube.virt.operator import authorities

KINDS = ("Service", "Secret", "APIService", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
OWN, FOREIGN = "kubevirt-ca", "kubevirt-external-ca"
_BUNDLE = "ca-bundle"


def restored(known: Object, wanted: Obj) -> Object:
    """An object with its labels, and a service with its ports, as they were installed; itself when nothing is missing."""
    labels = objects.labels(wanted)
    if not labels.items() <= objects.labels(known).items():
        meta = {**known["metadata"], "labels": {**objects.labels(known), **labels}}
        known = {**known, "metadata": meta}
    if wanted["kind"] == "Service":
        ports, found = wanted["spec"]["ports"], known["spec"].get("ports") or []
        same = len(ports) == len(found) and all(
            {**has, **want} == has for has, want in zip(found, ports, strict=True)
        )
        if not same:
            known = {**known, "spec": {**known["spec"], "ports": ports}}
    return known


class Keeper:
    """See the module text; `marked` is what was installed, `resources` tells how kinds are reached."""

    def __init__(
        self,
        client: Client,
        marked: Iterable[Object],
        resources: Mapping[str, Resource],
        *,
        clock: Clock,
        namespace: str,
    ) -> None:
        self._client = client
        self._clock = clock
        self._namespace = namespace
        self._wanted: dict[tuple[str, str], Object] = {}
        for obj in marked:
            if obj["kind"] in KINDS and objects.namespace(obj) in ("", namespace):
                self._wanted[obj["kind"], objects.key(obj)] = obj
        self._resources = {kind: resources[kind] for kind, _ in self._wanted}
        self._informers = {
            kind: Informer(client, one, clock=clock, namespace=namespace if one.namespaced else None)
            for kind, one in self._resources.items()
        }
        self._bundles = Informer(client, CONFIG_MAPS, clock=clock, namespace=namespace)
        self._controller = Controller("virt-operator: keeping", self._reconcile, clock=clock)
        for kind, informer in self._informers.items():
            self._controller.source(
                informer,
                lambda _old, new, kind=kind: self._strayed(kind, new),  # type: ignore[misc]
            )
        self._controller.source(self._bundles, self._joining)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return self._controller.idle

    async def run(self) -> None:
        """Until cancelled."""
        await self._controller.run()

    def _strayed(self, kind: str, new: Object | None) -> list[str]:
        wanted = self._wanted.get((kind, objects.key(new))) if new is not None else None
        if new is None or wanted is None or restored(new, wanted) is new:
            return []
        return [f"{kind} {objects.key(new)}"]

    @staticmethod
    def _joining(_old: Object | None, new: Object | None) -> list[str]:
        return [FOREIGN] if new is not None and objects.name(new) in (OWN, FOREIGN) else []

    async def _reconcile(self, what: str) -> Result | None:
        if what == FOREIGN:
            await self._join()
            return None
        kind, _, key = what.partition(" ")
        found = self._informers[kind].get(key)
        if found is not None:
            wanted = restored(found, self._wanted[kind, key])
            if wanted is not found:
                await self._client.update(self._resources[kind], wanted)
        return None

    async def _join(self) -> None:
        own, foreign = (self._bundles.get(f"{self._namespace}/{name}") for name in (OWN, FOREIGN))
        if own is None or foreign is None:
            return
        bundle, others = ((one.get("data") or {}).get(_BUNDLE, "") for one in (own, foreign))
        joined = authorities.joined(bundle, others, self._clock.now())
        if joined != bundle:
            await self._client.update(CONFIG_MAPS, {**own, "data": {**own["data"], _BUNDLE: joined}})
