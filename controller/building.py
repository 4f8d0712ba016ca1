"""Building a VM from the pool's template: labels, owner, finalizer, and the ordinal in the names it depends on.

Upstream: kubevirt: pkg/virt-controller/watch/pool/pool.go
"""

from collections.abc import Mapping
from typing import Any

from controller import naming, spec
from controller.spec import FINALIZER, REVISION_LABEL, SpecError
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.resources import VIRTUAL_MACHINE_POOLS, VIRTUAL_MACHINES
from fakekube.machinery.wire import Object

_CLOUD_INIT = ("cloudInitNoCloud", "cloudInitConfigDrive")
_CLOUD_INIT_REFERENCES = ("secretRef", "networkDataSecretRef")


def owner_reference(pool: Object) -> Object:
    """What marks an object as the pool's, whichever version of the API the pool was read in."""
    return {
        **objects.owner_reference({"kind": "VirtualMachinePool", **pool}),
        "apiVersion": VIRTUAL_MACHINE_POOLS.api_version,
    }


def virtual_machine(pool: Object, revision: str, ordinal: int) -> Object:
    """A new VM. Of the template's metadata only labels and annotations count."""
    meta: Object = {
        "name": naming.vm_name(objects.name(pool), ordinal),
        "namespace": objects.namespace(pool),
        **_template_metadata(pool, revision),
        "finalizers": [FINALIZER],
        "ownerReferences": [owner_reference(pool)],
    }
    return {
        "apiVersion": VIRTUAL_MACHINES.api_version,
        "kind": VIRTUAL_MACHINES.kind,
        "metadata": meta,
        "spec": _indexed_spec(pool, revision, ordinal),
    }


def updated(pool: Object, revision: str, vm: Object) -> Object:
    """The VM as the template wants it now. Whatever identifies the VM stays: metadata, status, and its firmware."""
    ordinal = naming.ordinal(objects.name(vm))
    if ordinal is None:
        raise SpecError(f"VM {objects.key(vm)} has no ordinal at the end of its name")
    new = copy_of(vm)
    meta = new["metadata"]
    meta.pop("annotations", None)
    meta.update(_template_metadata(pool, revision))
    new["spec"] = _indexed_spec(pool, revision, ordinal)
    _retain_firmware(vm, new)
    return new


def _template_metadata(pool: Object, revision: str) -> Object:
    template = spec.template(pool)
    labels = {**objects.labels(template), REVISION_LABEL: revision}
    annotations = dict(objects.annotations(template))
    return {"labels": labels} | ({"annotations": annotations} if annotations else {})


def _indexed_spec(pool: Object, revision: str, ordinal: int) -> Object:
    new: Object = copy_of(dict(spec.template(pool).get("spec") or {}))
    suffix = f"-{ordinal}"
    own_volumes = _index_data_volume_templates(new, suffix)
    flags = pool["spec"].get("nameGeneration") or {}
    vmi = new.get("template") or {}
    for volume in (vmi.get("spec") or {}).get("volumes") or ():
        _index_volume(volume, own_volumes, flags, suffix)
    meta = vmi.get("metadata") or {}
    meta["labels"] = {**(meta.get("labels") or {}), REVISION_LABEL: revision}
    new["template"] = {**vmi, "metadata": meta}
    return new


def _index_data_volume_templates(new: Object, suffix: str) -> set[str]:
    """Rename the templates; their names before that."""
    names = set()
    for one in new.get("dataVolumeTemplates") or ():
        meta = (one or {}).get("metadata") or {}
        if meta.get("name"):
            names.add(meta["name"])
            meta["name"] += suffix
    return names


def _index_volume(volume: Object, own_volumes: set[str], flags: Mapping[str, Any], suffix: str) -> None:
    """Rename what a volume refers to. Each volume is looked at once: the first source that is present decides."""
    if source := volume.get("persistentVolumeClaim"):
        if source.get("claimName") in own_volumes:
            source["claimName"] += suffix
    elif source := volume.get("dataVolume"):
        if source.get("name") in own_volumes:
            source["name"] += suffix
    elif source := volume.get("configMap"):
        if flags.get("appendIndexToConfigMapRefs") and source.get("name"):
            source["name"] += suffix
    elif flags.get("appendIndexToSecretRefs"):
        _index_secrets(volume, suffix)


def _index_secrets(volume: Object, suffix: str) -> None:
    if secret := volume.get("secret"):
        if secret.get("secretName"):
            secret["secretName"] += suffix
        return
    source: Object = next((volume[kind] for kind in _CLOUD_INIT if volume.get(kind)), {})
    for reference in _CLOUD_INIT_REFERENCES:
        if (source.get(reference) or {}).get("name"):
            source[reference]["name"] += suffix


def _retain_firmware(old: Object, new: Object) -> None:
    """A guest knows its machine by firmware uuid and serial; a new template must not make it another machine."""
    path = ("spec", "template", "spec", "domain")
    known = objects.dig(old, *path, "firmware", default={})
    kept = {member: known[member] for member in ("uuid", "serial") if known.get(member)}
    if not kept:
        return
    vmi_spec = new["spec"]["template"].setdefault("spec", {})
    domain = vmi_spec["domain"] = vmi_spec.get("domain") or {}
    domain["firmware"] = {**(domain.get("firmware") or {}), **kept}
