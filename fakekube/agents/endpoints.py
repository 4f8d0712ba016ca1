"""Keeps Endpoints and EndpointSlices behind Services: of ready pods, or mirrored from what somebody wrote by hand.

`endpoint_planning` and `endpoint_slices` decide; this module watches and writes. Whoever has no selector keeps their own Endpoints.

Upstream: k8s: pkg/controller/endpoint, pkg/controller/endpointslice, pkg/controller/endpointslicemirroring
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from fakekube.agents import endpoint_planning as planning
from fakekube.agents.endpoint_planning import HEADLESS, MANAGED_BY, OVER_CAPACITY, SERVICE_NAME
from fakekube.agents.endpoint_slices import Changes, plan
from fakekube.agents.identities import as_controller
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import AlreadyExists, Conflict, Forbidden, NotFound
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import NODES, PODS, SERVICES, Resource
from fakekube.machinery.wire import Object

ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints")
SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")

CONTROLLER, MIRROR = "endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"
_OWNED = {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
_SKIP = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "endpoints.kubernetes.io/last-change-trigger-time",
)
_ZONE = "topology.kubernetes.io/zone"
_MIRRORED_IN_SLICE = 1000


class Endpoints:
    """An actor. `batch` is how long it lets pod changes gather before it looks at a Service."""

    name = "endpoints"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, batch: float = 0.0) -> None:
        del ids
        self._endpoints_client = as_controller(client, "endpoint-controller")
        self._slices_client = as_controller(client, "endpointslice-controller")
        self._mirror_client = as_controller(client, "endpointslicemirroring-controller")
        self._services = Informer(client, SERVICES, clock=clock)
        self._pods = Informer(client, PODS, clock=clock)
        self._nodes = Informer(client, NODES, clock=clock)
        self._endpoints = Informer(client, ENDPOINTS, clock=clock)
        self._slices = Informer(client, SLICES, clock=clock)
        self._slices.add_index("service", service_of_slice)
        self._services.add_index("selecting", _namespace_where_it_selects)
        self._written: dict[tuple[str, str], int] = {}  # (manager, key) → version our last write got
        self._of_pods = Controller("endpointslice-controller", self._reconcile, clock=clock)
        self._of_pods.source(self._services)
        self._of_pods.source(self._pods, self._selecting, delay=batch)
        self._of_pods.reads(self._nodes)  # zones are looked up when something else happens, as upstream does
        self._of_pods.source(self._endpoints)
        self._of_pods.source(self._slices, _service_of_change)
        self._mirroring = Controller("endpointslicemirroring-controller", self._mirror, clock=clock)
        self._services.on_change(self._wake_mirror)
        self._endpoints.on_change(self._wake_mirror)
        self._slices.on_change(self._wake_mirror_of)

    @property
    def idle(self) -> bool:
        return self._of_pods.idle and self._mirroring.idle

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._of_pods.run())
            for informer in self._of_pods.informers:
                await informer.wait_synced()
            tasks.create_task(self._mirroring.run())

    # --- whom a change wakes -----------------------------------------------------------------------------------

    def _selecting(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """The Services a pod belongs to, or has left."""
        pods = [pod for pod in (old, new) if pod is not None]
        services = self._services.by_index("selecting", objects.namespace(pods[-1]))
        if not services or (len(pods) == 2 and planning.concerns(pods[0]) == planning.concerns(pods[1])):
            return ()
        return [objects.key(service) for service in services if any(_selects(service, pod) for pod in pods)]

    def _wake_mirror(self, old: Object | None, new: Object | None) -> None:
        self._mirroring.queue.add(objects.key(new or old or {}))

    def _wake_mirror_of(self, old: Object | None, new: Object | None) -> None:
        for key in _service_of_change(old, new):
            self._mirroring.queue.add(key)

    # --- from pods ---------------------------------------------------------------------------------------------

    async def _reconcile(self, key: str) -> Result | None:
        service = self._services.get(key)
        if service is None:
            await self._forget(key)
            return None
        spec = service["spec"]
        if not spec.get("selector") or spec.get("type") == "ExternalName" or self._behind(CONTROLLER, key):
            return None
        pods = [pod for pod in self._pods.in_namespace(objects.namespace(service)) if _selects(service, pod)]
        zones = {objects.name(node): objects.labels(node).get(_ZONE, "") for node in self._nodes.objects()}
        wanted = planning.endpoints_of_pods(service, pods, zones)
        changes = plan(
            wanted,
            self._slices_of(key, CONTROLLER),
            _template(service, CONTROLLER, _labels_of(service)),
            families=spec.get("ipFamilies") or ("IPv4",),
        )
        await _quietly(lambda: self._write(self._slices_client, CONTROLLER, key, changes))
        await _quietly(lambda: self._write_endpoints(service, planning.subsets_of_pods(service, pods)))
        return None

    async def _write_endpoints(self, service: Object, subsets: list[Object]) -> None:
        subsets, over = planning.truncated(subsets)
        labels = {**objects.labels(service), **_OWNED}
        if service["spec"].get("clusterIP") == "None":
            labels[HEADLESS] = ""
        present = self._endpoints.get(objects.key(service))
        meta = {"name": objects.name(service), "namespace": objects.namespace(service)}
        notes = dict(objects.annotations(present or {}))
        notes.pop(OVER_CAPACITY, None)
        if over:
            notes[OVER_CAPACITY] = "truncated"
        wanted: Object = (
            copy_of(present) if present else {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta}
        )
        wanted["metadata"]["labels"] = labels
        if notes or objects.annotations(wanted):
            wanted["metadata"]["annotations"] = notes
        if subsets or present:
            wanted["subsets"] = subsets
        if present is None:
            await self._endpoints_client.create(ENDPOINTS, wanted)
        elif (present.get("subsets", []), objects.labels(present), objects.annotations(present)) != (
            subsets,
            labels,
            notes,
        ):
            await self._endpoints_client.update(ENDPOINTS, wanted)

    async def _forget(self, key: str) -> None:
        """A Service has gone: its Endpoints go with it. Slices have an owner and are collected."""
        present = self._endpoints.get(key)
        if present is not None and _OWNED.items() <= objects.labels(present).items():
            namespace, name = objects.split_key(key)
            await _quietly(lambda: self._endpoints_client.delete(ENDPOINTS, name, namespace))

    # --- mirroring ---------------------------------------------------------------------------------------------

    async def _mirror(self, key: str) -> Result | None:
        service, endpoints = self._services.get(key), self._endpoints.get(key)
        if self._behind(MIRROR, key):
            return None
        present = self._slices_of(key, MIRROR)
        if endpoints is None or service is None or service["spec"].get("selector") or _unmirrored(endpoints):
            if present:
                gone = Changes(delete=present)
                await _quietly(lambda: self._write(self._mirror_client, MIRROR, key, gone))
            return None
        wanted = planning.endpoints_of_subsets(endpoints.get("subsets") or ())
        template = _template(endpoints, MIRROR, objects.labels(endpoints))
        copied = {name: v for name, v in objects.annotations(endpoints).items() if name not in _NOT_COPIED}
        if copied:
            template["metadata"]["annotations"] = copied
        changes = plan(wanted, present, template, limit=_MIRRORED_IN_SLICE)
        await _quietly(lambda: self._write(self._mirror_client, MIRROR, key, changes))
        return None

    # --- slices --------------------------------------------------------------------------------------------------

    def _behind(self, manager: str, key: str) -> bool:
        """Whether the cache lacks a slice written here: a pass now would write it twice. Its event wakes the key again."""
        written = self._written.get((manager, key), 0)
        if written > int(self._slices.resource_version or 0):
            return True
        self._written.pop((manager, key), None)
        return False

    async def _write(self, client: Client, manager: str, key: str, changes: Changes) -> None:
        for write, slices in ((client.create, changes.create), (client.update, changes.update)):
            for slice_ in slices:
                answer = await write(SLICES, slice_)
                self._written[manager, key] = int(objects.resource_version(answer))
        for slice_ in changes.delete:
            await client.delete(SLICES, objects.name(slice_), objects.namespace(slice_))

    def _slices_of(self, key: str, manager: str) -> list[Object]:
        return [
            one
            for one in self._slices.by_index("service", key)
            if objects.labels(one).get(MANAGED_BY) == manager and not objects.is_terminating(one)
        ]


def _selects(service: Object, pod: Object) -> bool:
    selector = service["spec"].get("selector")
    return bool(selector) and selector.items() <= objects.labels(pod).items()


def _namespace_where_it_selects(service: Object) -> Iterable[str]:
    return (objects.namespace(service),) if service["spec"].get("selector") else ()


def service_of_slice(slice_: Object) -> Iterable[str]:
    name = objects.labels(slice_).get(SERVICE_NAME)
    return (f"{objects.namespace(slice_)}/{name}",) if name else ()


def _service_of_change(old: Object | None, new: Object | None) -> Iterable[str]:
    return service_of_slice(new or old or {})


def _unmirrored(endpoints: Object) -> bool:
    labels, notes = objects.labels(endpoints), objects.annotations(endpoints)
    return labels.get(_SKIP) == "true" or _LEADER in notes or _OWNED.items() <= labels.items()


def _labels_of(service: Object) -> dict[str, str]:
    labels = {
        name: v for name, v in objects.labels(service).items() if name not in (SERVICE_NAME, MANAGED_BY)
    }
    return {**labels, HEADLESS: ""} if dig(service, "spec", "clusterIP") == "None" else labels


def _template(owner: Object, manager: str, labels: Mapping[str, str]) -> Object:
    """What every slice of an owner begins with."""
    name = objects.name(owner)
    meta: Object = {
        "generateName": f"{name[:57]}-",
        "namespace": objects.namespace(owner),
        "labels": {**labels, MANAGED_BY: manager, SERVICE_NAME: name},
        "ownerReferences": [objects.owner_reference(owner)],
    }
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta}


async def _quietly(write: Callable[[], Awaitable[object]]) -> None:
    """Somebody was quicker, or the namespace is going: the next look will tell what is left to do."""
    try:
        await write()
    except (AlreadyExists, Conflict, NotFound):
        return
    except Forbidden as error:
        if "because it is being terminated" not in error.message:
            raise
