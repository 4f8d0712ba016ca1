"""The claim CDI's populators fill in place of another one (PVC prime), whose volume then is the other one's. Pure.

Origin: cdi: pkg/controller/populators/{populator-base,import-populator,upload-populator,util}.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.agents.fates import ANNOTATION as FATE
from fakekube.agents.volume_binding import LATE, SELECTED_NODE
from fakekube.machinery.objects import Obj, annotations, dig, key, labels, namespace, owner_reference, uid
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import claim_sources, marks
from fakekube.virt.cdi.claims import BIND_NOW, PREALLOCATED, PREALLOCATES, PROGRESS, RESTARTS, RUNS
from fakekube.virt.cdi.rules import CONTENT
from fakekube.virt.cdi.sources import POD_PHASE
from fakekube.virt.cdi.uploads import PRIME, TARGET

IMPORT, UPLOAD, CLONE = "VolumeImportSource", "VolumeUploadSource", "VolumeCloneSource"
RETAINED = "cdi.kubevirt.io/storage.pod.retainAfterCompletion"
NO_BACKUP = {"velero.io/exclude-from-backup": "true"}
_MIGRATED = "pv.kubernetes.io/migrated-to"  # on a claim: the CSI driver that stands in for a plugin of Kubernetes' own
_KEPT = (
    RETAINED,
    FATE,
    "cdi.kubevirt.io/storage.pod.priorityclassname",
    "cdi.kubevirt.io/storage.pod.vddk.extraargs",
    "k8s.v1.cni.cncf.io/networks",
    "v1.multus-cni.io/default-network",
    "sidecar.istio.io/inject",
    "linkerd.io/inject",
)
_MIRRORED = (
    POD_PHASE,
    "cdi.kubevirt.io/storage.pod.ready",
    RESTARTS,
    PREALLOCATES,
    PREALLOCATED,
    RUNS,
    f"{RUNS}.message",
    f"{RUNS}.reason",
)
FIGURE = "42.00%"  # how far a pod tells it is


def kind_of(claim: Obj) -> str:
    """The kind of what a claim is to be filled from by a populator of CDI's; empty if it is not."""
    reference = dig(claim, "spec", "dataSourceRef")
    if reference is None or reference.get("apiGroup") != claim_sources.GROUP or not reference.get("name"):
        return ""
    return str(reference.get("kind"))


def name_of(claim: Obj) -> str:
    return f"prime-{uid(claim)}"


def trouble(claim: Obj, chosen: Obj | None) -> str:
    """Why a claim cannot be populated with its class (`chosen`, if there is one of that name); empty where it can, and while no
    class is said."""
    said = dig(claim, "spec", "storageClassName")
    if said == "":
        return f"PVC {key(claim)} has empty storage class name"
    if said is None:
        return ""
    if chosen is None:
        return f"storage class {said} not found"
    plugin = str(chosen.get("provisioner"))
    if plugin.startswith("kubernetes.io/") and not annotations(claim).get(_MIGRATED):
        return f"can't use populator for PVC {key(claim)} with in-tree storage class {plugin}"
    return ""


def is_placed(claim: Obj, chosen: Obj | None) -> bool:
    """Whether it is known where its volume is to be."""
    if chosen is None:
        return False
    notes = annotations(claim)
    late = chosen.get("volumeBindingMode") == LATE
    return not late or bool(notes.get(SELECTED_NODE)) or BIND_NOW in notes


def is_for(source: Obj, own: str) -> bool:
    """Whether what claims are filled from is meant for a claim of that name."""
    return dig(source, "spec", "targetClaim") in (None, "", own)


def prime(claim: Obj, source: Obj, *, preallocation: bool, product: Mapping[str, str]) -> Object:
    """The claim to be filled in place of `claim`. `preallocation`: where the source does not say so; `product`: labels of what
    CDI makes."""
    theirs, wanted = annotations(claim), source.get("spec") or {}
    kind = kind_of(claim)
    notes = {
        BIND_NOW: "",
        **{one: theirs[one] for one in (*_KEPT, SELECTED_NODE) if theirs.get(one)},
        claim_sources.POPULATOR: kind,
        CONTENT: wanted.get("contentType") or "kubevirt",
        PREALLOCATES: str(wanted.get("preallocation", preallocation)).lower(),
        **({TARGET: ""} if kind == UPLOAD else claim_sources.notes(wanted.get("source") or {})),
    }
    spec = claim["spec"]
    kept = ("accessModes", "resources", "storageClassName", "volumeMode")
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name_of(claim),
            "namespace": namespace(claim),
            "labels": {**labels(claim), "app": "containerized-data-importer", **NO_BACKUP, **product},
            "annotations": notes,
            "ownerReferences": [
                owner_reference({"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim})
            ],
        },
        "spec": {member: spec[member] for member in kept if member in spec},
    }


def told(claim: Obj, prime: Obj) -> dict[str, Any]:
    """What a claim is to say, as far as it does not, of the one that is filled in its place; None takes an annotation off."""
    ours, theirs = annotations(claim), annotations(prime)
    wanted: dict[str, Any] = {one: theirs.get(one) for one in _MIRRORED}
    phase, own = theirs.get(POD_PHASE), str(dig(prime, "metadata", "name"))
    if kind_of(claim) == UPLOAD:
        wanted[PRIME] = None if phase == "Succeeded" else own
    else:
        wanted |= {PRIME: own, PROGRESS: _progress(ours.get(PROGRESS), phase, prime)}
    return {one: value for one, value in wanted.items() if ours.get(one) != value}


def _progress(before: str | None, phase: str | None, prime: Obj) -> str | None:
    if phase == "Succeeded":
        return "100.0%"
    if phase == "Running" and annotations(prime).get(RUNS) == "true":
        return FIGURE
    return before or ("N/A" if dig(prime, "status", "phase") == "Bound" else None)


def carried(claim: Obj, prime: Obj) -> dict[str, str]:
    """Labels a claim gets with its contents."""
    theirs = marks.carried(labels(prime))
    return {one: value for one, value in theirs.items() if one not in labels(claim)}
