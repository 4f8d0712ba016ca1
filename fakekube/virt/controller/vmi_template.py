"""From a VM to the VMI it runs as, and to the ControllerRevision that remembers the spec it was started with. Pure.

Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (setupVMIFromVM, createVMRevision), pkg/network/vmispec.
"""

import uuid
from typing import Any

from fakekube.machinery.objects import Obj, dig, generation, name, namespace, owner_reference, uid
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance, memory_dump, names, nics

_FIRMWARE_NAMESPACE = uuid.UUID("6a1a24a1-4061-4607-8bf4-a3963d0c5895")


def firmware_uuid(vm_name: str) -> str:
    """The firmware UUID of a VM that was given none: the same name always gives the same one."""
    return str(uuid.uuid5(_FIRMWARE_NAMESPACE, vm_name))


def revision_name(vm: Obj) -> str:
    return f"revision-start-vm-{uid(vm)}-{generation(vm)}"


def revision(vm: Obj) -> Object:
    """The ControllerRevision made right before a start."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": revision_name(vm),
            "namespace": namespace(vm),
            "ownerReferences": [_owner(vm)],
        },
        "data": {"spec": vm["spec"]},
        "revision": generation(vm),
    }


def build(vm: Obj, *, paused: bool = False, receiver: bool = False, tracking: str = "") -> Object:
    """The VMI of a VM. Labels and annotations come from the template alone, never from the VM object."""
    template = dig(vm, "spec", "template", default={})
    meta = template.get("metadata") or {}
    annotations = {**(meta.get("annotations") or {}), names.VM_GENERATION: str(generation(vm))}
    if receiver:
        annotations[names.CREATE_MIGRATION_TARGET] = "true"
    metadata: Object = {
        "name": name(vm),
        "namespace": namespace(vm),
        "annotations": annotations,
        "ownerReferences": [_owner(vm)],
        "finalizers": [names.VM_FINALIZER],
    }
    if meta.get("labels"):
        metadata["labels"] = dict(meta["labels"])
    status: Object = {"virtualMachineRevisionName": revision_name(vm), "guestOSInfo": {}}
    if tracking:
        status["changedBlockTracking"] = {"state": tracking}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": metadata,
        "spec": _spec(template.get("spec") or {}, name(vm), paused=paused),
        "status": status,
    }


def _owner(vm: Obj) -> dict[str, Any]:
    return owner_reference(
        {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": vm["metadata"]}
    )


def _spec(template: Obj, vm_name: str, *, paused: bool) -> Object:
    spec = nics.without_absent(with_default_devices(template))
    domain = spec["domain"]
    firmware: Object = dict(domain.get("firmware") or {})
    if volumes := template.get("volumes"):
        spec["volumes"] = [one for one in volumes if not memory_dump.is_dump(one)]
    if not firmware.get("uuid"):
        firmware["uuid"] = firmware_uuid(vm_name)
    domain["firmware"] = firmware
    domain.setdefault("resources", {})
    if paused:
        spec["startStrategy"] = "Paused"
    return spec


def with_default_devices(template: Obj) -> Object:
    """The spec of a template with the devices that go without saying. A preference decides about these, too."""
    domain: Object = dict(template.get("domain") or {})
    devices: Object = dict(domain.get("devices") or {})
    domain["devices"] = devices
    spec: Object = {**template, "domain": domain}
    _add_missing_disks(devices, instance.volumes({"spec": template}))
    if devices.get("autoattachInputDevice") and not devices.get("inputs"):
        devices["inputs"] = [{"bus": "usb", "name": "default-0", "type": "tablet"}]
    _add_default_network(spec, devices)
    return spec


def _add_missing_disks(devices: Object, volumes: list[dict[str, Any]]) -> None:
    shown = {one.get("name") for kind in ("disks", "filesystems") for one in devices.get(kind) or ()}
    missing = [
        {"name": volume.get("name")}
        for volume in volumes
        if volume.get("name") not in shown and not memory_dump.is_dump(volume)
    ]
    if missing:
        devices["disks"] = [*(devices.get("disks") or ()), *missing]


def _add_default_network(spec: Object, devices: Object) -> None:
    """The pod network over a bridge, for guests that say nothing about networks."""
    if devices.get("autoattachPodInterface") is False or spec.get("networks") or devices.get("interfaces"):
        return
    devices["interfaces"] = [{"bridge": {}, "name": "default"}]
    spec["networks"] = [{"name": "default", "pod": {}}]
