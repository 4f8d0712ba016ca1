"""A DataImportCron as what is there of its image determines it: what it tells, what begins, and what goes. Pure.

Origin: cdi: pkg/controller/dataimportcron-controller.go
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct, field

from fakekube.clock import parse_rfc3339, rfc3339
from fakekube.machinery import cron as schedules
from fakekube.machinery.objects import Obj, annotations, condition, dig, labels, name, namespace, uid
from fakekube.machinery.resources import DATA_SOURCES, DATA_VOLUMES, VOLUME_SNAPSHOTS
from fakekube.machinery.wire import Object
from fakekube.virt.cdi.claims import BIND_NOW
from fakekube.virt.cdi.data_sources import State, conditions
from fakekube.virt.cdi.marks import OURS, RECOMMENDED, carried
from fakekube.virt.cdi.sources import unreachable

CRON = "cdi.kubevirt.io/dataImportCron"  # a label: whose import, or source, it is
GOES_WITH_IT = f"{CRON}.cleanup"
PVC, SNAPSHOT = "pvc", "snapshot"  # what imports are kept as
LAST_USE = "cdi.kubevirt.io/storage.import.lastUseTime"
_DIGEST = "cdi.kubevirt.io/storage.import.sourceDesiredDigest"
_NEXT_TIME = "cdi.kubevirt.io/storage.import.nextCronTime"  # of those that follow a claim
_LAST_TIME = "cdi.kubevirt.io/storage.import.lastCronTime"
_CLASS = "cdi.kubevirt.io/storage.import.storageClass"
_RETAIN = "cdi.kubevirt.io/storage.pod.retainAfterCompletion"
_MODE = "cdi.kubevirt.io/storage.import.sourceVolumeMode"  # on a snapshot: what its claim was like
_DEFAULTS = "instancetype.kubevirt.io/default-"
_CREDENTIALS = "kubevirt.io/dynamic-credentials-support"
_KEPT = 3
_PHASES: dict[str, State] = {
    "ImportScheduled": ("False", "ImportScheduled", "Import is scheduled"),
    "ImportInProgress": ("True", "ImportProgressing", "Import is progressing"),
}
_NO_IMPORT = ("False", "NoImport", "No current import")
_UP_TO_DATE = ("True", "UpToDate", "Latest import is up to date")


class Seen(Struct, frozen=True):
    """What there is of its current import; `kept_as`: how its class keeps imports; `storage_class`: the one it is to be of;
    `snapshot_class`: how that is snapshotted; `origin`: the claim it follows, if it follows one, `denied`: why it may not;
    `marks`: labels of what CDI makes."""

    volume: Obj | None = None
    claim: Obj | None = None
    snapshot: Obj | None = None
    kept_as: str = PVC
    storage_class: str = ""
    snapshot_class: str = ""
    origin: Obj | None = None
    denied: str = ""
    marks: Mapping[str, str] = field(default_factory=lambda: RECOMMENDED)


class Plan(Struct, frozen=True):
    """What a cron is to be like, and the DataSource that follows it."""

    cron: Object
    source: Object
    volume: Object | None = None  # an import that begins, unless its claim or snapshot is there
    snapshot: Object | None = None  # to be taken
    used: Obj | None = None  # the claim or snapshot that is the import now
    discarded: str = ""  # the import that goes, whatever it is kept as
    claim_goes: str = ""  # the one that goes because there is a snapshot of it
    snapshot_goes: str = ""  # the one that goes because imports are kept as claims
    again: bool = False  # to be looked at once more in a moment


def followed(cron: Obj) -> Obj | None:
    """The claim it follows, in place of an image."""
    claim: Obj | None = dig(cron, "spec", "template", "spec", "source", "pvc")
    return claim


def next_time(cron: Obj, now: datetime) -> datetime | None:
    """When its image, or its claim, is looked at next, or was to be; None if never: without a schedule, or a URL."""
    schedule = dig(cron, "spec", "schedule", default="")
    if schedule and followed(cron) is not None:
        said = annotations(cron).get(_NEXT_TIME)
        return parse_rfc3339(said) if said else now
    if not schedule or not dig(cron, "spec", "template", "spec", "source", "registry", "url"):
        return None
    last = annotations(cron).get(_LAST_TIME)
    return now if last is None else _coming(cron, parse_rfc3339(last))


def _coming(cron: Obj, last: datetime) -> datetime | None:
    """When its schedule says next."""
    try:
        return schedules.parse(cron["spec"]["schedule"]).next_after(last)
    except schedules.Refused:
        return None


def current(cron: Obj) -> dict[str, str]:
    """Its import, by DataVolumeName and Digest; empty if there is none."""
    return next(iter(dig(cron, "status", "currentImports", default=())), {})


def plan(cron: Object, seen: Seen, now: datetime, *, is_due: bool) -> Plan:
    """What is to happen. `is_due`: the image is looked at now."""
    notes = dict(annotations(cron))
    moved = notes.get(_CLASS) not in (None, seen.storage_class) and bool(seen.storage_class)
    if seen.storage_class:
        notes[_CLASS] = seen.storage_class
    status: Object = dict(cron.get("status") or {})
    if moved:
        gone = _named(cron, notes[_DIGEST]) if notes.get(_DIGEST) else ""
        changed = {**cron, "metadata": {**cron["metadata"], "annotations": notes}}
        return Plan(changed, source_of(cron, seen, status, seen.kept_as), discarded=gone, again=True)
    if is_due and followed(cron) is not None:
        if seen.origin is None:  # it may come yet
            return Plan(cron, source_of(cron, seen, status, seen.kept_as), again=True)
        notes |= {_LAST_TIME: rfc3339(now), _DIGEST: f"uid:{uid(seen.origin)}"}
        if (coming := _coming(cron, now)) is not None:
            notes[_NEXT_TIME] = rfc3339(coming)
    elif is_due:
        notes[_LAST_TIME] = rfc3339(now)
        if not notes.get(_DIGEST) and (found := _digest(cron)):
            notes[_DIGEST] = found
    import_, digest = current(cron), notes.get(_DIGEST, "")
    phase = dig(seen.volume, "status", "phase", default="") if seen.volume is not None else ""
    of_claim = phase == "Succeeded" or (seen.volume is None and dig(seen.claim, "status", "phase") == "Bound")
    of_snapshot = seen.volume is None and not of_claim and seen.snapshot is not None
    taken: Object | None = None
    used: Obj | None = None
    claim_goes = snapshot_goes = ""
    if of_claim:
        used = seen.claim
        if seen.kept_as == SNAPSHOT and seen.claim is not None:
            if seen.snapshot is None:
                taken = _snapshot(cron, seen, now)
            elif dig(seen.snapshot, "status", "readyToUse"):
                claim_goes = name(seen.claim)
    elif of_snapshot and seen.snapshot is not None:
        if seen.kept_as == PVC:
            follows = source_of(cron, seen, status, SNAPSHOT)
            return Plan(cron, follows, snapshot_goes=name(seen.snapshot), again=True)
        used = seen.snapshot
    elif seen.volume is None:
        status.pop("currentImports", None)
        import_ = {}
    succeeded = of_claim or of_snapshot
    if succeeded:
        imported = {"namespace": namespace(cron), "name": import_["DataVolumeName"]}
        if status.get("lastImportedPVC") != imported:
            status |= {"lastImportedPVC": imported, "lastImportTimestamp": rfc3339(now)}
    said: dict[str, State] = {"Progressing": _NO_IMPORT}
    if seen.volume is not None and not succeeded:
        said["Progressing"] = _PHASES.get(phase, ("False", phase, f"Import DataVolume phase {phase}"))
    begins, discarded = None, ""
    if digest and digest != import_.get("Digest"):
        said["UpToDate"] = ("False", "Outdated", "Source digest updated since last import")
        if seen.volume is not None and _has_failed(seen.volume):
            discarded = name(seen.volume)
            status.pop("currentImports", None)
        if seen.denied:
            said["Progressing"] = ("False", "NotAuthorized", seen.denied)
        elif succeeded or not import_:
            begins = _import(cron, seen, digest, now)
            status["currentImports"] = [{"DataVolumeName": name(begins), "Digest": digest}]
    elif succeeded:
        status["sourceFormat"] = seen.kept_as
        if (told := _up_to_date(seen)) is not None:
            said["UpToDate"] = told
    elif import_:
        said["UpToDate"] = ("False", "ImportProgressing", "Import is progressing")
    else:
        said["UpToDate"] = ("False", "NoDigest", "No source digest")
    if _LAST_TIME in notes:
        status["lastExecutionTimestamp"] = notes[_LAST_TIME]
    old = [one for one in status.get("conditions") or () if one["type"] not in said]
    status["conditions"] = [*conditions(status.get("conditions") or (), said, rfc3339(now)), *old]
    meta = {**cron["metadata"], **({"annotations": notes} if notes else {})}
    changed = {**cron, "metadata": meta, "status": status}
    return Plan(
        changed,
        source_of(cron, seen, status, seen.kept_as),
        begins,
        taken,
        used,
        discarded=discarded,
        claim_goes=claim_goes,
        snapshot_goes=snapshot_goes,
    )


def _up_to_date(seen: Seen) -> State | None:
    """What is told of an import that has succeeded; None while its snapshot is not there."""
    if seen.kept_as == PVC:
        return _UP_TO_DATE
    if seen.snapshot is None:
        return None
    if dig(seen.snapshot, "status", "readyToUse"):
        return _UP_TO_DATE
    return "False", "ImportProgressing", "Snapshot of imported data is progressing"


def _has_failed(volume: Obj) -> bool:
    told = condition(volume, "Running") or {}
    return told.get("status") == "False" and told.get("reason") in ("Error", "ImagePullFailed")


def keeps(cron: Obj) -> int | None:
    """How many imports it keeps; None for all of them."""
    if dig(cron, "spec", "garbageCollect", default="Outdated") != "Outdated":
        return None
    said = dig(cron, "spec", "importsToKeep")
    return _KEPT if said is None else int(said)


def outdated(cron: Obj, kept: Iterable[Obj]) -> list[str]:
    """Which of its claims, or of its snapshots, are too many: those used longest ago, the current one last."""
    own = current(cron).get("DataVolumeName")
    ordered = sorted(
        kept, key=lambda one: (name(one) == own, annotations(one).get(LAST_USE, "")), reverse=True
    )
    return [name(one) for one in ordered[keeps(cron) :]]


def marks(cron: Obj, ours: Mapping[str, str]) -> dict[str, str]:
    """Labels of all that is made for it; `ours`: of what CDI makes."""
    goes = {GOES_WITH_IT: "true"} if dig(cron, "spec", "retentionPolicy") == "None" else {}
    return {**ours, CRON: name(cron), **goes}


def _digest(cron: Obj) -> str:
    """The digest of its image; empty if nobody can reach it."""
    template = dig(cron, "spec", "template", default={})
    url = dig(template, "spec", "source", "registry", "url", default="")
    return "" if unreachable(template) else f"sha256:{hashlib.sha256(url.encode()).hexdigest()}"


def _named(cron: Obj, digest: str) -> str:
    return f"{cron['spec']['managedDataSource']}-{digest.partition(':')[2][:12]}"


def _import(cron: Obj, seen: Seen, digest: str, now: datetime) -> Object:
    """The DataVolume that imports the image as it is now."""
    template = cron["spec"]["template"]
    spec, meta = template["spec"], template.get("metadata") or {}
    source = spec["source"]
    if url := dig(source, "registry", "url"):
        path, _, last = url.rpartition("/")
        exact = f"{path}/{last.partition(':')[0]}@{digest}"
        source = {"registry": {**source["registry"], "url": exact}}
    passed = {
        key: value for key, value in labels(cron).items() if key.startswith(_DEFAULTS) or key == _CREDENTIALS
    }
    notes = {_RETAIN: retained} if (retained := annotations(cron).get(_RETAIN)) else {}
    return {
        "apiVersion": DATA_VOLUMES.api_version,
        "kind": DATA_VOLUMES.kind,
        "metadata": {
            "name": _named(cron, digest),
            "namespace": namespace(cron),
            "labels": {**(meta.get("labels") or {}), **marks(cron, seen.marks), **passed},
            "annotations": {
                **(meta.get("annotations") or {}),
                **notes,
                BIND_NOW: "true",
                LAST_USE: rfc3339(now),
            },
        },
        "spec": {**spec, "source": source},
    }


def _snapshot(cron: Obj, seen: Seen, now: datetime) -> Object | None:
    """The snapshot the import is kept as; None for a claim of another class than it is to be of."""
    claim: Obj = seen.claim or {}
    if dig(claim, "spec", "storageClassName", default=seen.storage_class) != seen.storage_class:
        return None
    spec: Object = {"source": {"persistentVolumeClaimName": name(claim)}}
    if seen.snapshot_class:
        spec["volumeSnapshotClassName"] = seen.snapshot_class
    return {
        "apiVersion": VOLUME_SNAPSHOTS.api_version,
        "kind": VOLUME_SNAPSHOTS.kind,
        "metadata": {
            "name": name(claim),
            "namespace": namespace(cron),
            "labels": {**carried(labels(claim)), **OURS, **marks(cron, seen.marks)},
            "annotations": {LAST_USE: rfc3339(now), _MODE: dig(claim, "spec", "volumeMode", default="")},
        },
        "spec": spec,
    }


def source_of(cron: Obj, seen: Seen, status: Obj, kept_as: str) -> Object:
    """Its DataSource; of no source until there is an import."""
    imported = status.get("lastImportedPVC")
    return {
        "apiVersion": DATA_SOURCES.api_version,
        "kind": DATA_SOURCES.kind,
        "metadata": {
            "name": cron["spec"]["managedDataSource"],
            "namespace": namespace(cron),
            "labels": marks(cron, seen.marks),
        },
        "spec": {"source": {kept_as: imported} if imported else {}},
    }
