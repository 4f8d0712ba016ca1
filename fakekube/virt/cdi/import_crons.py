"""DataImportCrons: images imported when they change, or claims when there is another one, and the DataSource that follows the
newest import.

No registry is asked: an image is what its URL says and never changes, so there is one import, at once; who wants another sets the
annotation with the digest, as CDI's own poller does. An image nobody can reach has none. What is decided is `cron_plan`'s, what
becomes of what has been imported `cron_imports`'.
Origin: cdi: pkg/controller/dataimportcron-controller.go, cmd/cdi-source-update-poller
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.client.recorder import WARNING, Recorder
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery.errors import Conflict, NotFound
from fakekube.machinery.objects import (
    dig,
    is_terminating,
    key,
    labels,
    name,
    namespace,
)
from fakekube.machinery.resources import (
    DATA_IMPORT_CRONS,
    DATA_SOURCES,
    DATA_VOLUMES,
    PERSISTENT_VOLUME_CLAIMS,
    VOLUME_SNAPSHOTS,
    Resource,
)
from fakekube.machinery.wire import Object
from fakekube.virt import access, clone_access, storage_classes
from fakekube.virt.cdi import claims as wanted_claims
from fakekube.virt.cdi import cron_plan, cron_products
from fakekube.virt.cdi.configuration import Configuration
from fakekube.virt.cdi.cron_imports import CronImports
from fakekube.virt.cdi.cron_plan import Plan, Seen
from fakekube.virt.cdi.cron_products import CRON
from fakekube.virt.cdi.profiles import Profiles

_AGAIN = 1.0


class ImportCrons:
    """An actor, see the module text. `volumes`, `claims`, `sources`, `storage`: caches somebody else has, too."""

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        ids: Ids,
        volumes: Informer,
        claims: Informer,
        sources: Informer,
        storage: Profiles,
        configuration: Configuration,
    ) -> None:
        self._client = client
        self._configuration = configuration
        self._clock = clock
        self._imports = CronImports(
            client, clock=clock, volumes=volumes, claims=claims, sources=sources, configuration=configuration
        )
        self._volumes, self._claims, self._sources = volumes, claims, sources
        self._storage = storage
        self._classes, self._profiles = storage.classes, storage.profiles
        self._crons = Informer(client, DATA_IMPORT_CRONS, clock=clock)
        self._recorder = Recorder(client, "dataimportcron-controller", clock=clock, ids=ids)
        self.controller = Controller("dataimportcron-controller", self._reconcile, clock=clock)
        self.controller.source(self._crons)
        for informer in (volumes, claims, sources):
            self.controller.source(informer, _cron_of)
        for informer in (self._classes, self._profiles):
            self.controller.source(informer, lambda _old, _new: map(key, self._crons.objects()))

    @property
    def idle(self) -> bool:
        """Nothing is queued or being worked on, and every event has been sent."""
        return self.controller.idle and self._recorder.idle

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run())
            tasks.create_task(self.controller.run())

    async def _reconcile(self, own: str) -> Result | None:
        cron = self._crons.get(own)
        if cron is None or is_terminating(cron):
            await self._imports.clean_up(own)
            return None
        source = self._sources.get(f"{namespace(cron)}/{cron['spec']['managedDataSource']}")
        if source is not None and (owner := self._other_of(cron, source)):
            text = f"DataSource {name(source)} is already managed by DataImportCron {owner}"
            self._recorder.event(cron, WARNING, "ErrDataSourceAlreadyManaged", text)
            return None
        now = self._clock.now()
        due = cron_plan.next_time(cron, now)
        made = await self._planned(cron, now, is_due=due is not None and due <= now)
        try:
            await self._carry_out(made, source)
            if made.cron != cron:
                cron = await self._client.update(DATA_IMPORT_CRONS, made.cron)
        except (Conflict, NotFound):
            return None  # the caches will show why
        if made.again:
            return Result(requeue_after=_AGAIN)
        due = cron_plan.next_time(cron, now)
        return Result(requeue_after=max(1.0, (due - now).total_seconds())) if due is not None else None

    async def _planned(self, cron: Object, now: datetime, *, is_due: bool) -> Plan:
        """What is to happen. The claim of another namespace is imported where the account of the cron may clone it."""
        seen = await self._seen(cron)
        made = cron_plan.plan(cron, seen, now, is_due=is_due)
        if made.volume is None or cron_plan.followed(cron) is None:
            return made
        space = namespace(cron)
        clone = clone_access.cloned(made.volume["spec"]["source"], space)
        account = access.service_account(space, cron["spec"].get("serviceAccountName") or "default")
        why = await clone_access.refusal(self._client, account, clone, space) if clone is not None else ""
        return cron_plan.plan(cron, replace(seen, denied=why), now, is_due=is_due) if why else made

    def _other_of(self, cron: Object, source: Object) -> str:
        """The other one its DataSource follows already; or empty."""
        owner = labels(source).get(CRON)
        other = self._crons.get(f"{namespace(cron)}/{owner}") if owner and owner != name(cron) else None
        same = other is not None and other["spec"]["managedDataSource"] == name(source)
        return str(owner) if same else ""

    # What is there.

    async def _seen(self, cron: Object) -> Seen:
        own, space = cron_products.current(cron).get("DataVolumeName", ""), namespace(cron)
        template = wanted_claims.wanted_of(cron["spec"]["template"])
        default = storage_classes.default(
            self._classes.objects(), of_machines=wanted_claims.is_of_machines(cron["spec"]["template"])
        )
        chosen = self._classes.get(wanted_claims.class_of(template, default))
        kept_as = cron_products.PVC
        if chosen is not None:
            profile = self._profiles.get(name(chosen))
            kept_as = dig(profile, "status", "dataImportCronSourceFormat") or kept_as
        snapshots = cron_products.SNAPSHOT in (kept_as, dig(cron, "status", "sourceFormat"))
        snapshot = await self._client.find(VOLUME_SNAPSHOTS, own, space) if own and snapshots else None
        return Seen(
            await self._found(self._volumes, DATA_VOLUMES, own, space),
            await self._found(self._claims, PERSISTENT_VOLUME_CLAIMS, own, space),
            snapshot,
            kept_as,
            name(chosen) if chosen is not None else "",
            await self._snapshot_class(chosen) if chosen is not None and snapshots else "",
            origin=self._origin(cron),
            marks=self._configuration.marks,
        )

    def _origin(self, cron: Object) -> Object | None:
        """The claim it follows."""
        named = cron_plan.followed(cron) or {}
        return self._claims.get(f"{named.get('namespace') or namespace(cron)}/{named.get('name')}")

    async def _found(self, known: Informer, resource: Resource, own: str, space: str) -> Object | None:
        """Asked for where the cache does not show it yet."""
        if not own:
            return None
        return known.get(f"{space}/{own}") or await self._client.find(resource, own, space)

    async def _snapshot_class(self, chosen: Object) -> str:
        """The class of snapshots of a storage class: its profile's, or one of its driver."""
        said = dig(self._profiles.get(name(chosen)), "spec", "snapshotClass")
        if said:
            return str(said)
        return next(iter(await self._storage.snapshot_classes(chosen)), "")

    # What is done.

    async def _carry_out(self, made: Plan, source: Object | None) -> None:
        cron = made.cron
        space = namespace(cron)
        if made.used is not None:
            await self._imports.mark(cron, made.used)
            await self._imports.discard_old(cron)
        if made.snapshot is not None:
            await self._client.create_if_absent(VOLUME_SNAPSHOTS, made.snapshot)
        for gone in filter(None, (made.claim_goes, made.discarded)):
            await self._imports.discard(space, gone)
        for gone in filter(None, (made.snapshot_goes, made.discarded)):
            await self._client.delete_if_present(VOLUME_SNAPSHOTS, gone, space)
        await self._follow(made, source)
        if made.volume is not None and not await self._imports.is_there(cron, name(made.volume)):
            await self._client.create_if_absent(DATA_VOLUMES, made.volume)

    async def _follow(self, made: Plan, present: Object | None) -> None:
        if present is None:
            await self._client.create_if_absent(DATA_SOURCES, made.source)
            return
        if labels(present).get(CRON) != name(made.cron):
            return  # somebody keeps it for himself
        spec = made.source["spec"] if made.source["spec"]["source"] else present["spec"]
        wanted = {**labels(present), **labels(made.source)}
        if spec != present["spec"] or wanted != labels(present):
            meta = {**present["metadata"], "labels": wanted}
            await self._client.update(DATA_SOURCES, {**present, "metadata": meta, "spec": spec})


def _cron_of(old: Object | None, new: Object | None) -> Iterable[str]:
    changed = new or old
    own = labels(changed).get(CRON) if changed is not None else None
    return (f"{namespace(changed)}/{own}",) if changed is not None and own else ()
