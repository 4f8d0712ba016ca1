"""A whole cluster in a file: what is in the store, the moment, and how to go on from it. Objects, not processes: actors
begin anew, as after a restart.

    {"fakekube": 1, "revision": 512, "time": "2026-01-01T00:10:00Z", "kubernetes": "v1.36.0"}
    {"key": "/registry/pods/default/a", "created": 311, "modified": 498, "value": {…}}
    …

Lines of JSON, one object each: made to be read, compared and kept under version control. What happened before the
snapshot is not part of it: watches from then get 410.
"""

import gzip
from collections.abc import Iterable
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

import orjson

from fakekube.api.apiserver import ApiServer
from fakekube.api.registry import codec
from fakekube.clock import parse_rfc3339, rfc3339, rfc3339_micro
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.resources import split_api_version
from fakekube.machinery.wire import Object
from fakekube.store.interface import Entry, Store
from fakekube.store.memory import MemoryStore

VERSION = 1
_MAGIC = b"\x1f\x8b"


class BadSnapshot(ValueError):
    """A file that is no snapshot of ours; the text says what to do."""


async def dump(store: Store, now: datetime) -> bytes:
    """Everything the store holds, as lines."""
    page = await store.list("")
    head = {"fakekube": VERSION, "revision": page.revision, "time": rfc3339_micro(now)}
    lines = [orjson.dumps(head)]
    lines += [_line(entry) for entry in page.entries]
    return b"\n".join(lines) + b"\n"


def parse(data: bytes, where: str = "the snapshot") -> tuple[MemoryStore, datetime]:
    """A store with what the lines say, and the moment they were taken. Raises BadSnapshot."""
    lines = data.split(b"\n")
    head = _head(lines[0], where)
    entries = [_entry(line, f"{where}:{number}") for number, line in enumerate(lines[1:], 2) if line.strip()]
    return MemoryStore.of(entries, int(head["revision"])), parse_rfc3339(head["time"])


def write(path: str | PathLike[str], data: bytes) -> None:
    """To a file, which is compressed when its name ends in `.gz`."""
    file = Path(path)
    file.write_bytes(gzip.compress(data, 6, mtime=0) if file.suffix == ".gz" else data)


def read(path: str | PathLike[str]) -> bytes:
    """The lines of a file. Raises BadSnapshot."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise BadSnapshot(f"{path}: {error.strerror}") from error
    return gzip.decompress(data) if data.startswith(_MAGIC) else data


def _line(entry: Entry) -> bytes:
    head = orjson.dumps({"key": entry.key, "created": entry.created, "modified": entry.modified})
    return b'%b,"value":%b}' % (head[:-1], entry.value)


def _head(line: bytes, where: str) -> dict[str, Any]:
    try:
        head = orjson.loads(line)
    except orjson.JSONDecodeError:
        head = None
    if not isinstance(head, dict) or "fakekube" not in head:
        raise BadSnapshot(
            f"{where} is no snapshot of fakekube; manifests and `kubectl get -o yaml` are for apply"
        )
    if head["fakekube"] != VERSION:
        raise BadSnapshot(
            f"{where} was written in format {head['fakekube']}, and this fakekube reads {VERSION}; "
            "load it with the version that wrote it, and take it over with `kubectl get -o yaml`"
        )
    return head


def _entry(line: bytes, where: str) -> Entry:
    try:
        one = orjson.loads(line)
        value = line[line.index(b'"value":') + 8 : line.rindex(b"}")]
        return Entry(one["key"], value, one["created"], one["modified"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadSnapshot(f"{where}: damaged: {error}") from error


# --- dumps of real clusters ------------------------------------------------------------------------------------


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
    if not resource.namespaced:
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
