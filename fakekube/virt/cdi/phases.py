"""The life of a DataVolume as a function of its source, its claim and the time that has passed. Pure.

The annotation `fakekube.io/fate` on a DataVolume (or on the dataVolumeTemplate it comes from) decides otherwise:

    takes=30s     the transfer takes so long          error    the importer fails and is restarted, for ever
    stuck         the transfer never gets on          fail     the DataVolume fails for good
    quota         its claim exceeds a quota

Origin: cdi: pkg/controller/datavolume/*.go, staging/…/core/v1beta1/types.go (DataVolumePhase)
"""

import logging
from dataclasses import dataclass
from typing import Any

from fakekube.machinery.objects import Obj, annotations, dig, name
from fakekube.machinery.wire import Object

FATE = "fakekube.io/fate"
POD_PHASE = "cdi.kubevirt.io/storage.pod.phase"  # on a claim: how far the pod is that fills it

_DUE = 1e-6  # seconds: "due" must not hang on the last bit of a difference of floats

log = logging.getLogger("fakekube.virt.cdi")


@dataclass(frozen=True, slots=True)
class Transfer:
    """The words of one way to fill a claim."""

    verb: str  # begins the phases and the event reasons
    scheduled: str
    in_progress: str
    noun: str  # begins the messages
    done: str  # the message of success
    ends: bool = True  # uploads wait for somebody to send the data


IMPORT = Transfer(
    "Import", "ImportScheduled", "ImportInProgress", "Import into", "Successfully imported into PVC"
)
CLONE = Transfer(
    "Clone", "CloneScheduled", "CSICloneInProgress", "Cloning into", "Successfully cloned into PVC"
)
UPLOAD = Transfer(
    "Upload", "UploadScheduled", "UploadReady", "Upload into", "Successfully uploaded into PVC", ends=False
)


@dataclass(frozen=True, slots=True)
class Fate:
    takes: float | None = None
    error: bool = False
    stuck: bool = False
    fail: bool = False
    quota: bool = False


def fate_of(volume: Obj) -> Fate:
    takes, words = None, set()
    for word in (part.strip() for part in annotations(volume).get(FATE, "").split(",")):
        if word.startswith("takes="):
            try:
                takes = float(word.removeprefix("takes=").removesuffix("s"))
            except ValueError:
                log.warning("annotation %s: %r is ignored; example: takes=30s", FATE, word)
        elif word in ("error", "stuck", "fail", "quota"):
            words.add(word)
    return Fate(takes, "error" in words, "stuck" in words, "fail" in words, "quota" in words)


def transfer_of(volume: Obj) -> Transfer:
    source = dig(volume, "spec", "source", default={})
    if "upload" in source:
        return UPLOAD
    if "pvc" in source or "snapshot" in source or dig(volume, "spec", "sourceRef"):
        return CLONE
    return IMPORT


def uploaded(claim: Obj | None) -> bool:
    """Whether somebody has sent what the claim was made for."""
    return claim is not None and annotations(claim).get(POD_PHASE) == "Succeeded"


@dataclass(frozen=True, slots=True)
class Seen:
    """What decides the phase."""

    volume: Obj
    claim: Obj | None
    waits_for_consumer: bool  # the claim's storage class binds late
    since: float  # seconds since the last change of phase
    takes: float  # seconds the whole transfer takes
    fate: Fate = Fate()
    source_missing: bool = False  # a clone whose source is not there


def next_phase(seen: Seen) -> tuple[str, float | None]:
    """The next phase, and when to look again if it is not to change yet. One step at a time, so that all are seen."""
    now = dig(seen.volume, "status", "phase", default="")
    transfer = transfer_of(seen.volume)
    if now in ("Succeeded", "Failed"):
        return now, None
    if seen.fate.quota:
        return "Pending", None
    if seen.fate.fail and now == transfer.in_progress:
        return "Failed", None
    bound = dig(seen.claim, "status", "phase", default="") == "Bound"
    if not bound:
        waits = seen.waits_for_consumer and now in ("Pending", "WaitForFirstConsumer")
        return ("WaitForFirstConsumer" if waits else "Pending"), None
    if now in ("", "Pending", "WaitForFirstConsumer"):
        if now == "" or seen.source_missing:
            return "Pending", None
        return transfer.scheduled, None
    first, last = seen.takes * 0.25, seen.takes * 0.75
    if now == transfer.scheduled:
        return (transfer.in_progress, None) if seen.since >= first - _DUE else (now, first - seen.since)
    if seen.fate.stuck or seen.fate.error:
        return now, None
    if not transfer.ends:
        return ("Succeeded" if uploaded(seen.claim) else now), None
    return ("Succeeded", None) if seen.since >= last - _DUE else (now, last - seen.since)


def status(seen: Seen, phase: str, now: str) -> Object:
    """`status` in a phase."""
    volume, transfer = seen.volume, transfer_of(seen.volume)
    made: Object = dict(volume.get("status") or {})
    made |= {"phase": phase, "claimName": name(volume)}
    if phase != "Failed":  # which keeps the last progress
        made["progress"] = _progress(phase, transfer)
    failing = seen.fate.error and phase == transfer.in_progress
    if failing or phase == "Failed":
        made["restartCount"] = int(made.get("restartCount") or 0) or 1
    wanted = [
        _ready(phase),
        _over_quota(volume) if seen.fate.quota else _bound(volume, seen.claim),
        _running(phase, transfer, failing=failing),
    ]
    old = {one["type"]: one for one in made.get("conditions") or ()}
    made["conditions"] = [_timed(one, old.get(one["type"]), now) for one in wanted]
    return made


def _progress(phase: str, transfer: Transfer) -> str:
    if phase == "Succeeded":
        return "100.0%"
    return "42.00%" if phase == transfer.in_progress and transfer.ends else "N/A"


def _ready(phase: str) -> dict[str, Any]:
    done = phase == "Succeeded"
    return {
        "type": "Ready",
        "status": "True" if done else "False",
        "reason": "" if done else "TransferRunning",
    }


def _bound(volume: Obj, claim: Obj | None) -> dict[str, Any]:
    if claim is None:
        return {"type": "Bound", "status": "False", "reason": "NotFound", "message": "No PVC found"}
    bound = dig(claim, "status", "phase") == "Bound"
    word = "Bound" if bound else "Pending"
    return {"type": "Bound", "status": str(bound), "reason": word, "message": f"PVC {name(volume)} {word}"}


def _over_quota(volume: Obj) -> dict[str, Any]:
    text = f'persistentvolumeclaims "{name(volume)}" is forbidden: exceeded quota'
    return {"type": "Bound", "status": "False", "reason": "ErrExceededQuota", "message": text}


def _running(phase: str, transfer: Transfer, *, failing: bool) -> dict[str, Any]:
    if failing:
        message = (
            "Unable to connect to http data source: expected status code 200, got 404. Status: 404 Not Found"
        )
        return {"type": "Running", "status": "False", "reason": "Error", "message": message}
    if phase == "Failed":
        message = "Unable to process data: exit status 1"
        return {"type": "Running", "status": "False", "reason": "Error", "message": message}
    if phase == transfer.in_progress:
        return {"type": "Running", "status": "True", "reason": "Pod is running", "message": ""}
    if phase == "Succeeded":
        return {
            "type": "Running",
            "status": "False",
            "reason": "Completed",
            "message": f"{transfer.verb} Complete",
        }
    return {"type": "Running", "status": "False", "reason": "", "message": ""}


def _timed(new: dict[str, Any], old: dict[str, Any] | None, now: str) -> dict[str, Any]:
    same = old is not None and all(old.get(member) == value for member, value in new.items())
    if same and old is not None:
        return old
    changed = old is None or old.get("status") != new["status"]
    moved = now if changed or old is None else old.get("lastTransitionTime", now)
    return {**new, "lastHeartbeatTime": now, "lastTransitionTime": moved}


def claim(volume: Obj, *, default_class: str) -> Object:
    """The PersistentVolumeClaim of a DataVolume."""
    wanted = dig(volume, "spec", "pvc") or dig(volume, "spec", "storage", default={})
    spec: Object = {
        "accessModes": wanted.get("accessModes") or ["ReadWriteOnce"],
        "resources": wanted.get("resources") or {"requests": {"storage": "1Gi"}},
        "volumeMode": wanted.get("volumeMode") or "Filesystem",
    }
    if chosen := wanted.get("storageClassName") or default_class:
        spec["storageClassName"] = chosen
    meta = volume["metadata"]
    own_labels = {
        key: value for key, value in (meta.get("labels") or {}).items() if key != "kubevirt.io/created-by"
    }
    inherited = {
        key: value for key, value in annotations(volume).items() if key.startswith("cdi.kubevirt.io/storage.")
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": meta["name"],
            "namespace": meta.get("namespace", ""),
            "labels": {
                **own_labels,
                "alerts.k8s.io/KubePersistentVolumeFillingUp": "disabled",
                "app": "containerized-data-importer",
                "app.kubernetes.io/component": "storage",
                "app.kubernetes.io/managed-by": "cdi-controller",
            },
            "annotations": {
                **inherited,
                "cdi.kubevirt.io/createdForDataVolume": meta["uid"],
                "cdi.kubevirt.io/storage.contentType": dig(volume, "spec", "contentType", default="kubevirt"),
                "cdi.kubevirt.io/storage.pod.restarts": "0",
                "cdi.kubevirt.io/storage.preallocation.requested": "false",
                "cdi.kubevirt.io/storage.usePopulator": "false",
                **({"cdi.kubevirt.io/storage.upload.target": ""} if transfer_of(volume) is UPLOAD else {}),
            },
            "ownerReferences": [
                {
                    "apiVersion": "cdi.kubevirt.io/v1beta1",
                    "kind": "DataVolume",
                    "name": meta["name"],
                    "uid": meta["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": spec,
    }
