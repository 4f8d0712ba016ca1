"""What a VMI becomes, seen beside its pods, DataVolumes and claims: phase, conditions, labels, finalizers. Pure.

What its conditions say is `vmi_conditions`' to know.
Up to Scheduled the VMI belongs to the controller; from then on the node writes most of it, and only what `next_instance`
still changes there is the controller's.
Origin: kubevirt: pkg/virt-controller/watch/vmi/lifecycle.go (updateStatus), pkg/storage/types, pkg/network/controllers.
"""

from collections.abc import Mapping
from typing import Any

from fakekube.machinery.objects import (
    FINAL,
    Obj,
    annotations,
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
    hotplug,
    instance,
    live_update,
    names,
    nics,
    persistent_state,
    pods,
    vmi_conditions,
)
from fakekube.virt.controller.vmi_pass import Seen


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
    _set(status, "conditions", vmi_conditions.after(seen, status, phase, pod))
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
