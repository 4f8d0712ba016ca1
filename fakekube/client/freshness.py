"""Is the cache as new as what we wrote ourselves? A pass over an older state would only repeat work and earn conflicts.

Every write is noted with the resourceVersion it got. Until the cache shows that version or a later one, passes over the
key are skipped: the event that brings the cache up to date wakes the key again. (Comparing versions of one resource
as numbers is what k8s: staging/src/k8s.io/apimachinery/pkg/util/resourceversion does.)
"""

from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.objects import finalizers, is_terminating
from fakekube.machinery.objects import key as key_of
from fakekube.machinery.resources import Resource
from fakekube.machinery.wire import Object

_PATIENCE = 60.0  # a relist may have skipped what we wait for


class Freshness:
    """See the module text. For one resource, whose cache is `informer`."""

    def __init__(self, informer: Informer, clock: Clock) -> None:
        self._informer = informer
        self._clock = clock
        self._noted: dict[str, tuple[int, float]] = {}
        informer.on_change(self._changed)

    @property
    def resource(self) -> Resource:
        return self._informer.resource

    def wrote(self, obj: Object) -> Object:
        """Note what a write answered, and hand it on. What is gone with the write is not waited for."""
        meta = obj.get("metadata") or {}
        gone = is_terminating(obj) and not finalizers(obj)
        if (version := meta.get("resourceVersion")) and not gone:
            shown = self._informer.get(key := key_of(obj))
            if shown is None or int(shown["metadata"]["resourceVersion"]) < int(version):
                self._noted[key] = (int(version), self._clock.monotonic())
        return obj

    def behind(self, key: str) -> bool:
        """Whether the cache still lacks something written through here."""
        noted = self._noted.get(key)
        if noted is None:
            return False
        version, since = noted
        shown = self._informer.get(key)
        caught_up = shown is not None and int(shown["metadata"]["resourceVersion"]) >= version
        if caught_up or self._clock.monotonic() - since > _PATIENCE:
            del self._noted[key]
            return False
        return True

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._noted.pop(key_of(old), None)
