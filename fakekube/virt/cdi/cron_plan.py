"""A DataImportCron as what is there of its image determines it: what it tells, what begins, and what goes. Pure.

Origin: cdi: pkg/controller/dataimportcron-controller.go
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct, field

from fakekube.clock import parse_rfc3339, rfc3339
from fakekube.machinery import cron as schedules
from fakekube.machinery.objects import Obj, annotations, dig, name, namespace, uid
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import cron_products, reaching
from fakekube.virt.cdi.claims import failed
from fakekube.virt.cdi.cron_products import PVC, SNAPSHOT, current
from fakekube.virt.cdi.data_sources import State, conditions
from fakekube.virt.cdi.marks import RECOMMENDED

_DIGEST = "cdi.kubevirt.io/storage.import.sourceDesiredDigest"
_NEXT_TIME = "cdi.kubevirt.io/storage.import.nextCronTime"  # of those that follow a claim
_LAST_TIME = "cdi.kubevirt.io/storage.import.lastCronTime"
_CLASS = "cdi.kubevirt.io/storage.import.storageClass"
_PHASES: dict[str, State] = {
    "ImportScheduled": ("False", "ImportScheduled", "Import is scheduled"),
    "ImportInProgress": ("True", "ImportProgressing", "Import is progressing"),
}
_NO_IMPORT = ("False", "NoImport", "No current import")
_UP_TO_DATE = ("True", "UpToDate", "Latest import is up to date")
_OUTDATED = ("False", "Outdated", "Source digest updated since last import")
_IMPORTING = ("False", "ImportProgressing", "Import is progressing")
_SNAPSHOTTING = ("False", "ImportProgressing", "Snapshot of imported data is progressing")
_NO_DIGEST = ("False", "NoDigest", "No source digest")


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

    @property
    def phase(self) -> str:
        """Of its DataVolume; empty if there is none."""
        return dig(self.volume, "status", "phase", default="") if self.volume is not None else ""

    @property
    def filled(self) -> str:
        """As what the image is there; empty if it is not, or not all of it."""
        alone = self.volume is None
        if self.phase == "Succeeded" or (alone and dig(self.claim, "status", "phase") == "Bound"):
            return PVC
        return SNAPSHOT if alone and self.snapshot is not None else ""


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


def plan(cron: Object, seen: Seen, now: datetime, *, is_due: bool) -> Plan:
    """What is to happen. `is_due`: the image is looked at now."""
    follows = followed(cron) is not None
    origin = seen.origin if follows else None
    if seen.storage_class not in ("", annotations(cron).get(_CLASS, seen.storage_class)):
        return _starts_over(cron, seen)
    if is_due and follows and origin is None:  # it may come yet
        return Plan(cron, _source(cron, seen), again=True)
    if seen.snapshot is not None and (seen.filled, seen.kept_as) == (SNAPSHOT, PVC):
        source = cron_products.source(cron, _last(cron), SNAPSHOT, seen.marks)
        return Plan(cron, source, snapshot_goes=name(seen.snapshot), again=True)
    notes = {**annotations(cron), **_class_of(seen), **(_looked_at(cron, origin, now) if is_due else {})}
    own = current(cron) if seen.volume is not None or seen.filled else {}
    digest = notes.get(_DIGEST, "")
    outdated = digest not in ("", own.get("Digest"))
    begins = None
    if outdated and not seen.denied and (seen.filled or not own):
        begins = cron_products.volume(cron, digest, now, seen.marks)
    discarded = name(seen.volume) if outdated and seen.volume is not None and failed(seen.volume) else ""
    status = {
        **_status(cron, keeps_import=bool(own) and not discarded),
        **({"currentImports": [{"DataVolumeName": name(begins), "Digest": digest}]} if begins else {}),
        **(_imported(cron, now) if seen.filled else {}),
        **({"sourceFormat": seen.kept_as} if seen.filled and not outdated else {}),
        **({"lastExecutionTimestamp": notes[_LAST_TIME]} if _LAST_TIME in notes else {}),
        "conditions": _told(cron, _states(seen, outdated=outdated, imports=bool(own)), now),
    }
    meta = {**cron["metadata"], **({"annotations": notes} if notes else {})}
    changed = {**cron, "metadata": meta, "status": status}
    used, taken, claim_goes = _kept(cron, seen, now)
    return Plan(
        changed,
        _source(changed, seen),
        begins,
        taken,
        used,
        discarded=discarded,
        claim_goes=claim_goes,
    )


def _starts_over(cron: Object, seen: Seen) -> Plan:
    """Its class is another than it was: what has been imported goes, and is made again."""
    notes = {**annotations(cron), **_class_of(seen)}
    gone = cron_products.named(cron, notes[_DIGEST]) if notes.get(_DIGEST) else ""
    changed = {**cron, "metadata": {**cron["metadata"], "annotations": notes}}
    return Plan(changed, _source(cron, seen), discarded=gone, again=True)


def _source(cron: Obj, seen: Seen) -> Object:
    """Its DataSource, which follows what it has imported last."""
    return cron_products.source(cron, _last(cron), seen.kept_as, seen.marks)


def _last(cron: Obj) -> Obj | None:
    last: Obj | None = dig(cron, "status", "lastImportedPVC")
    return last


# --- what is noted in annotations --------------------------------------------------------------------------------


def _class_of(seen: Seen) -> dict[str, str]:
    return {_CLASS: seen.storage_class} if seen.storage_class else {}


def _looked_at(cron: Obj, origin: Obj | None, now: datetime) -> dict[str, str]:
    """What a look at its image, or at the claim it follows, has found."""
    notes = {_LAST_TIME: rfc3339(now)}
    if origin is not None:
        coming = _coming(cron, now)
        next_look = {_NEXT_TIME: rfc3339(coming)} if coming is not None else {}
        return {**notes, _DIGEST: f"uid:{uid(origin)}", **next_look}
    found = annotations(cron).get(_DIGEST) or _digest(cron)
    return {**notes, _DIGEST: found} if found else notes


def _digest(cron: Obj) -> str:
    """The digest of its image; empty if nobody can reach it."""
    template = dig(cron, "spec", "template", default={})
    url = dig(template, "spec", "source", "registry", "url", default="")
    return (
        ""
        if reaching.failure(reaching.endpoint_of(template))
        else f"sha256:{hashlib.sha256(url.encode()).hexdigest()}"
    )


# --- what becomes of what has been imported ----------------------------------------------------------------------


def _kept(cron: Obj, seen: Seen, now: datetime) -> tuple[Obj | None, Object | None, str]:
    """What the import is now; the snapshot to take of it; the claim that goes because there is one."""
    if seen.filled == SNAPSHOT:
        return seen.snapshot, None, ""
    claim = seen.claim if seen.filled else None
    if claim is None or seen.kept_as == PVC:
        return claim, None, ""
    if seen.snapshot is not None:
        return claim, None, name(claim) if dig(seen.snapshot, "status", "readyToUse") else ""
    if dig(claim, "spec", "storageClassName", default=seen.storage_class) != seen.storage_class:
        return claim, None, ""
    return claim, cron_products.snapshot(cron, claim, seen.snapshot_class, now, seen.marks), ""


# --- what is told in its status ----------------------------------------------------------------------------------


def _status(cron: Obj, *, keeps_import: bool) -> Object:
    """What it has told, without its import unless that stays."""
    status: Obj = cron.get("status") or {}
    return {member: value for member, value in status.items() if keeps_import or member != "currentImports"}


def _imported(cron: Obj, now: datetime) -> Object:
    """That its import is there, if it is news."""
    imported = {"namespace": namespace(cron), "name": current(cron)["DataVolumeName"]}
    if _last(cron) == imported:
        return {}
    return {"lastImportedPVC": imported, "lastImportTimestamp": rfc3339(now)}


def _told(cron: Obj, said: Mapping[str, State], now: datetime) -> list[Object]:
    """Its conditions: those that are said, and those nothing is said of."""
    old = dig(cron, "status", "conditions", default=())
    return [*conditions(old, said, rfc3339(now)), *(one for one in old if one["type"] not in said)]


def _states(seen: Seen, *, outdated: bool, imports: bool) -> dict[str, State]:
    """Its conditions by type. `outdated`: another image is wanted; `imports`: there is an import, done or not."""
    fresh = _OUTDATED if outdated else _freshness(seen, imports=imports)
    return {"Progressing": _progress(seen, outdated=outdated), **({"UpToDate": fresh} if fresh else {})}


def _progress(seen: Seen, *, outdated: bool) -> State:
    if outdated and seen.denied:
        return "False", "NotAuthorized", seen.denied
    if seen.volume is None or seen.filled:
        return _NO_IMPORT
    return _PHASES.get(seen.phase, ("False", seen.phase, f"Import DataVolume phase {seen.phase}"))


def _freshness(seen: Seen, *, imports: bool) -> State | None:
    """Of an import of the image that is wanted; None while its snapshot is not there."""
    if not seen.filled:
        return _IMPORTING if imports else _NO_DIGEST
    if seen.kept_as == PVC:
        return _UP_TO_DATE
    if seen.snapshot is None:
        return None
    return _UP_TO_DATE if dig(seen.snapshot, "status", "readyToUse") else _SNAPSHOTTING
