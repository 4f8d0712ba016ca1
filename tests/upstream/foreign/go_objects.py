"""What KubeVirt's virt-controller finds in objects, and makes of them. Pure.

Origin: kubevirt: pkg/controller, pkg/virt-controller/watch/vmi/{storage,volume-hotplug}.go
"""

import json
from typing import Any

from tests.upstream.conftest import Object

FINAL = ("Succeeded", "Failed")


def is_of(obj: Object, owner: Object) -> bool:
    return any(one["uid"] == owner["metadata"]["uid"] for one in obj["metadata"].get("ownerReferences") or ())


def current(vmi: Object, pods: list[Object]) -> Object | None:
    """The launcher the guest is in, or will be."""
    node = vmi["status"].get("nodeName")
    mine = [one for one in pods if not node or one["spec"].get("nodeName") == node]
    mine.sort(key=lambda one: str(one["metadata"]["creationTimestamp"]))
    return mine[-1] if mine else None


def runs(pod: Object) -> bool:
    """`IsPodReady`: nothing of readiness; its containers run, and those beside the guest are ready."""
    if pod["status"].get("phase") != "Running" or "deletionTimestamp" in pod["metadata"]:
        return False
    listed = pod["status"].get("containerStatuses") or ()
    return all("running" in one["state"] if one["name"] == "compute" else one["ready"] for one in listed)


def is_there(pod: Object) -> bool:
    return "deletionTimestamp" not in pod["metadata"]


def brings(pod: Object, volumes: list[Object]) -> bool:
    """Whether an attachment pod has these volumes, beside an empty directory and the token of its account."""
    there = pod["spec"]["volumes"]
    claims = {one["name"] for one in there if "persistentVolumeClaim" in one}
    return len(there) - 2 == len(volumes) and claims <= {one["name"] for one in volumes}


def claim_of(volume: Object) -> Object:
    """The claim behind a volume, if it can be plugged."""
    return volume.get("persistentVolumeClaim") or volume.get("memoryDump") or {}


def held(vmi: Object) -> set[str]:
    """Volumes that are not in the spec any more, but in the guest."""
    wanted = {one["name"] for one in vmi["spec"].get("volumes") or ()}
    return {
        one["name"]
        for one in vmi["status"].get("volumeStatus") or ()
        if one["name"] not in wanted and one.get("phase") in ("Ready", "MountedToPod")
    }


def plugged(entry: Object, pod: Object | None) -> Object:
    told = {**(entry.get("hotplugVolume") or {})}
    if pod is None:
        if entry.get("phase") == "Ready":
            return {**entry, "hotplugVolume": told}
        told.pop("attachPodUID", None)
        waits = {"phase": "Bound", "reason": "PVCNotReady", "message": "PVC is in phase Bound"}
        return {**entry, "hotplugVolume": told, **waits}
    told["attachPodName"] = pod["metadata"]["name"]
    listed = pod["status"].get("containerStatuses") or ()
    told.pop("attachPodUID", None)
    if len(listed) == 1 and listed[0]["ready"]:
        told["attachPodUID"] = pod["metadata"]["uid"]
    if entry.get("phase") in (None, "", "Bound", "Pending"):
        text = f"Created hotplug attachment pod {told['attachPodName']}, for volume {entry['name']}"
        entry = {**entry, "phase": "AttachedToNode", "reason": "SuccessfulCreate", "message": text}
    return {**entry, "hotplugVolume": told}


def asked(vmi: Object) -> list[Object]:
    """Conditions of changes that a migration is to bring about."""
    made = []
    cpu, present = vmi["spec"]["domain"].get("cpu") or {}, vmi["status"].get("currentCPUTopology") or {}
    if cpu.get("maxSockets") and present and cpu.get("sockets") != present.get("sockets"):
        made.append("HotVCPUChange")
    memory = vmi["spec"]["domain"].get("memory") or {}
    if memory.get("maxGuest") and memory["guest"] != vmi["status"]["memory"].get("guestRequested"):
        made.append("HotMemoryChange")
    times = {"lastProbeTime": None, "lastTransitionTime": None}
    return [{"type": one, "status": "True", **times} for one in made if not has(vmi, one)]


def has(vmi: Object, kind: str) -> bool:
    return any(one["type"] == kind for one in vmi["status"].get("conditions") or ())


def put(listed: list[Object] | None, *told: Object) -> list[Object]:
    """As UpdateCondition does: what says the same stays, with its times; what is new comes last."""
    made = list(listed or ())
    for new in told:
        for at, old in enumerate(made):
            if old["type"] == new["type"]:
                if said(old) != said(new):
                    made[at] = new
                break
        else:
            made.append(new)
    return made


def said(condition: Object) -> str:
    members = ("type", "status", "reason", "message")
    return json.dumps([condition.get(one) for one in members])


def tested(path: str, old: Any, new: Any) -> list[Object]:
    return [{"op": "test", "path": path, "value": old}, {"op": "replace", "path": path, "value": new}]
