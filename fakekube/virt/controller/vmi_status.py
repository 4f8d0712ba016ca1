"""What a VMI becomes, seen beside its pods, DataVolumes and claims: phase, conditions, labels, finalizers. Pure.

Up to Scheduled the VMI belongs to the controller; from then on the node writes most of it, and only what `next_instance`
still changes there is the controller's.
Origin: kubevirt: pkg/virt-controller/watch/vmi/lifecycle.go (updateStatus), pkg/storage/types, pkg/network/controllers.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from fakekube.clock import parse_rfc3339
from fakekube.machinery.objects import (
    FINAL,
    Obj,
    annotations,
    condition,
    condition_is,
    dig,
    finalizers,
    is_final,
    is_terminating,
    labels,
    uid,
    without,
)
from fakekube.machinery.wire import Object
from fakekube.virt import filesystem_overhead, quantities
from fakekube.virt.controller import (
    conditions,
    hotplug,
    instance,
    live_update,
    names,
    nics,
    persistent_state,
    pods,
)
from fakekube.virt.controller.conditions import Failure

_ASKED = (live_update.CPU_CHANGE, live_update.MEMORY_CHANGE, nics.MIGRATION_REQUIRED, "EvictionRequested")


class Seen(Struct, frozen=True):
    """What a pass saw, after it has acted."""

    vmi: Object
    now: str
    pod: Object | None = None  # the one the guest lives, or shall live, in
    owned: Sequence[Object] = ()  # all pods of the VMI
    volumes: Mapping[str, Object] | None = None  # DataVolumes by name, those that exist
    claims: Mapping[str, Object] | None = None
    state: Object | None = None  # the claim of `persistent_state`
    failure: Failure | None = None
    unschedulable: str = ""  # a reason to call the VMI unschedulable before it has a pod
    provisioning: bool = False  # waits for a first consumer
    has_vm: bool = False
    cdi_config: Object | None = None
    attached: Mapping[str, Object] | None = None  # attachment pods by the volume they bring
    cid: int | None = None  # a VSOCK address for the guest, where it is to have one
    overhead_ratio: str = ""  # how much more than a guest's memory is reckoned with, as configured
    launcher_image: str = ""  # what launchers are made from now; empty: it cannot be told


def next_phase(seen: Seen) -> str:
    """The phase after this pass; at most one step on."""
    vmi, pod = seen.vmi, seen.pod
    now = instance.phase(vmi)
    temporary = pod is not None and pods.is_temporary(pod)
    if now not in (names.RUNNING, *FINAL) and instance.is_receiver(vmi):
        return _receiving(seen, now)
    if now in names.UNPROCESSED:
        if pod is not None and not temporary:
            return names.SCHEDULING
        temp_failed = temporary and (dig(pod, "status", "phase") == "Failed" or is_terminating(pod or {}))
        temp_failed = temp_failed and seen.provisioning
        lost = any(dig(one, "status", "phase") == "Failed" for one in (seen.volumes or {}).values())
        return names.FAILED if is_terminating(vmi) or lost or temp_failed else names.PENDING
    if now == names.SCHEDULING:
        if pod is None or pods.is_ending(pod):
            return names.FAILED
        known = filesystem_overhead.is_known((seen.claims or {}).values(), seen.cdi_config)
        waits = is_terminating(vmi) or seen.failure is not None or not known
        return names.SCHEDULED if pods.is_ready_for_hand_over(pod) and not waits else now
    if now in (names.SCHEDULED, names.RUNNING):
        return now if pod is not None else names.FAILED
    return now


def _receiving(seen: Seen, now: str) -> str:
    """The phase of an instance whose guest is to come: it waits for it as often as that fails."""
    there = seen.pod is not None and not pods.is_ending(seen.pod)
    if is_terminating(seen.vmi):
        return now if there and now in (names.SCHEDULED, names.RUNNING) else names.FAILED
    if not there or seen.pod is None or (now == names.SCHEDULED and has_failed(seen.vmi)):
        return names.WAITING_FOR_SYNC
    if now in names.UNPROCESSED or now == names.WAITING_FOR_SYNC:
        return names.SCHEDULING
    ready = now == names.SCHEDULING and pods.is_ready_for_hand_over(seen.pod)
    return names.SCHEDULED if ready else now


def has_failed(vmi: Obj) -> bool:
    """Whether its last migration has."""
    return bool(dig(vmi, "status", "migrationState", "failed"))


def is_new(vmi: Object) -> bool:
    """Whether no controller has written this VMI yet; those of VMs come written by theirs."""
    return "guestOSInfo" not in (vmi.get("status") or {}) and not is_terminating(vmi)


def marked(vmi: Object) -> Object:
    """A new VMI after the first look at it: which versions were there, and what a controller always writes."""
    meta = {**vmi["metadata"], "annotations": {**annotations(vmi), **names.OBSERVED_VERSIONS}}
    return {**vmi, "metadata": meta, "status": {**(vmi.get("status") or {}), "guestOSInfo": {}}}


def next_instance(seen: Seen) -> Object:
    """The VMI as it should be stored."""
    vmi, phase = seen.vmi, next_phase(seen)
    was = instance.phase(vmi)
    status: Object = dict(vmi.get("status") or {})
    meta: Object = dict(vmi["metadata"])
    if phase != was:
        status["phase"] = phase
        if was not in (
            names.SCHEDULED,
            names.RUNNING,
        ):  # these are told by patch, which leaves the record alone
            status["phaseTransitionTimestamps"] = instance.with_transition(vmi, phase, seen.now)
    _set(status, "activePods", {uid(pod): dig(pod, "spec", "nodeName", default="") for pod in seen.owned})
    pod = None if seen.pod is None or pods.is_temporary(seen.pod) else seen.pod
    if pod is not None and phase not in names.UNPROCESSED:
        _describe_pod(status, pod, phase)
        if was == names.SCHEDULING and (qos := dig(pod, "status", "qosClass")):
            status["qosClass"] = qos  # one pass after the pod was made
    elif was in FINAL and not seen.owned:
        status.pop("launcherContainerImageVersion", None)
    _mark_outdated(meta, str(status.get("launcherContainerImageVersion", "")), seen)
    if phase == names.SCHEDULED and was == names.SCHEDULING and pod is not None:
        _hand_over(meta, status, seen, pod)
    elif phase == names.WAITING_FOR_SYNC and was in (names.SCHEDULED, names.SCHEDULING):
        status.pop("nodeName", None)
        meta["labels"] = {key: value for key, value in labels(vmi).items() if key != names.NODE_NAME}
    if was in (names.SCHEDULED, names.RUNNING):
        _refresh_volumes(status, seen)
        if pod is not None and (fresh := nics.statuses(vmi, pod)) != (status.get("interfaces") or []):
            _set(status, "interfaces", fresh)
    elif not names.OBSERVED_VERSIONS.items() <= annotations(vmi).items():
        meta["annotations"] = {**annotations(vmi), **names.OBSERVED_VERSIONS}
    _set(status, "conditions", _conditions(seen, status, phase, pod))
    if seen.overhead_ratio and live_update.MEMORY_CHANGE in live_update.under_way(vmi):
        meta["labels"] = {**(meta.get("labels") or {}), names.OVERHEAD_RATIO: seen.overhead_ratio}
    if kept := _finalizers(seen):
        meta["finalizers"] = kept
    else:
        meta.pop("finalizers", None)
    return {**vmi, "metadata": meta, "status": status}


def _mark_outdated(meta: Object, image: str, seen: Seen) -> None:
    """Say in a label that the launcher is of another release than is installed; or no longer."""
    own, outdated = (
        meta.get("labels") or {},
        bool(image and seen.launcher_image and image != seen.launcher_image),
    )
    if outdated and names.OUTDATED_LAUNCHER not in own:
        meta["labels"] = {**own, names.OUTDATED_LAUNCHER: ""}
    elif not outdated and names.OUTDATED_LAUNCHER in own:
        meta["labels"] = {key: value for key, value in own.items() if key != names.OUTDATED_LAUNCHER}


def _describe_pod(status: Object, pod: Object, phase: str) -> None:
    if phase not in FINAL:
        for one in pod["spec"]["containers"]:
            if one["name"] == "compute" and one.get("image"):
                status["launcherContainerImageVersion"] = one["image"]
                break
    overhead = annotations(pod).get(names.MEMORY_OVERHEAD)
    if overhead and phase in (names.SCHEDULING, names.SCHEDULED):
        memory = dict(status.get("memory") or {})
        memory["memoryOverhead"] = quantities.binary(int(overhead))
        status["memory"] = memory


def _hand_over(meta: Object, status: Object, seen: Seen, pod: Object) -> None:
    node = dig(pod, "spec", "nodeName", default="")
    _set(status, "nodeName", node)
    meta["labels"] = {**(meta.get("labels") or {}), names.NODE_NAME: node}
    if names.MIGRATION_TRANSPORT_UNIX in annotations(pod):
        status["migrationTransport"] = "Unix"
    if seen.cid is not None:
        status["VSOCKCID"] = seen.cid
    _set(status, "interfaces", nics.statuses(seen.vmi, pod))
    volumes = volume_statuses(seen.vmi, seen.claims or {}, seen.cdi_config)
    _set(status, "volumeStatus", persistent_state.with_entry(volumes, seen.vmi, seen.state))


def volume_statuses(
    vmi: Obj, claims: Mapping[str, Object], cdi_config: Object | None = None
) -> list[dict[str, Any]]:
    """One entry per volume, sorted by name; the node fills in where the guest sees it."""
    entries = []
    for volume in instance.volumes(vmi):
        if instance.is_hotplugged(volume):
            continue  # see `hotplug`
        entry: dict[str, Any] = {"name": volume["name"], "target": ""}
        claim = claims.get(instance.claim_name(volume))
        if claim is not None:
            entry["persistentVolumeClaimInfo"] = claim_info(claim, cdi_config)
        entries.append(entry)
    return sorted(entries, key=lambda entry: str(entry["name"]))


def claim_info(claim: Object, cdi_config: Object | None) -> dict[str, Any]:
    spec = claim.get("spec") or {}
    mode = spec.get("volumeMode") or "Filesystem"
    info = {
        "claimName": claim["metadata"]["name"],
        "accessModes": spec.get("accessModes"),
        "volumeMode": mode,
        "capacity": dig(claim, "status", "capacity"),
        "requests": dig(spec, "resources", "requests"),
        "filesystemOverhead": filesystem_overhead.of(claim, cdi_config),
    }
    return {key: value for key, value in info.items() if value}


def _refresh_volumes(status: Object, seen: Seen) -> None:
    """Keep the claims' sizes current; everything else in the entries is the node's."""
    claims = seen.claims or {}
    known = persistent_state.with_entry(status.get("volumeStatus") or (), seen.vmi, seen.state)
    entries, _ = hotplug.entries(seen.vmi, known, claims, seen.attached or {})
    _set(status, "volumeStatus", entries)
    if not entries or not claims:
        return
    by_volume = {
        volume["name"]: claims.get(instance.claim_name(volume)) for volume in instance.all_volumes(seen.vmi)
    }
    status["volumeStatus"] = [
        {**entry, "persistentVolumeClaimInfo": claim_info(claim, seen.cdi_config)}
        if (claim := by_volume.get(entry["name"]))
        else entry
        for entry in entries
    ]


def ready(phase: str, pod: Obj | None, now: str) -> conditions.Condition:
    """The Ready condition: the pod's own once the guest runs, before and after that why there is none."""
    if pod is None:
        return conditions.make(
            "Ready", "False", "PodNotExists", "virt-launcher pod has not yet been scheduled", now=now
        )
    if pods.is_ending(pod):
        return conditions.make(
            "Ready", "False", "PodTerminating", "virt-launcher pod is terminating", now=now
        )
    if phase != names.RUNNING:
        return conditions.make(
            "Ready", "False", "GuestNotRunning", "Guest VM is not reported as running", now=now
        )
    its = condition(pod, "Ready")
    if its is None:
        text = "virt-launcher pod is missing the Ready condition"
        return conditions.make("Ready", "False", "PodConditionMissing", text, now=now)
    copied = conditions.make("Ready", its["status"], its.get("reason", ""), its.get("message", ""))
    copied["lastProbeTime"], copied["lastTransitionTime"] = (
        its.get("lastProbeTime"),
        its.get("lastTransitionTime"),
    )
    return copied


def _conditions(seen: Seen, status: Object, phase: str, pod: Object | None) -> list[conditions.Condition]:
    listed: list[conditions.Condition] = list(status.get("conditions") or ())
    was = instance.phase(seen.vmi)
    listed = _renew(listed, ready(phase, pod, seen.now))
    if seen.volumes:
        listed = _renew(listed, _data_volumes_ready(seen.volumes.values()))
    if phase in names.UNPROCESSED and seen.provisioning:
        listed = _renew(listed, conditions.make("Provisioning", "True"))
    elif was == names.SCHEDULING:
        listed = conditions.drop(listed, "Provisioning")
    if phase in names.UNPROCESSED and seen.unschedulable:  # said anew at every pass, hence always the last
        why = conditions.make("PodScheduled", "False", "Unschedulable", seen.unschedulable)
        listed = [*conditions.drop(listed, "PodScheduled"), why]
    listed = _scheduled(listed, seen, pod)
    if was not in (names.SCHEDULED, names.RUNNING):
        error = pods.image_error(pod) if pod is not None and was == names.SCHEDULING else None
        listed = _synchronized(listed, error or seen.failure, seen.now)
    return _asked_of_it(seen.vmi, pod, listed, seen.now)


def _asked_of_it(
    vmi: Obj, pod: Object | None, listed: list[conditions.Condition], now: str
) -> list[conditions.Condition]:
    """The conditions that are there only while the guest is to change or to leave."""
    texts = {live_update.VOLUMES_CHANGE: "migrate volumes"}
    asked = [conditions.make(one, "True", message=texts.get(one, "")) for one in live_update.under_way(vmi)]
    if dig(vmi, "status", "evacuationNodeName"):
        text = "VMI is marked for eviction"
        asked.append(conditions.make("EvictionRequested", "True", "EvictionRequested", text, now=now))
    if (needed := nics.migration_required(vmi, pod, parse_rfc3339(now))) is not None:
        asked.append({**needed, "lastTransitionTime": now})
    wanted = [one["type"] for one in asked]
    gone = [one for one in _ASKED if one not in wanted]
    if live_update.VOLUMES_CHANGE not in wanted and condition_is(vmi, live_update.VOLUMES_CHANGE):
        gone.append(live_update.VOLUMES_CHANGE)  # what says that a change was called off stays
    if any(one.get("type") in gone for one in listed):
        listed = conditions.drop(listed, *gone)
    for one in asked:
        listed = _renew(listed, one)
    return listed


def _data_volumes_ready(volumes: Iterable[Object]) -> conditions.Condition:
    """True when all that exist are ready; False as soon as one says that it is not; else nobody knows."""
    found = [condition(volume, "Ready") for volume in volumes]
    said = {str(one["status"]) if one is not None else "Unknown" for one in found}
    if said == {"True"}:
        text = "All of the VMI's DVs are bound and ready"
        return conditions.make("DataVolumesReady", "True", "AllDVsReady", text)
    status = "False" if "False" in said else "Unknown"
    return conditions.make("DataVolumesReady", status, "NotAllDVsReady", "Not all of the VMI's DVs are ready")


def _scheduled(
    listed: list[conditions.Condition], seen: Seen, pod: Object | None
) -> list[conditions.Condition]:
    """That there is no place for the pod; told once, in the words it was told in first."""
    was = instance.phase(seen.vmi)
    if was in names.UNPROCESSED and seen.provisioning:
        pod = seen.pod  # the one that only binds volumes
    elif was != names.SCHEDULING:
        return listed
    if pod is None:
        return listed
    its = condition(pod, "PodScheduled")
    if its is None or its.get("status") != "False":
        return conditions.drop(listed, "PodScheduled")
    return listed if conditions.find(listed, "PodScheduled") else [*listed, its]


def _synchronized(
    listed: list[conditions.Condition], failure: Failure | None, now: str
) -> list[conditions.Condition]:
    """What keeps the VMI from getting on; a new reason is told last, the same one is left as it was told."""
    old = conditions.find(listed, "Synchronized")
    if failure is not None and old is not None and old.get("reason") == failure.reason:
        return listed
    listed = conditions.drop(listed, "Synchronized")
    if failure is None:
        return listed
    made = conditions.make("Synchronized", "False", failure.reason, failure.message)
    return [*listed, {**made, "lastTransitionTime": now}]


def _renew(listed: list[conditions.Condition], new: conditions.Condition) -> list[conditions.Condition]:
    return (
        listed
        if conditions.says_the_same(conditions.find(listed, new["type"]), new, message=False)
        else conditions.put(listed, new)
    )


def _finalizers(seen: Seen) -> list[str]:
    kept = finalizers(seen.vmi)
    if is_final(seen.vmi):
        if not seen.owned:
            kept = without(without(kept, names.VMI_FINALIZER), names.OLD_VMI_FINALIZER)
        if not seen.has_vm:
            kept = without(kept, names.VM_FINALIZER)
    return kept


def _set(status: Object, member: str, value: object) -> None:
    if value:
        status[member] = value
    else:
        status.pop(member, None)
