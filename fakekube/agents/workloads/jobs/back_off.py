"""How long a Job waits before it replaces a pod that failed: ten seconds, twice as long every time, ten minutes at most. Pure.

Upstream: k8s: pkg/controller/job/backoff_utils.go
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct

from fakekube.clock import parse_rfc3339
from fakekube.machinery import objects
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

_FIRST_DELAY, _LONGEST_DELAY = 10.0, 600.0


class BackOff(Struct, frozen=True):
    """Failures since the last success, and when the last of them was."""

    failures: int = 0
    since: datetime | None = None

    def after(self, succeeded: Iterable[Object], failed: Iterable[Object]) -> "BackOff":
        """With pods that have ended since."""
        won = max((ended_at(pod) for pod in succeeded), default=None)
        lost = [ended_at(pod) for pod in failed]
        if won is not None:
            lost = [moment for moment in lost if moment > won]
            return BackOff(len(lost), max(lost, default=None))
        if not lost:
            return self
        return BackOff(self.failures + len(lost), max([*lost, *([self.since] if self.since else [])]))

    def left(self, now: datetime) -> float:
        return delay_after(self.failures, self.since, now)


def delay_after(failures: int, since: datetime | None, now: datetime) -> float:
    if failures == 0 or since is None:
        return 0.0
    delay = min(_FIRST_DELAY * float(2 ** min(failures - 1, 10)), _LONGEST_DELAY)
    return max(0.0, delay - (now - since).total_seconds())


def ended_at(pod: Object) -> datetime:
    """When the last container ended; else when it was deleted, or ceased to be ready, or was made."""
    ends = [
        dig(one, "state", "terminated", "finishedAt")
        for one in dig(pod, "status", "containerStatuses", default=())
    ]
    known = [one for one in ends if one]
    if not known and (deleted := dig(pod, "metadata", "deletionTimestamp")):
        grace = dig(pod, "metadata", "deletionGracePeriodSeconds", default=0)
        return parse_rfc3339(deleted) - timedelta(seconds=grace)
    ready = objects.condition(pod, "Ready") or {}
    text = (
        max(known, default="") or ready.get("lastTransitionTime") or dig(pod, "metadata", "creationTimestamp")
    )
    return parse_rfc3339(text)
