"""A VMI that ends without ever having run is a failed start; failed starts are counted and the next try waits. Pure.

Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (syncStartFailureStatus, calculateStartBackoffTime).
"""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from fakekube.clock import parse_rfc3339, rfc3339
from fakekube.machinery.objects import dig, is_final, uid
from fakekube.virt.controller import instance, names

_COUNTING = frozenset(("Always", "RerunOnFailure", "Once"))
_LONGEST = 300


def delay(count: int, chance: random.Random) -> int:
    """Seconds to wait after the `count`-th failure in a row: 10·n² and up to half of it more, at most 300."""
    least = 10 * count * count
    return min(_LONGEST, least + chance.randint(0, least // 2))


def following(
    old: Mapping[str, Any] | None,
    vmi: Mapping[str, Any] | None,
    strategy: str,
    now: datetime,
    chance: random.Random,
) -> dict[str, Any] | None:
    """The VM's `status.startFailure` after seeing `vmi`; each failed VMI counts once, a running one clears it."""
    if strategy not in _COUNTING or (vmi is not None and instance.reached(vmi, names.RUNNING)):
        return None
    if vmi is None or not is_final(vmi) or (old or {}).get("lastFailedVMIUID") == uid(vmi):
        return dict(old) if old else None
    count = int((old or {}).get("consecutiveFailCount") or 0) + 1
    retry = now + timedelta(seconds=delay(count, chance))
    return {
        "consecutiveFailCount": count,
        "lastFailedVMIUID": uid(vmi),
        "retryAfterTimestamp": rfc3339(retry),
    }


def seconds_left(vm: Mapping[str, Any], now: datetime) -> float:
    """How long the next start has to wait; 0 when it need not."""
    retry = dig(vm, "status", "startFailure", "retryAfterTimestamp")
    return max(0.0, (parse_rfc3339(retry) - now).total_seconds()) if retry else 0.0


def count(vm: Mapping[str, Any]) -> int:
    return int(dig(vm, "status", "startFailure", "consecutiveFailCount", default=0))
