"""The volume binder and provisioner: claims become Bound to volumes, and volumes go with their claims. A new one holds
what its claim is to be filled with from another one or a snapshot, or nothing. Claims of certain populators are left to them.

What becomes of a claim is `volume_binding`'s, of a volume `volume_release`'s. Every class has a provisioner here, whatever it is called, but
`kubernetes.io/no-provisioner`. Claims that wait say what for, as events.
Upstream: k8s: pkg/controller/volume/persistentvolume/pv_controller.go; external-provisioner, external-resizer
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping

from fakekube.agents import fates, volume_objects
from fakekube.agents import volume_binding as binding
from fakekube.agents import volume_origins as origins
from fakekube.agents.claims_used import claims_of
from fakekube.agents.identities import as_controller
from fakekube.agents.storage_protection import StorageProtection
from fakekube.agents.volume_contents import VolumeContents, snapshot, volume_of
from fakekube.agents.volume_release import Release, set_phase
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.client.recorder import WARNING, Recorder
from fakekube.clock import Clock, parse_rfc3339
from fakekube.ids import Ids
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import Obj, annotations, dig, is_terminating, key, name, namespace, uid
from fakekube.machinery.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STORAGE_CLASSES,
    VOLUME_SNAPSHOTS,
)
from fakekube.machinery.wire import Object

_BOUND = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
_CLAIM, _FREE = "claim", "free"
_LONGEST = 300.0
_LOST = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
_MISBOUND = "Two claims are bound to the same volume, this one is bound incorrectly"


class Volumes:
    """See the module text. `populators`: API groups whose objects claims are filled from by somebody who makes their volumes, too."""

    name = "persistentvolume-binder"

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        ids: Ids,
        contents: VolumeContents,
        populators: Collection[str] = (),
    ) -> None:
        client = self._client = as_controller(client, "persistent-volume-binder")
        self._populators = populators
        self._contents = contents
        self._clock = clock
        self._claims = Informer(client, PERSISTENT_VOLUME_CLAIMS, clock=clock)
        self._classes = Informer(client, STORAGE_CLASSES, clock=clock)
        self._volumes = Informer(client, PERSISTENT_VOLUMES, clock=clock)
        self._volumes.add_index(_CLAIM, _claimed_by)
        self._volumes.add_index(_FREE, _free_in)
        self._pods = Informer(client, PODS, clock=clock)
        self._pods.add_index(_CLAIM, claims_of)
        self._pods.on_change(self._pod_changed)
        self._recorder = Recorder(client, "persistentvolume-controller", clock=clock, ids=ids)
        self._watching_pods: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self.controller = Controller(self.name, self._reconcile, clock=clock)
        self.controller.source(self._claims)
        self.controller.source(self._classes, self._claims_of_class)
        self.controller.source(self._volumes, self._claims_for_volume)
        self._release = Release(
            client, clock=clock, claims=self._claims, volumes=self._volumes, contents=contents
        )
        self._protection = StorageProtection(
            client, clock=clock, claims=self._claims, volumes=self._volumes, pods=self._pods
        )

    @property
    def idle(self) -> bool:
        """Nothing is queued or being worked on."""
        return all(
            one.idle for one in (self.controller, self._release.controller, self._protection, self._recorder)
        )

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._recorder.run())
            tasks.create_task(self.controller.run())
            tasks.create_task(self._release.controller.run())
            tasks.create_task(self._protection.run())

    # --- whom a change wakes -----------------------------------------------------------------------------------

    def _claims_of_class(self, old: Object | None, new: Object | None) -> Iterable[str]:
        return self._unbound(name(new)) if new is not None and old is None else ()

    def _claims_for_volume(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """Claims a volume that is free may be for, or the one that has lost it, and the one it is now for."""
        if new is not None:
            spec = new["spec"]
            if old is not None and (holders := _other_holders(old, new)):
                return holders
            return (
                self._unbound(spec.get("storageClassName", ""))
                if not spec.get("claimRef", {}).get("uid")
                else ()
            )
        kept = dig(old, "spec", "claimRef", default={})
        return (f"{kept.get('namespace')}/{kept.get('name')}",) if kept else ()

    def _unbound(self, of_class: str) -> list[str]:
        return [
            key(claim)
            for claim in self._claims.objects()
            if binding.class_of(claim) == of_class and not _is_bound(claim)
        ]

    def _pod_changed(self, _old: Object | None, new: Object | None) -> None:
        if new is not None and dig(new, "spec", "nodeName"):
            for claim in claims_of(new):
                self.controller.queue.add(claim)

    # --- claims ------------------------------------------------------------------------------------------------

    async def _reconcile(self, own: str) -> Result | None:
        claim = self._claims.get(own)
        if claim is None:
            return None
        if is_terminating(claim):
            self._watch_pods()  # its protection is lifted when the last of them has ended
            return None
        try:
            if _is_bound(claim):
                await self._look_after(claim)
            elif not fates.stays_unbound(claim):
                return await self._bind(own, claim)
        except NotFound:
            return None  # it has gone meanwhile
        return None

    async def _bind(self, own: str, claim: Object) -> Result | None:
        chosen = self._classes.get(binding.class_of(claim))
        late = chosen is not None and chosen.get("volumeBindingMode") == binding.LATE
        consumed = not late or self._has_consumer(own, claim)
        populated = origins.populated_by(claim) in self._populators
        decision = binding.decide(
            claim, chosen, self._candidates(claim), consumed=consumed, populated=populated
        )
        lacking = await self._lacking(claim) if isinstance(decision, binding.Make) else ""
        if lacking:
            decision = binding.Wait(WARNING, "ProvisioningFailed", lacking)
        if isinstance(decision, binding.Wait):
            if not consumed:
                self._watch_pods()
            if decision.reason:
                self._recorder.event(claim, decision.type, decision.reason, decision.message)
            if dig(claim, "status", "phase") != "Pending":
                await self._tell(claim, {"phase": "Pending"})
        elif isinstance(decision, binding.Make):
            await self._complete(claim, await self._made(claim, decision.storage_class))
        else:
            await self._complete(claim, await self._taken(claim, decision.volume))
        return Result(requeue_after=self._patience(claim)) if lacking else None

    async def _lacking(self, claim: Object) -> str:
        """What is wrong with that the claim is to be filled from."""
        named = origins.named(claim)
        if named is None:
            return ""
        resource, own = named
        found = await self._client.find(resource, own, namespace(claim))
        return origins.refusal(claim, resource, own, found)

    def _patience(self, claim: Object) -> float:
        """Seconds until it is looked at again: as long as it has waited."""
        waited = (self._clock.now() - parse_rfc3339(claim["metadata"]["creationTimestamp"])).total_seconds()
        return min(max(waited, 1.0), _LONGEST)

    def _candidates(self, claim: Object) -> list[Object]:
        """Volumes worth looking at: the one the claim names, or those of its class that nobody has."""
        if wanted := dig(claim, "spec", "volumeName"):
            named = self._volumes.get(wanted)
            return [named] if named is not None else []
        mine = self._volumes.by_index(_CLAIM, uid(claim))
        return mine or self._volumes.by_index(_FREE, binding.class_of(claim))

    async def _made(self, claim: Object, storage_class: Obj) -> Object:
        volume = volume_objects.volume(claim, storage_class)
        made = await self._client.create_if_absent(PERSISTENT_VOLUMES, volume)
        if made is None:  # an earlier pass got this far
            made = await self._client.get(PERSISTENT_VOLUMES, name(volume))
        elif source := self._source(claim):
            self._contents.copy(source, name(volume))
        return made

    def _source(self, claim: Object) -> str:
        """Where its contents come from, as `volume_contents` calls it."""
        named = origins.named(claim)
        if named is None:
            return ""
        resource, own = named
        where = f"{namespace(claim)}/{own}"
        if resource is VOLUME_SNAPSHOTS:
            return snapshot(where)
        found = self._claims.get(where)
        return volume_of(found) if found is not None else ""

    async def _taken(self, claim: Object, volume: Object) -> Object:
        if dig(volume, "spec", "claimRef", "uid") == uid(claim):
            return volume
        meta = volume["metadata"]
        notes = {**annotations(volume), "pv.kubernetes.io/bound-by-controller": "yes"}
        spec = {**volume["spec"], "claimRef": volume_objects.reference(claim)}
        return await self._client.update(
            PERSISTENT_VOLUMES, {**volume, "metadata": {**meta, "annotations": notes}, "spec": spec}
        )

    async def _complete(self, claim: Object, volume: Object) -> None:
        """The volume is the claim's: tell it of both."""
        await set_phase(self._client, volume, "Bound")
        notes = dict(_BOUND)
        if provisioner := annotations(volume).get("pv.kubernetes.io/provisioned-by"):
            notes["volume.kubernetes.io/storage-provisioner"] = provisioner
        patch = {"metadata": {"annotations": notes}, "spec": {"volumeName": name(volume)}}
        await self._client.patch(PERSISTENT_VOLUME_CLAIMS, name(claim), namespace(claim), patch, type="merge")
        spec = volume["spec"]
        await self._tell(
            claim, {"phase": "Bound", "accessModes": spec["accessModes"], "capacity": spec["capacity"]}
        )

    async def _look_after(self, claim: Object) -> None:
        """Of a bound claim: its volume grows with it, and if it is gone the claim is lost."""
        own = dig(claim, "spec", "volumeName", default="")
        volume = self._volumes.get(own)
        if volume is None or _is_of_another(volume, claim):
            volume = await self._client.find(PERSISTENT_VOLUMES, own)  # the cache may be behind
        if volume is None or _is_of_another(volume, claim):
            if dig(claim, "status", "phase") != "Lost":
                told = ("ClaimLost", _LOST) if volume is None else ("ClaimMisbound", _MISBOUND)
                self._recorder.event(claim, WARNING, *told)
                await self._tell(claim, {"phase": "Lost", "accessModes": None, "capacity": None})
            return
        chosen = self._classes.get(binding.class_of(claim))
        if binding.requested(claim) > binding.size_of(volume) and dig(chosen, "allowVolumeExpansion"):
            size = {"storage": claim["spec"]["resources"]["requests"]["storage"]}
            patch = {"spec": {"capacity": size}}
            await self._client.patch(PERSISTENT_VOLUMES, own, None, patch, type="merge")
            await self._tell(claim, {"capacity": size})

    async def _tell(self, claim: Object, status: Mapping[str, object]) -> None:
        await self._client.patch(
            PERSISTENT_VOLUME_CLAIMS,
            name(claim),
            namespace(claim),
            {"status": status},
            type="merge",
            subresource="status",
        )

    def _has_consumer(self, own: str, claim: Object) -> bool:
        if annotations(claim).get(binding.SELECTED_NODE):
            return True
        return any(dig(pod, "spec", "nodeName") for pod in self._pods.by_index(_CLAIM, own))

    def _watch_pods(self) -> None:
        """Pods matter only while a claim waits for one: a cluster without such claims is spared the watching."""
        if self._watching_pods is None and self._tasks is not None:
            self._watching_pods = self._tasks.create_task(self._pods.run())
            self._tasks.create_task(self._protection.look_again())


def _is_bound(claim: Obj) -> bool:
    return dig(claim, "status", "phase") in ("Bound", "Lost")


def _is_of_another(volume: Obj, claim: Obj) -> bool:
    return bool(dig(volume, "spec", "claimRef", "uid", default=uid(claim)) != uid(claim))


def _other_holders(old: Obj, new: Obj) -> list[str]:
    """Keys of the claims a volume was and is for, where that has changed."""
    was, now = (dig(one, "spec", "claimRef", default={}) for one in (old, new))
    if not now.get("uid") or was.get("uid") == now["uid"]:
        return []
    return [f"{one['namespace']}/{one['name']}" for one in (was, now) if one]


def _claimed_by(volume: Object) -> Iterable[str]:
    """The uid of the claim that has the volume."""
    claim = dig(volume, "spec", "claimRef", "uid")
    return (claim,) if claim else ()


def _free_in(volume: Object) -> Iterable[str]:
    """The class of a volume that no claim has yet."""
    return () if _claimed_by(volume) else (dig(volume, "spec", "storageClassName", default=""),)
