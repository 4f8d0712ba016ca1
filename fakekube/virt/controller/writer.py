"""Writing the objects of one resource, and knowing whether the cache has seen it (`client.freshness`)."""

from typing import Any

from fakekube.client.client import Client
from fakekube.client.freshness import Freshness
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.objects import annotations, key, name, namespace
from fakekube.machinery.wire import Object
from fakekube.virt.controller import names


class Writer(Freshness):
    """See the module text. For one resource, whose cache is `informer`."""

    def __init__(self, client: Client, informer: Informer, clock: Clock) -> None:
        super().__init__(informer, clock)
        self._client = client

    async def create(self, obj: Object) -> Object:
        return self.wrote(await self._client.create(self.resource, obj))

    async def update(self, obj: Object, *, subresource: str | None = None) -> Object:
        return self.wrote(await self._client.update(self.resource, obj, subresource=subresource))

    async def patch(
        self, obj: Object, operations: list[dict[str, Any]], *, subresource: str | None = None
    ) -> Object:
        """A JSON patch of the object that was seen."""
        return self.wrote(
            await self._client.patch(
                self.resource, name(obj), namespace(obj), operations, type="json", subresource=subresource
            )
        )

    async def mark(self, obj: Object) -> Object:
        """The object with the annotations by which a virt-controller says that it has seen it."""
        marks = {**annotations(obj), **names.OBSERVED_VERSIONS}
        if marks == annotations(obj):
            return obj
        return await self.update({**obj, "metadata": {**obj["metadata"], "annotations": marks}})

    async def adopt(self, orphan: Object, owner: Object) -> Object:
        """Make the object, and no later one of its name, belong to an owner."""
        meta = {"ownerReferences": [owner], "uid": orphan["metadata"]["uid"]}
        patch = {"metadata": meta}
        return self.wrote(
            await self._client.patch(self.resource, name(orphan), namespace(orphan), patch, type="merge")
        )

    async def release(self, owned: Object) -> Object:
        """Let the object belong to nobody."""
        patch: Object = {"metadata": {"ownerReferences": []}}
        return self.wrote(
            await self._client.patch(self.resource, name(owned), namespace(owned), patch, type="merge")
        )


class Awaited:
    """Objects that were written for others, by whom they are for: they wait until the cache shows what was written last."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._keys: dict[str, str] = {}

    def put(self, own: str, obj: Object) -> None:
        self._keys[own] = key(obj)

    def get(self, own: str) -> str:
        """The key of what `own` waits for, or empty."""
        awaited = self._keys.get(own)
        if awaited is None:
            return ""
        if self._writer.behind(awaited):
            return awaited
        del self._keys[own]
        return ""

    def forget(self, own: str) -> None:
        self._keys.pop(own, None)
