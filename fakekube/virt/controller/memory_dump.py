"""A dump of a guest's memory into a claim: which step is due, told by the VM's `status.memoryDumpRequest`. Pure.

    Associating ──► InProgress ──► Unmounting ──► Completed     the volume joins template and VMI, and leaves the VMI
                        └────────► Failed
    Dissociating ──► (the request is gone)                      the volume leaves both

The claim comes to the guest as a plugged-in volume does (`hotplug`); dumping is the node's part (virt-handler). After a
dump the volume stays in the template, and no VMI is made with it.
Origin: kubevirt: pkg/storage/memorydump/memorydump.go
"""

from collections.abc import Iterable
from typing import Any

from fakekube.machinery.objects import Obj, annotations, dig
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance, patches

ANNOTATION = "kubevirt.io/memory-dump"  # on the claim: what it holds
_FAILED = "Memory dump failed"
_TEMPLATE = "/spec/template/spec/volumes"


def is_dump(volume: Obj) -> bool:
    return "memoryDump" in volume


def template_changes(vm: Obj) -> list[patches.Operation]:
    """What the step that is due changes in the VM's template."""
    own, phase = _claim(vm), _phase(vm)
    if phase == "Associating":
        return _with(_TEMPLATE, dig(vm, "spec", "template", "spec", "volumes"), own)
    if phase == "Dissociating":
        return _without(_TEMPLATE, dig(vm, "spec", "template", "spec", "volumes"), own)
    return []


def instance_changes(vm: Obj, vmi: Obj) -> list[patches.Operation]:
    """What it changes in the VMI."""
    own, phase, present = _claim(vm), _phase(vm), dig(vmi, "spec", "volumes")
    if phase == "Associating":
        return _with("/spec/volumes", present, own)
    if phase in ("Unmounting", "Failed", "Dissociating"):
        return _without("/spec/volumes", present, own)
    return []


def is_ready(vmi: Obj | None) -> bool:
    """Whether a dump can begin, or has to wait for a VMI that runs."""
    return vmi is not None and instance.phase(vmi) == "Running"


def claim_mark(vm: Obj, claim: Obj | None) -> str:
    """What the claim has to be marked with now, or empty."""
    request = dig(vm, "status", "memoryDumpRequest", default={})
    marks = {"Unmounting": request.get("fileName") or "", "Failed": _FAILED}
    wanted = marks.get(_phase(vm), "")
    return wanted if claim is not None and annotations(claim).get(ANNOTATION) != wanted else ""


def next_request(vm: Obj, vmi: Obj | None) -> Object | None:
    """The request after what has been seen; None: there is none any more."""
    request: Object = dict(dig(vm, "status", "memoryDumpRequest", default={}))
    own, phase = _claim(vm), _phase(vm)
    if request.get("remove") and phase != "Dissociating":
        return {**request, "phase": "Dissociating"}
    entry = _entry(vmi, own)
    in_template = any(one["name"] == own for one in instance.template_volumes(vm))
    if phase == "Associating":
        return {**request, "phase": "InProgress"} if in_template else request
    if phase == "InProgress" and entry is not None and "memoryDumpVolume" in entry:
        return _dumped(request, entry)
    if phase == "Unmounting" and entry is None:
        return {**request, "phase": "Completed"}
    if phase == "Dissociating" and entry is None and not in_template:
        return None
    return request


def _dumped(request: Object, entry: Obj) -> Object:
    told = entry["memoryDumpVolume"]
    if started := told.get("startTimestamp"):
        request["startTimestamp"] = started
    if entry.get("phase") == "MemoryDumpCompleted":
        end, file = told.get("endTimestamp"), told.get("targetFileName")
        return {**request, "phase": "Unmounting", "endTimestamp": end, "fileName": file}
    if entry.get("phase") == "MemoryDumpFailed":
        message = entry.get("message") or ""
        return {**request, "phase": "Failed", "endTimestamp": told.get("endTimestamp"), "message": message}
    return request


def _entry(vmi: Obj | None, own: str) -> Obj | None:
    entries: Iterable[Obj] = dig(vmi, "status", "volumeStatus", default=()) if vmi is not None else ()
    return next((one for one in entries if one["name"] == own), None)


def _claim(vm: Obj) -> str:
    return str(dig(vm, "status", "memoryDumpRequest", "claimName") or "")


def _phase(vm: Obj) -> str:
    return str(dig(vm, "status", "memoryDumpRequest", "phase") or "")


def _with(path: str, present: Any, own: str) -> list[patches.Operation]:
    if any(one["name"] == own for one in present or ()):
        return []
    volume = {"name": own, "memoryDump": {"claimName": own, "hotpluggable": True}}
    new = [*(present or ()), volume]
    return patches.guarded(path, present, new) if present else patches.added(path, new)


def _without(path: str, present: Any, own: str) -> list[patches.Operation]:
    left = [one for one in present or () if one["name"] != own]
    return [] if left == list(present or ()) else patches.guarded(path, present, left)
