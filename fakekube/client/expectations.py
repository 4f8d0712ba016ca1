"""What a controller has done and its cache has not shown yet: no second creation before the first one was seen.

Creations are expected by name, deletions by uid, so an event about something else cannot fulfil them, and one seen
twice counts once. A controller announces before it acts, reports what it sees, and takes back what failed by reporting
it as seen. What is not seen within five minutes is given up, so a lost event cannot block a key forever.
Upstream: k8s: pkg/controller/controller_utils.go, UIDTrackingControllerExpectations
"""

from collections.abc import Iterable

from msgspec import Struct, field

from fakekube.clock import Clock

TIMEOUT = 300.0


class _Pending(Struct):
    since: float
    creations: set[str] = field(default_factory=set)
    deletions: set[str] = field(default_factory=set)


class Expectations:
    """See the module text. `key` is the owner's key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pending: dict[str, _Pending] = {}

    def expect_creations(self, key: str, names: Iterable[str]) -> None:
        self._of(key).creations.update(names)

    def expect_deletions(self, key: str, uids: Iterable[str]) -> None:
        self._of(key).deletions.update(uids)

    def creation_observed(self, key: str, name: str) -> None:
        pending = self._pending.get(key)
        if pending is not None:
            pending.creations.discard(name)

    def deletion_observed(self, key: str, uid: str) -> None:
        pending = self._pending.get(key)
        if pending is not None:
            pending.deletions.discard(uid)

    def satisfied(self, key: str) -> bool:
        """Whether the cache shows everything done for `key`, or has had its time to."""
        pending = self._pending.get(key)
        if pending is None:
            return True
        waits = pending.creations or pending.deletions
        if waits and self._clock.monotonic() - pending.since < TIMEOUT:
            return False
        del self._pending[key]
        return True

    def remaining(self, key: str) -> float:
        """Seconds after which `satisfied` gives up waiting; 0 when there is nothing to wait for."""
        pending = self._pending.get(key)
        return max(0.0, TIMEOUT - (self._clock.monotonic() - pending.since)) if pending else 0.0

    def forget(self, key: str) -> None:
        """The owner is gone."""
        self._pending.pop(key, None)

    def _of(self, key: str) -> _Pending:
        now = self._clock.monotonic()
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _Pending(now)
        pending.since = now
        return pending
