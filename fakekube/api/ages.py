"""How long ago, in the few letters kubectl shows.

k8s: staging/src/k8s.io/apimachinery/pkg/util/duration/duration.go (HumanDuration)
"""

from datetime import datetime

from fakekube.clock import parse_rfc3339

UNKNOWN = "<unknown>"
INVALID = "<invalid>"


def human_duration(seconds: float) -> str:
    """Two units at most, coarser the longer it is: `45s`, `3m20s`, `5h`, `2d3h`, `3y10d`. Clock skew counts as now."""
    whole = int(seconds)
    if whole < -1:
        return INVALID
    if whole < 120:
        return f"{max(whole, 0)}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 24 * 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"


def since(moment: str | None, now: datetime) -> str:
    """The age of an RFC 3339 time; `<unknown>` when there is none, `<invalid>` when it is not one."""
    if not moment:
        return UNKNOWN
    try:
        return human_duration((now - parse_rfc3339(moment)).total_seconds())
    except ValueError:
        return INVALID
