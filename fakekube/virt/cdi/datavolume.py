"""CDI's DataVolume controllers as one actor: make the claim, fill it, tell how far it is. What a phase means is `phases`'.

Binding claims is left to the cluster (`agents.volumes`). Importer pods are not made: nothing looks at them.
Origin: cdi: pkg/controller/datavolume/controller-base.go, import-controller.go
"""

import asyncio
from collections.abc import Iterable
from typing import Literal

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.client.recorder import NORMAL, WARNING, Recorder
from fakekube.clock import Clock, rfc3339
from fakekube.ids import Ids
from fakekube.machinery.errors import AlreadyExists
from fakekube.machinery.objects import (
    annotations,
    controller_of,
    dig,
    is_terminating,
    key,
    name,
    namespace,
    owners,
    split_key,
    uid,
)
from fakekube.machinery.resources import DATA_VOLUMES, PERSISTENT_VOLUME_CLAIMS, Resource
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import phases

STORAGE_CLASSES = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)

PaceName = Literal["instant", "fast", "realistic", "chaos"]

_BIND_NOW = "cdi.kubevirt.io/storage.bind.immediate.requested"
_DEFAULT_CLASS = (
    "storageclass.kubevirt.io/is-default-virt-class",
    "storageclass.kubernetes.io/is-default-class",
)
_ADOPT = "cdi.kubevirt.io/allowClaimAdoption"
_TRANSFER_SECONDS = {"instant": 0.0, "fast": 0.8, "realistic": 20.0, "chaos": 0.8}


class DataVolumes:
    """See the module text."""

    name = "cdi-controller"

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        ids: Ids,
        pace: PaceName = "instant",
        workers: int = 1,
    ) -> None:
        self._client = client
        self._clock = clock
        self._takes = _TRANSFER_SECONDS[pace]
        self._volumes = Informer(client, DATA_VOLUMES, clock=clock)
        self._claims = Informer(client, PERSISTENT_VOLUME_CLAIMS, clock=clock)
        self._classes = Informer(client, STORAGE_CLASSES, clock=clock)
        self._recorder = Recorder(client, "datavolume-import-controller", clock=clock, ids=ids)
        self._entered: dict[str, tuple[str, float]] = {}  # DataVolume uid → phase and when it was entered
        self.controller = Controller(self.name, self._reconcile, clock=clock, workers=workers)
        self.controller.source(self._volumes)
        self.controller.source(self._claims, self._concerned)
        self.controller.source(self._classes, lambda _old, _new: ())

    @property
    def idle(self) -> bool:
        """Nothing is queued or being worked on, and every event has been sent."""
        return self.controller.idle and self._recorder.idle

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run())
            tasks.create_task(self.controller.run())

    def _concerned(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """The DataVolume of a claim's name, and clones that wait for the claim as their source."""
        claim = new or old
        if claim is None:
            return ()
        keys = [key(claim)]
        if old is None:
            keys += [key(one) for one in self._volumes.objects() if self._source_key(one) == key(claim)]
        return keys

    def _source_key(self, volume: Object) -> str:
        source = dig(volume, "spec", "source", "pvc")
        return f"{source.get('namespace') or namespace(volume)}/{source.get('name')}" if source else ""

    async def _reconcile(self, own: str) -> Result | None:
        volume = self._volumes.get(own)
        if volume is None:
            return None
        if is_terminating(volume):
            self._entered.pop(uid(volume), None)
            return None
        claim = self._claims.get(own)
        if claim is None:
            if phases.fate_of(volume).quota:
                await self._write(
                    volume, phases.Seen(volume, None, False, 0.0, 0.0, phases.Fate(quota=True)), "Pending"
                )
                return None
            if dig(volume, "status", "phase") not in ("Succeeded", "Failed"):
                claim = await self._create_claim(volume)
        elif not _is_owned(claim, volume):
            claim = await self._adopt(volume, claim)
        if claim is None:
            return None
        return await self._advance(volume, claim)

    async def _create_claim(self, volume: Object) -> Object | None:
        try:
            return await self._client.create(
                PERSISTENT_VOLUME_CLAIMS, phases.claim(volume, default_class=self._default_class())
            )
        except AlreadyExists:
            return None  # the cache will show it

    async def _adopt(self, volume: Object, claim: Object) -> Object | None:
        """A claim that is there already is taken over with its contents, when the DataVolume allows it."""
        if annotations(volume).get(_ADOPT) != "true" or controller_of(claim) is not None:
            return None
        made = phases.claim(volume, default_class="")["metadata"]["ownerReferences"]
        patch = {"metadata": {"ownerReferences": [*owners(claim), *made]}}
        space, own = split_key(key(claim))
        adopted = await self._client.patch(PERSISTENT_VOLUME_CLAIMS, own, space, patch, type="merge")
        seen = self._seen(volume, adopted)
        await self._write(volume, seen, "Succeeded")
        return None

    async def _advance(self, volume: Object, claim: Object) -> Result | None:
        seen = self._seen(volume, claim)
        phase, wait = phases.next_phase(seen)
        await self._write(volume, seen, phase)
        return Result(requeue_after=wait) if wait is not None else None

    def _seen(self, volume: Object, claim: Object) -> phases.Seen:
        now, phase = self._clock.monotonic(), dig(volume, "status", "phase", default="")
        entered = self._entered.get(uid(volume))
        if entered is None or entered[0] != phase:
            entered = self._entered[uid(volume)] = (phase, now)
        fate = phases.fate_of(volume)
        source = self._source_key(volume)
        return phases.Seen(
            volume,
            claim,
            waits_for_consumer=self._binds_late(volume, claim),
            since=now - entered[1],
            takes=self._takes if fate.takes is None else fate.takes,
            fate=fate,
            source_missing=bool(source) and source not in self._claims,
        )

    def _binds_late(self, volume: Object, claim: Object) -> bool:
        if annotations(volume).get(_BIND_NOW) == "true":
            return False
        chosen = self._classes.get(dig(claim, "spec", "storageClassName", default=""))
        return chosen is not None and chosen.get("volumeBindingMode") == "WaitForFirstConsumer"

    def _default_class(self) -> str:
        for mark in _DEFAULT_CLASS:
            for one in self._classes.objects():
                if annotations(one).get(mark) == "true":
                    return name(one)
        return ""

    async def _write(self, volume: Object, seen: phases.Seen, phase: str) -> None:
        old = volume.get("status") or {}
        new = phases.status(seen, phase, rfc3339(self._clock.now()))
        if new == old:
            return
        await self._client.update(DATA_VOLUMES, {**volume, "status": new}, subresource="status")
        self._tell(volume, old, new)

    def _tell(self, volume: Object, old: Object, new: Object) -> None:
        own, transfer = name(volume), phases.transfer_of(volume)
        if _reason(old, "Bound") != (bound := _reason(new, "Bound")) and bound in ("Pending", "Bound"):
            self._recorder.event(volume, NORMAL, bound, f"PVC {own} {bound}")
        if _reason(new, "Running") == "Error" and _reason(old, "Running") != "Error":
            message = next(one["message"] for one in new["conditions"] if one["type"] == "Running")
            self._recorder.event(volume, WARNING, "Error", message)
        if old.get("phase") == new["phase"]:
            return
        texts = {
            transfer.scheduled: (NORMAL, transfer.scheduled, f"{transfer.noun} {own} scheduled"),
            transfer.in_progress: (NORMAL, transfer.in_progress, f"{transfer.noun} {own} in progress"),
            "Succeeded": (NORMAL, f"{transfer.verb}Succeeded", f"{transfer.done} {own}"),
            "Failed": (
                WARNING,
                f"{transfer.verb}Failed",
                f"Failed to {transfer.verb.lower()} into PVC {own}",
            ),
        }
        if (told := texts.get(new["phase"])) is not None:
            self._recorder.event(volume, *told)


def _reason(status: Object, kind: str) -> str:
    return next((one.get("reason", "") for one in status.get("conditions") or () if one["type"] == kind), "")


def _is_owned(claim: Object, volume: Object) -> bool:
    owner = controller_of(claim)
    return owner is not None and owner.get("uid") == uid(volume)
