"""Rows of volumes, claims, classes and what the storage group knows."""

from datetime import datetime
from typing import Any

from fakekube.api.printers.columns import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Header,
    Printer,
    access_modes,
    age,
    boolean,
    integer,
    name,
    text,
    wide,
)
from fakekube.machinery.objects import annotations, dig
from fakekube.machinery.wire import Object

_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEFAULT_CLASS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
_DEFAULT_ATTRIBUTES = ("volumeattributesclass.alpha.kubernetes.io/is-default-class",)


def _phase(obj: Object) -> str:
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else text(obj, "status", "phase")


def _class(obj: Object) -> str:
    old = annotations(obj).get(_OLD_CLASS)
    return old if old is not None else text(obj, "spec", "storageClassName")


def _volume(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    claim = spec.get("claimRef")
    return [
        name(obj),
        text(spec, "capacity", "storage", default="0"),
        access_modes(spec.get("accessModes")),
        text(spec, "persistentVolumeReclaimPolicy"),
        _phase(obj),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        _class(obj),
        text(spec, "volumeAttributesClassName", default=UNSET),
        text(obj, "status", "reason"),
        age(obj, now),
        text(spec, "volumeMode", default=UNSET),
    ]


def _claim(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    bound = bool(spec.get("volumeName"))
    return [
        name(obj),
        _phase(obj),
        text(spec, "volumeName"),
        text(obj, "status", "capacity", "storage", default="0") if bound else "",
        access_modes(dig(obj, "status", "accessModes")) if bound else "",
        _class(obj),
        text(spec, "volumeAttributesClassName", default=UNSET),
        age(obj, now),
        text(spec, "volumeMode", default=UNSET),
    ]


def _named(obj: Object, markers: tuple[str, ...]) -> str:
    """The name, marked when this is the default class."""
    chosen = any(annotations(obj).get(marker) == "true" for marker in markers)
    return f"{name(obj)} (default)" if chosen else name(obj)


def _storage_class(obj: Object, now: datetime) -> list[Any]:
    return [
        _named(obj, _DEFAULT_CLASS),
        text(obj, "provisioner"),
        text(obj, "reclaimPolicy", default="Delete"),
        text(obj, "volumeBindingMode", default="Immediate"),
        bool(obj.get("allowVolumeExpansion")),
        age(obj, now),
    ]


def _driver(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    requests = spec.get("tokenRequests")
    return [
        name(obj),
        spec.get("attachRequired") is not False,
        bool(spec.get("podInfoOnMount")),
        bool(spec.get("storageCapacity")),
        UNSET if requests is None else ",".join(str(one.get("audience") or "") for one in requests),
        bool(spec.get("requiresRepublish")),
        ",".join(spec.get("volumeLifecycleModes") or ()) or NONE,
        age(obj, now),
    ]


def _attachment(obj: Object, now: datetime) -> list[Any]:
    return [
        name(obj),
        text(obj, "spec", "attacher"),
        text(obj, "spec", "source", "persistentVolumeName"),
        text(obj, "spec", "nodeName"),
        bool(dig(obj, "status", "attached")),
        age(obj, now),
    ]


_PV, _PVC = "@core.v1.PersistentVolumeSpec.", "@core.v1.PersistentVolumeClaimSpec."
_PV_STATUS, _PVC_STATUS = "@core.v1.PersistentVolumeStatus.", "@core.v1.PersistentVolumeClaimStatus."
_SC, _DRIVER = "@storage.v1.StorageClass.", "@storage.v1.CSIDriverSpec."

PRINTERS = {
    ("", "PersistentVolume"): Printer(
        (
            NAME,
            Header("Capacity", f"{_PV}capacity"),
            Header("Access Modes", f"{_PV}accessModes"),
            Header("Reclaim Policy", f"{_PV}persistentVolumeReclaimPolicy"),
            Header("Status", f"{_PV_STATUS}phase"),
            Header("Claim", f"{_PV}claimRef"),
            Header("StorageClass", "StorageClass of the pv"),
            Header("VolumeAttributesClass", "VolumeAttributesClass of the pv"),
            Header("Reason", f"{_PV_STATUS}reason"),
            AGE,
            wide("VolumeMode", f"{_PV}volumeMode"),
        ),
        _volume,
    ),
    ("", "PersistentVolumeClaim"): Printer(
        (
            NAME,
            Header("Status", f"{_PVC_STATUS}phase"),
            Header("Volume", f"{_PVC}volumeName"),
            Header("Capacity", f"{_PVC_STATUS}capacity"),
            Header("Access Modes", f"{_PVC_STATUS}accessModes"),
            Header("StorageClass", "StorageClass of the pvc"),
            Header("VolumeAttributesClass", "VolumeAttributesClass of the pvc"),
            AGE,
            wide("VolumeMode", f"{_PVC}volumeMode"),
        ),
        _claim,
    ),
    ("storage.k8s.io", "StorageClass"): Printer(
        (
            NAME,
            Header("Provisioner", f"{_SC}provisioner"),
            Header("ReclaimPolicy", f"{_SC}reclaimPolicy"),
            Header("VolumeBindingMode", f"{_SC}volumeBindingMode"),
            Header("AllowVolumeExpansion", f"{_SC}allowVolumeExpansion"),
            AGE,
        ),
        _storage_class,
    ),
    ("storage.k8s.io", "VolumeAttributesClass"): Printer(
        (NAME, Header("DriverName", "@storage.v1.VolumeAttributesClass.driverName"), AGE),
        lambda obj, now: [_named(obj, _DEFAULT_ATTRIBUTES), text(obj, "driverName"), age(obj, now)],
    ),
    ("storage.k8s.io", "VolumeAttachment"): Printer(
        (
            NAME,
            Header("Attacher", "@storage.v1.VolumeAttachmentSpec.attacher", format="name"),
            Header("PV", "@storage.v1.VolumeAttachmentSource.persistentVolumeName"),
            Header("Node", "@storage.v1.VolumeAttachmentSpec.nodeName"),
            boolean("Attached", "@storage.v1.VolumeAttachmentStatus.attached"),
            AGE,
        ),
        _attachment,
    ),
    ("storage.k8s.io", "CSINode"): Printer(
        (NAME, integer("Drivers", "Drivers indicates the number of CSI drivers registered on the node"), AGE),
        lambda obj, now: [name(obj), len(dig(obj, "spec", "drivers", default=())), age(obj, now)],
    ),
    ("storage.k8s.io", "CSIDriver"): Printer(
        (
            NAME,
            boolean("AttachRequired", f"{_DRIVER}attachRequired"),
            boolean("PodInfoOnMount", f"{_DRIVER}podInfoOnMount"),
            boolean("StorageCapacity", f"{_DRIVER}storageCapacity"),
            Header("TokenRequests", f"{_DRIVER}tokenRequests"),
            boolean("RequiresRepublish", f"{_DRIVER}requiresRepublish"),
            Header("Modes", f"{_DRIVER}volumeLifecycleModes"),
            AGE,
        ),
        _driver,
    ),
    ("storage.k8s.io", "CSIStorageCapacity"): Printer(
        (
            NAME,
            Header("StorageClassName", "@storage.v1.CSIStorageCapacity.storageClassName"),
            Header("Capacity", "@storage.v1.CSIStorageCapacity.capacity"),
        ),
        lambda obj, _now: [name(obj), text(obj, "storageClassName"), text(obj, "capacity", default=UNSET)],
    ),
}
