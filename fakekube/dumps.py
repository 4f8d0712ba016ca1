"""A real cluster's objects as the beginning of ours: the output of `kubectl get -o yaml`, or a must-gather folder.

They are put into the store as they are, with uids, owners, statuses and times; nothing is orphaned, restarted or defaulted
anew. What lies in a must-gather besides objects (logs, notes) is passed over.
"""

from collections.abc import Iterable
from pathlib import Path

from fakekube import apply_files
from fakekube.api.apiserver import ApiServer
from fakekube.api.registry import codec
from fakekube.clock import rfc3339
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.resources import split_api_version
from fakekube.machinery.wire import Object
from fakekube.snapshot import BadSnapshot


def read(path: str) -> list[Object]:
    """All objects of a file, or of a folder and the folders in it. Raises ManifestError."""
    found = apply_files.read_tree(path) if Path(path).is_dir() else apply_files.read([path])
    return [one.object for one in found]


async def take_over(api: ApiServer, found: Iterable[Object]) -> int:
    """Put objects of a real cluster (`kubectl get -o yaml`) into a server as they are: uids, owners, statuses, times.

    No admission, no validation, no defaults: they have been through all that. Definitions and namespaces come first,
    namespaces nobody mentions are made. How many there were. Raises BadSnapshot.
    """
    objs = [copy_of(one) for one in found]
    await api.preload_crds([one for one in objs if one.get("kind") == "CustomResourceDefinition"])
    rest = [one for one in objs if one.get("kind") not in ("CustomResourceDefinition", "Namespace")]
    spaces = {objects.name(one): one for one in objs if one.get("kind") == "Namespace"}
    for name in sorted({objects.namespace(one) for one in rest} - {""} - spaces.keys()):
        if await api.store.get(f"/registry/namespaces/{name}") is None:
            spaces[name] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, **_ACTIVE}
    for one in (*spaces.values(), *rest):
        await _put(api, one)
    return len(objs)


async def _put(api: ApiServer, obj: Object) -> None:
    group, version = split_api_version(str(obj.get("apiVersion")))
    resource = api.catalog.by_kind(group, version, str(obj.get("kind")))
    if resource is None:
        raise BadSnapshot(
            f"{obj.get('kind')} {objects.key(obj)}: the cluster serves no {obj.get('apiVersion')} {obj.get('kind')}; "
            "put its CustomResourceDefinition into the dump, or start the actors that bring it"
        )
    meta = obj["metadata"]
    meta.setdefault("uid", api.ids.uid())
    meta.setdefault("creationTimestamp", rfc3339(api.clock.now()))
    if resource.namespaced:
        meta.setdefault("namespace", "default")
    else:
        meta.pop("namespace", None)
    key = resource.key(objects.namespace(obj), objects.name(obj))
    known = await api.store.get(key)
    value = codec.encode(resource, obj)
    if known is None:
        await api.store.create(key, value)
    else:
        await api.store.update(key, value, known.modified)
    follow = api.registry.committed.get(resource.prefix)
    if follow is not None:
        await follow(resource, obj, False)


_ACTIVE = {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
