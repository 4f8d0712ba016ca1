"""What metrics.k8s.io says of itself in OpenAPI 2, so that `kubectl explain` knows its kinds.

Upstream: metrics-server: pkg/api/generated/openapi
"""

from typing import Any

from fakekube.agents.metrics.resource_metrics import GROUP, ROOT, VERSION
from fakekube.machinery.wire import Object

_PACKAGE = "io.k8s.metrics.pkg.apis.metrics.v1beta1."
_TEXT = {"type": "string"}
_META = {"type": "object", "description": "Standard object's metadata."}
_USAGE = {
    "type": "object",
    "description": "The memory usage is the memory working set.",
    "additionalProperties": _TEXT,
}
_SAMPLE = {
    "timestamp": {
        **_TEXT,
        "format": "date-time",
        "description": "The end of the interval that was looked at.",
    },
    "window": {**_TEXT, "description": "How long that interval is."},
}


def document() -> Object:
    """Two kinds, their lists, and where they are read."""
    container = {"name": {**_TEXT, "description": "The name of a container of the pod."}, "usage": _USAGE}
    definitions: Object = {
        f"{_PACKAGE}ContainerMetrics": {
            "type": "object",
            "description": "What one container uses.",
            "required": ["name", "usage"],
            "properties": container,
        },
        **_kind("NodeMetrics", "What a node uses.", {"usage": _USAGE}),
        **_kind("PodMetrics", "What the containers of a pod use.", {"containers": _list("ContainerMetrics")}),
    }
    paths = {
        f"{ROOT}/nodes": _path("listNodeMetrics", "NodeMetricsList"),
        f"{ROOT}/nodes/{{name}}": _path("readNodeMetrics", "NodeMetrics", "name"),
        f"{ROOT}/pods": _path("listPodMetricsForAllNamespaces", "PodMetricsList"),
        f"{ROOT}/namespaces/{{namespace}}/pods": _path(
            "listNamespacedPodMetrics", "PodMetricsList", "namespace"
        ),
        f"{ROOT}/namespaces/{{namespace}}/pods/{{name}}": _path(
            "readNamespacedPodMetrics", "PodMetrics", "name", "namespace"
        ),
    }
    info = {"title": "metrics-server", "version": "unversioned"}
    return {"swagger": "2.0", "info": info, "paths": paths, "definitions": definitions}


def _kind(kind: str, text: str, own: Object) -> Object:
    """A kind and its list."""
    head = {
        "apiVersion": {**_TEXT, "description": "The version of this representation."},
        "kind": {**_TEXT, "description": "The kind of this object."},
        "metadata": _META,
    }
    return {
        f"{_PACKAGE}{kind}": {
            "type": "object",
            "description": text,
            "required": ["timestamp", "window", *own],
            "properties": {**head, **_SAMPLE, **own},
            **_gvk(kind),
        },
        f"{_PACKAGE}{kind}List": {
            "type": "object",
            "description": f"A list of {kind}.",
            "required": ["items"],
            "properties": {**head, "items": _list(kind)},
            **_gvk(f"{kind}List"),
        },
    }


def _list(kind: str) -> Object:
    return {"type": "array", "items": {"$ref": f"#/definitions/{_PACKAGE}{kind}"}}


def _gvk(kind: str) -> Object:
    return {"x-kubernetes-group-version-kind": [{"group": GROUP, "kind": kind, "version": VERSION}]}


def _path(identity: str, kind: str, *names: str) -> Object:
    operation: dict[str, Any] = {
        "operationId": f"{identity[:4]}Metrics{VERSION.capitalize()}{identity[4:]}",
        "consumes": ["*/*"],
        "produces": ["application/json"],
        "responses": {"200": {"description": "OK", "schema": {"$ref": f"#/definitions/{_PACKAGE}{kind}"}}},
        "x-kubernetes-action": identity[:4].replace("read", "get"),
        "x-kubernetes-group-version-kind": {
            "group": GROUP,
            "kind": kind.removesuffix("List"),
            "version": VERSION,
        },
    }
    given = [{"name": name, "in": "path", "required": True, "type": "string"} for name in names]
    return {"get": operation, **({"parameters": given} if given else {})}
