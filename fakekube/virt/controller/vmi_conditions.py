"""What a VMI's conditions say after a pass: how its launcher and its volumes are, what keeps it, and what is asked of it. Pure.

Origin: kubevirt: pkg/virt-controller/watch/vmi/lifecycle.go (updateStatus)
"""

from collections.abc import Iterable

from fakekube.clock import parse_rfc3339
from fakekube.machinery.objects import Obj, condition, condition_is, dig
from fakekube.machinery.wire import Object
from fakekube.virt.controller import conditions, instance, live_update, names, nics, pods
from fakekube.virt.controller.conditions import Failure
from fakekube.virt.controller.vmi_pass import Seen

_ASKED = (live_update.CPU_CHANGE, live_update.MEMORY_CHANGE, nics.MIGRATION_REQUIRED, "EvictionRequested")


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


def after(seen: Seen, status: Object, phase: str, pod: Object | None) -> list[conditions.Condition]:
    """The conditions after this pass, in which the VMI came to `phase`. `pod`: the launcher, unless it only binds volumes."""
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
    if live_update.memory_failed(vmi):
        gone.remove(live_update.MEMORY_CHANGE)
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
