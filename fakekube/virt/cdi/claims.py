"""The PersistentVolumeClaim a DataVolume has made. Pure.

Origin: cdi: pkg/controller/datavolume/controller-base.go, pkg/controller/datavolume/util.go
"""

from fakekube.machinery.objects import Obj, annotations, dig, owner_reference
from fakekube.machinery.wire import Object
from fakekube.virt.cdi.sources import UPLOAD, transfer_of

CREATED_FOR = "cdi.kubevirt.io/createdForDataVolume"  # the uid of the DataVolume a claim was made for


def owner(volume: Obj) -> Object:
    """How a claim names its DataVolume."""
    return owner_reference({"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", **volume})


def wanted_of(volume: Obj) -> Obj:
    """What a DataVolume says of its claim."""
    wanted: Obj = dig(volume, "spec", "pvc") or dig(volume, "spec", "storage", default={})
    return wanted


def claim(volume: Obj, wanted: Obj, *, default_class: str, source: Obj | None = None) -> Object:
    """The PersistentVolumeClaim of a DataVolume, as `wanted`. `source`: the claim or snapshot it clones; a clone of no size of
    its own has that one's."""
    resources = dict(wanted.get("resources") or {})
    if not dig(resources, "requests", "storage"):
        size = dig(source, "spec", "resources", "requests", "storage") or dig(source, "status", "restoreSize")
        size = size or "1Gi"
        resources["requests"] = {**(resources.get("requests") or {}), "storage": size}
    spec: Object = {
        "accessModes": wanted.get("accessModes") or ["ReadWriteOnce"],
        "resources": resources,
        "volumeMode": wanted.get("volumeMode") or "Filesystem",
    }
    if chosen := wanted.get("storageClassName") or default_class:
        spec["storageClassName"] = chosen
    meta = volume["metadata"]
    own_labels = {
        key: value for key, value in (meta.get("labels") or {}).items() if key != "kubevirt.io/created-by"
    }
    inherited = {
        key: value for key, value in annotations(volume).items() if key.startswith("cdi.kubevirt.io/storage.")
    }
    preallocated = str(bool(dig(volume, "spec", "preallocation", default=False))).lower()
    priority = dig(volume, "spec", "priorityClassName")
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": meta["name"],
            "namespace": meta.get("namespace", ""),
            "labels": {
                **own_labels,
                "alerts.k8s.io/KubePersistentVolumeFillingUp": "disabled",
                "app": "containerized-data-importer",
                "app.kubernetes.io/component": "storage",
                "app.kubernetes.io/managed-by": "cdi-controller",
            },
            "annotations": {
                **inherited,
                CREATED_FOR: meta["uid"],
                "cdi.kubevirt.io/storage.contentType": dig(volume, "spec", "contentType", default="kubevirt"),
                "cdi.kubevirt.io/storage.pod.restarts": "0",
                "cdi.kubevirt.io/storage.preallocation.requested": preallocated,
                **({"cdi.kubevirt.io/storage.pod.priorityclassname": priority} if priority else {}),
                "cdi.kubevirt.io/storage.usePopulator": "false",
                **({"cdi.kubevirt.io/storage.upload.target": ""} if transfer_of(volume) is UPLOAD else {}),
            },
            "ownerReferences": [owner(volume)],
        },
        "spec": spec,
    }
