"""DataSources tell whether what they stand for is there to be cloned: a claim, once it is filled, or a snapshot; also those
that point to another one. What that says of the guests to be made of it they say, too, in its labels.

Origin: cdi: pkg/controller/datasource-controller.go
"""

import asyncio
from collections.abc import Iterable, Mapping

from fakekube.client.client import Client
from fakekube.client.controller import Controller
from fakekube.client.informer import Informer
from fakekube.client.late import LateInformer
from fakekube.clock import Clock, rfc3339
from fakekube.machinery.errors import Conflict, NotFound
from fakekube.machinery.objects import Obj, dig, key, labels, namespace
from fakekube.machinery.resources import DATA_SOURCES, VOLUME_SNAPSHOTS
from fakekube.machinery.wire import Object
from fakekube.virt import data_sources
from fakekube.virt.cdi import marks

_STANDS_FOR = "what it stands for"  # the key of a claim or snapshot
_POINTS_TO = "the DataSource it points to"
_KINDS = ("pvc", "snapshot")
_READY = ("True", "Ready", "DataSource is ready to be consumed")

State = tuple[str, str, str]  # status, reason, message


class DataSources:
    """An actor, see the module text. `volumes`, `claims`, `sources`: caches somebody else has, too. Snapshots are followed
    once needed."""

    def __init__(
        self, client: Client, *, clock: Clock, volumes: Informer, claims: Informer, sources: Informer
    ) -> None:
        self._client = client
        self._clock = clock
        self._volumes, self._claims = volumes, claims
        self._sources = sources
        sources.add_index(_STANDS_FOR, lambda one: _keys(dig(one, "spec", "source"), namespace(one)).values())
        sources.add_index(_POINTS_TO, lambda one: (data_sources.pointed(one),))
        self._snapshots = LateInformer(client, VOLUME_SNAPSHOTS, clock=clock)
        self._snapshots.on_change(self._snapshot_changed)
        self._snapshots_matter = asyncio.Event()
        self.controller = Controller("datasource-controller", self._reconcile, clock=clock)
        self.controller.source(sources)
        self.controller.source(sources, self._pointing_to)
        for informer in (volumes, claims):
            self.controller.source(informer, self._standing_for)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.controller.run())
            await self._snapshots_matter.wait()
            tasks.create_task(self._snapshots.run())

    def _standing_for(self, old: Object | None, new: Object | None) -> Iterable[str]:
        changed = new or old
        if changed is None:
            return
        for source in self._sources.by_index(_STANDS_FOR, key(changed)):
            yield key(source)
            yield from self._pointing_to(None, source)

    def _pointing_to(self, old: Object | None, new: Object | None) -> Iterable[str]:
        return map(key, self._sources.by_index(_POINTS_TO, key(new or old or {})))

    def _snapshot_changed(self, old: Object | None, new: Object | None) -> None:
        for own in self._standing_for(old, new):
            self.controller.queue.add(own)

    async def _reconcile(self, own: str) -> None:
        source = self._sources.get(own)
        if source is None:
            return
        there: Obj | None = None
        try:
            stands_for = data_sources.resolved(source, self._sources.get)
            state, there = self._judged(stands_for, namespace(source))
        except data_sources.UnresolvedError as error:
            stands_for, state = {}, ("False", error.reason, str(error))
        wanted = status(source, stands_for, state, rfc3339(self._clock.now()))
        marked = {**labels(source), **marks.carried(labels(there or {}))}
        if wanted != source.get("status") or marked != labels(source):
            meta = {**source["metadata"], **({"labels": marked} if marked else {})}
            try:
                await self._client.update(DATA_SOURCES, {**source, "metadata": meta, "status": wanted})
            except (Conflict, NotFound):
                return  # the cache will show why

    def _judged(self, stands_for: Obj, space: str) -> tuple[State, Obj | None]:
        """Its state, and what it stands for once that is ready."""
        keys = _keys(stands_for, space)
        if "snapshot" in keys:
            self._snapshots_matter.set()
        volume, claim = (known.get(keys.get("pvc", "")) for known in (self._volumes, self._claims))
        snapshot = self._snapshots.get(keys.get("snapshot", ""))
        state = judge(keys, volume=volume, claim=claim, snapshot=snapshot)
        return state, (volume or claim or snapshot) if state == _READY else None


def _keys(stands_for: Obj, space: str) -> dict[str, str]:
    """The key of the claim, or else of the snapshot, by kind; `space`: the namespace of the DataSource."""
    for kind in _KINDS:
        if named := stands_for.get(kind):
            return {kind: f"{named.get('namespace') or space}/{named.get('name')}"}
    return {}


def judge(keys: dict[str, str], *, volume: Obj | None, claim: Obj | None, snapshot: Obj | None) -> State:
    """Whether it can be cloned. `keys`: what it stands for, by kind; the others: what of it is there."""
    if "pvc" in keys:
        if volume is not None:
            phase = dig(volume, "status", "phase", default="")
            return _READY if phase == "Succeeded" else ("False", phase, f"Import DataVolume phase {phase}")
        return _READY if claim is not None else ("False", "NotFound", "PVC not found")
    if "snapshot" in keys:
        if snapshot is None:
            return "False", "NotFound", "Snapshot not found"
        ready = dig(snapshot, "status", "readyToUse")
        return _READY if ready else ("False", "SnapshotNotReady", "Snapshot phase is not ready")
    return "False", "NoSource", "No source PVC set"


def status(source: Obj, wanted: Object, state: State, now: str) -> Object:
    """`status` with the condition, of what it stands for; what was told of something else is forgotten."""
    same = dig(source, "status", "source", default={}) == wanted
    old = dig(source, "status", "conditions", default=()) if same else ()
    return {"source": wanted, "conditions": conditions(old, {"Ready": state}, now)}


def conditions(old: Iterable[Obj], said: Mapping[str, State], now: str) -> list[Object]:
    """Conditions as CDI writes them, by type; the times of those that say the same go on."""
    known, made = {one["type"]: one for one in old}, []
    for kind, (value, reason, message) in said.items():
        was: Obj = known.get(kind, {})
        new = {"type": kind, "status": value, **({"reason": reason} if reason else {}), "message": message}
        moved = was.get("lastTransitionTime", now) if was.get("status") == value else now
        beaten = was.get("lastHeartbeatTime", now) if new.items() <= was.items() else now
        made.append({**new, "lastHeartbeatTime": beaten, "lastTransitionTime": moved})
    return made
