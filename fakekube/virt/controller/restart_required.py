"""Whether the VM's template has moved away from what its VMI was started with, and why that needs a restart. Pure.

Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (addRestartRequiredIfNeeded, handleCPUChangeRequest, handleMemoryHotplugRequest).
"""

from typing import Any

from fakekube.machinery.copying import copy_of
from fakekube.machinery.objects import Obj, condition_is, dig
from fakekube.machinery.wire import Object
from fakekube.virt import memory_growth, quantities
from fakekube.virt.controller import instance, live_update, nics

OTHER_FIELD = "a non-live-updatable field was changed in the template spec"
SOCKETS_ABOVE_MAX = "CPU sockets updated in template spec to a value higher than what's available"
NOT_ON_ARM = "ARM doesn't support CPU hotplug"
QUEUES_PER_CPU = "Changes to CPU sockets require a restart when NetworkInterfaceMultiQueue is enabled."
FEWER_SOCKETS = "Reduction of CPU socket count requires a restart"
MEMORY_NEEDS_MIGRATION = (
    "memory updated in template spec. Memory-hotplug is only available for migratable VMs"
)
MEMORY_FAILED = (
    "memory updated in template spec. Memory-hotplug failed and is not available for this VM configuration"
)
MEMORY_NOT_HERE = "memory updated in template spec. Memory-hotplug is not available for this VM configuration"
LESS_MEMORY = "memory updated in template spec to a value lower than what the VM started with"
NO_MEMORY_HOTPLUG = "memory hotplug not supported, "
MORE_MEMORY = "memory updated in template spec to a value higher than what's available"

_LIVE = ("nodeSelector", "affinity", "tolerations")


def same_template(started: Obj, current: Obj) -> bool:
    """Whether nothing in the template changed since the start: then the running VMI already is of this generation."""
    return bool(dig(started, "template") == dig(current, "template"))


def message(
    started: Obj,
    current: Obj,
    vmi: Obj,
    *,
    live: bool = True,
    other_networks: bool = False,
    volumes: bool = True,
) -> str:
    """Why a restart is needed, or empty. `started` and `current` are VM specs; `live`: changes may reach the running guest.

    Not `volumes`: those are somebody else's business.
    """
    before, after = dig(started, "template", "spec", default={}), dig(current, "template", "spec", default={})
    if not volumes:
        before = {**before, "volumes": after.get("volumes")}
    if before == after:
        return ""
    if not live:
        return OTHER_FIELD if _frozen(before, vmi, live=False) != _frozen(after, vmi, live=False) else ""
    if not nics.needs_restart(after, vmi, other_networks=other_networks):
        before, after = _without_networks(before), _without_networks(after)
    return _others(before, after, vmi) or _sockets(after, vmi) or _memory(after, vmi)


def _memory(after: Obj, vmi: Obj) -> str:
    new, present = dig(after, "domain", "memory", "guest"), dig(vmi, "spec", "domain", "memory", "guest")
    if new is None or present is None or dig(vmi, "status", "memory", "guestCurrent") is None:
        return ""
    if live_update.memory_failed(vmi):
        return MEMORY_FAILED
    if quantities.whole(new) == quantities.whole(present):
        return ""
    if not condition_is(vmi, "LiveMigratable"):
        return MEMORY_NEEDS_MIGRATION
    most = dig(vmi, "spec", "domain", "memory", "maxGuest")
    if most is None:
        return MEMORY_NOT_HERE
    at_boot = dig(vmi, "status", "memory", "guestAtBoot")
    if at_boot is not None and quantities.whole(new) < quantities.whole(at_boot):
        return LESS_MEMORY
    if quantities.whole(new) > quantities.whole(most):
        return MORE_MEMORY
    reason = memory_growth.obstacle(after, most)
    return NO_MEMORY_HOTPLUG + reason if reason else ""


def _sockets(after: Obj, vmi: Obj) -> str:
    wanted, has = dig(after, "domain", "cpu"), dig(vmi, "spec", "domain", "cpu")
    if wanted is None or has is None:
        return ""
    new, present = int(wanted.get("sockets") or 0), int(has.get("sockets") or 0)
    if new == present:
        return ""
    if new > int(has.get("maxSockets") or 0):
        return SOCKETS_ABOVE_MAX
    if new < present:
        return FEWER_SOCKETS
    if dig(vmi, "spec", "architecture") == "arm64":
        return NOT_ON_ARM
    return QUEUES_PER_CPU if dig(after, "domain", "devices", "networkInterfaceMultiqueue") else ""


def _others(before: Obj, after: Obj, vmi: Obj) -> str:
    return OTHER_FIELD if _frozen(before, vmi) != _frozen(after, vmi) else ""


def _without_networks(template: Obj) -> Object:
    devices = dig(template, "domain", "devices", default={})
    left = {key: value for key, value in devices.items() if key != "interfaces"}
    domain = {**template.get("domain", {}), "devices": left}
    return {**{key: value for key, value in template.items() if key != "networks"}, "domain": domain}


def _frozen(template: Obj, vmi: Obj, *, live: bool = True) -> dict[str, Any]:
    """The part of a template that cannot change while the guest runs."""
    left_out = _LIVE if live else ()
    spec: dict[str, Any] = copy_of({key: value for key, value in template.items() if key not in left_out})
    domain = spec.get("domain") or {}
    plugged = {one["name"] for one in spec.get("volumes") or () if instance.is_hotplugged(one)}
    devices = domain.get("devices") or {}
    for holder, member in ((spec, "volumes"), (devices, "disks")):
        if holder.get(member):
            holder[member] = [one for one in holder[member] if one["name"] not in plugged]
            if not holder[member]:
                del holder[member]
    if live and isinstance(domain.get("cpu"), dict):
        domain["cpu"].pop("sockets", None)  # a CPU where there was none is another one nevertheless
    if live and isinstance(domain.get("memory"), dict):
        domain["memory"].pop("guest", None)
        if not domain["memory"]:
            del domain["memory"]
    firmware = domain.get("firmware") or {}
    if firmware.get("uuid") == dig(vmi, "spec", "domain", "firmware", "uuid"):
        firmware.pop("uuid", None)
        if not firmware:
            domain.pop("firmware", None)
    return {**spec, "domain": domain}
