"""Snapshots of volumes: once the types of CSI snapshots are defined, each VolumeSnapshot gets a content and is ready.

The types and a class come with `examples/csi-snapshots.yaml`, as they come apart on a real cluster; upstream's own do, too.
A snapshot holds what the volume held when it was taken; a claim that is restored from one is bound like any other.
Upstream: kubernetes-csi/external-snapshotter: pkg/common-controller/snapshot_controller.go
"""

from collections.abc import Iterable

from fakekube.agents.volume_contents import VolumeContents, volume_of
from fakekube.agents.volume_contents import snapshot as called
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.client.late import LateInformer
from fakekube.clock import Clock, rfc3339
from fakekube.machinery import quantities
from fakekube.machinery.objects import Obj, annotations, dig, is_terminating, key, name, namespace, uid
from fakekube.machinery.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    VOLUME_SNAPSHOT_CLASSES,
    VOLUME_SNAPSHOTS,
    Resource,
)
from fakekube.machinery.wire import Object

_GROUP, _VERSION = "snapshot.storage.k8s.io", "v1"
CONTENTS = Resource(_GROUP, _VERSION, "volumesnapshotcontents", "VolumeSnapshotContent", namespaced=False)
_DEFAULT = "snapshot.storage.kubernetes.io/is-default-class"
_CLAIM = "claim"
_FAILED = "Failed to create snapshot content with error"
_UPDATE = "snapshot controller failed to update {} on API server: {}"
_NANO = 10**9


class VolumeSnapshots:
    """See the module text."""

    name = "snapshot-controller"

    def __init__(self, client: Client, *, clock: Clock, contents: VolumeContents) -> None:
        self._client = client
        self._held = contents
        self._clock = clock
        self._snapshots = LateInformer(client, VOLUME_SNAPSHOTS, clock=clock)
        self._snapshots.add_index(_CLAIM, _claim_of)
        self._classes = LateInformer(client, VOLUME_SNAPSHOT_CLASSES, clock=clock)
        self._claims = Informer(client, PERSISTENT_VOLUME_CLAIMS, clock=clock)
        self.controller = Controller(self.name, self._reconcile, clock=clock)
        self.controller.source(self._snapshots)
        self.controller.source(self._snapshots, self._removed)
        self.controller.source(self._claims, self._of_claim)
        self.controller.source(self._classes, self._waiting)
        self._gone: dict[str, str] = {}  # key → uid

    @property
    def idle(self) -> bool:
        """Nothing is queued or being worked on."""
        return self.controller.idle

    async def run(self) -> None:
        """Work until cancelled."""
        await self.controller.run()

    def _removed(self, old: Object | None, new: Object | None) -> Iterable[str]:
        if old is not None and new is None:
            self._gone[key(old)] = uid(old)
            self._held.forget(called(key(old)))
        return ()

    def _of_claim(self, old: Object | None, new: Object | None) -> Iterable[str]:
        claim = new or old
        return [key(one) for one in self._snapshots.by_index(_CLAIM, key(claim))] if claim else ()

    def _waiting(self, _old: Object | None, _new: Object | None) -> Iterable[str]:
        return [key(one) for one in self._snapshots.objects() if not dig(one, "status", "readyToUse")]

    async def _reconcile(self, own: str) -> Result | None:
        if (gone := self._gone.get(own)) is not None:
            await self._drop_content(gone)
            if self._gone.get(own) == gone:
                del self._gone[own]
        snapshot = self._snapshots.get(own)
        if snapshot is None or is_terminating(snapshot) or dig(snapshot, "status", "readyToUse"):
            return None
        claim_name = dig(snapshot, "spec", "source", "persistentVolumeClaimName", default="")
        claim = self._claims.get(f"{namespace(snapshot)}/{claim_name}")
        chosen = self._class_of(snapshot)
        problem = _problem(snapshot, claim, chosen)
        if problem or claim is None or chosen is None:
            if dig(snapshot, "status", "error", "message") != problem:
                await self._tell(snapshot, {"readyToUse": False, "error": self._error(problem)})
            return None
        await self._take(snapshot, claim, chosen)
        return None

    def _class_of(self, snapshot: Obj) -> Object | None:
        wanted = dig(snapshot, "spec", "volumeSnapshotClassName", default="")
        if wanted:
            return self._classes.get(wanted)
        defaults = [one for one in self._classes.objects() if annotations(one).get(_DEFAULT) == "true"]
        return defaults[0] if defaults else None

    async def _take(self, snapshot: Object, claim: Object, chosen: Object) -> None:
        now = self._clock.now()
        size = dig(claim, "status", "capacity", "storage") or dig(
            claim, "spec", "resources", "requests", "storage", default="0"
        )
        content = f"snapcontent-{uid(snapshot)}"
        made = _content(content, snapshot, claim, chosen)
        stored = await self._client.create_if_absent(CONTENTS, made)
        if stored is None:  # an earlier pass got this far
            stored = await self._client.get(CONTENTS, content)
        else:
            self._held.copy(volume_of(claim), called(key(snapshot)))
        status = {
            "creationTime": int(now.timestamp() * _NANO),
            "readyToUse": True,
            "restoreSize": quantities.parse(str(size))[0] // _NANO,
            "snapshotHandle": f"snapshot-{uid(snapshot)}",
        }
        await self._client.update(CONTENTS, {**stored, "status": status}, subresource="status")
        told = {"creationTime": rfc3339(now), "readyToUse": True, "restoreSize": size}
        await self._tell(snapshot, {"boundVolumeSnapshotContentName": content, **told})

    async def _tell(self, snapshot: Object, status: Object) -> None:
        await self._client.update(VOLUME_SNAPSHOTS, {**snapshot, "status": status}, subresource="status")

    def _error(self, message: str) -> Object:
        return {"message": message, "time": rfc3339(self._clock.now())}

    async def _drop_content(self, snapshot_uid: str) -> None:
        content = await self._client.find(CONTENTS, f"snapcontent-{snapshot_uid}")
        if content is not None and dig(content, "spec", "deletionPolicy") == "Delete":
            await self._client.delete_if_present(CONTENTS, name(content))


def _problem(snapshot: Obj, claim: Obj | None, chosen: Obj | None) -> str:
    """Why no snapshot can be taken, or empty."""
    if chosen is None:
        wanted = dig(snapshot, "spec", "volumeSnapshotClassName", default="")
        text = f'volumesnapshotclass.snapshot.storage.k8s.io "{wanted}" not found'
        return f"Failed to get snapshot class with error {text if wanted else 'cannot find default snapshot class'}"
    if claim is None:
        text = _UPDATE.format(name(snapshot), "cannot get claim from snapshot")
    elif is_terminating(claim):
        text = _UPDATE.format(name(claim), "cannot add finalizer on claim because it is being deleted")
    elif not dig(claim, "spec", "volumeName"):
        text = f"the PVC {name(claim)} is not yet bound to a PV, will not attempt to take a snapshot"
    else:
        return ""
    return f"{_FAILED} {text}"


def _content(own: str, snapshot: Obj, claim: Obj, chosen: Obj) -> Object:
    reference = {
        "apiVersion": VOLUME_SNAPSHOTS.api_version,
        "kind": VOLUME_SNAPSHOTS.kind,
        "namespace": namespace(snapshot),
        "name": name(snapshot),
        "uid": uid(snapshot),
    }
    spec = {
        "deletionPolicy": chosen.get("deletionPolicy") or "Delete",
        "driver": chosen.get("driver") or "",
        "source": {"volumeHandle": dig(claim, "spec", "volumeName")},
        "volumeSnapshotClassName": name(chosen),
        "volumeSnapshotRef": reference,
    }
    return {
        "apiVersion": CONTENTS.api_version,
        "kind": CONTENTS.kind,
        "metadata": {"name": own},
        "spec": spec,
    }


def _claim_of(snapshot: Object) -> Iterable[str]:
    claim = dig(snapshot, "spec", "source", "persistentVolumeClaimName")
    return (f"{namespace(snapshot)}/{claim}",) if claim else ()
