"""A cache of one resource, kept by list and watch, which tells others what changed.

The contract:

1.  The cache is what the API was at `resource_version`: at one moment of the past, never a mixture of moments, except
    while a relist is being applied, which happens without giving way to anybody.
2.  Per object, changes are told in the order in which they happened. Each one is told: a watch never has a gap, for when
    the server can no longer continue it (410, or any ERROR event), everything is listed again.
3.  After such a relist only the difference is told, so states in between may be skipped; the last state never is. An
    object that was replaced meanwhile by another of the same name is told as removed and added: old and new of an
    update always have the same uid.
4.  A callback sees the cache as it is after the change it is told. One registered late is first told what is there.
    It must not wait; when it raises, that is logged and the others are told regardless.
5.  Objects handed out are the cache itself, and those of other caches of this process. Whoever wants to change one
    takes `machinery.copying.copy_of` it first. They are without metadata.managedFields: a third of most objects, of no
    interest to any controller, and kept by the server when an update leaves them out. (Upstream's components drop them
    likewise: k8s: client-go tools/cache, TransformFunc.)
6.  There is no periodic resync. Nothing happens while nothing changes.
7.  What goes wrong is logged when it begins and when it is over, not at every attempt in between.

Upstream: k8s: staging/src/k8s.io/client-go/tools/cache/{reflector,shared_informer,delta_fifo}.go
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from weakref import WeakKeyDictionary, WeakSet

from fakekube.client.client import Client, ObjectList
from fakekube.client.complaints import Complaints, failure
from fakekube.client.index import KEYS, Index
from fakekube.clock import Clock
from fakekube.machinery import objects
from fakekube.machinery.errors import ApiError, Expired
from fakekube.machinery.resources import Resource
from fakekube.machinery.wire import Events, Handler, Object

OnChange = Callable[[Object | None, Object | None], None]

_FIRST_DELAY, _LONGEST_DELAY = 0.8, 30.0  # the reflector's
_SHORT = 1.0  # a watch that ends sooner, having told nothing, counts as a failure: no busy loop against a broken server

# Caches by the server they follow, what of, and in which form.
_caches: WeakKeyDictionary[Handler, dict[tuple[Resource, str], "WeakSet[Informer]"]] = WeakKeyDictionary()

log = logging.getLogger("fakekube.client.informer")


class Informer:
    """See the module text. `run` keeps it going; several may `run` it, and one of them does the work."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        clock: Clock,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        transform: Callable[[Object], Object] | None = None,
    ) -> None:
        """`transform` makes what is kept of an object: a new one, smaller, with the metadata as it was."""
        self._transform = transform
        self.resource = resource
        self.resource_version = ""
        self._client = client
        self._clock = clock
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._objects: dict[str, Object] = {}
        self._by_namespace: dict[str, dict[str, None]] | None = None  # from when somebody asks
        self._indexes: dict[str, Index] = {}
        self._callbacks: list[OnChange] = []
        self._synced = asyncio.Event()
        self._running = asyncio.Lock()

    @property
    def known(self) -> Mapping[str, Object]:
        """What is there, by key: the cache itself, as it changes."""
        return MappingProxyType(self._objects)

    def __contains__(self, key: str) -> bool:
        return key in self._objects

    def get(self, key: str) -> Object | None:
        """The object at `namespace/name`, or at `name` for cluster-scoped ones."""
        return self._objects.get(key)

    def objects(self) -> list[Object]:
        return list(self._objects.values())

    def in_namespace(self, namespace: str) -> list[Object]:
        if self._by_namespace is None:
            self._by_namespace = {}
            for key in self._objects:
                self._by_namespace.setdefault(_namespace(key), {})[key] = None
        return [self._objects[key] for key in self._by_namespace.get(namespace, ())]

    def add_index(self, name: str, of: Callable[[Object], Iterable[str]]) -> None:
        """Keep objects also by the values `of` gives. Adding the same name again replaces the index."""
        index = Index(of)
        for key, obj in self._objects.items():
            index.put(key, obj)
        self._indexes[name] = index

    def by_index(self, name: str, value: str) -> list[Object]:
        return [self._objects[key] for key in self._indexes[name].get(value)]

    def count(self, name: str, value: str) -> int:
        """How many objects `by_index` would find."""
        return self._indexes[name].count(value)

    def on_change(self, callback: OnChange) -> None:
        """Tell `callback(old, new)`: (None, x) added, (x, y) updated, (x, None) removed."""
        self._callbacks.append(callback)
        for obj in self.objects():
            self._tell((callback,), None, obj)

    @property
    def synced(self) -> bool:
        """Whether the first list has been applied."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    async def run(self) -> None:
        """Follow the resource until cancelled. Whatever goes wrong is tried again, ever more slowly."""
        async with self._running:
            delay = _FIRST_DELAY
            listed = False
            lenient = True  # one expired watch is nobody's fault, and is listed again at once
            complaints = Complaints(log, f"{self.resource.plural}.{self.resource.api_version}")
            watch_failed = False  # then a list that succeeds has not mended anything yet
            while True:
                started = self._clock.monotonic()
                try:
                    if not listed:
                        self._replace(await self._list())
                        listed = True
                        if not watch_failed:
                            complaints.over()
                    if await self._follow():
                        delay, lenient = _FIRST_DELAY, True
                        complaints.over()
                        continue
                except Expired as error:
                    log.debug("%s: %s; listing again", self.resource.qualified, error)
                    listed = False
                    if lenient or self._progressed:
                        delay, lenient = _FIRST_DELAY, False
                        continue
                except (Exception, asyncio.CancelledError) as caught:  # noqa: BLE001 - transports fail in many ways, and all are temporary
                    failed = failure(caught)
                    long = self._clock.monotonic() - started > _LONGEST_DELAY
                    if long or self._progressed:  # what has worked is asked for again as soon
                        delay = _FIRST_DELAY
                    if long:
                        complaints.forget()
                    complaints.about(failed)
                    watch_failed = listed
                    listed = listed and not (isinstance(failed, ApiError) and failed.code != 429)
                await self._clock.sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY)

    _progressed = False  # whether the present watch has told anything

    async def _list(self) -> ObjectList:
        self._progressed = False
        found = await self._client.list(
            self.resource,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )
        kin = self._kin()
        items = [_held(kin, obj) or obj for obj in found.items] if kin else found.items
        for obj in items:
            obj["metadata"].pop("managedFields", None)
        if self._transform is not None:
            items = [self._transform(obj) for obj in items]
        return ObjectList(items, found.resource_version, found.remaining)

    def _kin(self) -> list["Informer"]:
        """The other caches of the same objects, whole as they are; from now on this is one, too."""
        of_server = _caches.setdefault(self._client.handler, {})
        alike = of_server.setdefault((self.resource, self._client.form), WeakSet())
        kin = [one for one in alike if one is not self]
        if self._transform is None:
            alike.add(self)
        return kin

    async def _follow(self) -> bool:
        """One watch, from where the cache stands until the server ends it; whether it was a healthy one."""
        self._progressed = False
        started = self._clock.monotonic()
        batches = self._client.watch_batches(
            self.resource,
            self._namespace,
            resource_version=self.resource_version,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            shared=True,
        )
        try:
            async for batch in batches:
                self._progressed = True
                self._apply(batch)
        finally:
            await batches.aclose()
        return self._progressed or self._clock.monotonic() - started >= _SHORT

    def _apply(self, batch: Events) -> None:
        for kind, obj in batch:
            meta = obj["metadata"]
            if (
                "managedFields" in meta
            ):  # from a server of another process; one of this process shares what it hands out
                del meta["managedFields"]
            if kind != "BOOKMARK":
                if self._transform is not None:
                    obj = self._transform(obj)  # noqa: PLW2901 - the whole object is not kept
                key = f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"]
                self._put(key, None if kind == "DELETED" else obj, final=obj)
            self.resource_version = meta["resourceVersion"]

    def _replace(self, listed: ObjectList) -> None:
        """Make the cache equal to what was listed, telling the difference."""
        found = {objects.key(obj): obj for obj in listed.items}
        for key in [key for key in self._objects if key not in found]:
            self._put(key, None)
        for key, obj in found.items():
            old = self._objects.get(key)
            if old is None or objects.resource_version(old) != objects.resource_version(obj):
                if old is not None and objects.uid(old) != objects.uid(obj):
                    self._put(key, None)
                self._put(key, obj)
        self.resource_version = listed.resource_version
        self._synced.set()

    def _put(self, key: str, new: Object | None, final: Object | None = None) -> None:
        """Change one entry and tell it. `final` is the last state of a removed object, where the server told it."""
        if new is not None:
            old = self._objects.get(key)
            if old is None:
                key = KEYS.shared(key)
                if self._by_namespace is not None:
                    self._by_namespace.setdefault(_namespace(key), {})[key] = None
            self._objects[key] = new
            for index in self._indexes.values():
                index.put(key, new)
        else:
            old = self._objects.pop(key, None)
            if old is None:
                return
            for index in self._indexes.values():
                index.remove(key)
            if self._by_namespace is not None:
                here = self._by_namespace[_namespace(key)]
                del here[key]
                if not here:
                    del self._by_namespace[_namespace(key)]
            old = final or old
        self._tell(self._callbacks, old, new)

    def _tell(self, callbacks: Iterable[OnChange], old: Object | None, new: Object | None) -> None:
        for callback in callbacks:
            try:
                callback(old, new)
            except Exception:
                log.exception(
                    "%s: a callback failed on %s", self.resource.qualified, objects.key(new or old or {})
                )


def _held(kin: Iterable[Informer], obj: Object) -> Object | None:
    """The same object in the same version, as one of these caches holds it: what is listed is decoded for each of them."""
    key, version, uid = objects.key(obj), objects.resource_version(obj), objects.uid(obj)
    for one in kin:
        held = one.get(key)
        if held is not None and objects.resource_version(held) == version and objects.uid(held) == uid:
            return held
    return None


def _namespace(key: str) -> str:
    return key.rpartition("/")[0]
