"""CustomResourceDefinitions → catalog: names are accepted, resources served, and instances removed with their definition.

Runs right after each write to a CRD, before the writer has its answer: a CRD is served as soon as its create returns.

Origin: k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/controller/{status,establish,finalizer}
"""

from collections.abc import Iterable
from functools import partial

from fakekube.api.extend import conversion, crds, custom_resources
from fakekube.api.extend.custom_resources import Definition
from fakekube.api.registry import codec, metadata
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.registry import Registry, WriteContext
from fakekube.api.registry.strategy import ServedResource
from fakekube.api.services import Services
from fakekube.clock import rfc3339
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import NotFound
from fakekube.machinery.wire import Object

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_MANAGER = "kube-apiserver"


class Establishing:
    """Follows the CRDs of one server."""

    def __init__(self, registry: Registry, catalog: Catalog, services: Services | None = None) -> None:
        self._registry = registry
        self._catalog = catalog
        self._services = services or Services()
        self._known: dict[str, Definition] = {}
        self._served: dict[str, list[ServedResource]] = {}

    async def committed(self, resource: ServedResource, crd: Object, deleted: bool) -> None:
        """A CRD was written: settle its names, then serve it or stop serving it."""
        name = objects.name(crd)
        if deleted:
            self._known.pop(name, None)
            self._withdraw(name)
            return
        self._known[name] = known = Definition.of(crd)
        if objects.is_terminating(crd):
            self._serve(known)  # its instances can still be read and deleted, but no new ones made
            await self._finish(resource, crd)
            return
        settled = await self._settle(resource, crd)
        if settled is not None:
            self._known[name] = known = Definition.of(settled)
        self._serve(known)

    async def load(self, resource: ServedResource) -> None:
        """Serve what is in the store already."""
        page = await self._registry.store.list(resource.prefix)
        for entry in page.entries:
            await self.committed(resource, codec.decode(resource, entry), deleted=False)

    def adopt(self, other: "Establishing") -> None:
        """Serve what another server serves, whose store was the beginning of this one's."""
        self._known = dict(other._known)  # noqa: SLF001 - one class, two of its kind
        for name, served in other._served.items():  # noqa: SLF001
            if any(one.conversion is not None for one in served):
                self._serve(self._known[name])  # its webhook is looked up among this server's services
                continue
            self._served[name] = list(served)
            for one in served:
                self._catalog.add(one)

    async def preload(self, resource: ServedResource, crds_: Iterable[Object]) -> None:
        """Install CRDs that are known to be valid: what creating them leaves behind, without checking them again.

        For what comes with a package whose tests have checked it: validating 30 large schemas costs half a second.
        """
        registry = self._registry
        now = rfc3339(registry.clock.now())
        for crd in crds_:
            name = objects.name(crd)
            if name in self._known:
                continue
            resource.strategy.default(crd)
            resource.strategy.prepare_create(crd)
            metadata.fill_create(
                crd, namespace="", name=name, uid=registry.ids.uid(), now=now, with_generation=True
            )
            crd["status"] = crds.settled_status(crd, [one.crd for one in self._known.values()], now)
            text = codec.encode(resource, crd)
            await registry.store.create(resource.key("", name), text, codec.memo_of(crd))
            self._known[name] = known = Definition.kept_as(text, crd)
            self._serve(known)

    async def _settle(self, resource: ServedResource, crd: Object) -> Object | None:
        """Write accepted names and conditions, if they differ from what the CRD says."""
        others = [one.crd for name, one in self._known.items() if name != objects.name(crd)]
        status = crds.settled_status(crd, others, rfc3339(self._registry.clock.now()))
        if status == crd.get("status"):
            return None

        async def transform(old: Object) -> Object:
            new = copy_of(old)
            new["status"] = status
            return new

        self._registry.committed.pop(resource.prefix, None)  # our own write needs no second look
        try:
            context = WriteContext(_MANAGER, [], subresource="status")
            written = await self._registry.update(resource, "", objects.name(crd), transform, context)
        finally:
            self._registry.committed[resource.prefix] = self.committed
        return written.obj

    def _serve(self, known: Definition) -> None:
        crd = known.crd
        name = objects.name(crd)
        served = custom_resources.served(known) if objects.condition_is(crd, "Established") else []
        conversion.attach(served, crd, self._services, self._registry.ids)
        kept = {(one.group, one.version, one.plural) for one in served}
        for gone in self._served.get(name, ()):
            if (gone.group, gone.version, gone.plural) not in kept:
                self._catalog.remove(gone.group, gone.version, gone.plural)
        for one in served:
            self._catalog.add(one)
        self._served[name] = served

    def _withdraw(self, name: str) -> None:
        for one in self._served.pop(name, ()):
            self._catalog.remove(one.group, one.version, one.plural)

    async def _finish(self, resource: ServedResource, crd: Object) -> None:
        """The CRD is being deleted: its instances go first, then its own finalizer."""
        name = objects.name(crd)
        if CLEANUP not in objects.finalizers(crd):
            return
        for one in self._served.get(name, ())[:1]:
            self._registry.committed.pop(one.prefix, None)
            page = await self._registry.store.list(one.prefix)
            for entry in page.entries:
                obj = codec.decode(one, entry)
                try:
                    await self._registry.delete(
                        one, objects.namespace(obj), objects.name(obj), crds.INSTANCE_DELETION
                    )
                except NotFound:
                    continue
            left = await self._registry.store.list(one.prefix, limit=1)
            if left.entries:  # instances with finalizers: the last to go brings us back here
                self._registry.committed[one.prefix] = partial(self._instance_written, resource)
                return

        async def transform(old: Object) -> Object:
            new = copy_of(old)
            new["metadata"]["finalizers"] = [one for one in objects.finalizers(old) if one != CLEANUP]
            return new

        await self._registry.update(resource, "", name, transform, WriteContext(_MANAGER, []))

    async def _instance_written(
        self, crd_resource: ServedResource, resource: ServedResource, _: Object, deleted: bool
    ) -> None:
        """An instance of a definition that is being deleted was written; if it left, the definition may go too."""
        known = self._known.get(f"{resource.plural}.{resource.group}")
        if deleted and known is not None and objects.is_terminating(known.crd):
            await self._finish(crd_resource, known.crd)
