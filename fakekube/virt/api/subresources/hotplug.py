"""Volumes plugged in and out as decisions: what to change, or why not. Pure.

Origin: kubevirt: pkg/virt-api/rest/volumes.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import BadRequest
from fakekube.machinery.objects import dig, name
from fakekube.machinery.wire import Object
from fakekube.virt.api.subresources.replies import MACHINE, conflicting, options
from fakekube.virt.claims import behind
from fakekube.virt.config import ClusterConfig

Operations = list[dict[str, Any]]
GATE_TEXT = "Enable DeclarativeHotplugVolumes or HotplugVolumes feature gate to use this API."


def check_gates(config: ClusterConfig) -> None:
    if not config.gate("DeclarativeHotplugVolumes") and not config.gate("HotplugVolumes"):
        raise BadRequest(GATE_TEXT)


def queues(config: ClusterConfig) -> bool:
    """Whether requests are queued in the machine's status, as before declarative hot-plug."""
    return config.gate("HotplugVolumes")


def addition(body: bytes) -> Object:
    """What a request to add a volume says."""
    return options(
        body, "AddVolumeOptions", name="string", disk="v1.Disk", volumeSource="v1.HotplugVolumeSource"
    )


def removal(body: bytes) -> Object:
    """What a request to remove one says."""
    return options(body, "RemoveVolumeOptions", name="string")


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
        if behind(one) and behind(one) == behind(volume):
            raise conflicting(
                kind,
                name(owner),
                f"Unable to add volume source [{behind(volume)}] because it already exists",
            )
    disks = dig(spec, "domain", "devices", "disks") or []
    return [
        *replaced(f"{path}/volumes", spec.get("volumes"), [*volumes, volume]),
        *replaced(f"{path}/domain/devices/disks", dig(spec, "domain", "devices", "disks"), [*disks, disk]),
    ]


def remove(kind: str, owner: Object, spec: Object, path: str, label: str) -> Operations:
    """The patch that removes a volume and its disk from the spec at `path`. Called by its source's name, it stays there."""
    volumes = spec.get("volumes") or []
    found = next((one for one in volumes if label in (one["name"], behind(one))), None)
    if found is None:
        raise conflicting(kind, name(owner), f"Unable to remove volume [{label}] because it does not exist")
    if not any((found.get(key) or {}).get("hotpluggable") for key in ("dataVolume", "persistentVolumeClaim")):
        raise conflicting(
            kind, name(owner), f"Unable to remove volume [{found['name']}] because it is not hotpluggable"
        )
    disks = dig(spec, "domain", "devices", "disks") or []
    return [
        *replaced(f"{path}/volumes", volumes, [one for one in volumes if one["name"] != label]),
        *replaced(
            f"{path}/domain/devices/disks",
            dig(spec, "domain", "devices", "disks"),
            [one for one in disks if one["name"] != label],
        ),
    ]


def queued(vm: Object, request: Object) -> Operations:
    """The patch that queues a request in the machine's status. One to remove takes the place of one to add."""
    pending = dig(vm, "status", "volumeRequests")
    adds = "addVolumeOptions" in request
    label = request["addVolumeOptions" if adds else "removeVolumeOptions"]["name"]
    left = []
    for one in pending or ():
        if dig(one, "removeVolumeOptions", "name") == label:
            text = f"remove volume request for volume [{label}] already exists and is still being processed"
            raise _busy(vm, f"unable to add volume since a {text}" if adds else f"a {text}")
        if dig(one, "addVolumeOptions", "name") != label:
            left.append(one)
        elif adds:
            raise _busy(vm, f"add volume request for volume [{label}] already exists")
    if not vm.get("status"):
        return [{"op": "add", "path": "/status", "value": {"volumeRequests": [request]}}]
    return replaced("/status/volumeRequests", pending, [*left, request])


def _busy(vm: Object, text: str) -> Exception:
    return conflicting(MACHINE, name(vm), text)


def replaced(path: str, before: Any, after: Any) -> Operations:
    """The patch that changes one member, while nobody else has."""
    return [
        {"op": "test", "path": path, "value": before},
        {"op": "replace" if before is not None else "add", "path": path, "value": after},
    ]
