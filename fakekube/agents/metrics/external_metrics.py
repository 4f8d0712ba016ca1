"""external.metrics.k8s.io: numbers that belong to no object, told by ConfigMaps. A Handler.

A ConfigMap with the label `fakekube.io/external-metrics: "true"` holds a profile for each name in its data; its other
labels are those of the series, which selectors ask for.

Upstream: custom-metrics-apiserver: pkg/registry/external_metrics
"""

from fakekube.agents.metrics import replies, usage
from fakekube.client.client import Client
from fakekube.clock import Clock, rfc3339
from fakekube.machinery import objects
from fakekube.machinery.resources import CONFIG_MAPS
from fakekube.machinery.wire import Object, Request, Response

GROUP, VERSION = "external.metrics.k8s.io", "v1beta1"
API_VERSION = f"{GROUP}/{VERSION}"
ROOT = f"/apis/{API_VERSION}"
MARK = "fakekube.io/external-metrics"


class ExternalMetrics:
    """See the module text."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def __call__(self, request: Request) -> Response:
        """Raises ApiErrors."""
        asked = replies.asked(request, ROOT)
        match asked.steps:
            case ():
                return replies.resources(API_VERSION, replies.any_name("ExternalMetricValueList"))
            case ("namespaces", namespace, metric):
                marked = await self._client.list(CONFIG_MAPS, namespace, label_selector=f"{MARK}=true")
            case _:
                raise replies.unknown_path()
        now = self._clock.now()
        items: list[Object] = []
        for one in marked.items:
            labels = {name: value for name, value in objects.labels(one).items() if name != MARK}
            text = (one.get("data") or {}).get(metric)
            value = usage.metric_of(text, one, now) if text and asked.labels.matches(labels) else None
            if value is not None:
                shown = replies.decimal(value)
                items.append(
                    {"metricName": metric, "metricLabels": labels, "timestamp": rfc3339(now), "value": shown}
                )
        return replies.listing(API_VERSION, "ExternalMetricValueList", items)
