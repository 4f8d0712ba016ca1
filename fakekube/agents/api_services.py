"""Keeps an APIService for every group version: those the server serves itself, and whether aggregated ones answer.

In a real cluster the aggregator inside kube-apiserver does this; `kubectl get apiservices` shows it.

Upstream: k8s: staging/src/k8s.io/kube-aggregator/pkg/controllers/{autoregister,status}, pkg/controlplane/controller/crdregistration
"""

from collections.abc import Iterable, Mapping, Sequence

import orjson

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.discovery import without_schemas
from fakekube.client.informer import Informer
from fakekube.clock import Clock, rfc3339
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import AlreadyExists, ApiError, Conflict, NotFound
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import API_SERVICES, CRDS
from fakekube.machinery.wire import Object

MANAGED = "kube-aggregator.kubernetes.io/automanaged"
_LOCAL = ("True", "Local", "Local APIServices are always available")
_PASSED = ("True", "Passed", "all checks passed")
_AGAIN = 30.0  # seconds until a silent service is asked again
# group → (groupPriorityMinimum, versionPriority), k8s: pkg/controlplane/apiserver/aggregator.go
_PRIORITIES: Mapping[str, tuple[int, int]] = {
    "": (18000, 1),
    "admissionregistration.k8s.io": (16700, 15),
    "apiextensions.k8s.io": (16700, 15),
    "apps": (17800, 15),
    "authentication.k8s.io": (17700, 15),
    "authorization.k8s.io": (17600, 15),
    "autoscaling": (17500, 15),
    "batch": (17400, 15),
    "certificates.k8s.io": (17300, 15),
    "coordination.k8s.io": (16500, 15),
    "discovery.k8s.io": (16200, 15),
    "events.k8s.io": (17750, 15),
    "flowcontrol.apiserver.k8s.io": (16100, 21),
    "networking.k8s.io": (17200, 15),
    "node.k8s.io": (16300, 15),
    "policy": (17100, 15),
    "rbac.authorization.k8s.io": (17000, 15),
    "resource.k8s.io": (16200, 15),
    "scheduling.k8s.io": (16600, 15),
    "storage.k8s.io": (16800, 15),
}
_CUSTOM = (1000, 100)


class ApiServices:
    """An actor. Its keys are names of APIServices: `v1.apps`, and `v1.` for the core group.

    `definitions` is a cache of CustomResourceDefinitions to use, where somebody keeps one: a first list of them is a megabyte.
    """

    name = "api-services"

    def __init__(
        self, client: Client, *, clock: Clock, ids: Ids, definitions: Informer | None = None
    ) -> None:
        del ids
        self._client = client.as_user("system:apiserver", "system:masters", user_agent="kube-aggregator")
        self._clock = clock
        self._crds = definitions or Informer(self._client, CRDS, clock=clock, transform=without_schemas)
        self._services = Informer(self._client, API_SERVICES, clock=clock)
        self._controller = Controller(self.name, self._reconcile, clock=clock)
        self._controller.source(self._crds, _of_definition)
        self._controller.source(self._services)
        self._built_in: frozenset[str] = frozenset()

    @property
    def idle(self) -> bool:
        return self._controller.idle

    @property
    def informers(self) -> Sequence[Informer]:
        return self._controller.informers

    async def run(self) -> None:
        """Work until cancelled."""
        self._built_in = await self._discover()
        for name in sorted(self._built_in):
            self._controller.queue.add(name)
        await self._controller.run()

    async def _discover(self) -> frozenset[str]:
        """What the server serves out of itself: everything in discovery that nobody has defined or registered."""
        answer = await self._client.request("GET", "/apis")
        found = {"v1."}
        for group in orjson.loads(answer.body)["groups"]:
            if group["name"] in _PRIORITIES:
                found |= {f"{version['version']}.{group['name']}" for version in group["versions"]}
        return frozenset(found)

    async def _reconcile(self, name: str) -> Result | None:
        present = self._services.get(name)
        managed = "onstart" if name in self._built_in else "true" if self._is_defined(name) else ""
        try:
            if present is None:
                if managed:
                    await self._client.create(API_SERVICES, _local(name, managed))
                return None
            if not managed and MANAGED in objects.labels(present):
                await self._client.delete(API_SERVICES, name, uid=objects.uid(present))
                return None
            return await self._tell(present)
        except (AlreadyExists, Conflict, NotFound):
            return None

    def _is_defined(self, name: str) -> bool:
        version, _, group = name.partition(".")
        return any(
            dig(crd, "spec", "group") == group
            and any(one["name"] == version and one.get("served") for one in crd["spec"]["versions"])
            for crd in self._crds.objects()
            if not objects.is_terminating(crd)
        )

    async def _tell(self, service: Object) -> Result | None:
        """Say in the status whether it is available."""
        status, reason, message = await self._availability(service)
        known = objects.condition(service, "Available") or {}
        if (known.get("status"), known.get("reason"), known.get("message")) != (status, reason, message):
            changed = copy_of(service)
            condition = {
                "type": "Available",
                "status": status,
                "lastTransitionTime": rfc3339(self._clock.now()),
                "reason": reason,
                "message": message,
            }
            changed["status"] = {"conditions": [condition]}
            await self._client.update(API_SERVICES, changed, subresource="status")
        return None if status == "True" else Result(requeue_after=_AGAIN)

    async def _availability(self, service: Object) -> tuple[str, str, str]:
        spec = service["spec"]
        if not spec.get("service"):
            return _LOCAL
        path = f"/apis/{spec['group']}/{spec['version']}"
        try:
            await self._client.request("GET", path)
        except ApiError as error:
            where = f"{spec['service'].get('namespace')}/{spec['service'].get('name')}"
            said = f"failing or missing response from {where}: {error.message}"
            return "False", "FailedDiscoveryCheck", said
        return _PASSED


def _of_definition(old: Object | None, new: Object | None) -> Iterable[str]:
    names = set()
    for crd in (old, new):
        for version in dig(crd, "spec", "versions") or ():
            names.add(f"{version['name']}.{crd['spec']['group']}" if crd else "")
    return sorted(names)


def _local(name: str, managed: str) -> Object:
    version, _, group = name.partition(".")
    least, priority = _PRIORITIES.get(group, _CUSTOM)
    if (group, version) == ("autoscaling", "v2"):
        priority = 30
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": name, "labels": {MANAGED: managed}},
        "spec": {
            **({"group": group} if group else {}),
            "version": version,
            "groupPriorityMinimum": least,
            "versionPriority": priority,
        },
    }
