"""Claims and volumes that are being deleted: let go of as soon as nobody uses them.

A claim is in use from when a pod that names it has a node until that pod has ended (there: until it is gone), a volume while it
is bound.
Upstream: k8s: pkg/controller/volume/{pvcprotection,pvprotection}
"""

import asyncio
from collections.abc import Iterable

from fakekube.agents.claims_used import claims_of
from fakekube.client.client import Client
from fakekube.client.controller import Controller
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.objects import dig, finalizers, is_final, is_terminating, key, name, namespace
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS, PODS, Resource
from fakekube.machinery.wire import Object

CLAIM, VOLUME = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"


class StorageProtection:
    """Shares the binder's informers; it asks for pods only once a claim is being deleted."""

    def __init__(
        self, client: Client, *, clock: Clock, claims: Informer, volumes: Informer, pods: Informer
    ) -> None:
        self._client = client
        self._claims = claims
        self._volumes = volumes
        self._pods = pods
        self._pods.on_change(self._pod_changed)
        self.claims = Controller("persistentvolumeclaim-protection", self._claim, clock=clock)
        self.claims.source(claims, _terminating)
        self.volumes = Controller("persistentvolume-protection", self._volume, clock=clock)
        self.volumes.source(volumes, _terminating)

    @property
    def idle(self) -> bool:
        return self.claims.idle and self.volumes.idle

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.claims.run())
            tasks.create_task(self.volumes.run())

    async def look_again(self) -> None:
        """Once pods are followed: those that ended before were asked for and are never told of."""
        await self._pods.wait_synced()
        for claim in self._claims.objects():
            if is_terminating(claim):
                self.claims.queue.add(key(claim))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for own in claims_of(new or old or {}):
            claim = self._claims.get(own)
            if claim is not None and is_terminating(claim):
                self.claims.queue.add(own)

    async def _claim(self, own: str) -> None:
        claim = self._claims.get(own)
        if claim is None or not is_terminating(claim) or CLAIM not in finalizers(claim):
            return
        # Asked live: a pod made a moment ago must count, and a cluster without deletions needs no pod cache.
        pods = await self._client.list(PODS, namespace(claim))
        if any(_is_there(pod) and own in claims_of(pod) for pod in pods.items):
            return
        await self._release(PERSISTENT_VOLUME_CLAIMS, claim, CLAIM)

    async def _volume(self, own: str) -> None:
        volume = self._volumes.get(own)
        if volume is None or not is_terminating(volume) or VOLUME not in finalizers(volume):
            return
        if dig(volume, "status", "phase") != "Bound":
            await self._release(self._volumes.resource, volume, VOLUME)

    async def _release(self, resource: Resource, obj: Object, finalizer: str) -> None:
        left = [one for one in finalizers(obj) if one != finalizer]
        version = obj["metadata"]["resourceVersion"]
        patch = {"metadata": {"finalizers": left or None, "resourceVersion": version}}
        try:
            await self._client.patch(resource, name(obj), namespace(obj) or None, patch, type="merge")
        except NotFound:
            return
        except ApiError as error:
            if error.code != 409:
                raise
            return  # it has changed: the change is on its way here


def _is_there(pod: Object) -> bool:
    return bool(dig(pod, "spec", "nodeName")) and not is_final(pod)


def _terminating(_old: Object | None, new: Object | None) -> Iterable[str]:
    return (key(new),) if new is not None and is_terminating(new) else ()
