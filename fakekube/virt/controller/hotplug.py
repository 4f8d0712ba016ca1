"""Volumes plugged into running guests and out of them: from template to VMI, and from VMI to attachment pods. Pure.

    Pending → Bound → AttachedToNode → (the node:) MountedToPod → Ready
    Detaching → (the node:) UnMountedFromPod → the entry goes

One attachment pod brings all claims to the node. When a volume joins or leaves, another pod takes its place, and the old one
goes once the new one runs.
Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (handleDeclarativeVolumeHotplug), pkg/virt-controller/watch/vmi/storage.go
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from fakekube.machinery.objects import (
    Obj,
    dig,
    name,
    namespace,
    owner_reference,
    uid,
)
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance, memory_dump, names, patches
from fakekube.virt.controller.launcher_facts import Settings

ATTACHMENT = "hotplug-disk"  # value of the label kubevirt.io
OWNER_NAME, OWNER_UID = "kubevirt.io/owner-vmi-name", "kubevirt.io/owner-vmi-uid"
DETACHING, UNMOUNTED = "Detaching", "UnMountedFromPod"
_RESOURCES = {"limits": {"cpu": "100m", "memory": "80M"}, "requests": {"cpu": "10m", "memory": "2M"}}
_DUMPING = ("MemoryDumpInProgress", "MemoryDumpCompleted", "MemoryDumpFailed")
_AT_NODE = ("AttachedToNode", "MountedToPod", "Ready", *_DUMPING)

Event = tuple[str, str]  # reason, message
Entry = dict[str, Any]


# From the VM to its VMI.


def template_changes(vm: Obj, vmi: Obj) -> list[patches.Operation]:
    """The patch that brings a VMI's hot-pluggable volumes and their disks to what the VM's template says; empty: none.

    A drive stays when its volume goes, and a volume that is to be another one goes first.
    """
    wanted, present = dig(vm, "spec", "template", "spec", default={}), vmi["spec"]
    if not any(_follows_the_template(one) for spec in (wanted, present) for one in spec.get("volumes") or ()):
        return []
    if dig(vm, "spec", "updateVolumesStrategy") == "Migration":  # then a change of claims is no exchange
        wanted = {**wanted, "volumes": _with_claims_of(wanted.get("volumes") or (), present)}
    leaving = {one["name"] for one in dig(vmi, "status", "volumeStatus", default=())}
    volumes = _merged(wanted.get("volumes") or (), present.get("volumes") or (), leaving)
    if volumes == list(present.get("volumes") or ()):
        return []
    known = {one["name"] for one in present.get("volumes") or ()}
    kept = {one["name"] for one in volumes}
    disks = list(dig(present, "domain", "devices", "disks", default=()))
    named = {one["name"] for one in disks}
    in_template = dig(wanted, "domain", "devices", "disks", default=())
    stays = kept | {one["name"] for one in in_template}
    left = [one for one in disks if one["name"] not in known or one["name"] in stays]
    left += [one for one in in_template if one["name"] in kept - known - named]
    return [
        *_changed("/spec/volumes", present.get("volumes"), volumes),
        *_changed("/spec/domain/devices/disks", dig(present, "domain", "devices", "disks"), left),
    ]


def _merged(wanted: Iterable[Obj], present: Iterable[Obj], leaving: set[str]) -> list[Object]:
    """What is fixed stays as it is; what can be plugged is as wanted. Memory dumps come and go by themselves.

    `leaving`: what the guest still has of volumes that are not in its spec any more.
    """
    named = {one["name"]: dict(one) for one in wanted}
    pluggable = {own: one for own, one in named.items() if _follows_the_template(one)}
    kept = [
        dict(one)
        for one in present
        if not _follows_the_template(one) or (one["name"] in named and pluggable.get(one["name"], one) == one)
    ]
    there = {one["name"] for one in present} | leaving
    return [*kept, *(one for own, one in pluggable.items() if own not in there)]


def _with_claims_of(wanted: Iterable[Obj], present: Obj) -> list[Object]:
    known = {one["name"]: one for one in present.get("volumes") or ()}
    return [dict(known.get(one["name"], one)) for one in wanted]


def _follows_the_template(volume: Obj) -> bool:
    return instance.is_hotplugged(volume) and not memory_dump.is_dump(volume)


def _changed(path: str, old: Any, new: Any) -> list[patches.Operation]:
    if old == new:
        return []
    return patches.guarded(path, old, new) if old is not None else patches.added(path, new)


def requests_applied(vm: Obj) -> tuple[list[patches.Operation], bool]:
    """What the queued requests of the VM's status change in its template, and whether all are fulfilled already."""
    spec = dig(vm, "spec", "template", "spec", default={})
    volumes = [dict(one) for one in spec.get("volumes") or ()]
    disks = [dict(one) for one in dig(spec, "domain", "devices", "disks", default=())]
    for request in dig(vm, "status", "volumeRequests", default=()):
        if (asked := request.get("addVolumeOptions")) and asked["name"] not in {
            one["name"] for one in volumes
        }:
            source = {kind: {**one, "hotpluggable": True} for kind, one in asked["volumeSource"].items()}
            volumes.append({"name": asked["name"], **source})
            disks.append({**asked["disk"], "name": asked["name"]})
        elif asked := request.get("removeVolumeOptions"):
            volumes = [one for one in volumes if one["name"] != asked["name"]]
            disks = [one for one in disks if one["name"] != asked["name"]]
    path = "/spec/template/spec"
    operations = [
        *_changed(f"{path}/volumes", spec.get("volumes"), volumes),
        *_changed(f"{path}/domain/devices/disks", dig(spec, "domain", "devices", "disks"), disks),
    ]
    return operations, not operations


# From the VMI to attachment pods.


def attachment_pod(vmi: Obj, launcher: Obj, volumes: Sequence[Obj], settings: Settings) -> Object:
    """The pod that brings the claims of volumes to the node of a launcher; it goes with the launcher."""
    node = dig(launcher, "spec", "nodeName", default="")
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    affinity = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "hp-volume-",
            "namespace": namespace(vmi),
            "labels": {names.APP: ATTACHMENT},
            "annotations": {OWNER_NAME: name(vmi), OWNER_UID: uid(vmi)},
            "ownerReferences": [
                owner_reference({"apiVersion": "v1", "kind": "Pod", "metadata": launcher["metadata"]})
            ],
        },
        "spec": {
            "affinity": affinity,
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": ATTACHMENT,
                    "image": settings.launcher_image,
                    "command": ["/usr/bin/container-disk", "--sleep"],
                    "resources": settings.config.helper_resources(ATTACHMENT, _RESOURCES),
                }
            ],
            "volumes": [
                *(
                    {"name": one["name"], "persistentVolumeClaim": {"claimName": instance.claim_name(one)}}
                    for one in volumes
                ),
                {"name": "hotplug-disks", "emptyDir": {}},
            ],
        },
    }


def trigger_pod(vmi: Obj, launcher: Obj, volume: Obj, settings: Settings) -> Object:
    """The pod that a claim of late binding waits for; it does nothing but use it."""
    made = attachment_pod(vmi, launcher, [volume], settings)
    made["metadata"]["annotations"][names.EPHEMERAL_PROVISIONING] = "true"
    made["spec"]["containers"][0]["command"] = ["/bin/bash", "-c", "exit", "0"]
    return made


def unconsumed(vmi: Obj, claims: Mapping[str, Obj], late: Container[str]) -> dict[str, Object]:
    """Volumes plugged in whose claims wait for their first consumer, by claim; `late`: the classes that bind so."""
    return {
        own: volume
        for volume in instance.plugged(vmi)
        if (claim := claims.get(own := instance.claim_name(volume))) is not None
        and dig(claim, "status", "phase", default="Pending") == "Pending"
        and dig(claim, "spec", "storageClassName", default="") in late
    }


def brought_by(pod: Obj) -> dict[str, str]:
    """The claims an attachment pod brings, by volume."""
    found = {}
    for one in dig(pod, "spec", "volumes", default=()):
        if claim := dig(one, "persistentVolumeClaim", "claimName"):
            found[one["name"]] = str(claim)
    return found


def wanted(vmi: Obj, claims: Mapping[str, Obj]) -> list[Object]:
    """Volumes plugged in whose claims are bound."""
    return [
        volume
        for volume in instance.plugged(vmi)
        if dig(claims.get(instance.claim_name(volume)), "status", "phase") == "Bound"
    ]


def present(volumes: Iterable[Obj], pods: Iterable[Object]) -> Object | None:
    """The attachment pod that brings exactly these volumes."""
    claims = {one["name"]: instance.claim_name(one) for one in volumes}
    return next((pod for pod in pods if brought_by(pod) == claims), None)


def by_volume(current: Object | None, pods: Iterable[Object]) -> dict[str, Object]:
    """The pod each volume comes by: the present one, or while that does not run yet, the one before it."""
    found: dict[str, Object] = {}
    for pod in pods:
        if pod is not current:
            found |= dict.fromkeys(brought_by(pod), pod)
    if current is not None:
        new = brought_by(current)
        found |= {own: current for own in new if is_running(current) or own not in found}
    return found


def superfluous(vmi: Obj, current: Object | None, pods: Iterable[Object], *, needed: bool) -> list[Object]:
    """Pods that have had their time: another runs in their place, and the guest uses nothing any more that only they bring."""
    if needed and (current is None or not is_running(current)):
        return []
    wanted = {volume["name"] for volume in instance.all_volumes(vmi)}
    phases = {one["name"]: one.get("phase") for one in dig(vmi, "status", "volumeStatus", default=())}
    return [
        pod
        for pod in pods
        if pod is not current
        and all(own in wanted or phases.get(own) in (None, UNMOUNTED) for own in brought_by(pod))
    ]


def is_running(pod: Obj) -> bool:
    return bool(dig(pod, "status", "phase") == "Running")


def entries(
    vmi: Obj, old: Sequence[Entry], claims: Mapping[str, Obj], attached: Mapping[str, Obj]
) -> tuple[list[Entry], list[Event]]:
    """`status.volumeStatus` with the pluggable volumes as they are now, and what to tell of them."""
    pluggable = {one["name"]: one for one in instance.plugged(vmi)}
    if not pluggable and not any("hotplugVolume" in entry for entry in old):
        return sorted(old, key=_name_of), []
    made, told, seen = [], [], set()
    for entry in old:
        own = entry["name"]
        seen.add(own)
        if own in pluggable:
            new = _entry(entry, pluggable[own], claims, attached.get(own))
        elif "hotplugVolume" not in entry:
            new = entry
        else:
            pod = attached.get(own)
            if pod is None and entry.get("phase") not in _AT_NODE:
                told.append(("VolumeUnplugged", f"Volume {own} has been unplugged"))
                continue
            new = entry if entry.get("phase") == UNMOUNTED else {**entry, "phase": DETACHING}
        if new.get("reason") == "SuccessfulCreate" != entry.get("reason"):
            told.append((new["reason"], new["message"]))
        made.append(new)
    for own, volume in pluggable.items():
        if own not in seen:
            made.append(_entry({"name": own, "target": ""}, volume, claims, attached.get(own)))
    return sorted(made, key=_name_of), told


def _name_of(entry: Entry) -> str:
    return str(entry["name"])


def _entry(old: Entry, volume: Obj, claims: Mapping[str, Obj], pod: Obj | None) -> Entry:
    claim_name = instance.claim_name(volume)
    claim = claims.get(claim_name)
    entry = {**old, "hotplugVolume": dict(old.get("hotplugVolume") or {})}
    if memory_dump.is_dump(volume):
        entry["memoryDumpVolume"] = old.get("memoryDumpVolume") or {"claimName": claim_name}
    if claim is None:
        return _told(entry, "Pending", "FailedPvcNotFound", f"PVC {claim_name} not found")
    phase = dig(claim, "status", "phase", default="Pending")
    if phase != "Bound":
        word = "ClaimPending" if phase == "Pending" else phase
        return _told(entry, "Pending", "PVCNotReady", f"PVC is in phase {word}")
    if pod is None or not is_running(pod):
        if entry.get("phase") in _AT_NODE:  # what the guest has, it keeps, whatever becomes of the pod
            return entry
        return _told(entry, "Bound", "PVCNotReady", "PVC is in phase Bound")
    entry["hotplugVolume"] = {"attachPodName": name(pod), "attachPodUID": uid(pod)}
    if entry.get("phase") in _AT_NODE:
        return entry
    text = f"Created hotplug attachment pod {name(pod)}, for volume {volume['name']}"
    return _told(entry, "AttachedToNode", "SuccessfulCreate", text)


def _told(entry: Entry, phase: str, reason: str, message: str) -> Entry:
    return {**entry, "phase": phase, "reason": reason, "message": message}
