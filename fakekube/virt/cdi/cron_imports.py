"""What DataImportCrons have imported: whose it is, as many of it as are kept, and what goes.

An import is a DataVolume with its claim, its claim alone, or a snapshot of that.
Origin: cdi: pkg/controller/dataimportcron-controller.go
"""

from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.clock import Clock, rfc3339
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import Obj, annotations, dig, labels, name, namespace, split_key
from fakekube.machinery.resources import (
    DATA_SOURCES,
    DATA_VOLUMES,
    PERSISTENT_VOLUME_CLAIMS,
    VOLUME_SNAPSHOTS,
)
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import cron_products
from fakekube.virt.cdi.configuration import Configuration
from fakekube.virt.cdi.cron_products import CRON, GOES_WITH_IT, LAST_USE


class CronImports:
    """See the module text. `volumes`, `claims`, `sources`: caches somebody else has."""

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        volumes: Informer,
        claims: Informer,
        sources: Informer,
        configuration: Configuration,
    ) -> None:
        self._client = client
        self._clock = clock
        self._volumes, self._claims, self._sources = volumes, claims, sources
        self._configuration = configuration

    async def mark(self, cron: Object, used: Obj, *, anew: bool = False) -> None:
        """Say whose it is, and since when."""
        marks = cron_products.marks(cron, self._configuration.marks)
        if not anew and LAST_USE in annotations(used) and marks.items() <= labels(used).items():
            return
        last = {LAST_USE: rfc3339(self._clock.now())}
        change: Object = {"metadata": {"labels": marks, "annotations": last}}
        resource = PERSISTENT_VOLUME_CLAIMS if _is_claim(used) else VOLUME_SNAPSHOTS
        await self._client.patch(resource, name(used), namespace(used), change, type="merge")

    async def is_there(self, cron: Object, own: str) -> bool:
        """Whether what is to be imported has been before."""
        found = self._claims.get(f"{namespace(cron)}/{own}")
        if found is None and dig(cron, "status", "sourceFormat") == cron_products.SNAPSHOT:
            found = await self._client.find(VOLUME_SNAPSHOTS, own, namespace(cron))
        if found is None:
            return False
        await self.mark(cron, found, anew=True)
        return True

    async def discard_old(self, cron: Object) -> None:
        """Imports are kept as many as it says."""
        space, own, keep = namespace(cron), name(cron), cron_products.keeps(cron)
        if keep is None:
            return
        ours, volumes = (
            [one for one in known.in_namespace(space) if labels(one).get(CRON) == own]
            for known in (self._claims, self._volumes)
        )
        gone = cron_products.outdated(cron, ours)
        if len(volumes) > keep:  # there are some whose claims are nobody's
            claims = {name(one) for one in ours}
            gone += [name(one) for one in volumes if name(one) not in claims]
        for old in gone:
            await self.discard(space, old)
        if dig(cron, "status", "sourceFormat") == cron_products.SNAPSHOT:
            taken = await self._client.list(VOLUME_SNAPSHOTS, space, label_selector=f"{CRON}={own}")
            for old in cron_products.outdated(cron, taken.items):
                await self._client.delete_if_present(VOLUME_SNAPSHOTS, old, space)

    async def discard(self, space: str, own: str) -> None:
        """The DataVolume, with its claim, or the claim alone."""
        if not await self._client.delete_if_present(DATA_VOLUMES, own, space):
            await self._client.delete_if_present(PERSISTENT_VOLUME_CLAIMS, own, space)

    async def clean_up(self, own: str) -> None:
        """A cron has gone: what goes with it does."""
        space, cron = split_key(own)
        for resource, known in (
            (DATA_SOURCES, self._sources),
            (DATA_VOLUMES, self._volumes),
            (PERSISTENT_VOLUME_CLAIMS, self._claims),
        ):
            for one in known.in_namespace(space):
                if labels(one).get(CRON) == cron and GOES_WITH_IT in labels(one):
                    await self._client.delete_if_present(resource, name(one), space)
        try:
            ours = f"{CRON}={cron},{GOES_WITH_IT}=true"
            await self._client.delete_collection(VOLUME_SNAPSHOTS, space, label_selector=ours)
        except NotFound:
            return  # there are no snapshots here


def _is_claim(one: Obj) -> bool:
    return "accessModes" in (one.get("spec") or {})
