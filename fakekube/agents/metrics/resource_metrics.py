"""metrics.k8s.io: what `kubectl top` and autoscalers ask metrics-server for. A Handler.

Upstream: metrics-server: pkg/api/{node,pod,table}.go
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from fakekube.agents.metrics import replies, usage
from fakekube.agents.metrics.replies import Asked
from fakekube.agents.metrics.subjects import Subjects
from fakekube.clock import Clock, rfc3339
from fakekube.machinery import answers, objects, quantities
from fakekube.machinery.errors import BadRequest, not_found
from fakekube.machinery.field_selectors import FieldTerm
from fakekube.machinery.objects import dig
from fakekube.machinery.profiles import CPU, MEMORY
from fakekube.machinery.wire import Object, Request, Response

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
API_VERSION = f"{GROUP}/{VERSION}"
ROOT = f"/apis/{API_VERSION}"

_RESOURCES = [
    {
        "name": "nodes",
        "singularName": "",
        "namespaced": False,
        "kind": "NodeMetrics",
        "verbs": ["get", "list"],
    },
    {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]},
]
_FIELDS = ("metadata.name", "metadata.namespace")
_COLUMNS = [
    {
        "name": "Name",
        "type": "string",
        "format": "name",
        "description": "Name of the resource",
        "priority": 0,
    },
    {"name": "cpu", "type": "string", "format": "quantity", "description": "", "priority": 0},
    {"name": "memory", "type": "string", "format": "quantity", "description": "", "priority": 0},
    {"name": "Window", "type": "string", "format": "duration", "description": "", "priority": 0},
]


class ResourceMetrics:
    """See the module text."""

    def __init__(self, subjects: Subjects, clock: Clock) -> None:
        self._subjects = subjects
        self._clock = clock

    async def __call__(self, request: Request) -> Response:
        """Raises ApiErrors."""
        asked = replies.asked(request, ROOT)
        return await self._subjects.found(lambda: self._answer(asked))

    def _answer(self, asked: Asked) -> Response:
        match asked.steps:
            case ():
                return replies.resources(API_VERSION, _RESOURCES)
            case ("nodes",):
                return self._nodes(asked)
            case ("nodes", name):
                return answers.json(self._node(name))
            case ("pods",):
                return self._pods(asked, "")
            case ("namespaces", namespace, "pods"):
                return self._pods(asked, namespace)
            case ("namespaces", namespace, "pods", name):
                return answers.json(self._pod(namespace, name))
        raise replies.unknown_path()

    def _nodes(self, asked: Asked) -> Response:
        labels, fields = asked.labels, _checked(asked.fields)
        nodes = [
            one
            for one in sorted(self._subjects.nodes.objects(), key=objects.name)
            if labels.matches(objects.labels(one)) and _fits(fields, one)
        ]
        used = self._used_on_nodes()
        now = self._clock.now()
        shown = [_node_metrics(node, usage.node_used(node, used(node), now), now) for node in nodes]
        if asked.table:
            rows = [
                (objects.name(one), [objects.name(one), *_cells([one["usage"]]), one["window"]])
                for one in shown
            ]
            return replies.table(_COLUMNS, rows)
        return replies.listing(API_VERSION, "NodeMetricsList", shown)

    def _node(self, name: str) -> Object:
        node = self._subjects.nodes.get(name)
        if node is None:
            raise not_found("nodes", "", name)
        now = self._clock.now()
        shown = _node_metrics(node, usage.node_used(node, self._used_on_nodes()(node), now), now)
        return {"kind": "NodeMetrics", "apiVersion": API_VERSION, **shown}

    def _pods(self, asked: Asked, namespace: str) -> Response:
        fields, now = _checked(asked.fields), self._clock.now()
        pods = [one for one in self._subjects.select(asked.labels, namespace) if _fits(fields, one)]
        shown = [self._pod_metrics(one, now) for one in sorted(pods, key=objects.key) if usage.running(one)]
        if asked.table:
            rows = [
                (
                    objects.name(one),
                    [
                        objects.name(one),
                        *_cells(container["usage"] for container in one["containers"]),
                        one["window"],
                    ],
                )
                for one in shown
            ]
            return replies.table(_COLUMNS, rows, namespace)
        return replies.listing(API_VERSION, "PodMetricsList", shown)

    def _pod(self, namespace: str, name: str) -> Object:
        pod = self._subjects.pods.get(f"{namespace}/{name}")
        if pod is None:
            raise not_found("pods", "", f"{namespace}/{name}")
        if not usage.running(pod):
            raise not_found("podmetrics", GROUP, f"{namespace}/{name}")
        return {"kind": "PodMetrics", "apiVersion": API_VERSION, **self._pod_metrics(pod, self._clock.now())}

    def _pod_metrics(self, pod: Object, now: datetime) -> Object:
        used = usage.containers_used(pod, self._subjects.owners(pod), now, self._subjects.members)
        containers = [{"name": name, "usage": _usage(amounts)} for name, amounts in used.items()]
        return {**_head(pod, now), "containers": containers}

    def _used_on_nodes(self) -> Callable[[Object], list[dict[str, int]]]:
        """Node → what the containers on it use. All pods are gone through once, however many nodes are asked for."""
        now = self._clock.now()
        found: dict[str, list[dict[str, int]]] = {}
        for pod in self._subjects.pods.objects():
            used = usage.containers_used(pod, self._subjects.owners(pod), now, self._subjects.members)
            found.setdefault(dig(pod, "spec", "nodeName", default=""), []).extend(used.values())
        return lambda node: found.get(objects.name(node), [])


def _node_metrics(node: Object, amounts: Mapping[str, int], now: datetime) -> Object:
    return {**_head(node, now), "usage": _usage(amounts)}


def _head(obj: Object, now: datetime) -> Object:
    stamp = rfc3339(now)
    meta: Object = {"name": objects.name(obj)}
    if objects.namespace(obj):
        meta["namespace"] = objects.namespace(obj)
    meta["creationTimestamp"] = stamp
    if objects.labels(obj):
        meta["labels"] = objects.labels(obj)
    return {"metadata": meta, "timestamp": stamp, "window": f"{usage.WINDOW}s"}


def _usage(amounts: Mapping[str, int]) -> Object:
    return {"cpu": replies.decimal(amounts[CPU]), "memory": replies.binary(amounts[MEMORY])}


def _cells(parts: Iterable[Mapping[str, str]]) -> list[str]:
    """CPU and memory, as a table shows them."""
    cpu = memory = 0
    for part in parts:
        cpu += quantities.parse(part["cpu"])[0]
        memory += quantities.parse(part["memory"])[0]
    return [f"{-(-cpu // 10**6)}m", replies.binary(memory)]


def _checked(terms: tuple[FieldTerm, ...]) -> tuple[FieldTerm, ...]:
    for term in terms:
        if term.path not in _FIELDS:
            raise BadRequest(
                f'"{term.path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
            )
    return terms


def _fits(terms: tuple[FieldTerm, ...], obj: Object) -> bool:
    return all(
        (str(dig(obj, *term.path.split("."), default="")) == term.value) == term.equal for term in terms
    )
