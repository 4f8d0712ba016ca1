"""Objects as they were written last, kept beside their bytes: watches tell of them, and most are soon written again.

Only kinds whose updates may share parts are kept. What is equal in them is one: a thousand machines of a pool differ in
little, and caches hold most of what they are made of anyway.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from fakekube.api.registry.codec import Memo, memo_of
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery.interning import Parts
from fakekube.machinery.wire import Object
from fakekube.store.interface import Entry

_MOST_BYTES = 32 << 20  # of JSON: a thousand machines have room while they come up
_UNSEEN = 128  # states that watchers may not have seen yet when the next is there

_OF_METADATA = (
    "annotations",
    "creationTimestamp",
    "finalizers",
    "labels",
    "name",
    "namespace",
    "ownerReferences",
    "uid",
)
_OWN_FIELDS = ("f:metadata", "f:status")
_NOTHING: Mapping[str, Any] = MappingProxyType({})

_parts = Parts(4_096)
_owned = Parts(512)  # sets of fields: a thousand machines have a dozen of them


class Kept:
    """One server's. A new state takes the place of the one before, which is kept until its watchers have had the time to see it."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        # In the order in which they were written: the first of a plain dict is slow to find when many before it have gone.
        self._kept: OrderedDict[Memo, None] = OrderedDict()
        self._size = 0
        self._past: deque[Memo] = deque()

    def memo(
        self, resource: ServedResource, obj: Object, value: bytes, previous: Entry | None = None
    ) -> Memo:
        """What to keep beside `value`, the bytes of an object that nobody changes any more, in place of `previous`."""
        stored_as_is = (
            resource.to_storage is None and resource.from_storage is None and resource.conversion is None
        )
        if not stored_as_is or not resource.strategy.shares_parts:
            return memo_of(obj)
        before = None if previous is None else previous.memo
        _share(obj, None if before is None else before.written)
        made = Memo(obj["metadata"].get("labels") or {})
        made.resource, made.written = resource, obj
        self._keep(made, len(value), before)
        return made

    def forget(self, entry: Entry) -> None:
        """The object has gone: nobody will write it again, only watchers have yet to see its end."""
        if entry.memo is not None:
            self._retire(entry.memo)

    def _keep(self, memo: Memo, size: int, before: Memo | None) -> None:
        if before is not None:
            self._retire(before)
        memo.size = size
        self._kept[memo] = None
        self._size += size
        while self._size > self._most_bytes:
            oldest, _ = self._kept.popitem(last=False)
            self._size -= oldest.size
            oldest.written = None

    def _retire(self, memo: Memo) -> None:
        if memo not in self._kept:
            return
        del self._kept[memo]
        self._size -= memo.size
        self._past.append(memo)
        if len(self._past) > _UNSEEN:
            self._past.popleft().written = None


def _share(obj: Object, before: Object | None) -> None:
    """Let an object be of parts that other objects have, too. What it has from the state before is of such parts already."""
    for member in ("spec", "status"):
        part = obj.get(member)
        known = None if before is None else before.get(member)
        if part and known is not part:
            obj[member] = _parts.shared(part, known)
    meta = obj["metadata"]
    earlier: Object = {} if before is None else before["metadata"]
    share_metadata(meta, earlier)
    owners = earlier.get("managedFields") or ()
    seen = {id(one) for one in owners}
    for entry in meta.get("managedFields") or ():
        if id(entry) not in seen:
            entry["fieldsV1"] = _fields_shared(entry["fieldsV1"], _owned_before(entry, owners))


def _owned_before(entry: Object, owners: Iterable[Object]) -> Object:
    """What the owner of this entry had before."""
    for one in owners:
        if one.get("manager") == entry.get("manager") and one.get("subresource") == entry.get("subresource"):
            fields: Object = one["fieldsV1"]
            return fields
    return {}


def share_metadata(meta: Object, earlier: Mapping[str, Any] = _NOTHING) -> None:
    """Let an object's metadata, all but the sets of fields, be of parts that others have, too: those of the state before first."""
    for member in _OF_METADATA:
        part = meta.get(member)
        if part and part is not (known := earlier.get(member)):
            meta[member] = known if known == part else _parts.shared(part)


def _fields_shared(fields: Object, before: Object) -> Object:
    """A set of fields made of parts that others have; among them are owners' uids and pods' addresses, which nobody else has."""
    made = {}
    for name, child in fields.items():
        known = before.get(name)
        if child is known:
            made[name] = child
        elif name in _OWN_FIELDS:
            has = (known or {}).get
            made[name] = {
                _parts.shared(own): one if one is has(own) else _owned.whole(one)
                for own, one in child.items()
            }
        else:
            made[name] = _owned.whole(child)
    return made
