"""Writing the objects of one resource, and knowing whether the cache has seen it: a pass over an older state would only
repeat work and earn conflicts.

Every write is noted with the resourceVersion it got. Until the cache shows that version or a later one, passes over the
key are skipped: the event that brings the cache up to date wakes the key again. (Comparing versions of one resource
as numbers is what k8s: staging/src/k8s.io/apimachinery/pkg/util/resourceversion does.)
"""

from typing import Any

from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.objects import finalizers, is_terminating, name, namespace
from fakekube.machinery.objects import key as key_of
from fakekube.machinery.wire import Object

_PATIENCE = 60.0  # a relist may have skipped what we wait for


class Writer:
    """See the module text. For one resource, whose cache is `informer`."""

    def __init__(self, client: Client, informer: Informer, clock: Clock) -> None:
        self._client = client
        self._resource = informer.resource
        self._informer = informer
        self._clock = clock
        self._noted: dict[str, tuple[int, float]] = {}
        informer.on_change(self._changed)

    async def create(self, obj: Object) -> Object:
        return self.note(await self._client.create(self._resource, obj))

    async def update(self, obj: Object, *, subresource: str | None = None) -> Object:
        return self.note(await self._client.update(self._resource, obj, subresource=subresource))

    async def patch(
        self, obj: Object, operations: list[dict[str, Any]], *, subresource: str | None = None
    ) -> Object:
        """A JSON patch of the object that was seen."""
        return self.note(
            await self._client.patch(
                self._resource, name(obj), namespace(obj), operations, type="json", subresource=subresource
            )
        )

    async def adopt(self, orphan: Object, owner: Object) -> Object:
        """Make the object, and no later one of its name, belong to an owner."""
        meta = {"ownerReferences": [owner], "uid": orphan["metadata"]["uid"]}
        patch = {"metadata": meta}
        return self.note(
            await self._client.patch(self._resource, name(orphan), namespace(orphan), patch, type="merge")
        )

    def note(self, obj: Object) -> Object:
        """Remember what a write answered, and hand it on. What is gone with the write is not waited for."""
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
