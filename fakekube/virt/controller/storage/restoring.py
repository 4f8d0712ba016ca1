"""What a restore makes of a snapshot: names of volumes, claims, and the VM on them. Pure.

Origin: kubevirt: pkg/storage/snapshot/restore.go
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from fakekube.machinery import quantities
from fakekube.machinery.copying import copy_of
from fakekube.machinery.objects import Obj, annotations, dig, name, namespace, owner_reference, uid
from fakekube.machinery.wire import Object
from fakekube.virt import json_patch
from fakekube.virt.controller import instance, persistent_state
from fakekube.virt.controller.storage.source import OWNED_BY_VM

LAST = "restore.kubevirt.io/lastRestoreUID"
NAME = "restore.kubevirt.io/name"
POPULATED_FOR = "cdi.kubevirt.io/storage.populatedFor"
PRE_POPULATED = "cdi.kubevirt.io/storage.prePopulated"
_SOURCE = "restore.kubevirt.io/source-vm-"
_OF_ANOTHER_LIFE = (  # annotations of a claim that a restored one does not have
    *("pv.kubernetes.io", "volume.beta.kubernetes.io", "cdi.kubevirt.io", "volume.kubernetes.io"),
    *("k8s.io/CloneRequest", "k8s.io/CloneOf"),
)


def mark(restore: Obj) -> str:
    return f"{name(restore)}-{uid(restore)}"


def is_restored(restore: Obj, obj: Obj) -> bool:
    """Whether an object is what this restore has made of it."""
    return annotations(obj).get(LAST) == mark(restore)


def is_in_place(restore: Obj) -> bool:
    return bool(dig(restore, "spec", "volumeRestorePolicy") == "InPlace")


def owns_volumes(restore: Obj) -> bool:
    """Whether restored claims belong to the target."""
    return bool(dig(restore, "spec", "volumeOwnershipPolicy") != "None")


def _override(restore: Obj, volume: str) -> Mapping[str, Any]:
    overrides = dig(restore, "spec", "volumeRestoreOverrides", default=())
    return next((one for one in overrides if one.get("volumeName") == volume), {})


def volume_name(restore: Obj, volume: str, before: str) -> str:
    """The name of a restored claim or DataVolume."""
    if given := _override(restore, volume).get("restoreName"):
        return str(given)
    if is_in_place(restore):
        return before
    if dig(restore, "spec", "volumeRestorePolicy") == "PrefixTargetName":
        return f"{dig(restore, 'spec', 'target', 'name')}-{volume}"
    return f"restore-{uid(restore)}-{volume}"


def volumes(restore: Obj, content: Obj) -> list[Object]:
    """`status.restores`: what is known already stays. Dumps of memory are not restored."""
    known = {one["volumeName"]: one for one in dig(restore, "status", "restores", default=())}
    dumps = {one["name"] for one in instance.template_volumes(_kept(content)) if "memoryDump" in one}
    return [
        known.get(volume)
        or {
            "volumeName": volume,
            "persistentVolumeClaim": volume_name(
                restore, volume, backup["persistentVolumeClaim"]["metadata"]["name"]
            ),
            "volumeSnapshotName": backup.get("volumeSnapshotName", ""),
        }
        for backup in dig(content, "spec", "volumeBackups", default=())
        if (volume := backup["volumeName"]) not in dumps
    ]


def claim(restore: Obj, wanted: Obj, backup: Obj, *, kept: Obj, vm: Obj | None, taken: Obj | None) -> Object:
    """The claim of a restored volume. `taken` is the VolumeSnapshot, `vm` the target if there is one."""
    before = backup["persistentVolumeClaim"]
    override = _override(restore, backup["volumeName"])
    own_marks = annotations(before)
    marks = {key: value for key, value in own_marks.items() if not key.startswith(_OF_ANOTHER_LIFE)}
    was_owned = marks.pop(OWNED_BY_VM, None) is not None
    marks |= {NAME: name(restore), LAST: mark(restore), **(override.get("annotations") or {})}
    if volume := wanted.get("dataVolumeName"):
        marks[POPULATED_FOR] = volume
    own_labels = before["metadata"].get("labels") or {}
    labels = {
        **{key: value for key, value in own_labels.items() if key != persistent_state.LABEL},
        f"{_SOURCE}name": name(kept),
        f"{_SOURCE}namespace": namespace(kept),
        **(override.get("labels") or {}),
    }
    meta: Object = {
        "name": wanted["persistentVolumeClaim"],
        "namespace": namespace(restore),
        "labels": labels,
    }
    if vm is not None and owns_volumes(restore) and not wanted.get("dataVolumeName"):
        meta["ownerReferences"] = [owner_reference(vm)]
    elif vm is None and was_owned:
        marks[OWNED_BY_VM] = name(restore)
    spec = {
        member: value
        for member, value in before["spec"].items()
        if member not in ("volumeName", "dataSource", "dataSourceRef")
    }
    source = {
        "apiGroup": "snapshot.storage.k8s.io",
        "kind": "VolumeSnapshot",
        "name": backup.get("volumeSnapshotName", ""),
    }
    spec |= {"dataSource": source, "dataSourceRef": source, "resources": _resources(spec, taken)}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {**meta, "annotations": marks},
        "spec": spec,
    }


def _resources(spec: Obj, taken: Obj | None) -> Object:
    """At least as much as the snapshot holds."""
    resources: Object = dict(spec.get("resources") or {})
    size, wanted = dig(taken, "status", "restoreSize"), dig(resources, "requests", "storage")
    if size and (not wanted or quantities.parse(str(wanted)) < quantities.parse(str(size))):
        resources["requests"] = {**(resources.get("requests") or {}), "storage": size}
    return resources


def state_claim(restore: Obj, kept: Obj) -> str:
    """The restored claim of what the machine's TPM and firmware had written; or empty."""
    if not persistent_state.is_needed(kept):
        return ""
    own = persistent_state.volume_name(name(kept))
    restores = dig(restore, "status", "restores", default=())
    return next((str(one["persistentVolumeClaim"]) for one in restores if one["volumeName"] == own), "")


def templates_of(restores: Iterable[Obj], kept: Obj) -> dict[str, str]:
    """The DataVolumes of the kept VM's templates, by the volumes of theirs that are restored."""
    named = {name(one) for one in dig(kept, "spec", "dataVolumeTemplates", default=())}
    mine = {one["volumeName"] for one in restores}
    return {
        one["name"]: one["dataVolume"]["name"]
        for one in instance.template_volumes(kept)
        if one["name"] in mine and dig(one, "dataVolume", "name") in named
    }


def restored_spec(kept: Obj, restores: Iterable[Obj]) -> Object:
    """The spec of a VM on restored volumes: DataVolumes of templates under their new names, claims for all others."""
    spec: Object = copy_of(kept["spec"])
    by_volume = {one["volumeName"]: one for one in restores}
    renamed: dict[str, str] = {}
    templates = templates_of(by_volume.values(), kept)
    listed = []
    for volume in dig(spec, "template", "spec", "volumes", default=()):
        own = by_volume.get(volume["name"])
        if "memoryDump" in volume:
            continue
        if own is None:
            listed.append(volume)
        elif volume["name"] in templates:
            renamed[volume["dataVolume"]["name"]] = own["dataVolumeName"]
            listed.append({**volume, "dataVolume": {**volume["dataVolume"], "name": own["dataVolumeName"]}})
        elif "dataVolume" in volume:
            listed.append(
                {"name": volume["name"], "persistentVolumeClaim": {"claimName": own["persistentVolumeClaim"]}}
            )
        else:
            source = {
                **(volume.get("persistentVolumeClaim") or {}),
                "claimName": own["persistentVolumeClaim"],
            }
            listed.append({**volume, "persistentVolumeClaim": source})
    if "volumes" in dig(spec, "template", "spec", default={}):
        spec["template"]["spec"]["volumes"] = listed
    for template in spec.get("dataVolumeTemplates") or ():
        template["metadata"]["name"] = renamed.get(name(template), name(template))
    return spec


def target(restore: Obj, kept: Obj, vm: Obj | None) -> Object:
    """The restored VM. One that exists keeps its run strategy; a new one is off. Raises ValueError for bad patches."""
    spec = restored_spec(kept, dig(restore, "status", "restores", default=()))
    if vm is None:
        off = {"running": False} if spec.pop("running", None) is not None else {"runStrategy": "Halted"}
        marks = {**annotations(kept), LAST: mark(restore)}
        meta: Object = {
            "name": dig(restore, "spec", "target", "name"),
            "namespace": namespace(restore),
            "labels": dict(dig(kept, "metadata", "labels", default={})),
            "annotations": marks,
        }
        made = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachine",
            "metadata": meta,
            "spec": {**spec, **off},
        }
        return patched(made, dig(restore, "spec", "patches", default=()))
    for member in ("running", "runStrategy"):
        spec.pop(member, None)
    if "running" in vm["spec"]:
        spec["running"] = False
    elif "runStrategy" in vm["spec"]:
        spec["runStrategy"] = vm["spec"]["runStrategy"]
    meta = {**vm["metadata"], "annotations": {**annotations(vm), LAST: mark(restore)}}
    return {**vm, "metadata": meta, "spec": spec}


def obsolete(vm: Obj, restored: Obj) -> list[str]:
    """The DataVolumes of templates that the VM has no more."""
    before, after = (
        [name(one) for one in dig(obj, "spec", "dataVolumeTemplates", default=())] for obj in (vm, restored)
    )
    return [one for one in before if one not in after]


def patched(vm: Object, patches: Iterable[str]) -> Object:
    """The VM with the restore's JSON patches, which are texts. Raises ValueError."""
    for text in patches:
        operation = orjson.loads(text)
        try:
            vm = json_patch.applied(vm, [operation])
        except ValueError as error:
            raise ValueError(f"failed to apply patch for VM {text}: {error}") from None
    for interface in dig(vm, "spec", "template", "spec", "domain", "devices", "interfaces", default=()):
        if interface.get("macAddress") == "":
            del interface["macAddress"]  # Go leaves out what says nothing
    return vm


def _kept(content: Obj) -> Object:
    found: Object = dig(content, "spec", "source", "virtualMachine", default={})
    return found
