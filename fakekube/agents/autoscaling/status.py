"""The status of an autoscaler as it is being made, and the events that go with it. Values only.

Upstream: k8s: pkg/controller/podautoscaler/horizontal.go (setStatus, setCondition)
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fakekube.client.recorder import NORMAL, WARNING
from fakekube.clock import rfc3339
from fakekube.machinery.wire import Object

ABLE, ACTIVE, LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"


class Draft:
    """Begins as the status there is. `events` are (type, reason, message), in their order."""

    def __init__(self, status: Mapping[str, Any], now: datetime) -> None:
        self._before = dict(status)
        self._now = now
        self._conditions = [dict(one) for one in status.get("conditions") or ()]
        self.status: Object = {**self._before, "conditions": self._conditions}
        self.events: list[tuple[str, str, str]] = []

    def say(self, kind: str, status: bool, reason: str, message: str) -> None:
        """Set a condition; its time changes with its status alone."""
        wanted = "True" if status else "False"
        found = next((one for one in self._conditions if one["type"] == kind), None)
        if found is None:
            found = {"type": kind}
            self._conditions.append(found)
        if found.get("status") != wanted:
            found["lastTransitionTime"] = rfc3339(self._now)
        found |= {"status": wanted, "reason": reason, "message": message}

    def warn(self, reason: str, message: str) -> None:
        self.events.append((WARNING, reason, message))

    def tell(self, reason: str, message: str) -> None:
        self.events.append((NORMAL, reason, message))

    def finish(
        self, current: int, desired: int | None, metrics: Sequence[Object] | None, *, rescaled: bool = False
    ) -> None:
        """The numbers. Without `desired`, that of before stays."""
        made: Object = {
            "desiredReplicas": self._before.get("desiredReplicas", 0) if desired is None else desired,
            "currentMetrics": list(metrics) if metrics is not None else None,
            "conditions": self._conditions,
        }
        if current:
            made["currentReplicas"] = current
        if rescaled:
            made["lastScaleTime"] = rfc3339(self._now)
        elif self._before.get("lastScaleTime"):
            made["lastScaleTime"] = self._before["lastScaleTime"]
        self.status = made

    @property
    def changed(self) -> bool:
        return _plain(self.status) != _plain(self._before)


def _plain(status: Mapping[str, Any]) -> Object:
    """Without what is empty, which says nothing."""
    return {name: value for name, value in status.items() if value not in (None, [], "")}
