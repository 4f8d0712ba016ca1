"""The claim for what outlives a guest beside its disks: the state of a persistent TPM, the variables of a persistent EFI,
and which blocks have changed, where that is recorded. Pure.

It belongs to no volume of the spec, and is found by its label: who it is of, or the migration it is to be the target's of.
Origin: kubevirt: pkg/storage/backend-storage/backend-storage.go, pkg/virt-controller/services/rendervolumes.go
"""

from collections.abc import Iterable

from fakekube.machinery.objects import Obj, dig, name, namespace, owner_reference, owners
from fakekube.machinery.wire import Object
from fakekube.virt import changed_blocks, storage_classes
from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller import names
from fakekube.virt.controller.conditions import Failure

LABEL = "persistent-state-for"
POD_VOLUME = "vm-state"
_SIZE = "10Mi"
_SIZE_WITH_CHANGES = "522Mi"
_PRIVATE = "/var/run/kubevirt-private"
_SHARED, _OF_ONE = "ReadWriteMany", "ReadWriteOnce"


def _has_tpm(spec: Obj) -> bool:
    device = dig(spec, "domain", "devices", "tpm", default={})
    return bool(device.get("persistent")) and device.get("enabled") is not False


def _has_variables(spec: Obj) -> bool:
    return bool(dig(spec, "domain", "firmware", "bootloader", "efi", "persistent"))


def is_remembered(spec: Obj) -> bool:
    """Whether the TPM or the firmware of an instance with this spec remember something."""
    return _has_tpm(spec) or _has_variables(spec)


def is_needed(machine: Obj) -> bool:
    """Whether an instance, or those a machine makes, has such a claim."""
    whole = machine.get("spec") or {}
    spec = dig(whole, "template", "spec", default={}) if "template" in whole else whole
    return is_remembered(spec) or changed_blocks.is_on(machine)


def volume_name(machine: str) -> str:
    """What the claim is called where volumes are listed by name: in snapshots and restores."""
    return f"{LABEL}-{machine}"


def storage_class(config: ClusterConfig, classes: Iterable[Obj]) -> str:
    """The class of the claim. Raises LookupError if nobody says which."""
    if chosen := config.raw.get("vmStateStorageClass"):
        return str(chosen)
    if default := storage_classes.default(classes):
        return default
    raise LookupError("no default storage class found")


def access_mode(config: ClusterConfig, profile: Obj | None) -> str:
    """Shared if the class can be, as far as its profile knows; without one, if somebody has chosen the class."""
    offered = {
        mode
        for one in dig(profile, "status", "claimPropertySets", default=())
        if one.get("volumeMode") == "Filesystem"
        for mode in one.get("accessModes") or ()
    }
    for mode in (_SHARED, _OF_ONE):
        if mode in offered:
            return mode
    return _SHARED if config.raw.get("vmStateStorageClass") else _OF_ONE


def build(vmi: Obj, labels: dict[str, str], class_: str, mode: str) -> Object:
    """The claim. It belongs to the machine; of an instance without one it keeps nothing beyond that."""
    own = owner_reference({**vmi, "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance"})
    meta = {
        "generateName": f"{volume_name(name(vmi))}-",
        "namespace": namespace(vmi),
        "labels": {**labels, "cdi.kubevirt.io/applyStorageProfile": "true"},
        "ownerReferences": list(owners(vmi)) or [own],
    }
    size = _SIZE_WITH_CHANGES if changed_blocks.is_on(vmi) else _SIZE
    spec = {
        "accessModes": [mode],
        "resources": {"requests": {"storage": size}},
        "storageClassName": class_,
        "volumeMode": "Filesystem",
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def is_shared(claim: Obj) -> bool:
    """Whether both launchers of a migration may use it."""
    return next(iter(dig(claim, "status", "accessModes", default=())), "") == _SHARED


def obstacle(claim: Obj, class_: Obj | None) -> Failure | None:
    """Why a launcher cannot be made on it yet."""
    phase = dig(claim, "status", "phase", default="Pending")
    if phase == "Bound":
        return None
    if phase == "Lost":
        return Failure("FailedBackendStorageProbe", "backend storage PVC lost")
    if class_ is None:
        chosen = dig(claim, "spec", "storageClassName", default="")
        return Failure("FailedBackendStorageProbe", f"storage class {chosen} not found")
    if class_.get("volumeBindingMode") == "WaitForFirstConsumer":
        return None
    return Failure("BackendStorageNotReady", "PVC pending")


# In the launcher.


def mounts(vmi: Obj) -> list[Object]:
    """Where the launcher has what is kept."""
    spec: Obj = vmi.get("spec") or {}
    places = []
    if _has_tpm(spec):
        places.append(("libvirt/qemu/swtpm", "swtpm"))
        places.append(("var/lib/swtpm-localca", "swtpm-localca"))
    if _has_variables(spec):
        places.append(("libvirt/qemu/nvram", "nvram"))
    if changed_blocks.is_on(vmi):
        places.append(("libvirt/qemu/cbt", "cbt"))
    return [{"name": POD_VOLUME, "mountPath": f"{_PRIVATE}/{path}", "subPath": part} for path, part in places]


# In the status of the instance.


def is_entry(entry: Obj, vmi: Obj) -> bool:
    """Whether an entry of `status.volumeStatus` is about the claim."""
    return volume_name(name(vmi)) in str(entry.get("name"))


def current_name(vmi: Obj) -> str:
    """The claim the guest uses, as far as it has been told; or empty."""
    for entry in dig(vmi, "status", "volumeStatus", default=()):
        if is_entry(entry, vmi):
            return str(dig(entry, "persistentVolumeClaimInfo", "claimName", default=""))
    return ""


def with_entry(entries: Iterable[Object], vmi: Obj, claim: Obj | None) -> list[Object]:
    """`status.volumeStatus` with the entry of the claim that is the guest's now."""
    listed = list(entries)
    if claim is None or any(entry["name"] == name(claim) for entry in listed):
        return listed
    info = {"claimName": name(claim), "accessModes": dig(claim, "spec", "accessModes", default=[])}
    made = {"name": name(claim), "target": "", "persistentVolumeClaimInfo": info}
    left = [entry for entry in listed if not is_entry(entry, vmi)]
    return sorted([*left, made], key=lambda entry: str(entry["name"]))


# In migrations.

SOURCE, TARGET = "sourcePersistentStatePVCName", "targetPersistentStatePVCName"


def told(claims: tuple[str, str]) -> dict[str, str]:
    """What a migration state says of the claims of source and target."""
    return {SOURCE: claims[0], TARGET: claims[1]} if claims[1] else {}


def handed_over(claim: Obj, vmi: str) -> dict[str, str]:
    """The labels of a target's claim once the guest is there."""
    known: dict[str, str] = dig(claim, "metadata", "labels", default={})
    return {**{key: value for key, value in known.items() if key != names.MIGRATION_NAME}, LABEL: vmi}
