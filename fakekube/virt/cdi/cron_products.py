"""What a DataImportCron has made: imports, snapshots of them, the DataSource that follows them; and how many it keeps. Pure.

Origin: cdi: pkg/controller/dataimportcron-controller.go
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from fakekube.clock import rfc3339
from fakekube.machinery.objects import Obj, annotations, dig, labels, name, namespace
from fakekube.machinery.resources import DATA_SOURCES, DATA_VOLUMES, VOLUME_SNAPSHOTS
from fakekube.machinery.wire import Object
from fakekube.virt.cdi.claims import BIND_NOW
from fakekube.virt.cdi.marks import OURS, carried

CRON = "cdi.kubevirt.io/dataImportCron"  # a label: whose import, or source, it is
GOES_WITH_IT = f"{CRON}.cleanup"
PVC, SNAPSHOT = "pvc", "snapshot"  # what imports are kept as
LAST_USE = "cdi.kubevirt.io/storage.import.lastUseTime"
_RETAIN = "cdi.kubevirt.io/storage.pod.retainAfterCompletion"
_MODE = "cdi.kubevirt.io/storage.import.sourceVolumeMode"  # on a snapshot: what its claim was like
_DEFAULTS = "instancetype.kubevirt.io/default-"
_CREDENTIALS = "kubevirt.io/dynamic-credentials-support"
_KEPT = 3


def current(cron: Obj) -> dict[str, str]:
    """Its import, by DataVolumeName and Digest; empty if there is none."""
    return next(iter(dig(cron, "status", "currentImports", default=())), {})


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


def named(cron: Obj, digest: str) -> str:
    """The name of the import of an image."""
    return f"{cron['spec']['managedDataSource']}-{digest.partition(':')[2][:12]}"


def volume(cron: Obj, digest: str, now: datetime, ours: Mapping[str, str]) -> Object:
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
            "name": named(cron, digest),
            "namespace": namespace(cron),
            "labels": {**(meta.get("labels") or {}), **marks(cron, ours), **passed},
            "annotations": {
                **(meta.get("annotations") or {}),
                **notes,
                BIND_NOW: "true",
                LAST_USE: rfc3339(now),
            },
        },
        "spec": {**spec, "source": source},
    }


def snapshot(cron: Obj, claim: Obj, snapshot_class: str, now: datetime, ours: Mapping[str, str]) -> Object:
    """The snapshot an import is kept as."""
    spec: Object = {"source": {"persistentVolumeClaimName": name(claim)}}
    if snapshot_class:
        spec["volumeSnapshotClassName"] = snapshot_class
    return {
        "apiVersion": VOLUME_SNAPSHOTS.api_version,
        "kind": VOLUME_SNAPSHOTS.kind,
        "metadata": {
            "name": name(claim),
            "namespace": namespace(cron),
            "labels": {**carried(labels(claim)), **OURS, **marks(cron, ours)},
            "annotations": {LAST_USE: rfc3339(now), _MODE: dig(claim, "spec", "volumeMode", default="")},
        },
        "spec": spec,
    }


def source(cron: Obj, imported: Obj | None, kept_as: str, ours: Mapping[str, str]) -> Object:
    """Its DataSource; of no source until there is an import."""
    return {
        "apiVersion": DATA_SOURCES.api_version,
        "kind": DATA_SOURCES.kind,
        "metadata": {
            "name": cron["spec"]["managedDataSource"],
            "namespace": namespace(cron),
            "labels": marks(cron, ours),
        },
        "spec": {"source": {kept_as: imported} if imported else {}},
    }
