"""The volume binder and provisioner: claims become Bound to volumes that hold nothing, and volumes go with their claims.

A claim of a class with `volumeBindingMode: WaitForFirstConsumer` waits until a pod that uses it has a node. A claim that
names a class nobody has made is bound all the same: tests rarely care. Matching pre-made volumes is not done.
Upstream: k8s: pkg/controller/volume/persistentvolume/pv_controller.go
"""

import asyncio
from collections.abc import Iterable

from fakekube.agents import fates
from fakekube.agents.storage_protection import StorageProtection, claims_of_pod
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery.errors import AlreadyExists, NotFound
from fakekube.machinery.objects import annotations, dig, is_terminating, key, name, namespace, uid
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS, PODS, Resource
from fakekube.machinery.wire import Object

PERSISTENT_VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
STORAGE_CLASSES = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)

_SELECTED_NODE = "volume.kubernetes.io/selected-node"
_BOUND = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
_CLAIM = "claim"


class Volumes:
    """See the module text."""

    name = "persistentvolume-binder"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids) -> None:
        del ids  # nothing here is left to chance
        self._client = client
        self._claims = Informer(client, PERSISTENT_VOLUME_CLAIMS, clock=clock)
        self._classes = Informer(client, STORAGE_CLASSES, clock=clock)
        self._pods = Informer(client, PODS, clock=clock)
        self._pods.add_index(_CLAIM, claims_of_pod)
        self._pods.on_change(self._pod_changed)
        self._released: dict[str, str] = {}  # claim key → volume that is nobody's any more
        self._watching_pods: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self.controller = Controller(self.name, self._reconcile, clock=clock)
        self.controller.source(self._claims)
        self._claims.on_change(self._claim_changed)
        self.controller.source(self._classes, self._claims_of_class)
        volumes = Informer(client, PERSISTENT_VOLUMES, clock=clock)
        self._protection = StorageProtection(
            client, clock=clock, claims=self._claims, volumes=volumes, pods=self._pods
        )

    @property
    def idle(self) -> bool:
        """Nothing is queued or being worked on."""
        return self.controller.idle and self._protection.idle

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self.controller.run())
            tasks.create_task(self._protection.run())

    def _claims_of_class(self, old: Object | None, new: Object | None) -> Iterable[str]:
        made = new if old is None else None
        if made is None:
            return ()
        return [
            key(claim)
            for claim in self._claims.objects()
            if dig(claim, "spec", "storageClassName") == name(made) and not _is_bound(claim)
        ]

    def _pod_changed(self, _old: Object | None, new: Object | None) -> None:
        if new is not None and dig(new, "spec", "nodeName"):
            for claim in claims_of_pod(new):
                self.controller.queue.add(claim)

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        """Remember the volume of a claim that has gone: it is deleted with it."""
        if new is None and old is not None and (volume := dig(old, "spec", "volumeName")):
            self._released[key(old)] = volume

    async def _reconcile(self, own: str) -> Result | None:
        if (released := self._released.pop(own, None)) is not None:
            await self._delete(released)
        claim = self._claims.get(own)
        if claim is not None and is_terminating(claim):
            self._watch_pods()  # its protection is lifted when the last of them has ended
        if claim is None or is_terminating(claim) or _is_bound(claim):
            return None
        if fates.stays_unbound(claim):
            return None
        if self._waits_for_consumer(claim) and not self._has_consumer(own, claim):
            self._watch_pods()
            return None
        await self._bind(claim)
        return None

    def _waits_for_consumer(self, claim: Object) -> bool:
        chosen = self._classes.get(dig(claim, "spec", "storageClassName", default=""))
        return chosen is not None and chosen.get("volumeBindingMode") == "WaitForFirstConsumer"

    def _has_consumer(self, own: str, claim: Object) -> bool:
        if annotations(claim).get(_SELECTED_NODE):
            return True
        return any(dig(pod, "spec", "nodeName") for pod in self._pods.by_index(_CLAIM, own))

    def _watch_pods(self) -> None:
        """Pods matter only while a claim waits for one: a cluster without such claims is spared the watching."""
        if self._watching_pods is None and self._tasks is not None:
            self._watching_pods = self._tasks.create_task(self._pods.run())
            self._tasks.create_task(self._protection.look_again())

    async def _bind(self, claim: Object) -> None:
        """Make the volume, name it in the claim, then tell that both are bound."""
        volume = _volume(claim)
        try:
            made = await self._client.create(PERSISTENT_VOLUMES, volume)
            await self._client.update(
                PERSISTENT_VOLUMES, {**made, "status": {"phase": "Bound"}}, subresource="status"
            )
        except AlreadyExists:
            pass  # an earlier pass got this far
        meta = {"annotations": _BOUND}
        patch = {"metadata": meta, "spec": {"volumeName": name(volume)}}
        status = {
            "phase": "Bound",
            "accessModes": dig(claim, "spec", "accessModes", default=["ReadWriteOnce"]),
            "capacity": dig(claim, "spec", "resources", "requests", default={"storage": "1Gi"}),
        }
        space, own = namespace(claim), name(claim)
        try:
            await self._client.patch(PERSISTENT_VOLUME_CLAIMS, own, space, patch, type="merge")
            await self._client.patch(
                PERSISTENT_VOLUME_CLAIMS, own, space, {"status": status}, type="merge", subresource="status"
            )
        except NotFound:
            return

    async def _delete(self, volume: str) -> None:
        """Reclaim a volume this binder has made; others stay."""
        try:
            found = await self._client.get(PERSISTENT_VOLUMES, volume)
            if dig(found, "spec", "persistentVolumeReclaimPolicy") == "Delete":
                released = {**found, "status": {**(found.get("status") or {}), "phase": "Released"}}
                await self._client.update(PERSISTENT_VOLUMES, released, subresource="status")
                await self._client.delete(PERSISTENT_VOLUMES, volume, uid=uid(found))
        except NotFound:
            return


def _is_bound(claim: Object) -> bool:
    return bool(dig(claim, "status", "phase") == "Bound")


def _volume(claim: Object) -> Object:
    spec = claim["spec"]
    made: Object = {
        "accessModes": spec.get("accessModes") or ["ReadWriteOnce"],
        "capacity": dig(spec, "resources", "requests", default={"storage": "1Gi"}),
        "claimRef": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": namespace(claim),
            "name": name(claim),
            "uid": uid(claim),
        },
        "hostPath": {"path": f"/var/lib/fakekube/{namespace(claim)}/{name(claim)}"},
        "persistentVolumeReclaimPolicy": "Delete",
        "volumeMode": spec.get("volumeMode") or "Filesystem",
    }
    if storage_class := spec.get("storageClassName"):
        made["storageClassName"] = storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": f"pvc-{uid(claim)}",
            "annotations": {"pv.kubernetes.io/provisioned-by": "fakekube.io/volumes"},
        },
        "spec": made,
    }
