"""Plays the stages users bring for kinds that no other actor has stages for: VirtualMachines, claims, their own CRDs.

Stages of pods, nodes and guests are played by those who know more about them (`kubelet`, virt-handler), unless those are not there;
those of pods by a kubelet all the same (`beside`), since what pods report has addresses and a node's identity.
A kind nobody serves yet is waited for: its CustomResourceDefinition may come later.
"""

import asyncio
from collections.abc import Sequence

from fakekube.agents.kubelet import Kubelet
from fakekube.client import discovery
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.client.recorder import Recorder
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.lifecycle.player import Player
from fakekube.lifecycle.stage import INSTANT, Pace, Stage
from fakekube.machinery.resources import CRDS, Resource
from fakekube.machinery.wire import Object


class OwnStages:
    """An actor. `client` writes in its own name, which has to be one that may write all of a status."""

    name = "stages"

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        ids: Ids,
        stages: Sequence[Stage],
        pace: Pace = INSTANT,
        beside: Sequence[Kubelet] = (),
    ) -> None:
        self._client = client
        self._clock = clock
        self._ids = ids
        self._pace = pace
        self._stages = tuple(stages)
        self._recorder = Recorder(self._client, "stages", clock=clock, ids=ids)
        self._players: list[Player] = []
        self._missing = dict.fromkeys((one.group, one.kind) for one in self._stages)  # kinds nobody plays yet
        self._news = asyncio.Event()  # more may be served than was
        self._looking = bool(self._stages)
        self._beside = beside

    @property
    def idle(self) -> bool:
        unseen = bool(self._missing) and self._news.is_set()
        quiet = self._recorder.idle and all(one.idle for one in self._players)
        quiet = quiet and all(one.idle for one in self._beside)
        return quiet and not self._looking and not unseen

    async def run(self) -> None:
        """Work until cancelled; with no stages, there is nothing to do."""
        async with asyncio.TaskGroup() as tasks:
            for one in self._beside:
                tasks.create_task(one.run(), name=one.name)
            if self._stages:
                tasks.create_task(self._play(), name=self.name)

    async def _play(self) -> None:
        crds = Informer(self._client, CRDS, clock=self._clock, transform=discovery.without_schemas)
        crds.on_change(self._changed)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run(), name="stages: events")
            tasks.create_task(crds.run(), name="stages: definitions")
            await crds.wait_synced()
            while self._missing:
                self._news.clear()
                self._looking = True
                for group, kind in list(self._missing):
                    if (found := await discovery.find(self._client, group, kind)) is not None:
                        resource, subresources = found
                        player = self._player(resource, whole="status" not in subresources)
                        tasks.create_task(player.run(), name=player.name)
                        await player.informer.wait_synced()
                        del self._missing[group, kind]
                self._looking = False
                if self._missing:
                    await self._news.wait()

    def _changed(self, _old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._news.set()

    def _player(self, resource: Resource, *, whole: bool) -> Player:
        player = Player(
            self._client,
            resource,
            self._stages,
            clock=self._clock,
            ids=self._ids,
            pace=self._pace,
            recorder=self._recorder,
            whole=whole,
            name=f"stages: {resource.qualified}",
        )
        self._players.append(player)
        return player
