"""Conditional requests: every write says what it believes to change, and looks again when that was wrong.

A uid, a version or the replaced list goes with each write, so acting on stale knowledge is refused instead of harming.
When it was refused the object is read anew, and the write either still makes sense or is over. Whatever the server
answers is remembered in `own_writes`, laid over the caches until they show it.
"""

from collections.abc import Callable

from msgspec import Struct

from controller.own_writes import OwnWrites
from controller.patches import Change
from fakekube.client.client import Client
from fakekube.machinery import objects
from fakekube.machinery.errors import ApiError, Conflict, Invalid, NotFound
from fakekube.machinery.resources import Resource
from fakekube.machinery.wire import Object

FIELD_MANAGER = "virt-controller"
LOOKS = 5  # how often an object is looked at anew before the error counts


class Behind(Conflict):
    """The snapshot was older than the cluster. Nothing is wrong; the next look will be better."""


class Requests(Struct):
    """The writes of one pool's controller. Methods that return an object return None when it does not exist any more."""

    client: Client
    own: OwnWrites
    pool: str  # its key

    async def create(self, resource: Resource, obj: Object) -> Object:
        answer = await self.client.create(resource, obj, field_manager=FIELD_MANAGER)
        self.own.wrote(self.pool, resource, obj, answer)
        return answer

    async def look(self, resource: Resource, obj: Object) -> Object | None:
        """The object as it is now; one that has its name but another uid is not it."""
        live = await self.client.find(resource, objects.name(obj), objects.namespace(obj))
        if live is None:
            self.own.gone(self.pool, resource, obj)
            return None
        self.own.wrote(self.pool, resource, obj, live)
        return live if objects.uid(obj) in ("", objects.uid(live)) else None

    async def patch(self, resource: Resource, obj: Object, change: Change) -> Object | None:
        """Apply what `change` says until it is applied or not needed any more."""
        current: Object | None = obj
        error: ApiError | None = None
        for _ in range(LOOKS):
            if current is None:
                return None
            patch = change(current)
            if patch is None:
                return current
            guard = {"op": "test", "path": "/metadata/uid", "value": objects.uid(obj)}
            try:
                answer = await self.client.patch(
                    resource,
                    objects.name(obj),
                    objects.namespace(obj),
                    [guard, *patch],
                    type="json",
                    field_manager=FIELD_MANAGER,
                )
            except NotFound:
                self.own.gone(self.pool, resource, obj)
                return None
            except (Conflict, Invalid) as refusal:
                error = refusal
                current = await self.look(resource, obj)
            else:
                return self.own.wrote(self.pool, resource, current, answer)
        raise error or Behind(f"{objects.key(obj)} keeps changing")

    async def update(
        self, resource: Resource, obj: Object, change: Callable[[Object], Object | None]
    ) -> Object | None:
        """Replace the object by what `change` makes of it, or leave it when `change` does not want it any more."""
        current: Object | None = obj
        error: ApiError | None = None
        for _ in range(LOOKS):
            new = change(current) if current is not None else None
            if current is None or new is None:
                return None
            try:
                answer = await self.client.update(resource, new, field_manager=FIELD_MANAGER)
            except NotFound:
                self.own.gone(self.pool, resource, obj)
                return None
            except Conflict as refusal:
                error = refusal
                current = await self.look(resource, obj)
            else:
                return self.own.wrote(self.pool, resource, current, answer)
        raise error or Behind(f"{objects.key(obj)} keeps changing")

    async def delete(
        self,
        resource: Resource,
        obj: Object,
        still: Callable[[Object], bool] | None = None,
        *,
        propagation: str | None = None,
    ) -> tuple[Object | None, bool]:
        """Delete exactly this object, by uid. The object as it is now, and whether it was this request that deleted it.

        With `still`, exactly this state of it: when it has changed, `still` says whether deleting it remains right.
        """
        current: Object | None = obj
        error: ApiError | None = None
        for _ in range(LOOKS):
            if current is None:
                return None, False
            try:
                answer = await self.client.delete(
                    resource,
                    objects.name(obj),
                    objects.namespace(obj),
                    propagation=propagation,
                    uid=objects.uid(obj),
                    resource_version=objects.resource_version(current) if still else None,
                )
            except NotFound:
                self.own.gone(self.pool, resource, obj)
                return None, False
            except Conflict as refusal:
                error = refusal
                current = await self.look(resource, obj)
                if current is not None and (
                    objects.is_terminating(current) or not (still and still(current))
                ):
                    return current, False
            else:
                return self.own.wrote(self.pool, resource, current, answer), True
        raise error or Behind(f"{objects.key(obj)} keeps changing")

    async def update_status(self, resource: Resource, obj: Object, status: Object) -> Object:
        """Write the status of exactly this state of the object. Raises Behind when there is a newer one."""
        try:
            answer = await self.client.update(
                resource, {**obj, "status": status}, subresource="status", field_manager=FIELD_MANAGER
            )
        except Conflict as refusal:
            await self.look(resource, obj)
            raise Behind(refusal.message) from refusal
        self.own.wrote(self.pool, resource, obj, answer)
        return answer
