"""Volumes plugged in and out, and memory dumps, as decisions: what to change, or why not. Pure.

Origin: kubevirt: pkg/virt-api/rest/{volumes,memorydump}.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import BadRequest
from fakekube.machinery.objects import dig, name
from fakekube.machinery.wire import Object
from fakekube.virt.api.subresources.replies import conflicting, unknown
from fakekube.virt.config import ClusterConfig
from fakekube.virt.quantities import whole

Operations = list[dict[str, Any]]
GATE_TEXT = "Enable DeclarativeHotplugVolumes or HotplugVolumes feature gate to use this API."
_DUMP_OVERHEAD = 100 * 2**20


def check_gates(config: ClusterConfig) -> None:
    if not config.gate("DeclarativeHotplugVolumes") and not config.gate("HotplugVolumes"):
        raise BadRequest(GATE_TEXT)


def queues(config: ClusterConfig) -> bool:
    """Whether requests are queued in the machine's status, as before declarative hot-plug."""
    return config.gate("HotplugVolumes")


def added(given: Mapping[str, Any]) -> tuple[Object, Object]:
    """(volume, disk) that options of addvolume stand for."""
    label = given.get("name")
    if not label:
        raise BadRequest("AddVolumeOptions requires name to be set")
    if given.get("disk") is None:
        raise BadRequest("AddVolumeOptions requires disk to not be nil")
    if given.get("volumeSource") is None:
        raise BadRequest("AddVolumeOptions requires VolumeSource to not be nil")
    source = copy_of(given["volumeSource"])
    for kind in ("dataVolume", "persistentVolumeClaim"):
        if source.get(kind) is not None:
            source[kind]["hotpluggable"] = True
    return {"name": label, **source}, {**given["disk"], "name": label}


def removed(given: Mapping[str, Any]) -> str:
    """The volume that options of removevolume name."""
    label = given.get("name")
    if not label:
        raise BadRequest("RemoveVolumeOptions requires name to be set")
    return str(label)


def add(kind: str, owner: Object, spec: Object, path: str, *, volume: Object, disk: Object) -> Operations:
    """The patch that adds a volume and its disk to the spec at `path`."""
    volumes = spec.get("volumes") or []
    for one in volumes:
        if one["name"] == volume["name"]:
            raise conflicting(
                kind,
                name(owner),
                f"Unable to add volume [{volume['name']}] because volume with that name already exists",
            )
        if _source(one) and _source(one) == _source(volume):
            raise conflicting(
                kind,
                name(owner),
                f"Unable to add volume source [{_source(volume)}] because it already exists",
            )
    disks = dig(spec, "domain", "devices", "disks") or []
    return [
        *_replaced(f"{path}/volumes", spec.get("volumes"), [*volumes, volume]),
        *_replaced(f"{path}/domain/devices/disks", dig(spec, "domain", "devices", "disks"), [*disks, disk]),
    ]


def remove(kind: str, owner: Object, spec: Object, path: str, label: str) -> Operations:
    """The patch that removes a volume and its disk from the spec at `path`."""
    volumes = spec.get("volumes") or []
    found = next((one for one in volumes if one["name"] == label), None)
    if found is None:
        raise conflicting(kind, name(owner), f"Unable to remove volume [{label}] because it does not exist")
    if not any((found.get(key) or {}).get("hotpluggable") for key in ("dataVolume", "persistentVolumeClaim")):
        raise conflicting(
            kind, name(owner), f"Unable to remove volume [{label}] because it is not hotpluggable"
        )
    disks = dig(spec, "domain", "devices", "disks") or []
    return [
        *_replaced(f"{path}/volumes", volumes, [one for one in volumes if one["name"] != label]),
        *_replaced(
            f"{path}/domain/devices/disks",
            dig(spec, "domain", "devices", "disks"),
            [one for one in disks if one["name"] != label],
        ),
    ]


def queued(vm: Object, request: Object) -> Operations:
    """The patch that queues a request in the machine's status."""
    pending = dig(vm, "status", "volumeRequests")
    for one in pending or ():
        for member, word in (("addVolumeOptions", "add"), ("removeVolumeOptions", "remove")):
            before, now = one.get(member), request.get(member)
            if before and now and before.get("name") == now.get("name"):
                raise conflicting(
                    "virtualmachine",
                    name(vm),
                    f"{word} volume request for volume [{now['name']}] already exists",
                )
    if not vm.get("status"):
        return [{"op": "add", "path": "/status", "value": {"volumeRequests": [request]}}]
    return _replaced("/status/volumeRequests", pending, [*(pending or ()), request])


def check_dump(vm: Object, vmi: Object | None, claim: Object | None, claim_name: str) -> None:
    """Whether memory can be dumped to a claim."""
    own = name(vm)
    if vmi is None or dig(vmi, "status", "phase") != "Running":
        raise conflicting("virtualmachine", own, "VMI is not running")
    if claim is None:
        raise unknown("persistentvolumeclaim", claim_name)
    if dig(claim, "spec", "volumeMode") == "Block":
        raise conflicting("persistentvolumeclaim", claim_name, "pvc should be filesystem pvc")
    if (dig(claim, "spec", "accessModes") or ["ReadWriteOnce"])[0] == "ReadOnlyMany":
        raise conflicting("persistentvolumeclaim", claim_name, "pvc access mode can't be read only")
    size = dig(claim, "spec", "resources", "requests", "storage")
    needed = whole(dig(vmi, "spec", "domain", "memory", "guest")) + _DUMP_OVERHEAD
    if whole(size) < needed:
        raise conflicting(
            "persistentvolumeclaim", claim_name, f"pvc size [{size}] should be bigger then [{needed}]"
        )
    present = dig(vm, "status", "memoryDumpRequest")
    if present and present.get("claimName") != claim_name:
        raise conflicting(
            "virtualmachine",
            own,
            f"can't request memory dump for pvc [{claim_name}] while pvc [{present.get('claimName')}] is still "
            "associated as the memory dump pvc",
        )
    if present and present.get("phase") not in ("Completed", "Failed"):
        raise conflicting(
            "virtualmachine", own, f"memory dump request for pvc [{claim_name}] already in progress"
        )


def dump(vm: Object, request: Object) -> Operations:
    """The patch that asks for a memory dump, or for letting its claim go."""
    if not vm.get("status"):
        return [{"op": "add", "path": "/status", "value": {"memoryDumpRequest": request}}]
    return _replaced("/status/memoryDumpRequest", dig(vm, "status", "memoryDumpRequest"), request)


def undumped(vm: Object) -> Object:
    """The request that lets a memory dump's claim go."""
    present = dig(vm, "status", "memoryDumpRequest")
    if not present or present.get("remove"):
        raise conflicting(
            "virtualmachine",
            name(vm),
            f"can't remove memory dump association for vm {name(vm)}, no association found",
        )
    return {**present, "remove": True, "phase": "Dissociating"}


def _replaced(path: str, before: Any, after: Any) -> Operations:
    return [
        {"op": "test", "path": path, "value": before},
        {"op": "replace" if before is not None else "add", "path": path, "value": after},
    ]


def _source(volume: Mapping[str, Any]) -> str:
    return str(dig(volume, "dataVolume", "name") or dig(volume, "persistentVolumeClaim", "claimName") or "")
