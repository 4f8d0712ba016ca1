"""What claim a DataVolume is to have: what is asked for, what its class can, what it is a clone of and how that is made.

Nothing is written here. Who makes the claim tells why there is none.
Origin: cdi: pkg/controller/datavolume/{controller-base,util,pvc-clone-controller}.go
"""

from collections.abc import Mapping

from msgspec import Struct

from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.client.late import WantedInformer
from fakekube.clock import Clock
from fakekube.machinery.booleans import TRUE
from fakekube.machinery.objects import Obj, annotations, dig, labels, name, split_key
from fakekube.machinery.resources import (
    CSI_DRIVERS,
    PERSISTENT_VOLUMES,
    VOLUME_SNAPSHOTS,
)
from fakekube.machinery.wire import Object
from fakekube.virt import storage_classes
from fakekube.virt.cdi import capabilities, claims, cloning, marks, profiles, rendering, rules
from fakekube.virt.cdi.configuration import Configuration
from fakekube.virt.cdi.profiles import Profiles
from fakekube.virt.cdi.sources import Origin, origin_of


class Planned(Struct, frozen=True):
    """The claim to make; of a clone, why it is made in another way than it should, and what it is to say of instances."""

    claim: Object
    way: cloning.Way | None = None
    told: Mapping[str, str] = {}


class Unfit(Struct, frozen=True):
    """What has come since, and is not what a DataVolume can be a clone of."""

    origin: Origin


class Maker:
    """See the module text. `known` are the claims there are, `sources` the DataSources; others have these caches, too. `spare`:
    PersistentVolumes. They are followed from when a DataVolume first names a class that does not exist: a volume that names it,
    too, may come and tell which modes it has."""

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        known: Informer,
        sources: Informer,
        storage: Profiles,
        configuration: Configuration,
    ) -> None:
        self._client = client
        self.spare = WantedInformer(client, PERSISTENT_VOLUMES, clock=clock)
        self._known = known
        self._sources = sources
        self._storage = storage
        self._classes, self._profiles = storage.classes, storage.profiles
        self._configuration = configuration

    async def plan(self, volume: Object) -> Planned | Origin | Unfit | None:
        """Its claim; what it is to be a clone of, where that is not there, or not fit for it; None while nobody knows yet. Raises
        ClaimNotValid."""
        kept = await self._kept(volume)
        origin = origin_of(volume, self._sources.get) if not kept else None
        if origin is None and not kept and dig(volume, "spec", "sourceRef") is not None:
            return None  # nobody knows yet what it is to be a clone of
        source = await self.original(origin) if origin is not None else None
        if origin is not None:
            if source is None or "status" not in source:
                return origin  # how large a snapshot is its status tells
            if rules.clone(origin.kind, source, volume["spec"]):
                return Unfit(origin)
        default = self._default(volume)
        wanted = await self._wanted(volume, default)
        if wanted is None:
            return None
        if dig(volume, "spec", "storage") is not None and not self.is_rendered(volume):
            rendering.check_size(dig(wanted, "resources", "requests", "storage"))
        chosen = self._classes.get(claims.class_of(wanted, default))
        populated = await self._by_populator(volume, chosen)
        way = None
        if origin is not None and source is not None:
            way = await self._way(origin, source, wanted, chosen) if populated else cloning.Way(cloning.COPY)
        told = marks.of_instances(volume, self._told_by(volume, source))
        labelled = {**volume["metadata"], "labels": {**labels(volume), **told}}
        claim = claims.claim(
            {**volume, "metadata": labelled} if told else volume,
            wanted,
            default_class=default,
            source=source,
            kept=kept,
            by_populator=populated,
            preallocation=self._configuration.preallocates,
            notes=way.notes if way is not None else None,
            marks=self._configuration.marks,
        )
        return Planned(claim, way, told)

    def is_rendered(self, volume: Object) -> bool:
        """Whether it is the API server that is to be told what its claim leaves open, once that has got its own defaults."""
        storage = dig(volume, "spec", "storage") is not None
        return storage and rendering.is_asked(volume) and self._configuration.renders

    def _default(self, volume: Object) -> str:
        classes = list(self._classes.objects())
        common = storage_classes.default(classes, of_machines=False) if self.is_rendered(volume) else ""
        return common or storage_classes.default(classes, of_machines=claims.is_of_machines(volume))

    def _told_by(self, volume: Object, source: Obj | None) -> Obj | None:
        """What tells what instances of it are like: the DataSource it names, with its namespace, or what it is a clone of."""
        if (reference := dig(volume, "spec", "sourceRef")) is None:
            return source
        space = reference.get("namespace")
        return self._sources.get(f"{space}/{reference.get('name')}") if space else None

    async def _kept(self, volume: Object) -> list[str]:
        """Volumes that have been kept for its claim, with their contents, if it asks for those."""
        if claims.STATIC not in annotations(volume):
            return []
        listed = (await self._client.list(PERSISTENT_VOLUMES)).items
        return [name(one) for one in listed if claims.is_kept_for(one, volume)]

    async def original(self, origin: Origin) -> Object | None:
        """What is to be cloned, if it is there."""
        if origin.kind == "pvc":
            return self._known.get(origin.key)
        space, own = split_key(origin.key)
        return await self._client.find(VOLUME_SNAPSHOTS, own, space)

    async def _wanted(self, volume: Object, default: str) -> Obj | None:
        """What its claim is to be like; None while nobody knows yet what its class can. Raises ClaimNotValid."""
        wanted = claims.wanted_of(volume)
        if self.is_rendered(volume):
            wanted = rendering.opened({"volumeMode": "Filesystem", **wanted})
        if dig(volume, "spec", "storage") is not None and dig(volume, "spec", "contentType") == "archive":
            wanted = profiles.as_archive(wanted)
        if dig(volume, "spec", "pvc") is not None or (wanted.get("accessModes") and wanted.get("volumeMode")):
            return wanted
        chosen = claims.class_of(wanted, default)
        if chosen not in self._classes:
            if wanted.get("storageClassName") is not None:
                self.spare.begin()
                wanted = profiles.as_spare(wanted, (await self._client.list(PERSISTENT_VOLUMES)).items)
            return profiles.completed(wanted, None)
        profile = self._profiles.get(chosen)
        return profiles.completed(wanted, profile) if profiles.is_known(profile) else None

    async def _by_populator(self, volume: Object, chosen: Obj | None) -> bool:
        """Whether it is a populator that fills it: if it says so, or its class has a driver."""
        said = annotations(volume).get(claims.USES_POPULATOR)
        if said is not None:
            return said in TRUE
        provisioner = dig(chosen, "provisioner", default="")
        if not provisioner or provisioner == capabilities.OWN:
            return bool(provisioner)
        return await self._client.find(CSI_DRIVERS, provisioner, None) is not None

    async def way(self, origin: Origin, source: Obj, claim: Obj) -> cloning.Way:
        """How a claim that is there is cloned."""
        chosen = self._classes.get(dig(claim, "spec", "storageClassName", default=""))
        return await self._way(origin, source, claim["spec"], chosen)

    async def snapshot_class(self, claim: Obj) -> str:
        """The class of snapshots that the driver of a claim takes; empty if there is none."""
        chosen = self._classes.get(dig(claim, "spec", "storageClassName", default=""))
        return next(iter(await self._storage.snapshot_classes(chosen)), "")

    async def _way(self, origin: Origin, source: Obj, wanted: Obj, chosen: Obj | None) -> cloning.Way:
        profile = self._profiles.get(name(chosen)) if chosen is not None else None
        strategy = dig(self._configuration.cdi, "spec", "cloneStrategyOverride") or dig(
            profile, "status", "cloneStrategy", default=cloning.SNAPSHOT
        )
        return cloning.way(
            cloning.Asked(
                origin,
                source,
                wanted,
                claims.size_of(wanted, source),
                chosen,
                self._classes.get(dig(source, "spec", "storageClassName", default="")),
                strategy,
                strategy == cloning.SNAPSHOT and bool(await self._storage.snapshot_classes(chosen)),
            )
        )
