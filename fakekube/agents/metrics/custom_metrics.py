"""custom.metrics.k8s.io: metrics of pods and of any other object, told by their annotations. A Handler for both versions.

    …/namespaces/NS/pods/*/NAME?labelSelector=…            of pods
    …/namespaces/NS/services/web/NAME                      of one object; of others with their group, `ingresses.networking.k8s.io`
    …/namespaces/NS/metrics/NAME, …/nodes/n/NAME           of a namespace, of objects without one

Series have no labels of their own here: a metric selector that asks for any finds nothing.

Upstream: custom-metrics-apiserver: pkg/{apiserver/installer,registry/custom_metrics,provider/errors.go}
"""

from collections.abc import Sequence
from datetime import datetime

from fakekube.agents.metrics import replies, usage
from fakekube.agents.metrics.replies import Asked
from fakekube.agents.metrics.subjects import Subjects
from fakekube.client.client import Client
from fakekube.client.discovery import Served, discover
from fakekube.clock import Clock, rfc3339
from fakekube.machinery import objects
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import NAMESPACES, PODS, Resource
from fakekube.machinery.wire import Object, Request, Response

GROUP = "custom.metrics.k8s.io"
_ALL = "*"

Found = list[tuple[Object, int]]


class CustomMetrics:
    """See the module text."""

    def __init__(self, client: Client, subjects: Subjects, clock: Clock) -> None:
        self._client = client
        self._subjects = subjects
        self._clock = clock
        self._served: Sequence[Served] = ()

    async def __call__(self, request: Request) -> Response:
        """Raises ApiErrors."""
        version = request.path.split("/")[3]
        asked = replies.asked(request, f"/apis/{GROUP}/{version}")
        if not asked.steps:
            return replies.resources(f"{GROUP}/{version}", replies.any_name("MetricValueList"))
        namespace, plural, name, metric = _address(asked.steps)
        resource = NAMESPACES if plural == "metrics" else await self._resource(plural)
        if plural == "metrics":
            namespace, name = "", namespace
        found = await self._found(asked, resource, namespace, name, metric)
        if not asked.metric_labels.matches({}):
            found = []
        if name != _ALL and not found:
            raise NotFound(f"the server could not find the metric {metric} for {resource.qualified} {name}")
        if not found:
            raise NotFound(f"the server could not find the metric {metric} for {resource.qualified}")
        now = self._clock.now()
        show = _shown if version == "v1beta2" else _shown_as_before
        items = [show(resource, obj, metric, value, now) for obj, value in found]
        return replies.listing(f"{GROUP}/{version}", "MetricValueList", items)

    async def _found(self, asked: Asked, resource: Resource, namespace: str, name: str, metric: str) -> Found:
        if resource == PODS:
            return await self._subjects.found(lambda: self._of_pods(asked, namespace, name, metric))
        if name == _ALL:
            listed = await self._client.list(resource, namespace or None, label_selector=str(asked.labels))
            chosen = listed.items
        else:
            chosen = [await self._client.get(resource, name, namespace or None)]
        now = self._clock.now()
        values = [(obj, usage.object_metric(obj, metric, now)) for obj in chosen]
        return [(obj, value) for obj, value in values if value is not None]

    def _of_pods(self, asked: Asked, namespace: str, name: str, metric: str) -> Found:
        subjects, now = self._subjects, self._clock.now()
        found: Found = []
        for pod in sorted(subjects.select(asked.labels, namespace), key=objects.key):
            if name in (_ALL, objects.name(pod)):
                value = usage.pod_metric(pod, subjects.owners(pod), metric, now, subjects.members)
                if value is not None:
                    found.append((pod, value))
        return found

    async def _resource(self, name: str) -> Resource:
        """The resource `pods` or `ingresses.networking.k8s.io` names. Raises NotFound."""
        if name == PODS.plural:
            return PODS
        for fresh in (False, True):
            if fresh:
                self._served = (await discover(self._client)).served
            for one in self._served:
                if one.resource.qualified == name:
                    return one.resource
        raise replies.unknown_path()


def _address(steps: tuple[str, ...]) -> tuple[str, str, str, str]:
    """(namespace, resource, object, metric). Raises NotFound."""
    match steps:
        case ("namespaces", namespace, "metrics", metric):
            return namespace, "metrics", "", metric
        case ("namespaces", namespace, plural, name, metric):
            return namespace, plural, name, metric
        case (plural, name, metric):
            return "", plural, name, metric
    raise replies.unknown_path()


def _described(resource: Resource, obj: Object) -> Object:
    described = {"kind": resource.kind, "name": objects.name(obj), "apiVersion": f"/{resource.version}"}
    if resource.group:
        described["apiVersion"] = resource.api_version
    return described | ({"namespace": objects.namespace(obj)} if objects.namespace(obj) else {})


def _shown(resource: Resource, obj: Object, metric: str, value: int, now: datetime) -> Object:
    return {
        "describedObject": _described(resource, obj),
        "metric": {"name": metric, "selector": None},
        "timestamp": rfc3339(now),
        "value": replies.decimal(value),
    }


def _shown_as_before(resource: Resource, obj: Object, metric: str, value: int, now: datetime) -> Object:
    return {
        "describedObject": _described(resource, obj),
        "metricName": metric,
        "timestamp": rfc3339(now),
        "value": replies.decimal(value),
        "selector": None,
    }
