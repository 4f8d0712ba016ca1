"""What virt-controller makes a machine tell. Pure.

Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (updateStatus, syncConditions, setPrintableStatus)
"""

from collections.abc import Sequence

from tests.upstream.conftest import Object
from tests.upstream.foreign import go_objects as objects
from tests.upstream.foreign.go_objects import FINAL

_MEMBERS = ("type", "status", "reason", "message", "lastProbeTime", "lastTransitionTime")
_OWN = ("Ready", "Failure", "RestartRequired")


def first_request(vm: Object) -> Object:
    return next(iter(vm["status"].get("stateChangeRequests") or ()), {})


def waits(vm: Object, now: str) -> bool:
    """Whether a start that failed is not to be tried again yet."""
    failure = vm["status"].get("startFailure") or {}
    return bool(failure) and str(failure["retryAfterTimestamp"]) > now


def status(vm: Object, vmi: Object | None, expected: str, volumes: Sequence[Object], now: str) -> Object:
    made = {**vm["status"]}
    made["created"] = vmi is not None
    made["ready"] = vmi is not None and any(
        one["type"] == "Ready" and one["status"] == "True" for one in vmi["status"].get("conditions") or ()
    )
    if vmi is not None:
        made["observedGeneration"] = int(vmi["metadata"]["annotations"]["kubevirt.io/vm-generation"])
        made["desiredGeneration"] = vm["metadata"]["generation"]
    if made.get("runStrategy") or vmi is not None:
        made["runStrategy"] = vm["spec"]["runStrategy"]
    made["volumeRequests"] = [one for one in made.get("volumeRequests") or () if not _done(vm, one)]
    if _answered(vm, vmi):
        made["stateChangeRequests"] = made["stateChangeRequests"][1:]
    if "memoryDumpRequest" in made:
        made["memoryDumpRequest"] = _dumped(vm, vmi, made["memoryDumpRequest"])
    _failure(vm, vmi, made, now)
    made["conditions"] = _conditions(made.get("conditions"), vmi, now)
    made["printableStatus"] = _printable(vm, vmi, expected, volumes, made)
    return {key: one for key, one in made.items() if one not in ([], False)}


def _dumped(vm: Object, vmi: Object | None, request: Object) -> Object:
    own, phase = request["claimName"], request["phase"]
    listed = (vmi or {"status": {}})["status"].get("volumeStatus") or ()
    entry = next((one for one in listed if one["name"] == own), None)
    if phase == "Associating":
        volumes = vm["spec"]["template"]["spec"]["volumes"]
        return {**request, "phase": "InProgress"} if any(one["name"] == own for one in volumes) else request
    if phase == "InProgress" and entry is not None and entry["phase"] == "MemoryDumpCompleted":
        told = entry["memoryDumpVolume"]
        times = {key: told[key] for key in ("startTimestamp", "endTimestamp")}
        return {**request, **times, "phase": "Unmounting", "fileName": told["targetFileName"]}
    return {**request, "phase": "Completed"} if phase == "Unmounting" and entry is None else request


def _done(vm: Object, request: Object) -> bool:
    adds = "addVolumeOptions" in request
    name = (request.get("addVolumeOptions") or request["removeVolumeOptions"])["name"]
    there = any(one["name"] == name for one in vm["spec"]["template"]["spec"].get("volumes") or ())
    return adds == there


def _answered(vm: Object, vmi: Object | None) -> bool:
    request = first_request(vm)
    if request.get("action") == "Stop":
        return vmi is None or request.get("uid") != vmi["metadata"]["uid"]
    if request.get("action") == "Start":
        alive = vmi is not None and "deletionTimestamp" not in vmi["metadata"]
        return alive and vmi is not None and vmi["status"]["phase"] not in FINAL
    return False


def _failure(vm: Object, vmi: Object | None, made: Object, now: str) -> None:
    if vmi is None:
        return
    ran = any(one["phase"] == "Running" for one in vmi["status"].get("phaseTransitionTimestamps") or ())
    if ran:
        made.pop("startFailure", None)
    elif vmi["status"]["phase"] in FINAL:
        known, uid = made.get("startFailure") or {}, vmi["metadata"]["uid"]
        if known.get("lastFailedVMIUID") != uid:
            count = known.get("consecutiveFailCount", 0) + 1
            made["startFailure"] = {
                "consecutiveFailCount": count,
                "lastFailedVMIUID": uid,
                "retryAfterTimestamp": now,
            }


def _conditions(known: list[Object] | None, vmi: Object | None, now: str) -> list[Object]:
    theirs = {one["type"]: one for one in (vmi or {"status": {}})["status"].get("conditions") or ()}
    times = {"lastProbeTime": now, "lastTransitionTime": now}
    if vmi is None:
        text = "VMI does not exist"
        ready = {"type": "Ready", "status": "False", "reason": "VMINotExists", "message": text, **times}
    elif "Ready" not in theirs:
        text = "VMI is missing the Ready condition"
        ready = {
            "type": "Ready",
            "status": "False",
            "reason": "VMIConditionMissing",
            "message": text,
            **times,
        }
    else:
        ready = _copied(theirs["Ready"])
    others = [_copied(one) for kind, one in theirs.items() if kind not in _OWN]
    made = objects.put(known, ready, *others)
    return [one for one in made if one["type"] in _OWN or vmi is None or one["type"] in theirs]


def _copied(condition: Object) -> Object:
    return {key: condition[key] for key in _MEMBERS if key in condition}


def _printable(vm: Object, vmi: Object | None, expected: str, volumes: Sequence[Object], made: Object) -> str:
    if "deletionTimestamp" in vm["metadata"]:
        return "Terminating"
    phase = vmi["status"]["phase"] if vmi is not None else ""
    if (
        vmi is not None
        and phase not in FINAL
        and ("deletionTimestamp" in vmi["metadata"] or expected == "stop")
    ):
        return "Stopping"
    if vmi is not None and phase == "Running":
        state = vmi["status"].get("migrationState") or {}
        if state.get("startTimestamp") and not state.get("endTimestamp"):
            return "Migrating"
        return "Paused" if objects.has(vmi, "Paused") else "Running"
    if any(one.get("status", {}).get("phase") not in ("Succeeded", None) for one in volumes):
        return "Provisioning"
    if (vmi is None and expected == "start") or (vmi is not None and phase not in FINAL):
        return "Starting"
    return "CrashLoopBackOff" if made.get("startFailure") else "Stopped"
