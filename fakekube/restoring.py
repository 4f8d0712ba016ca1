"""A store led to another state by ordinary writes: what is too much goes, what is missing or different comes.

Watches see it happen, versions go on rising, and actors find a world that has changed: nothing has to be started anew.
Finalizers, admission and validation are not asked: the state has been true once.
"""

from collections.abc import Iterable, Mapping

import orjson

from fakekube.api.apiserver import ApiServer
from fakekube.api.registry import codec
from fakekube.api.registry.strategy import ServedResource
from fakekube.clock import rfc3339
from fakekube.machinery.objects import dig
from fakekube.store.interface import Entry

_NODES = "/registry/nodes/"
_HEARTBEAT = "kubevirt.io/heartbeat"
_DEFINITIONS = "/registry/customresourcedefinitions/"


class CannotReset(Exception):
    """There is no beginning to go back to; the text names the way out."""


async def restore(api: ApiServer, wanted: Iterable[Entry]) -> int:
    """Make the store hold exactly these entries; how many writes that took. Definitions come first and go last."""
    store = api.store
    present = {one.key: one for one in (await store.list("")).entries}
    now = rfc3339(api.clock.now())
    target = {one.key: _alive(one, present.get(one.key), now) for one in wanted}
    changed = [one for key, one in target.items() if key not in present or present[key].value != one.value]
    gone = [one for key, one in present.items() if key not in target]
    followed = {one.prefix: one for one in api.catalog.stored() if one.prefix in api.registry.committed}
    for one in sorted(changed, key=lambda entry: not entry.key.startswith(_DEFINITIONS)):
        known = present.get(one.key)
        if known is None:
            await store.create(one.key, one.value)
        else:
            await store.update(one.key, one.value, known.modified)
        await _follow(api, followed, one, deleted=False)
    for one in sorted(gone, key=lambda entry: entry.key.startswith(_DEFINITIONS)):
        await store.delete(one.key)
        await _follow(api, followed, one, deleted=True)
    return len(changed) + len(gone)


def _alive(wanted: Entry, present: Entry | None, now: str) -> Entry:
    """A node's heartbeat is of today, whatever else of it is not: or else everybody would find it dead."""
    if not wanted.key.startswith(_NODES):
        return wanted
    node = orjson.loads(wanted.value)
    alive = orjson.loads(present.value) if present is not None else {}
    beats = {
        one["type"]: one.get("lastHeartbeatTime") for one in dig(alive, "status", "conditions", default=())
    }
    for one in dig(node, "status", "conditions", default=()):
        if "lastHeartbeatTime" in one:
            one["lastHeartbeatTime"] = beats.get(one["type"]) or now
    marks = node["metadata"].get("annotations") or {}
    if _HEARTBEAT in marks:
        marks[_HEARTBEAT] = dig(alive, "metadata", "annotations", _HEARTBEAT) or now
    return Entry(wanted.key, orjson.dumps(node), wanted.created, wanted.modified)


async def _follow(
    api: ApiServer, followed: Mapping[str, ServedResource], entry: Entry, *, deleted: bool
) -> None:
    """Tell whoever follows writes to this kind of object: definitions, webhooks, policies, roles, quotas."""
    for prefix in _prefixes(entry.key):
        follow = api.registry.committed.get(prefix)
        if follow is not None and prefix in followed:
            resource = followed[prefix]
            await follow(resource, codec.decode(resource, entry), deleted)


def _prefixes(key: str) -> tuple[str, str]:
    """What the prefix of a key's resource may be: keys end in `namespace/name`, or in `name`."""
    head = key.rpartition("/")[0]
    return f"{head}/", f"{head.rpartition('/')[0]}/"
