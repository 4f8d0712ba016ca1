"""How long a guest's memory is copied, by what the migration's settings allow, and what is done when that takes too long. Pure.

Only a limited bandwidth is reckoned with, or what the guest's fate has it take; without them it takes as long as the pace has
it. What is not over in acceptable time is brought to an end: by post-copy, by pausing the guest, or by giving up, as the settings have it.
Origin: kubevirt: pkg/virt-launcher/virtwrap/live-migration-source.go (migrationMonitor)
"""

from typing import Any, Literal

from fakekube.machinery.objects import Obj, dig
from fakekube.virt import quantities

_GIGA = 10**9

End = Literal["", "PostCopy", "Paused", "abort"]


def seconds(vmi: Obj, fated: float | None = None) -> float | None:
    """Until the next thing happens to the migration under way: the memory is copied, or it has taken too long."""
    if (needed := _needed(vmi, fated)) is None or mode(vmi) in ("PostCopy", "Paused"):
        return None
    return min(needed, float(acceptable(vmi)))


def too_long(vmi: Obj, fated: float | None = None) -> End:
    """What has to be done after that time; nothing, where the memory will be copied by then."""
    needed = _needed(vmi, fated)
    if needed is None or needed <= acceptable(vmi) or mode(vmi) in ("PostCopy", "Paused"):
        return ""
    if _setting(vmi, "allowPostCopy"):
        return "PostCopy"
    return "Paused" if _setting(vmi, "allowWorkloadDisruption") else "abort"


def mode(vmi: Obj) -> str:
    return str(dig(vmi, "status", "migrationState", "mode", default=""))


def acceptable(vmi: Obj) -> int:
    """Seconds: so many for each begun gigabyte."""
    per_gigabyte = int(_setting(vmi, "completionTimeoutPerGiB") or 150)
    return per_gigabyte * max(-(-_memory(vmi) // _GIGA), 1)


def patience(vmi: Obj) -> int:
    """Seconds without any progress, after which it is given up."""
    return int(_setting(vmi, "progressTimeout") or 150)


def _needed(vmi: Obj, fated: float | None) -> float | None:
    if fated is not None:
        return fated
    bandwidth = quantities.whole(_setting(vmi, "bandwidthPerMigration"))
    return _memory(vmi) / bandwidth if bandwidth > 0 else None


def _memory(vmi: Obj) -> int:
    domain = dig(vmi, "spec", "domain", default={})
    return quantities.whole(
        dig(domain, "memory", "guest") or dig(domain, "resources", "requests", "memory") or "64Mi"
    )


def _setting(vmi: Obj, own: str) -> Any:
    return dig(vmi, "status", "migrationState", "migrationConfiguration", own)
