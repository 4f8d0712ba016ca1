"""CDI as one actor: DataVolumes are filled, uploads received, classes and sources described; and two Services that take requests.
Claims are imported into and populated from when the first of them asks for it.

Origin: cdi: cmd/cdi-{controller,apiserver,uploadproxy}
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fakekube.agents.volume_contents import VolumeContents
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.lifecycle.stage import INSTANT, Pace, Stage
from fakekube.machinery.resources import DATA_SOURCES, PERSISTENT_VOLUME_CLAIMS, STORAGE_CLASSES
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import claim_sources, upload_proxy, uploads
from fakekube.virt.cdi.admission import Admission
from fakekube.virt.cdi.apiserver import ApiServer
from fakekube.virt.cdi.configuration import Configuration
from fakekube.virt.cdi.consuming import Consumers
from fakekube.virt.cdi.data_sources import DataSources
from fakekube.virt.cdi.datavolume import DataVolumes
from fakekube.virt.cdi.exported import Exports
from fakekube.virt.cdi.import_crons import ImportCrons
from fakekube.virt.cdi.in_use import Users
from fakekube.virt.cdi.making import Maker
from fakekube.virt.cdi.profiles import Profiles
from fakekube.virt.cdi.setting import Setting
from fakekube.virt.cdi.transfers import Transfers

if TYPE_CHECKING:
    from fakekube.virt.cdi.populators import Populators


class Cdi:
    """See the module text. `api` and `proxy` are the Handlers behind the Services cdi-api and cdi-uploadproxy."""

    name = "cdi"

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        ids: Ids,
        contents: VolumeContents,
        pace: Pace = INSTANT,
        stages: Sequence[Stage] = (),
    ) -> None:
        tokens = uploads.Tokens(clock, ids)
        classes = Informer(client, STORAGE_CLASSES, clock=clock)
        self._configuration = Configuration(client, clock=clock, classes=classes)
        self._profiles = Profiles(client, clock=clock, classes=classes, configuration=self._configuration)
        consumers = Consumers(client, classes=classes, configuration=self._configuration)
        users = Users(client, clock=clock)
        sources = Informer(client, DATA_SOURCES, clock=clock)
        claims = Informer(client, PERSISTENT_VOLUME_CLAIMS, clock=clock)
        shared = Setting(
            client,
            clock,
            ids,
            contents,
            pace,
            classes=classes,
            claims=claims,
            configuration=self._configuration,
            consumers=consumers,
            users=users,
            maker=Maker(
                client,
                clock=clock,
                known=claims,
                sources=sources,
                storage=self._profiles,
                configuration=self._configuration,
            ),
            exports=Exports(client, clock=clock, contents=contents),
        )
        self._volumes = DataVolumes(shared, stages=stages, storage=self._profiles, sources=sources)
        volumes = self._volumes.volumes
        self._sources = DataSources(client, clock=clock, volumes=volumes, claims=claims, sources=sources)
        self._crons = ImportCrons(
            client,
            clock=clock,
            ids=ids,
            volumes=volumes,
            claims=claims,
            sources=sources,
            storage=self._profiles,
            configuration=self._configuration,
        )

        def populators() -> "Populators":
            from fakekube.virt.cdi.populators import Populators  # noqa: PLC0415 - few clusters have such claims

            return Populators(shared)

        self._populating = _Populating(claims, populators)
        self._targets = uploads.Targets(shared)
        self._transfers = Transfers(client, clock=clock, users=users, configuration=self._configuration)
        admission = Admission(client, self._configuration, transferring=self._transfers.begin)
        self.api = ApiServer(admission, uploads.TokenApi(tokens))
        self.proxy = upload_proxy.Proxy(client, tokens, clock=clock, contents=contents)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        others = (self._configuration, self._profiles, self._sources, self._transfers)
        wholes = (self._volumes, self._crons, self._populating, self._targets)
        return all(one.idle for one in wholes) and all(one.controller.idle for one in others)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._configuration.controller.run())
            tasks.create_task(self._profiles.controller.run())
            tasks.create_task(self._volumes.run())
            tasks.create_task(self._sources.run())
            tasks.create_task(self._crons.run())
            tasks.create_task(self._targets.run())
            tasks.create_task(self._transfers.run())
            tasks.create_task(self._populating.run())


class _Populating:
    """Populators, from when there is a claim for them."""

    def __init__(self, claims: Informer, make: "Callable[[], Populators]") -> None:
        self._make = make
        self._made: Populators | None = None
        self._wanted = asyncio.Event()
        claims.on_change(self._look)

    def _look(self, _old: Object | None, new: Object | None) -> None:
        if new is not None and not self._wanted.is_set() and claim_sources.is_waited_for(new):
            self._wanted.set()

    @property
    def idle(self) -> bool:
        return self._made.idle if self._made is not None else not self._wanted.is_set()

    async def run(self) -> None:
        await self._wanted.wait()
        self._made = self._make()
        await self._made.run()
