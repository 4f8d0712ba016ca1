"""State preservation: a VM's disks outlive it when it is taken off their owners before it goes.

A later VM of the same ordinal asks for the same names, and KubeVirt's VM controller adopts what it finds.
Upstream: kubevirt: pkg/virt-controller/watch/pool/pool.go
"""

from typing import Any

from fakekube.machinery import objects
from fakekube.machinery.wire import Object


def claim_names(vm: Object) -> list[str]:
    """PersistentVolumeClaims that may belong to the VM."""
    return list(
        dict.fromkeys([*_template_names(vm), *_volume_names(vm, "persistentVolumeClaim", "claimName")])
    )


def data_volume_names(vm: Object) -> list[str]:
    """DataVolumes that may belong to the VM."""
    return list(dict.fromkeys([*_template_names(vm), *_volume_names(vm, "dataVolume", "name")]))


def disowned(storage: Object, vm_uid: str) -> list[Any] | None:
    """The JSON patch that takes the VM off the owners of its storage; None when it does not control it."""
    controller = objects.controller_of(storage)
    if controller is None or controller.get("uid") != vm_uid:
        return None
    owners = objects.owners(storage)
    kept = [owner for owner in owners if owner.get("uid") != vm_uid]
    path = "/metadata/ownerReferences"
    return [{"op": "test", "path": path, "value": owners}, {"op": "replace", "path": path, "value": kept}]


def _template_names(vm: Object) -> list[str]:
    templates = objects.dig(vm, "spec", "dataVolumeTemplates", default=[])
    return [objects.name(one) for one in templates if one and objects.name(one)]


def _volume_names(vm: Object, source: str, member: str) -> list[str]:
    volumes = objects.dig(vm, "spec", "template", "spec", "volumes", default=[])
    return [name for volume in volumes if (name := objects.dig(volume, source, member))]
