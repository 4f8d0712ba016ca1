"""What has happened to objects, read from the store's own log: nothing is recorded for it."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct, field

from fakekube.api.registry import codec
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery import objects
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object
from fakekube.store.interface import Event, Progress, Store


async def writes(store: Store, prefix: str, after: int = 0) -> list[Event]:
    """The remembered writes under a prefix after a revision, oldest first."""
    found: list[Event] = []
    watch = store.watch(prefix, max(after, store.oldest))
    async for batch in watch:
        if isinstance(batch, Progress):
            break
        found += batch
    await watch.aclose()
    return found


async def states(store: Store, resource: ServedResource, key: str) -> list[Object | None]:
    """Every remembered state of one object; None where it was gone."""
    found: list[Object | None] = []
    for event in await writes(store, key):
        if event.key != key:
            continue
        if not found and event.previous is not None:
            found.append(codec.decode(resource, event.previous))
        found.append(codec.decode(resource, event.entry) if event.entry is not None else None)
    if not found and (entry := await store.get(key)) is not None:
        found.append(codec.decode(resource, entry))
    return found


class Change(Struct, frozen=True):
    """One line about one write."""

    revision: int
    text: str


class _Told(Struct):
    """What has been said about an object, so that it is not said again."""

    values: dict[str, str] = field(default_factory=dict)


async def changes(store: Store, catalog: Catalog, after: int = 0) -> list[Change]:
    """What people want to know of the writes after a revision: Events, conditions, phases, deletions. Oldest first."""
    by_prefix = {one.prefix: one for one in catalog.stored()}
    told: dict[str, _Told] = {}
    found: list[Change] = []
    for event in await writes(store, "/registry/", after):
        resource = _resource(by_prefix, event.key)
        if resource is not None:
            found += (Change(event.revision, line) for line in _lines(resource, event, told))
    return found


def _resource(by_prefix: dict[str, ServedResource], key: str) -> ServedResource | None:
    """The resource with the longest prefix of the key: `/registry/pods/`, or `/registry/<group>/<plural>/`."""
    parts = key.split("/", 4)
    return by_prefix.get("/".join(parts[:4]) + "/") or by_prefix.get("/".join(parts[:3]) + "/")


def _lines(resource: ServedResource, event: Event, told: dict[str, _Told]) -> Iterator[str]:
    if event.entry is None:
        if resource.plural != "events":
            yield f"{resource.kind} {_title(event.key, resource)} is gone"
        return
    obj = codec.decode(resource, event.entry)
    if resource.kind == "Event":
        about = obj.get("involvedObject") or obj.get("regarding") or {}
        times = f" (x{obj['count']})" if (obj.get("count") or 1) > 1 else ""
        said = obj.get("message") or obj.get("note") or ""
        yield f"{about.get('kind')} {about.get('name')}: {obj.get('type')} {obj.get('reason')}: {said}{times}"
        return
    known = told.setdefault(
        event.key, _Told(_values(codec.decode(resource, event.previous)) if event.previous else {})
    )
    now = _values(obj)
    for name, value in now.items():
        before = known.values.get(name)
        if value != before:
            yield f"{resource.kind} {objects.key(obj)}: {name} {f'{before} → ' if before else ''}{value}"
    known.values = now


def _values(obj: Object) -> dict[str, str]:
    """The members of a status that tell how an object is."""
    status: Any = obj.get("status")
    if not isinstance(status, dict):
        return {}
    found = {
        name: str(status[name]) for name in ("phase", "printableStatus", "readyReplicas") if status.get(name)
    }
    for one in dig(obj, "status", "conditions", default=()) or ():
        if isinstance(one, dict):
            why = f" ({one['reason']})" if one.get("reason") and one.get("status") != "True" else ""
            found[str(one.get("type"))] = f"{one.get('status')}{why}"
    return found


def _title(key: str, resource: ServedResource) -> str:
    return key.removeprefix(resource.prefix)
