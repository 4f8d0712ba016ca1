"""Objects ↔ bytes, and bytes → answers without decoding.

A stored value is JSON that begins with `{"apiVersion":"…","kind":"…","metadata":{"resourceVersion":"` and nothing after it: the
version is known only once the store has committed. Reads put a head for the asked-for API version in front, then the
entry's revision, then the rest of the value as it lies in the store.

    stored  {"apiVersion":"v1","kind":"Pod","metadata":{"resourceVersion":"        ","name":"a",…
    GET     {"apiVersion":"v1","kind":"Pod","metadata":{"resourceVersion":"   42   ","name":"a",…
    LIST                                   {"metadata":{"resourceVersion":"   42   ","name":"a",…
"""

import json
from collections.abc import Mapping

import orjson

from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery.copying import kept_json
from fakekube.machinery.wire import Object
from fakekube.store.interface import Entry

_MARK = b'"resourceVersion":"'
_NO_VERSION = {"resourceVersion": ""}
_NOTHING: Mapping[str, str] = {}
_METADATA = json.JSONDecoder()  # reads one value and leaves the rest alone, which orjson cannot


class Memo:
    """What readers would derive again, kept beside an entry.

    `labels` and `fields` are what selectors look at; `fields` is None until a field selector asks: few ever do. `written`
    is the object as `resource`'s writer left it, for some of the entries: see `kept`.
    """

    __slots__ = ("fields", "labels", "resource", "size", "written")

    def __init__(self, labels: Mapping[str, str], fields: Mapping[str, str] | None = None) -> None:
        self.labels = labels
        self.fields = fields
        self.resource: ServedResource | None = None
        self.written: Object | None = None
        self.size = 0


_UNLABELLED = Memo(_NOTHING)
ITEM_HEAD = b'{"metadata":{"resourceVersion":"'  # built-in lists carry no type on their items


def encode(resource: ServedResource, obj: Object) -> bytes:
    """The stored form of an object given in `resource`'s version."""
    if resource.to_storage is not None:
        obj = resource.to_storage(obj)
    version = resource.storage_api_version if resource.conversion is None else resource.api_version
    return dump(version, resource.kind, obj)


def dump(api_version: str, kind: str, obj: Object) -> bytes:
    """The bytes of an object that is in its stored form already."""
    head = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {**_NO_VERSION, **obj["metadata"], **_NO_VERSION},
    }
    return kept_json({**head, **obj, **head})


def decode(resource: ServedResource, entry: Entry) -> Object:
    """A fresh object in `resource`'s version, with its resourceVersion."""
    obj: Object = orjson.loads(entry.value)
    if resource.from_storage is not None:
        obj = resource.from_storage(obj)
    obj["apiVersion"] = resource.api_version
    obj["kind"] = resource.kind
    obj["metadata"]["resourceVersion"] = str(entry.modified)
    return obj


def decode_metadata(resource: ServedResource, entry: Entry) -> Object:
    """The object without anything but its type and metadata: what a CRD of 100 kB is usually asked for."""
    value = entry.value
    text = value[value.index(_MARK) - 1 :].decode()
    meta, _ = _METADATA.raw_decode(text)
    meta["resourceVersion"] = str(entry.modified)
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta}


def serve(resource: ServedResource, entry: Entry, revision: int | None = None) -> bytes:
    """The object as a GET shows it; `revision` overrides the version shown (a deletion's)."""
    version = b"%d" % (entry.modified if revision is None else revision)
    if resource.from_storage is not None:
        obj = decode(resource, entry)
        obj["metadata"]["resourceVersion"] = version.decode()
        return orjson.dumps(obj)
    value = entry.value
    return resource.head + version + value[value.index(_MARK) + 19 :]


def item(resource: ServedResource, entry: Entry) -> bytes:
    """The object as an item of a LIST."""
    if resource.custom:
        return serve(resource, entry)
    if resource.from_storage is not None:
        obj = decode(resource, entry)
        del obj["apiVersion"], obj["kind"]
        return orjson.dumps(obj)
    value = entry.value
    return ITEM_HEAD + b"%d" % entry.modified + value[value.index(_MARK) + 19 :]


def memo_of(obj: Object) -> Memo:
    """What label selectors need of an object at hand. Of all that have no labels, Events above all, it is the same."""
    labels = obj["metadata"].get("labels")
    return Memo(labels) if labels else _UNLABELLED


def stored(resource: ServedResource, entry: Entry) -> Object:
    """The object to be updated. Where updates may share its parts, it may share them with everybody else's view of it."""
    if not resource.strategy.shares_parts:
        return decode(resource, entry)
    obj = _known(resource, entry)
    obj["metadata"] = {**obj["metadata"], "resourceVersion": str(entry.modified)}
    return obj


def _known(resource: ServedResource, entry: Entry) -> Object:
    """The object as it was written if it is at hand, else decoded; on no account to be changed below its members."""
    known = entry.memo
    if known is None or known.resource is not resource or known.written is None:
        return decode(resource, entry)
    return {**known.written, "apiVersion": resource.api_version, "kind": resource.kind}


def shared(resource: ServedResource, entry: Entry, revision: int) -> Object:
    """The object at this version for readers that change nothing, without managedFields."""
    obj = _known(resource, entry)
    # Not copied and then taken out: the dict would keep the room.
    obj["metadata"] = {name: one for name, one in obj["metadata"].items() if name != "managedFields"}
    obj["metadata"]["resourceVersion"] = str(revision)
    return obj


def memo(resource: ServedResource, entry: Entry) -> Memo:
    """What selectors know of an entry, remembered."""
    known = entry.memo
    if known is None:
        known = entry.memo = memo_of(decode(resource, entry))
    return known  # type: ignore[no-any-return]


def fields(resource: ServedResource, entry: Entry) -> Mapping[str, str]:
    """What field selectors may ask of an entry, read once when first asked."""
    known = memo(resource, entry)
    if known.fields is None:
        if known is _UNLABELLED:
            known = entry.memo = Memo(_NOTHING)
        obj = decode(resource, entry)
        known.fields = {name: getter(obj) for name, getter in resource.strategy.selectable.items()}
    return known.fields
