"""Reading one's own writes: what this process wrote, and the caches do not show yet.

Each answer of the server carries the resourceVersion at which the write happened. Until the cache of that resource
has come so far, the answer is newer than the cache and is laid over it; after that it is dropped. Thereby no decision
is made on a past this controller has itself changed, whatever the watch's delay, and nothing has to be waited for.
Versions are compared as numbers (KEP-5504). What carries none - an object that was removed at once - counts as gone
until the cache agrees. Where a server's versions go back - it was restored, or began anew - nothing written before counts
any more; and nothing is believed for longer than five minutes.
Upstream has expectations in this place: pkg/controller/expectations.go
"""

from collections.abc import Callable, Iterable

from msgspec import Struct, field

from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery import digits, objects
from fakekube.machinery.resources import Resource
from fakekube.machinery.wire import Object

LIFETIME = 300.0


class _Write(Struct, frozen=True):
    obj: Object
    gone: bool
    version: int
    until: float


class _Pending(Struct):
    writes: dict[Resource, dict[str, _Write]] = field(default_factory=dict)
    condemned: dict[str, float] = field(default_factory=dict)  # uid → until when it is remembered


class OwnWrites:
    """See the module text. Kept per pool: `pool` is the pool's key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pools: dict[str, _Pending] = {}
        self._stands: dict[Resource, int] = {}  # how far each cache had come when it was looked at last

    def __len__(self) -> int:
        """How many writes are not yet seen in the caches."""
        return sum(len(some) for pending in self._pools.values() for some in pending.writes.values())

    def wrote(self, pool: str, resource: Resource, before: Object, answer: Object) -> Object | None:
        """Remember what a write to `before` was answered; the object as it is now, None when it is gone.

        A DELETE that removes at once answers with a Status, a PATCH that takes the last finalizer off with the
        object it has just removed.
        """
        if answer.get("kind") == "Status" or _is_final(answer):
            self.gone(pool, resource, before)
            return None
        self._remember(pool, resource, answer, gone=False)
        return answer

    def gone(self, pool: str, resource: Resource, obj: Object) -> None:
        """Remember that exactly this object, by uid, does not exist any more."""
        self._remember(pool, resource, obj, gone=True)

    def condemn(self, pool: str, vm: Object) -> None:
        """Remember that it was this controller that deleted the VM."""
        self._of(pool).condemned[objects.uid(vm)] = self._clock.monotonic() + LIFETIME

    def condemned(self, pool: str) -> frozenset[str]:
        pending = self._pools.get(pool)
        if pending is None or not pending.condemned:
            return frozenset()
        now = self._clock.monotonic()
        pending.condemned = {uid: until for uid, until in pending.condemned.items() if until > now}
        return frozenset(pending.condemned)

    def forget(self, pool: str) -> None:
        """The pool is gone."""
        self._pools.pop(pool, None)

    def over(
        self, pool: str, cache: Informer, cached: Iterable[Object], belongs: Callable[[Object], bool]
    ) -> list[Object]:
        """What the cache found, corrected by own writes it does not show yet; `belongs` is the search's criterion."""
        writes = self._unseen(pool, cache)
        if not writes:
            return list(cached)
        found = {objects.key(obj): obj for obj in cached}
        for key, write in writes.items():
            if write.gone:
                if key in found and objects.uid(found[key]) == objects.uid(write.obj):
                    del found[key]
            elif belongs(write.obj):
                found[key] = write.obj
            else:
                found.pop(key, None)
        return list(found.values())

    def latest(self, pool: str, cache: Informer) -> Callable[[str], Object | None]:
        """The cache's `get`, corrected by own writes it does not show yet: the newer of the two, None when known to be gone.

        What is only written and not cached yet is not found.
        """
        writes = self._unseen(pool, cache)
        if not writes:
            return cache.get

        def get(key: str) -> Object | None:
            cached = cache.get(key)
            write = writes.get(key)
            if cached is None or write is None:
                return cached
            if write.gone:
                return None if objects.uid(write.obj) == objects.uid(cached) else cached
            return write.obj

        return get

    def _remember(self, pool: str, resource: Resource, obj: Object, *, gone: bool) -> None:
        until = self._clock.monotonic() + LIFETIME
        writes = self._of(pool).writes.setdefault(resource, {})
        writes[objects.key(obj)] = _Write(obj, gone, _number(objects.resource_version(obj)), until)

    def _of(self, pool: str) -> _Pending:
        return self._pools.setdefault(pool, _Pending())

    def _unseen(self, pool: str, cache: Informer) -> dict[str, _Write]:
        """The writes to this resource that the cache does not show; the others are dropped."""
        stand = _number(cache.resource_version)
        if stand < self._stands.get(cache.resource, 0):
            for some in self._pools.values():
                some.writes.pop(cache.resource, None)
        self._stands[cache.resource] = stand
        pending = self._pools.get(pool)
        writes = pending.writes.get(cache.resource) if pending else None
        if not writes:
            return {}
        now = self._clock.monotonic()
        for key, write in list(writes.items()):
            if write.until <= now or _is_seen(write, cache.get(key), stand):
                del writes[key]
        return writes


def _is_seen(write: _Write, cached: Object | None, stand: int) -> bool:
    if write.gone:
        return cached is None or objects.uid(cached) != objects.uid(write.obj)
    return stand >= write.version


def _is_final(answer: Object) -> bool:
    """Whether this is the last state of an object the server has removed: asked to go, and nothing holds it."""
    meta = answer.get("metadata") or {}
    return (
        bool(meta.get("deletionTimestamp"))
        and not meta.get("finalizers")
        and not meta.get("deletionGracePeriodSeconds")
    )


def _number(version: str) -> int:
    return digits.number(version) or 0
