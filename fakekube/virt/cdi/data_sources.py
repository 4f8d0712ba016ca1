"""DataSources tell whether what they stand for is there to be cloned: a claim, once it is filled, or a snapshot.

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
from fakekube.machinery.objects import Obj, dig, key, namespace
from fakekube.machinery.resources import DATA_SOURCES, VOLUME_SNAPSHOTS
from fakekube.machinery.wire import Object

_STANDS_FOR = "what it stands for"  # the key of a claim or snapshot
_KINDS = ("pvc", "snapshot")
_READY = ("True", "Ready", "DataSource is ready to be consumed")

State = tuple[str, str, str]  # status, reason, message


class DataSources:
    """An actor, see the module text. `volumes`, `claims`: caches somebody else has, too, as others may look into
    `sources`. Snapshots are followed once needed."""

    def __init__(self, client: Client, *, clock: Clock, volumes: Informer, claims: Informer) -> None:
        self._client = client
        self._clock = clock
        self._volumes, self._claims = volumes, claims
        self.sources = Informer(client, DATA_SOURCES, clock=clock)
        self.sources.add_index(_STANDS_FOR, lambda one: _keys(one).values())
        self._snapshots = LateInformer(client, VOLUME_SNAPSHOTS, clock=clock)
        self._snapshots.on_change(self._snapshot_changed)
        self._snapshots_matter = asyncio.Event()
        self.controller = Controller("datasource-controller", self._reconcile, clock=clock)
        self.controller.source(self.sources)
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
        return map(key, self.sources.by_index(_STANDS_FOR, key(changed))) if changed is not None else ()

    def _snapshot_changed(self, old: Object | None, new: Object | None) -> None:
        for own in self._standing_for(old, new):
            self.controller.queue.add(own)

    async def _reconcile(self, own: str) -> None:
        source = self.sources.get(own)
        if source is None:
            return
        keys = _keys(source)
        if "snapshot" in keys:
            self._snapshots_matter.set()
        state = judge(
            keys,
            volume=self._volumes.get(keys.get("pvc", "")),
            claim=self._claims.get(keys.get("pvc", "")),
            snapshot=self._snapshots.get(keys.get("snapshot", "")),
        )
        wanted = status(source, state, rfc3339(self._clock.now()))
        if wanted != source.get("status"):
            try:
                await self._client.update(DATA_SOURCES, {**source, "status": wanted})
            except (Conflict, NotFound):
                return  # the cache will show why


def _keys(source: Obj) -> dict[str, str]:
    """The key of the claim, or else of the snapshot, it stands for, by kind."""
    for kind in _KINDS:
        if named := dig(source, "spec", "source", kind):
            return {kind: f"{named.get('namespace') or namespace(source)}/{named.get('name')}"}
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


def status(source: Obj, state: State, now: str) -> Object:
    """`status` with the condition; what was told of another source is forgotten."""
    wanted = dig(source, "spec", "source", default={})
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
