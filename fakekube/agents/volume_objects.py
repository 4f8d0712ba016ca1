"""Volumes and storage classes as objects: the class there is from the beginning, the volume that is made for a claim. Pure."""

from fakekube.machinery.objects import Obj, dig, name, namespace, uid
from fakekube.machinery.wire import Object

PROVISIONER = "fakekube.io/volumes"


def default_class() -> Object:
    """The class of claims that name none, as clusters for trying things out have one."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
        "allowVolumeExpansion": True,
    }


def reference(claim: Obj) -> Object:
    """What a volume says of the claim that has it."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": namespace(claim),
        "name": name(claim),
        "uid": uid(claim),
    }


def volume_name(claim: Obj) -> str:
    """How the volume is called that a provisioner makes for a claim."""
    return f"pvc-{uid(claim)}"


def volume(claim: Obj, storage_class: Obj) -> Object:
    """What a provisioner makes for a claim."""
    spec = claim["spec"]
    made: Object = {
        "accessModes": spec.get("accessModes") or ["ReadWriteOnce"],
        "capacity": dig(spec, "resources", "requests", default={"storage": "1Gi"}),
        "claimRef": reference(claim),
        "hostPath": {"path": f"/var/lib/fakekube/{namespace(claim)}/{name(claim)}"},
        "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
        "storageClassName": name(storage_class),
        "volumeMode": spec.get("volumeMode") or "Filesystem",
    }
    if storage_class.get("mountOptions"):
        made["mountOptions"] = storage_class["mountOptions"]
    provisioner = str(storage_class.get("provisioner") or PROVISIONER)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": volume_name(claim),
            "annotations": {"pv.kubernetes.io/provisioned-by": provisioner},
        },
        "spec": made,
    }
