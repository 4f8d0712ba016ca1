"""Who belongs to a controller: those it owns and still selects, and orphans it selects, which it adopts.

What it owns and no longer selects it lets go. Nothing is adopted by whoever is being deleted.
Upstream: k8s: pkg/controller/controller_ref_manager.go
"""

from collections.abc import Callable, Iterable

from msgspec import Struct

from fakekube.agents.workloads.caches import ORPHANS, OWNER
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.machinery import objects, selectors
from fakekube.machinery.errors import Conflict, Invalid, NotFound
from fakekube.machinery.resources import Resource
from fakekube.machinery.selectors import Selector
from fakekube.machinery.wire import Object


class Claims(Struct, frozen=True):
    """What a look at the cache says: who is ours, who could be, who is no more."""

    owned: list[Object]
    adopt: list[Object]
    release: list[Object]


def sort_out(owner: Object, selector: Selector, owned: Iterable[Object], orphans: Iterable[Object]) -> Claims:
    """Pure."""
    claims = Claims([], [], [])
    for obj in owned:
        if selector.matches(objects.labels(obj)) or objects.is_terminating(owner):
            claims.owned.append(obj)
        else:
            claims.release.append(obj)
    if not objects.is_terminating(owner):
        claims.adopt.extend(
            obj
            for obj in orphans
            if selector.matches(objects.labels(obj)) and not objects.is_terminating(obj)
        )
    return claims


def selector_of(owner: Object) -> Selector:
    """The owner's selector: an object, or with ReplicationControllers a plain map. One that cannot be read selects nothing."""
    given = owner["spec"].get("selector")
    if owner["kind"] == "ReplicationController":
        given = {"matchLabels": given} if given else None
    try:
        return selectors.from_object(given)
    except selectors.SelectorError:
        return selectors.NOTHING


async def claim(
    client: Client,
    owner: Object,
    owner_resource: Resource,
    cache: Informer,
    *,
    suits: Callable[[Object], bool] = lambda _obj: True,
    finalizer: str = "",
) -> list[Object]:
    """The objects in `cache` that are the owner's, after adopting and letting go. `finalizer` comes and goes with that."""
    found = sort_out(
        owner,
        selector_of(owner),
        cache.by_index(OWNER, objects.uid(owner)),
        [obj for obj in cache.by_index(ORPHANS, objects.namespace(owner)) if suits(obj)],
    )
    mine = found.owned
    for obj in found.release:
        await _patch(client, cache.resource, obj, _released(obj, owner, finalizer))
    if found.adopt and await _still_there(client, owner, owner_resource):
        for obj in found.adopt:
            meta = {"ownerReferences": [objects.owner_reference(owner)], "uid": objects.uid(obj)}
            if finalizer:
                meta["finalizers"] = [finalizer]
            adopted = await _patch(client, cache.resource, obj, {"metadata": meta})
            if adopted is not None:
                mine.append(adopted)
    return mine


def _released(obj: Object, owner: Object, finalizer: str) -> Object:
    meta: Object = {
        "uid": objects.uid(obj),
        "ownerReferences": [{"$patch": "delete", "uid": objects.uid(owner)}],
    }
    if finalizer:
        meta["$deleteFromPrimitiveList/finalizers"] = [finalizer]
    return {"metadata": meta}


async def _patch(client: Client, resource: Resource, obj: Object, patch: Object) -> Object | None:
    """The patched object; None where it has gone, or has found another owner, meanwhile."""
    try:
        return await client.patch(
            resource, objects.name(obj), objects.namespace(obj), patch, type="strategic"
        )
    except (NotFound, Invalid, Conflict):
        return None


async def _still_there(client: Client, owner: Object, resource: Resource) -> bool:
    """Asked of the API, not of the cache: whoever is going must adopt nothing."""
    fresh = await client.find(resource, objects.name(owner), objects.namespace(owner))
    return (
        fresh is not None and objects.uid(fresh) == objects.uid(owner) and not objects.is_terminating(fresh)
    )
