"""One object in two versions of its resource: what a webhook that asked for another version is shown, and the way back."""

from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery.copying import copy_of
from fakekube.machinery.wire import Object


async def in_version(obj: Object, given: ServedResource, wanted: ServedResource) -> Object:
    """`obj`, which is in `given`'s version, in `wanted`'s: by way of the stored one. The same object where they are one."""
    if given is wanted:
        return obj
    if given.conversion is not None:
        return await given.conversion.show(obj, wanted)
    stored = given.to_storage(obj) if given.to_storage is not None else copy_of(obj)
    shown = wanted.from_storage(copy_of(stored)) if wanted.from_storage is not None else stored
    return {**shown, "apiVersion": wanted.api_version, "kind": wanted.kind}


def kind_in(
    kind: tuple[str, str, str] | None, wanted: ServedResource, subresource: str
) -> tuple[str, str, str]:
    """(group, version, kind) of what is written, in `wanted`'s version; a subresource may have a kind of its own."""
    if kind is not None:
        return kind
    for one in wanted.subresources:
        if one.name == subresource and one.kind != wanted.kind:
            return one.group or wanted.group, one.version or wanted.version, one.kind
    return wanted.group, wanted.version, wanted.kind
