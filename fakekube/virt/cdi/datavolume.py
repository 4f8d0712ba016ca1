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

from fakekube.agents.volume_contents import snapshot, volume_of
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.client.late import LateInformer
from fakekube.client.recorder import WARNING, Recorder
from fakekube.clock import rfc3339
from fakekube.lifecycle import loading, script
from fakekube.lifecycle.player import Player
from fakekube.lifecycle.stage import Stage
from fakekube.machinery.errors import AlreadyExists, Forbidden
from fakekube.machinery.objects import (
    annotations,
    dig,
    is_final,
    is_terminating,
    key,
    name,
    namespace,
)
from fakekube.machinery.resources import (
    DATA_VOLUMES,
    PERSISTENT_VOLUME_CLAIMS,
    VOLUME_SNAPSHOTS,
)
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import claims, fates, reaching, rules
from fakekube.virt.cdi.in_use import Waiting
from fakekube.virt.cdi.making import Unfit
from fakekube.virt.cdi.profiles import ClaimNotValid, Profiles
from fakekube.virt.cdi.setting import Setting
from fakekube.virt.cdi.sources import Origin, origin_of
from fakekube.virt.cdi.upkeep import Upkeep
from fakekube.virt.cdi.volume_view import (
    NAMES,
    NO_CLAIM,
    NOT_RENDERED,
    NOT_VALID,
    OVER_QUOTA,
    Refusal,
    VolumeView,
)

_STAGES = Path(__file__).parent / "stages" / "datavolume.yaml"
_AGAIN = 2.0


@cache
def standard_stages() -> tuple[Stage, ...]:
    """The stages of DataVolumes, read once."""
    return loading.packaged(_STAGES, names=NAMES)


class DataVolumes:
    """See the module text. `stages`: somebody's own, beside and in place of the standard ones. `volumes` is its cache, which others
    may look into."""

    name = "cdi-controller"

    def __init__(
        self, at: Setting, *, stages: Sequence[Stage] = (), storage: Profiles, sources: Informer
    ) -> None:
        client, clock = at.client, at.clock
        self._at = at
        self._client = client
        self._contents = at.contents
        self.volumes = Informer(client, DATA_VOLUMES, clock=clock)
        self._claims = at.claims
        self._sources = sources
        self._snapshots = LateInformer(client, VOLUME_SNAPSHOTS, clock=clock)
        self._snapshots.on_change(self._snapshot_changed)
        self._snapshots_matter = asyncio.Event()
        self._recorder = Recorder(client, "datavolume-import-controller", clock=clock, ids=at.ids)
        self._upkeep = Upkeep(client, self._recorder, consumers=at.consumers, configuration=at.configuration)
        self._waiting = Waiting(
            client,
            at.users,
            self._recorder,
            volumes=self.volumes,
            claims=at.claims,
            exports=at.exports,
            origin=self._origin,
        )
        self._refused: dict[str, Refusal] = {}  # DataVolumes no claim could be made for, and why
        self._claiming = Controller(f"{self.name}: claims", self._see_to_claim, clock=clock)
        self._claiming.source(self.volumes)
        self._claiming.source(at.claims, self._concerned)
        self._claiming.source(storage.classes, self._without_claim)
        self._claiming.source(storage.profiles, self._without_claim)
        self._claiming.source(sources, self._without_claim)
        self._claiming.source(at.maker.spare, self._without_claim)
        self._claiming.reads(at.configuration.cdis)
        self._claiming.reads(at.users.pods)
        self._sourceless: dict[str, Origin] = {}  # DataVolumes that wait for what they are to be clones of
        self._unfit: dict[str, Origin] = {}  # and those for another one than what has come
        self._player = Player(
            client,
            DATA_VOLUMES,
            script.merged(standard_stages(), stages),
            clock=clock,
            ids=at.ids,
            pace=at.pace,
            context=self._context,
            recorder=self._recorder,
            before=self._fill,
            informer=self.volumes,
            name=self.name,
        )
        self._player.controller.source(at.claims, self._concerned)

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
        return [key(claim), *self._waiting_for("pvc", key(claim))]

    def _waiting_for(self, kind: str, own: str) -> list[str]:
        waiting = (*self._sourceless.items(), *self._unfit.items())
        return [one for one, origin in waiting if origin == (kind, own)]

    def _snapshot_changed(self, old: Object | None, new: Object | None) -> None:
        for own in self._waiting_for("snapshot", key(new or old or {})):
            self._claiming.queue.add(own)

    def _without_claim(self, _old: Object | None, _new: Object | None) -> Iterable[str]:
        """DataVolumes that may wait for a class, or for what is known of one."""
        return [key(one) for one in self.volumes.objects() if not dig(one, "status", "phase")]

    # --- what stages are told ------------------------------------------------------------------------------------

    def _context(self, volume: Object) -> Mapping[str, Any]:
        claim = self._claims.get(key(volume))
        if claim is not None and not claims.is_owned(claim, volume):
            claim = None
        view = VolumeView(
            volume,
            claim,
            rfc3339(self._at.clock.now()),
            gone=key(volume) not in self._claims,
            origin=self._origin(volume),
            held=claim is not None and self._waiting.on(volume, claim),
            lacks_vddk=self._waiting.lacks_vddk(key(volume)),
            trouble=self._waiting.trouble(key(volume)),
            binds_late=claim is not None and self._at.consumers.awaited(claim),
            missing=self._sourceless.get(key(volume)) if claim is None else None,
            refusal=self._refused.get(key(volume)) if claim is None else None,
        )
        return {"volume": view}

    def _origin(self, volume: Object) -> Origin | None:
        return origin_of(volume, self._sources.get)

    def _fill(self, volume: Object) -> None:
        """Have its claim hold what it is a clone of, as long as it is not told to be full."""
        claim = self._claims.get(key(volume)) if self._contents.state() else None
        if (
            claim is None
            or not dig(claim, "spec", "volumeName")
            or claims.came_filled(claim, volume)
            or is_final(volume)
            or (origin := self._origin(volume)) is None
        ):
            return
        source = self._claims.get(origin.key) if origin.kind == "pvc" else None
        if source is not None:
            self._contents.copy(volume_of(source), volume_of(claim))
        elif origin.kind == "snapshot":
            self._contents.copy(snapshot(origin.key), volume_of(claim))

    # --- claims --------------------------------------------------------------------------------------------------

    async def _see_to_claim(self, own: str) -> Result | None:
        volume, claim = self.volumes.get(own), self._claims.get(own)
        if volume is None or claim is None or is_final(volume):
            self._waiting.forget(own)
        if volume is None or is_terminating(volume) or claims.MOVING in annotations(volume):
            self._forget(own)
            return None
        if claim is not None:
            self._forget(own)
            if await self._upkeep.see_to(volume, claim):
                return await self._let_begin(volume, claim)
        elif not (
            fates.of(volume).ends == "quota"
            or is_final(volume)
            or annotations(volume).get(claims.PRE_POPULATED)
        ):
            await self._create_claim(volume)
        return None

    async def _create_claim(self, volume: Object) -> None:
        try:
            planned = await self._at.maker.plan(volume)
        except ClaimNotValid as error:
            why = Refusal(NOT_VALID, error.told, str(error))
            if self._at.maker.is_rendered(volume):
                why = Refusal(NOT_RENDERED, NO_CLAIM, NO_CLAIM)
            self._refuse(volume, why)
            return
        if isinstance(planned, Unfit):  # another one may come, or this one change
            self._follow(planned.origin)
            self._sourceless.pop(key(volume), None)
            self._unfit[key(volume)] = planned.origin
            self._recorder.event(volume, WARNING, "CloneValidationFailed", rules.UNFIT)
            return
        if isinstance(planned, Origin):  # it may come yet
            self._follow(planned)
            self._unfit.pop(key(volume), None)
            if self._sourceless.get(key(volume)) != planned:
                self._sourceless[key(volume)] = planned
                self._player.controller.queue.add(key(volume))
            return
        if planned is None:
            return
        if planned.told:  # before there is a claim: afterwards nobody would look again
            told = {"metadata": {"labels": planned.told}}
            await self._client.patch(DATA_VOLUMES, name(volume), namespace(volume), told, type="merge")
        try:
            made = await self._client.create(PERSISTENT_VOLUME_CLAIMS, planned.claim)
        except AlreadyExists:
            pass  # the cache will show it
        except Forbidden as error:
            if "exceeded quota" in error.message:
                self._refuse(volume, Refusal(OVER_QUOTA, error.message, error.message))
            raise  # and it is tried again
        else:
            if planned.way is not None and planned.way.reason:
                self._recorder.event(made, WARNING, planned.way.reason, planned.way.message)
        self._forget(key(volume))

    def _follow(self, origin: Origin) -> None:
        if origin.kind == "snapshot":
            self._snapshots_matter.set()

    def _forget(self, own: str) -> None:
        self._refused.pop(own, None)
        self._sourceless.pop(own, None)
        self._unfit.pop(own, None)

    async def _let_begin(self, volume: Object, claim: Object) -> Result | None:
        """Have what is held get on, once there is nothing to wait for any more."""
        if not self._waiting.on(volume, claim):
            if not self._waiting.trouble(key(volume)):
                return None
            if await self._waiting.is_told_otherwise(volume, claim):
                self._player.controller.queue.add(key(volume))
            return Result(requeue_after=reaching.AGAIN) if self._waiting.trouble(key(volume)) else None
        lacked = self._waiting.lacks_vddk(key(volume))
        over = await self._waiting.is_over(volume, claim)
        if over or lacked != self._waiting.lacks_vddk(key(volume)):
            self._player.controller.queue.add(key(volume))
        return None if over else Result(requeue_after=_AGAIN)

    def _refuse(self, volume: Object, why: Refusal) -> None:
        """Have it told, if it is news."""
        if self._refused.get(key(volume)) != why:
            self._refused[key(volume)] = why
            self._player.controller.queue.add(key(volume))
