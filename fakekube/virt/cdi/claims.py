"""The PersistentVolumeClaim a DataVolume has made. Pure.

Origin: cdi: pkg/controller/datavolume/controller-base.go, pkg/controller/datavolume/util.go
"""

import json
from collections.abc import Iterable, Mapping

from fakekube.machinery.objects import (
    Obj,
    annotations,
    condition,
    controller_of,
    dig,
    key,
    owner_reference,
    uid,
)
from fakekube.machinery.wire import Object
from fakekube.virt.cdi.marks import RECOMMENDED
from fakekube.virt.cdi.sources import CLONE, POD_PHASE, POPULATION, UPLOAD, Transfer, transfer_of

BIND_NOW = "cdi.kubevirt.io/storage.bind.immediate.requested"  # with whatever value: no consumer is awaited
CREATED_FOR = "cdi.kubevirt.io/createdForDataVolume"  # the uid of the DataVolume a claim was made for
MOVING = "cdi.kubevirt.io/objectTransferName"  # on what an ObjectTransfer moves: its name
PRE_POPULATED = "cdi.kubevirt.io/storage.prePopulated"  # on a DataVolume: the claim somebody else makes, or has made, for it
STATIC = "cdi.kubevirt.io/storage.checkStaticVolume"  # on a DataVolume: a volume kept for its claim is full already
KEPT = "cdi.kubevirt.io/storage.persistentVolumeList"  # on a claim: such volumes, by name
USES_POPULATOR = "cdi.kubevirt.io/storage.usePopulator"  # on a claim: whether it is bound but when it is full; on a DataVolume: asked for
_ELSEWHERE = "cdi.kubevirt.io/externalPopulation"
RESTARTS = "cdi.kubevirt.io/storage.pod.restarts"
RUNS = "cdi.kubevirt.io/storage.condition.running"  # with .message and .reason
PREALLOCATES = "cdi.kubevirt.io/storage.preallocation.requested"
PREALLOCATED = "cdi.kubevirt.io/storage.preallocation"
PROGRESS = "cdi.kubevirt.io/storage.populator.progress"
_CLONED = "k8s.io/CloneOf"
_PASSED = ("dataSource", "dataSourceRef", "selector", "volumeAttributesClassName", "volumeName")


def owner(volume: Obj) -> Object:
    """How a claim names its DataVolume."""
    return owner_reference({"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", **volume})


def is_owned(claim: Obj, volume: Obj) -> bool:
    """Whether it is the DataVolume's."""
    held = controller_of(claim)
    return held is not None and held.get("uid") == uid(volume)


def wanted_of(volume: Obj) -> Obj:
    """What a DataVolume says of its claim."""
    wanted: Obj = dig(volume, "spec", "pvc") or dig(volume, "spec", "storage", default={})
    return wanted


def class_of(wanted: Obj, default: str) -> str:
    """The class of its claim; that there is to be none may be said, too."""
    said = wanted.get("storageClassName")
    return default if said is None else str(said)


def is_of_machines(volume: Obj) -> bool:
    """Whether its claim is of the class marked for machines, where nobody says which."""
    return dig(volume, "spec", "storage") is not None and dig(volume, "spec", "contentType") != "archive"


def is_kept_for(kept: Obj, volume: Obj) -> bool:
    """Whether a PersistentVolume that nobody has waits for the claim of a DataVolume."""
    mine = dig(kept, "spec", "claimRef", default={})
    named = f"{mine.get('namespace')}/{mine.get('name')}" == key(volume)
    return named and not mine.get("uid") and dig(kept, "status", "phase") == "Available"


def is_kept(claim: Obj) -> bool:
    """Whether it has got a volume that was kept for it."""
    own = dig(claim, "spec", "volumeName")
    return bool(own) and f'"{own}"' in annotations(claim).get(KEPT, "")


def came_filled(claim: Obj, volume: Obj) -> bool:
    """Whether a DataVolume has taken it over with its contents, or those of its volume."""
    return annotations(claim).get(CREATED_FOR) != uid(volume) or is_kept(claim)


def failed(volume: Obj) -> bool:
    """Whether the last attempt to fill its claim has."""
    running = condition(volume, "Running") or {}
    return running.get("status") == "False" and running.get("reason") in ("Error", "ImagePullFailed")


def told(volume: Obj, claim: Obj, transfer: Transfer) -> dict[str, str]:
    """What its claim says of how it was filled, in annotations: once it is, or when it is tried again."""
    running = condition(volume, "Running") or {}
    phase = dig(volume, "status", "phase")
    full = phase == "Succeeded"
    if transfer is POPULATION or not (full or failed(volume)):
        return {}
    notes = {
        POD_PHASE: "Succeeded" if full else "Pending" if phase == transfer.scheduled else "Running",
        RESTARTS: str(dig(volume, "status", "restartCount", default=0)),
        RUNS: "false",
        f"{RUNS}.message": running.get("message", ""),
        f"{RUNS}.reason": running.get("reason", ""),
    }
    if not full:
        return notes
    if transfer.verb == CLONE.verb:
        notes[_CLONED] = "true"
    elif annotations(claim).get(PREALLOCATES) == "true" and dig(volume, "spec", "contentType") != "archive":
        notes[PREALLOCATED] = "true"
    return {**notes, PROGRESS: "100.0%"}


def size_of(wanted: Obj, source: Obj | None) -> str:
    """A clone of no size of its own has that of its source, a claim or a snapshot."""
    for size in (
        dig(wanted, "resources", "requests", "storage"),
        dig(source, "spec", "resources", "requests", "storage"),
        dig(source, "status", "restoreSize"),
    ):
        if size:
            return str(size)
    return "1Gi"


def claim(
    volume: Obj,
    wanted: Obj,
    *,
    default_class: str,
    source: Obj | None = None,
    kept: Iterable[str] = (),
    by_populator: bool = False,
    preallocation: bool = False,
    notes: Mapping[str, str] | None = None,
    marks: Mapping[str, str] = RECOMMENDED,
) -> Object:
    """The PersistentVolumeClaim of a DataVolume, as `wanted`. `source`: the claim or snapshot it clones. `kept`: volumes that are
    full already. `by_populator`: whether it is filled by one, of CDI's own. `preallocation`: where the DataVolume does
    not say so. `notes`: how it is cloned."""
    resources = dict(wanted.get("resources") or {})
    resources["requests"] = {**(resources.get("requests") or {}), "storage": size_of(wanted, source)}
    spec: Object = {
        "accessModes": wanted.get("accessModes") or ["ReadWriteOnce"],
        "resources": resources,
        "volumeMode": wanted.get("volumeMode") or "Filesystem",
    }
    spec |= {member: wanted[member] for member in _PASSED if wanted.get(member) is not None}
    if (chosen := class_of(wanted, default_class)) or chosen == wanted.get("storageClassName"):
        spec["storageClassName"] = chosen
    meta = volume["metadata"]
    inherited = {
        key: value for key, value in annotations(volume).items() if not key.startswith("fakekube.io/")
    }
    priority, listed = dig(volume, "spec", "priorityClassName"), list(kept)
    transfer = transfer_of(volume)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": meta["name"],
            "namespace": meta.get("namespace", ""),
            "labels": {
                **(meta.get("labels") or {}),
                **(
                    {}
                    if spec["volumeMode"] == "Block"
                    else {"alerts.k8s.io/KubePersistentVolumeFillingUp": "disabled"}
                ),
                "app": "containerized-data-importer",
                **marks,
            },
            "annotations": {
                **inherited,
                CREATED_FOR: meta["uid"],
                "cdi.kubevirt.io/storage.contentType": dig(volume, "spec", "contentType", default="kubevirt"),
                RESTARTS: "0",
                PREALLOCATES: str(dig(volume, "spec", "preallocation", default=preallocation)).lower(),
                **({"cdi.kubevirt.io/storage.pod.priorityclassname": priority} if priority else {}),
                **(
                    {_ELSEWHERE: "true"}
                    if transfer is POPULATION
                    else {USES_POPULATOR: str(by_populator).lower()}
                ),
                **(notes or {}),
                **({KEPT: json.dumps(listed, separators=(",", ":"))} if listed else {}),
                **({"cdi.kubevirt.io/storage.upload.target": ""} if transfer is UPLOAD else {}),
            },
            "ownerReferences": [owner(volume)],
        },
        "spec": spec,
    }
