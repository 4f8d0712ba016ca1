"""The ways to fill the claim of a DataVolume, and the words CDI has for each.

Origin: cdi: pkg/controller/datavolume/*-controller.go, staging/…/core/v1beta1/types.go (DataVolumePhase)
"""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from fakekube.machinery.objects import Obj, annotations, dig, namespace
from fakekube.virt import data_sources

CLONE_TYPE = "cdi.kubevirt.io/cloneType"  # on a claim, and on its DataVolume: how it is cloned
POD_PHASE = "cdi.kubevirt.io/storage.pod.phase"  # on a claim: how far the pod is that fills it
READY = (
    "cdi.kubevirt.io/storage.pod.ready"  # on a claim for an upload: whether somebody is ready to receive it
)


class Transfer(Struct, frozen=True):
    """The words of one way to fill a claim. In messages `{name}` is the DataVolume, `{target}` that with its namespace, `{origin}`
    what it is a clone of."""

    verb: str  # begins the phases and the event reasons
    in_progress: str
    beginning: str
    going_on: str
    done: str
    failed: str = ""
    runs: str = "Pod is running"  # the reason of the condition meanwhile
    tells_progress: bool = True
    ends: bool = True  # uploads wait for somebody to send the data

    @property
    def scheduled(self) -> str:
        return f"{self.verb}Scheduled"


IMPORT = Transfer(
    "Import",
    "ImportInProgress",
    "Import into {name} scheduled",
    "Import into {name} in progress",
    "Successfully imported into PVC {name}",
    "Failed to import into PVC {name}",
)
UPLOAD = Transfer(
    "Upload",
    "UploadReady",
    "Upload into {name} scheduled",
    "Upload into {name} ready",
    "Successfully uploaded into {name}",
    "Upload into {name} failed",
    tells_progress=False,
    ends=False,
)
CLONE = Transfer(
    "Clone",
    "CloneInProgress",
    "Cloning from {origin} into {target} scheduled",
    "Cloning from {origin} into {target} in progress",
    "Successfully cloned from {origin} into {target}",
    "Cloning from {origin} into {target} failed",
)
_CLONED_BY_DRIVER = replace(CLONE, runs="Populator is running", tells_progress=False)
CLONES = {  # by what a claim says of how it is cloned, from claims and from snapshots
    ("csi-clone", "pvc"): replace(
        _CLONED_BY_DRIVER,
        in_progress="CSICloneInProgress",
        going_on="CSI Volume clone in progress (for pvc {origin})",
    ),
    ("snapshot", "pvc"): replace(
        _CLONED_BY_DRIVER,
        in_progress="SnapshotForSmartCloneInProgress",
        going_on="Creating snapshot for smart-clone is in progress (for pvc {origin})",
    ),
    ("snapshot", "snapshot"): replace(
        _CLONED_BY_DRIVER,
        in_progress="CloneFromSnapshotSourceInProgress",
        going_on="Creating PVC from snapshot source is in progress (for snapshot {origin})",
    ),
}
POPULATION = Transfer(
    "ExternalPopulation",
    "PendingPopulation",
    "Population of {name} scheduled",
    "Population of {name} in progress",
    "Successfully populated PVC {name}",
)


def populator_of(volume: Obj) -> str:
    """What fills its claim in CDI's place, by name; empty if nothing does."""
    wanted = dig(volume, "spec", "pvc") or dig(volume, "spec", "storage", default={})
    return str(dig(wanted.get("dataSourceRef") or wanted.get("dataSource"), "name", default=""))


class Origin(NamedTuple):
    """What a clone is made of: a `pvc` or a `snapshot`, by its key."""

    kind: str
    key: str


def transfer_of(volume: Obj, claim: Obj | None = None, origin: Origin | None = None) -> Transfer:
    """How its claim is filled; `claim` tells how clones are made, if there is one yet."""
    if populator_of(volume):
        return POPULATION
    source = dig(volume, "spec", "source", default={})
    if "upload" in source:
        return UPLOAD
    if "pvc" in source or "snapshot" in source or dig(volume, "spec", "sourceRef"):
        way = annotations(claim).get(CLONE_TYPE, "") if claim is not None else ""
        return CLONES.get((way, origin.kind), CLONE) if origin is not None else CLONE
    return IMPORT


def origin_of(volume: Obj, find: Callable[[str], Obj | None]) -> Origin | None:
    """What a DataVolume clones, itself or by a DataSource, which `find` finds; None if that is none, or stands for none yet."""
    space, source = namespace(volume), dig(volume, "spec", "source", default={})
    if (reference := dig(volume, "spec", "sourceRef")) is not None:
        space = reference.get("namespace") or space
        found = find(f"{space}/{reference.get('name')}")
        if found is None:
            return None
        try:
            source = data_sources.resolved(found, find)
        except data_sources.UnresolvedError:
            return None
    for kind in ("pvc", "snapshot"):
        if (named := source.get(kind)) is not None:
            return Origin(kind, f"{named.get('namespace') or space}/{named.get('name')}")
    return None


def uploaded(claim: Obj | None) -> bool:
    """Whether somebody has sent what the claim was made for."""
    return claim is not None and annotations(claim).get(POD_PHASE) == "Succeeded"
