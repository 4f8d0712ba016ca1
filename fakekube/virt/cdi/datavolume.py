"""CDI's DataVolume controllers as one actor: make the claim, fill it, tell how far it is.

What happens when is data: `stages/datavolume.yaml`; what the stages name is computed by `volume_view`. Here is what sees to
the claim. Binding claims is left to the cluster (`agents.volumes`). Importer pods are not made: nothing looks at them.
Origin: cdi: pkg/controller/datavolume/controller-base.go, import-controller.go
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from fakekube.client.client import Client
from fakekube.client.controller import Controller
from fakekube.client.informer import Informer
from fakekube.client.late import LateInformer
from fakekube.client.recorder import WARNING, Recorder
from fakekube.clock import Clock, rfc3339
from fakekube.ids import Ids
from fakekube.lifecycle import loading, script
from fakekube.lifecycle.player import Player
from fakekube.lifecycle.stage import INSTANT, Pace, Stage
from fakekube.machinery.errors import AlreadyExists, Forbidden
from fakekube.machinery.objects import (
    Obj,
    annotations,
    controller_of,
    dig,
    is_terminating,
    key,
    name,
    owners,
    split_key,
    uid,
)
from fakekube.machinery.resources import (
    DATA_VOLUMES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    VOLUME_SNAPSHOTS,
)
from fakekube.machinery.wire import Object
from fakekube.virt import storage_classes
from fakekube.virt.cdi import claims, fates, profiles, rules
from fakekube.virt.cdi.configuration import Configuration
from fakekube.virt.cdi.consuming import Consumers
from fakekube.virt.cdi.profiles import ClaimNotValid, Profiles
from fakekube.virt.cdi.sources import Origin, origin_of
from fakekube.virt.cdi.volume_view import FINAL, NAMES, NOT_VALID, OVER_QUOTA, Refusal, VolumeView

_STAGES = Path(__file__).parent / "stages" / "datavolume.yaml"
_NO_BLOCKS = "DataVolume with ContentType Archive cannot have block volumeMode"


@cache
def standard_stages() -> tuple[Stage, ...]:
    """The stages of DataVolumes, read once."""
    return loading.packaged(_STAGES, names=NAMES)


class DataVolumes:
    """See the module text. `stages`: somebody's own, beside and in place of the standard ones. `volumes` and `claims` are
    its caches, which others may look into."""

    name = "cdi-controller"

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        ids: Ids,
        pace: Pace = INSTANT,
        stages: Sequence[Stage] = (),
        storage: Profiles,
        sources: Informer,
        configuration: Configuration,
        consumers: Consumers,
        workers: int = 1,
    ) -> None:
        self._client = client
        self._clock = clock
        self.volumes = Informer(client, DATA_VOLUMES, clock=clock)
        self.claims = Informer(client, PERSISTENT_VOLUME_CLAIMS, clock=clock)
        self._sources = sources
        self._configuration = configuration
        self._consumers = consumers
        self._snapshots = LateInformer(client, VOLUME_SNAPSHOTS, clock=clock)
        self._snapshots.on_change(self._snapshot_changed)
        self._snapshots_matter = asyncio.Event()
        self._classes = storage.classes
        self._profiles = storage.profiles
        self._recorder = Recorder(client, "datavolume-import-controller", clock=clock, ids=ids)
        self._refused: dict[str, Refusal] = {}  # DataVolumes no claim could be made for, and why
        self._claiming = Controller(f"{self.name}: claims", self._see_to_claim, clock=clock, workers=workers)
        self._claiming.source(self.volumes)
        self._claiming.source(self.claims, self._concerned)
        self._claiming.source(self._classes, self._without_claim)
        self._claiming.source(self._profiles, self._without_claim)
        self._claiming.source(sources, self._without_claim)
        self._sourceless: dict[str, Origin] = {}  # DataVolumes that wait for what they are to be clones of
        self._player = Player(
            client,
            DATA_VOLUMES,
            script.merged(standard_stages(), stages),
            clock=clock,
            ids=ids,
            pace=pace,
            context=self._context,
            recorder=self._recorder,
            informer=self.volumes,
            workers=workers,
            name=self.name,
        )
        self._player.controller.source(self.claims, self._concerned)

    @property
    def idle(self) -> bool:
        """Nothing is queued or being worked on, and every event has been sent."""
        return self._claiming.idle and self._player.idle and self._recorder.idle

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run())
            tasks.create_task(self._claiming.run())
            tasks.create_task(self._player.run())
            await self._snapshots_matter.wait()
            tasks.create_task(self._snapshots.run())

    # --- whom a change wakes -------------------------------------------------------------------------------------

    def _concerned(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """The DataVolume of a claim's name, and clones that wait for the claim as their source."""
        claim = new or old
        if claim is None:
            return ()
        return [key(claim), *self._waiting_for("pvc", key(claim))] if old is None else [key(claim)]

    def _waiting_for(self, kind: str, own: str) -> list[str]:
        return [one for one, origin in self._sourceless.items() if origin == (kind, own)]

    def _snapshot_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None and new is not None:
            for own in self._waiting_for("snapshot", key(new)):
                self._claiming.queue.add(own)

    def _without_claim(self, _old: Object | None, _new: Object | None) -> Iterable[str]:
        """DataVolumes that may wait for a class, or for what is known of one."""
        return [key(one) for one in self.volumes.objects() if not dig(one, "status", "phase")]

    # --- what stages are told ------------------------------------------------------------------------------------

    def _context(self, volume: Object) -> Mapping[str, Any]:
        claim = self.claims.get(key(volume))
        if claim is not None and not _is_owned(claim, volume):
            claim = None
        view = VolumeView(
            volume,
            claim,
            rfc3339(self._clock.now()),
            gone=key(volume) not in self.claims,
            binds_late=claim is not None and self._consumers.awaited(claim),
            missing=self._sourceless.get(key(volume)) if claim is None else None,
            refusal=self._refused.get(key(volume)) if claim is None else None,
        )
        return {"volume": view}

    # --- claims --------------------------------------------------------------------------------------------------

    async def _see_to_claim(self, own: str) -> None:
        volume = self.volumes.get(own)
        if volume is None or is_terminating(volume):
            self._forget(own)
            return
        claim = self.claims.get(own)
        if claim is not None:
            self._forget(own)
            if is_terminating(claim):
                text = f'Resource "{name(claim)}" marked for deletion'
                self._recorder.event(volume, WARNING, "ErrResourceMarkedForDeletion", text)
            elif not _is_owned(claim, volume):
                await self._adopt(volume, claim)
            elif claims.came_filled(claim, volume):
                await self._say_filled(volume, claim)
            else:
                await self._consumers.stand_in(claim)
        elif not (
            fates.of(volume).ends == "quota"
            or dig(volume, "status", "phase") in FINAL
            or annotations(volume).get(claims.PRE_POPULATED)
        ):
            await self._create_claim(volume)

    async def _create_claim(self, volume: Object) -> None:
        kept = await self._kept(volume)
        origin = origin_of(volume, self._sources.get) if not kept else None
        if origin is None and not kept and dig(volume, "spec", "sourceRef") is not None:
            return  # nobody knows yet what it is to be a clone of
        source = await self._original(origin) if origin is not None else None
        if origin is not None and source is None:
            if self._sourceless.get(key(volume)) != origin:
                self._sourceless[key(volume)] = origin
                self._player.controller.queue.add(key(volume))
            return  # it may come yet
        default = storage_classes.default(self._classes.objects())
        try:
            wanted = self._wanted(volume, default)
        except ClaimNotValid as error:
            self._refuse(volume, Refusal(NOT_VALID, error.told, str(error)))
            return
        if wanted is None:
            return
        try:
            await self._client.create(
                PERSISTENT_VOLUME_CLAIMS,
                claims.claim(volume, wanted, default_class=default, source=source, kept=kept),
            )
        except AlreadyExists:
            pass  # the cache will show it
        except Forbidden as error:
            if "exceeded quota" in error.message:
                self._refuse(volume, Refusal(OVER_QUOTA, error.message, error.message))
            raise  # and it is tried again
        self._forget(key(volume))

    def _forget(self, own: str) -> None:
        self._refused.pop(own, None)
        self._sourceless.pop(own, None)

    async def _kept(self, volume: Object) -> list[str]:
        """Volumes that have been kept for its claim, with their contents, if it asks for those."""
        if claims.STATIC not in annotations(volume):
            return []
        listed = (await self._client.list(PERSISTENT_VOLUMES)).items
        return [name(one) for one in listed if claims.is_kept_for(one, volume)]

    async def _original(self, origin: Origin) -> Object | None:
        """What is to be cloned, if it is there."""
        if origin.kind == "pvc":
            return self.claims.get(origin.key)
        self._snapshots_matter.set()
        space, own = split_key(origin.key)
        return await self._client.find(VOLUME_SNAPSHOTS, own, space)

    def _wanted(self, volume: Object, default: str) -> Obj | None:
        """What its claim is to be like; None while nobody knows yet what its class can. Raises ClaimNotValid."""
        wanted = claims.wanted_of(volume)
        if dig(volume, "spec", "storage") is not None and dig(volume, "spec", "contentType") == "archive":
            if wanted.get("volumeMode") == "Block":
                raise ClaimNotValid(_NO_BLOCKS, _NO_BLOCKS)
            wanted = {**wanted, "volumeMode": "Filesystem"}
        if dig(volume, "spec", "pvc") is not None or (wanted.get("accessModes") and wanted.get("volumeMode")):
            return wanted
        chosen = wanted.get("storageClassName") or default
        if chosen not in self._classes:
            return profiles.completed(wanted, None)
        profile = self._profiles.get(chosen)
        return profiles.completed(wanted, profile) if profiles.is_known(profile) else None

    def _refuse(self, volume: Object, why: Refusal) -> None:
        """Have it told, if it is news."""
        if self._refused.get(key(volume)) != why:
            self._refused[key(volume)] = why
            self._player.controller.queue.add(key(volume))

    async def _adopt(self, volume: Object, claim: Object) -> None:
        """A claim that is there already is taken over, when it was made for that or the DataVolume allows it."""
        allowed = rules.may_adopt(claim, volume, gate=self._configuration.has(rules.ADOPTION))
        if controller_of(claim) is not None:
            return
        if not allowed:
            text = f'Resource "{name(claim)}" already exists and is not managed by DataVolume'
            self._recorder.event(volume, WARNING, "ErrResourceExists", text)
            return
        patch = {"metadata": {"ownerReferences": [*owners(claim), claims.owner(volume)]}}
        space, own = split_key(key(claim))
        await self._client.patch(PERSISTENT_VOLUME_CLAIMS, own, space, patch, type="merge")

    async def _say_filled(self, volume: Object, claim: Object) -> None:
        """A DataVolume names the claim that had been filled before."""
        if dig(claim, "status", "phase") == "Bound" and claims.PRE_POPULATED not in annotations(volume):
            space, own = split_key(key(volume))
            note = {"metadata": {"annotations": {claims.PRE_POPULATED: name(claim)}}}
            await self._client.patch(DATA_VOLUMES, own, space, note, type="merge")


def _is_owned(claim: Object, volume: Object) -> bool:
    owner = controller_of(claim)
    return owner is not None and owner.get("uid") == uid(volume)
