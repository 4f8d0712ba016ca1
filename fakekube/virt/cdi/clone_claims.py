"""The objects a clone populator works with beside the claim it fills, and what that claim says meanwhile. Pure.

Origin: cdi: pkg/controller/clone/{planner,host-clone,csi-clone,snapshot,snap-clone,prep-claim,rebind}.go
"""

from typing import Any

from fakekube.machinery.objects import Obj, annotations, dig, finalizers, labels, namespace, uid
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS, VOLUME_SNAPSHOTS
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import claim_sources, cloning, primes
from fakekube.virt.cdi.claims import BIND_NOW, PROGRESS
from fakekube.virt.cdi.cloning import COPY, SNAPSHOT, Way
from fakekube.virt.cdi.sources import CLONE_TYPE, Origin

PHASE, ERROR = "cdi.kubevirt.io/clonePhase", "cdi.kubevirt.io/cloneError"
PENDING, SUCCEEDED, FAILED = "Pending", "Succeeded", "Error"
PREPARING, REBINDING = "PrepClaim", "Rebind"
SPACE = "cdi.kubevirt.io/dataSourceNamespace"  # on a claim: where its VolumeCloneSource is
PERMISSIVE = "cdi.kubevirt.io/clone.permissive"  # on a claim: it may be smaller
FINALIZER = "cdi.kubevirt.io/clonePopulator"
OWNED_BY = "cdi.kubevirt.io/OwnedByUID"
_CLONED = "k8s.io/CloneOf"
_KINDS = {PERSISTENT_VOLUME_CLAIMS.kind: "pvc", VOLUME_SNAPSHOTS.kind: "snapshot"}
_FILLING_UP = {"alerts.k8s.io/KubePersistentVolumeFillingUp": "disabled"}
_CDI = {"app": "containerized-data-importer"}
_GIVEN = ("dataSource", "dataSourceRef", "volumeName")


def origin_of(source: Obj) -> Origin | None:
    """What a VolumeCloneSource names."""
    named = dig(source, "spec", "source", default={})
    kind = _KINDS.get(named.get("kind", ""))
    return Origin(kind, f"{namespace(source)}/{named.get('name')}") if kind and named.get("name") else None


def temporary(claim: Obj) -> str:
    """The name of the claim that is filled in its place."""
    return f"tmp-pvc-{uid(claim)}"


def snapshot_name(claim: Obj) -> str:
    return f"tmp-snapshot-{uid(claim)}"


def begun(claim: Obj, way: Way) -> Object:
    """Metadata of a claim that is to be cloned in that way, as far as it lacks them; a strategic patch."""
    made: Object = {}
    wanted = {PHASE: PENDING, **way.notes}
    if notes := {one: value for one, value in wanted.items() if one not in annotations(claim)}:
        made["annotations"] = notes
    bare = dig(claim, "spec", "volumeMode") == "Block"
    marks = {**_CDI, **({} if bare else _FILLING_UP)}
    if not marks.items() <= labels(claim).items():
        made["labels"] = marks
    if FINALIZER not in finalizers(claim):
        made["finalizers"] = [FINALIZER]
    return made


def filled(claim: Obj, strategy: str, source: tuple[Obj, Object] | None) -> Object:
    """The claim that is filled in its place. `source`: what its driver fills it from, as it is and as claims name it; a copy has
    none."""
    spec = {member: value for member, value in claim["spec"].items() if member not in _GIVEN}
    notes = {**annotations(claim), claim_sources.POPULATOR: primes.CLONE}
    if source is not None:
        obj, reference = source
        size = dig(obj, "status", "restoreSize") or dig(obj, "status", "capacity", "storage")
        spec |= {"dataSourceRef": reference, "resources": {"requests": {"storage": size}}}
    elif strategy == COPY:
        notes |= {BIND_NOW: ""}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": temporary(claim),
            "namespace": namespace(claim),
            "labels": {**labels(claim), OWNED_BY: uid(claim), **primes.NO_BACKUP},
            "annotations": notes,
        },
        "spec": spec,
    }


def taken(claim: Obj, source: str, snapshot_class: str) -> Object:
    """The snapshot of a claim that another one is to be made of."""
    spec = {"source": {"persistentVolumeClaimName": source}, "volumeSnapshotClassName": snapshot_class}
    marks = {**_CDI, OWNED_BY: uid(claim), **primes.NO_BACKUP}
    meta = {"name": snapshot_name(claim), "namespace": namespace(claim), "labels": marks}
    return {
        "apiVersion": VOLUME_SNAPSHOTS.api_version,
        "kind": VOLUME_SNAPSHOTS.kind,
        "metadata": meta,
        "spec": spec,
    }


def first_phase(strategy: str, origin: Origin) -> str:
    """What it is called while the claim in its place is being filled."""
    if strategy == SNAPSHOT:
        return "Snapshot" if origin.kind == "pvc" else "SnapshotClone"
    return "HostClone" if strategy == COPY else "CSIClone"


def told(claim: Obj, phase: str, *, error: str = "", progress: str = "") -> dict[str, Any]:
    """What a claim is to say in that phase, as far as it does not; None takes an annotation off."""
    wanted: dict[str, Any] = {PHASE: phase, ERROR: error or None}
    if progress:
        wanted[PROGRESS] = progress
    if phase == SUCCEEDED and annotations(claim).get(CLONE_TYPE) == cloning.COPY:
        wanted[_CLONED] = "true"
    ours = annotations(claim)
    return {one: value for one, value in wanted.items() if ours.get(one) != value}
