"""Watch events decoded once for all caches of a process.

Several informers of one process follow the same resource, and the server sends them the very same lines. Their objects
are shared and read-only by contract, so the second informer may as well have the first one's: less work, less memory,
and fewer objects for the garbage collector to visit.

Caches hold no managedFields: a third of most objects, of no interest to any controller, and kept by the server when an
update leaves them out. (Upstream's components drop them likewise: k8s: client-go tools/cache, TransformFunc.)
"""

from typing import Any

import orjson

_LIMIT = 256  # caches of one resource wake together and read batches of this size; a decoded pod takes 50 kB

_young: dict[bytes, Any] = {}
_old: dict[bytes, Any] = {}


def without_managed_fields(obj: Any) -> None:
    """Drop them, in place."""
    if obj is not None and (meta := obj.get("metadata")):
        meta.pop("managedFields", None)


def event(line: bytes) -> Any:
    """The decoded line; equal lines seen lately give the same object. For readers that change nothing."""
    global _young, _old  # one cache for the process is the point
    found = _young.get(line)
    if found is None:
        found = _old.get(line)
        if found is None:
            found = orjson.loads(line)
            without_managed_fields(found.get("object"))
        if len(_young) >= _LIMIT:
            _old, _young = _young, {}
        _young[line] = found
    return found
