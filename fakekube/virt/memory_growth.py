"""Whether a guest's memory can grow while it runs. Pure.

Origin: kubevirt: pkg/liveupdate/memory/memory.go
"""

from typing import Any

from fakekube.machinery.objects import Obj, dig
from fakekube.virt.quantities import whole

_LEAST = 2**30


def obstacle(spec: Obj, most: Any) -> str:
    """Why the memory of a guest with this spec does not grow to `most`, or empty."""
    domain = spec["domain"]
    cpu = domain.get("cpu") or {}
    ties = (
        (cpu.get("realtime"), "realtime VMs"),
        (dig(cpu, "numa", "guestMappingPassthrough"), "guest mapping passthrough"),
        (domain.get("launchSecurity"), "encrypted VMs"),
    )
    for tie, word in ties:
        if tie is not None:
            return f"Memory hotplug is not compatible with {word}"
    if (guest := dig(domain, "memory", "guest")) is None:
        return "Guest memory must be configured when memory hotplug is enabled"
    if whole(guest) > whole(most):
        return "Guest memory is greater than the configured maxGuest memory"
    page = "1Gi" if dig(domain, "memory", "hugepages", "pageSize") == "1Gi" else "2Mi"
    for amount, word in ((guest, "Guest memory"), (most, "MaxGuest")):
        if whole(amount) % whole(page):
            return f"{word} must be {page} aligned"
    if spec.get("architecture") != "amd64":
        return "Memory hotplug is only available for x86_64 VMs"
    if whole(guest) < _LEAST:
        return "Memory hotplug is only available for VMs with at least 1Gi of guest memory"
    return ""
