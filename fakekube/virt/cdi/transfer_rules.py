"""ObjectTransfers: what cdi-apiserver finds wrong with one, and what the moving of one makes and tells. Pure.

Origin: cdi: pkg/apiserver/webhooks/transfer-validate.go, pkg/controller/transfer
"""

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from fakekube.machinery.objects import Obj, annotations, dig, name
from fakekube.machinery.resources import OBJECT_TRANSFERS, PERSISTENT_VOLUME_CLAIMS
from fakekube.machinery.wire import Object
from fakekube.virt.cdi.claims import MOVING
from fakekube.virt.cdi.marks import OURS
from fakekube.virt.cdi.rules import POPULATED_FOR

Spec = Mapping[str, Any]

_MOVED = ("DataVolume", "PersistentVolumeClaim")
_BOUND = "pv.kubernetes.io/bind-completed"
_OF_ITS_OWN = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "generateName",
    "selfLink",
)


class Told(Struct, frozen=True):
    """What a transfer says; `phase`, `data`: if they change."""

    message: str
    reason: str = ""
    phase: str = ""
    data: Mapping[str, str] | None = None


RUNNING = Told("Running")
COMPLETE = Told("Transfer complete", phase="Complete")


def transfer(new: Spec, old: Spec | None) -> str:
    """What is wrong with an ObjectTransfer that can be seen without the cluster; empty if nothing is."""
    if old is not None:
        return "ObjectTransfer spec is immutable" if new != old else ""
    if all(dig(new, "target", one) is None for one in ("namespace", "name")):
        return "Target namespace and/or target name must be supplied"
    kind = dig(new, "source", "kind", default="")
    return "" if kind in _MOVED else f'Unsupported kind "{kind}"'


def target(spec: Spec) -> tuple[str, str]:
    """Where an ObjectTransfer moves something: namespace and name."""
    source = spec["source"]
    space = dig(spec, "target", "namespace", default=source["namespace"])
    return space, dig(spec, "target", "name", default=source["name"])


def status(transfer: Obj, told: Told, now: str) -> Object:
    """Its status, once that is told."""
    made: Object = dict(transfer.get("status") or {})
    done = told.phase == "Complete"
    said = {"type": "Complete", "status": str(done), "message": told.message, "reason": told.reason}
    old: Obj = next(iter(made.get("conditions") or ()), {})
    if not said.items() <= old.items():
        made["conditions"] = [{**said, "lastTransitionTime": now, "lastHeartbeatTime": now}]
    if told.phase:
        made["phase"] = told.phase
    if told.data is not None:
        made["data"] = dict(told.data)
    if done:
        made.pop("data", None)
    return made


def of_claim(transfer: Obj, own: str, marks: Mapping[str, str]) -> Object:
    """The transfer of the claim of a DataVolume that is moved."""
    space, wanted = target(transfer["spec"])
    left = {
        "kind": PERSISTENT_VOLUME_CLAIMS.kind,
        "namespace": transfer["spec"]["source"]["namespace"],
        "name": dig(transfer, "status", "data", "pvcName"),
    }
    spec = {"source": left, "target": {"namespace": space, "name": wanted}, "parentName": name(transfer)}
    return {
        "apiVersion": OBJECT_TRANSFERS.api_version,
        "kind": OBJECT_TRANSFERS.kind,
        "metadata": {"name": own, "labels": {**OURS, **marks}},
        "spec": spec,
    }


def remade(transfer: Obj) -> Object:
    """What is moved, as it is to be made where it goes."""
    made: Object = json.loads(dig(transfer, "status", "data", "source", default="{}"))
    space, own = target(transfer["spec"])
    meta = {member: value for member, value in made["metadata"].items() if member not in _OF_ITS_OWN}
    notes = {key: value for key, value in annotations(made).items() if key not in (MOVING, _BOUND)}
    if space != transfer["spec"]["source"]["namespace"]:
        meta.pop("ownerReferences", None)
    return {**made, "metadata": {**meta, "name": own, "namespace": space, "annotations": notes}}


def claim_of(volume: Obj) -> str:
    """The name of the claim of a DataVolume."""
    return annotations(volume).get(POPULATED_FOR) or name(volume)


def claimed_by(volume: Obj) -> tuple[str, str] | None:
    """Whose a PersistentVolume is: namespace and name of its claim."""
    held = dig(volume, "spec", "claimRef")
    return (held.get("namespace", ""), held.get("name", "")) if held is not None else None
