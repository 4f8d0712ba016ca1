"""DataVolumes of a VM: what its `dataVolumeTemplates` demand, and whether a start may go ahead. Pure.

Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (handleDataVolumes), pkg/virt-controller/watch/util.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fakekube.machinery.objects import Obj, annotations, condition, dig, name, namespace, owner_reference, uid
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance, names

READY_PHASES = frozenset(("Succeeded", "WaitForFirstConsumer", "PendingPopulation"))


def templates(vm: Obj) -> list[Object]:
    return list(dig(vm, "spec", "dataVolumeTemplates", default=()))


def wanted_now(vm: Obj, *, halted: bool) -> bool:
    """Whether missing DataVolumes are made in this pass: at once, unless an annotation puts it off until the start."""
    return not halted or annotations(vm).get(names.IMMEDIATE_DATA_VOLUMES) != "false"


def build(vm: Obj, template: Obj) -> Object:
    """The DataVolume a template asks for."""
    meta: Object = {
        "name": name(template),
        "namespace": namespace(vm),
        "labels": {**dig(template, "metadata", "labels", default={}), names.CREATED_BY: uid(vm)},
        "annotations": {**dig(template, "metadata", "annotations", default={}), names.ADOPT_CLAIM: "true"},
        "ownerReferences": [
            owner_reference({**vm, "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine"})
        ],
    }
    spec: Object = dict(template.get("spec") or {})
    if priority := dig(vm, "spec", "template", "spec", "priorityClassName"):
        spec.setdefault("priorityClassName", priority)
    return {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "metadata": meta, "spec": spec}


def is_ready(volume: Obj) -> bool:
    """Whether a VMI may be made on it."""
    return dig(volume, "status", "phase", default="") in READY_PHASES


def was_collected(claim: Obj | None) -> bool:
    """Whether the DataVolume that filled the claim has been taken away since: it is not missed."""
    return claim is not None and annotations(claim).get("cdi.kubevirt.io/garbageCollected") == "true"


def quota_error(volume: Obj) -> str:
    """What keeps a pending volume from being filled, if a quota does. CDI says it of `Bound`, as Unknown more often than False."""
    bound = condition(volume, "Bound") or {}
    exceeded = bound.get("status") != "True" and bound.get("reason") == "ErrExceededQuota"
    if dig(volume, "status", "phase", default="") != "Pending" or not exceeded:
        return ""
    return f"DataVolume {name(volume)} importer is not running due to an error: {bound.get('message', '')}"


def resolved(template: Obj, source: Obj | None, space: str) -> Object:
    """The template with what it is cloned from said in full: `source` is the DataSource it refers to, if it does."""
    spec: Object = dict(template.get("spec") or {})
    found = dict(spec.get("source") or {})
    if source is not None:
        found = dict(dig(source, "spec", "source", default={}))
        space = namespace(source)
    for kind in ("pvc", "snapshot"):
        if origin := found.get(kind):
            whole = {**origin, "namespace": origin.get("namespace") or space}
            spec = {member: value for member, value in spec.items() if member != "sourceRef"}
            return {**template, "spec": {**spec, "source": {kind: whole}}}
    return {**template, "spec": spec}


def account_of(vm: Obj) -> str:
    """The service account whose rights decide what a machine's DataVolumes may clone: that of its last such volume."""
    own = "default"
    for volume in dig(vm, "spec", "template", "spec", "volumes", default=()):
        own = dig(volume, "serviceAccount", "serviceAccountName") or own
    return own


def named_by(volumes: Iterable[Obj]) -> list[str]:
    """The names of DataVolumes the volumes of a template refer to."""
    return [str(volume["dataVolume"].get("name", "")) for volume in volumes if "dataVolume" in volume]


def claims_of(volumes: Iterable[Obj]) -> list[str]:
    """The names of claims behind the volumes of a template."""
    return [claim for volume in volumes if (claim := instance.claim_name(volume))]


def snapshot_statuses(
    vm: Obj, claims: Mapping[str, Obj], classes: Mapping[str, str], volumes: Iterable[Obj] = ()
) -> list[dict[str, Any]]:
    """`status.volumeSnapshotStatuses`. `classes`: by storage class the class its volumes are snapshotted by.

    Origin: kubevirt: pkg/storage/snapshot/snapshot.go (getVolumeSnapshotStatuses).
    """
    statuses: list[dict[str, Any]] = []
    chosen = {name(one): dig(one, "spec", "pvc", "storageClassName") for one in volumes}
    for volume in instance.template_volumes(vm):
        own, claim = str(volume.get("name", "")), instance.claim_name(volume)
        if not claim or "ephemeral" in volume:
            reason = f"Snapshot is not supported for this volumeSource type [{own}]"
            statuses.append({"enabled": False, "name": own, "reason": reason})
            continue
        storage_class = dig(claims.get(claim), "spec", "storageClassName") or chosen.get(claim) or ""
        if claim not in claims and not storage_class:
            reason = "PVC not found"
        elif storage_class in classes:
            statuses.append({"enabled": True, "name": own})
            continue
        else:
            reason = (
                "No VolumeSnapshotClass: Volume snapshots are not configured for this StorageClass "
                f"[{storage_class}] [{own}]"
            )
        statuses.append({"enabled": False, "name": own, "reason": reason})
    return statuses
