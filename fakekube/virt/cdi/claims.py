"""The PersistentVolumeClaim a DataVolume has made. Pure.

Origin: cdi: pkg/controller/datavolume/controller-base.go, pkg/controller/datavolume/util.go
"""

from fakekube.machinery.objects import Obj, annotations, dig
from fakekube.machinery.wire import Object
from fakekube.virt.cdi.sources import UPLOAD, transfer_of

CREATED_FOR = "cdi.kubevirt.io/createdForDataVolume"  # the uid of the DataVolume a claim was made for


def claim(volume: Obj, *, default_class: str) -> Object:
    """The PersistentVolumeClaim of a DataVolume."""
    wanted = dig(volume, "spec", "pvc") or dig(volume, "spec", "storage", default={})
    spec: Object = {
        "accessModes": wanted.get("accessModes") or ["ReadWriteOnce"],
        "resources": wanted.get("resources") or {"requests": {"storage": "1Gi"}},
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
                "cdi.kubevirt.io/storage.preallocation.requested": "false",
                "cdi.kubevirt.io/storage.usePopulator": "false",
                **({"cdi.kubevirt.io/storage.upload.target": ""} if transfer_of(volume) is UPLOAD else {}),
            },
            "ownerReferences": [
                {
                    "apiVersion": "cdi.kubevirt.io/v1beta1",
                    "kind": "DataVolume",
                    "name": meta["name"],
                    "uid": meta["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": spec,
    }
