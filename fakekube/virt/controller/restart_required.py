"""Whether the VM's template has moved away from what its VMI was started with, and why that needs a restart. Pure.

Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (addRestartRequiredIfNeeded, handleCPUChangeRequest, handleMemoryHotplugRequest).
"""

from typing import Any

from fakekube.machinery.copying import copy_of
from fakekube.machinery.objects import Obj, condition_is, dig
from fakekube.virt import quantities
from fakekube.virt.controller import instance

OTHER_FIELD = "a non-live-updatable field was changed in the template spec"
SOCKETS_ABOVE_MAX = "CPU sockets updated in template spec to a value higher than what's available"
FEWER_SOCKETS = "Reduction of CPU socket count requires a restart"
MEMORY_NEEDS_MIGRATION = (
    "memory updated in template spec. Memory-hotplug is only available for migratable VMs"
)
MEMORY_NOT_HERE = "memory updated in template spec. Memory-hotplug is not available for this VM configuration"
LESS_MEMORY = "memory updated in template spec to a value lower than what the VM started with"
MORE_MEMORY = "memory updated in template spec to a value higher than what's available"

_LIVE = ("nodeSelector", "affinity", "tolerations")


def same_template(started: Obj, current: Obj) -> bool:
    """Whether nothing in the template changed since the start: then the running VMI already is of this generation."""
    return bool(dig(started, "template") == dig(current, "template"))


def message(started: Obj, current: Obj, vmi: Obj, *, live: bool = True) -> str:
    """Why a restart is needed, or empty. `started` and `current` are VM specs; not `live`: every change is staged."""
    before, after = dig(started, "template", "spec", default={}), dig(current, "template", "spec", default={})
    if before == after:
        return ""
    found = _others(before, after, vmi, live=live)
    return found or _sockets(before, after, vmi) or _memory(before, after, vmi)


def _memory(before: Obj, after: Obj, vmi: Obj) -> str:
    old, new = dig(before, "domain", "memory", "guest"), dig(after, "domain", "memory", "guest")
    if old == new or old is None or new is None:
        return ""
    if not condition_is(vmi, "LiveMigratable"):
        return MEMORY_NEEDS_MIGRATION
    most = dig(vmi, "spec", "domain", "memory", "maxGuest")
    if most is None:
        return MEMORY_NOT_HERE
    at_boot = dig(vmi, "status", "memory", "guestAtBoot", default=old)
    if quantities.whole(new) < quantities.whole(at_boot):
        return LESS_MEMORY
    return MORE_MEMORY if quantities.whole(new) > quantities.whole(most) else ""


def _sockets(before: Obj, after: Obj, vmi: Obj) -> str:
    old = int(dig(before, "domain", "cpu", "sockets", default=1))
    new = int(dig(after, "domain", "cpu", "sockets", default=1))
    if new < old:
        return FEWER_SOCKETS
    most = int(dig(vmi, "spec", "domain", "cpu", "maxSockets", default=old))
    return SOCKETS_ABOVE_MAX if new > max(most, old) else ""


def _others(before: Obj, after: Obj, vmi: Obj, *, live: bool) -> str:
    running = dig(vmi, "spec", "domain", "firmware", "uuid")
    return OTHER_FIELD if _frozen(before, running, live=live) != _frozen(after, running, live=live) else ""


def _frozen(template: Obj, running_uuid: str | None, *, live: bool) -> dict[str, Any]:
    """The part of a template that cannot change while the guest runs."""
    spec: dict[str, Any] = copy_of(
        {key: value for key, value in template.items() if not live or key not in _LIVE}
    )
    domain = spec.get("domain") or {}
    plugged = {one["name"] for one in spec.get("volumes") or () if instance.is_hotplugged(one)}
    devices = domain.get("devices") or {}
    for holder, member in ((spec, "volumes"), (devices, "disks")):
        if holder.get(member):
            holder[member] = [one for one in holder[member] if one["name"] not in plugged]
            if not holder[member]:
                del holder[member]
    for path, leaf in (("cpu", "sockets"), ("memory", "guest")) if live else ():
        if isinstance(domain.get(path), dict):
            domain[path].pop(leaf, None)
    firmware = domain.get("firmware") or {}
    if firmware.get("uuid") == running_uuid:
        firmware.pop("uuid", None)
    return {**spec, "domain": {key: value for key, value in domain.items() if value}}
