"""What a fresh cluster holds beside roles: the API's own Service, the system's priority classes, and how servers that
delegate authentication recognise requests passed on to them.

Origin: k8s: pkg/controlplane/controller/{kubernetesservice,clusterauthenticationtrust}, pkg/apis/scheduling/types.go
"""

from collections.abc import Iterator
from typing import Any

from fakekube.api.builtins.strategies.scheduling import SYSTEM
from fakekube.machinery.wire import Object

_IP = "10.96.0.1"  # the first address of the service range
_ADDRESS, _PORT = "192.168.66.100", 6443  # where the control plane would be: beside the nodes
_HTTPS = {"name": "https", "port": _PORT, "protocol": "TCP"}
_TRUSTED = {  # no authorities beside: whoever reads this learns that there are no certificates to check
    "requestheader-allowed-names": '["front-proxy-client"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-uid-headers": '["X-Remote-Uid"]',
    "requestheader-username-headers": '["X-Remote-User"]',
}
_FOR = {
    "system-cluster-critical": "Used for system critical pods that must run in the cluster, but can be moved to "
    "another node if necessary.",
    "system-node-critical": "Used for system critical pods that must not be moved from their current node.",
}


def objects() -> Iterator[tuple[str, Object]]:
    """(plural, object), in the order in which they are made."""
    for name, text in _FOR.items():
        meta = {"name": name}
        yield (
            "priorityclasses",
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": meta,
                "value": SYSTEM[name],
                "description": text,
            },
        )
    trusted = {"name": "extension-apiserver-authentication", "namespace": "kube-system"}
    yield (
        "configmaps",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": trusted, "data": dict(_TRUSTED)},
    )
    spec: dict[str, Any] = {
        "clusterIP": _IP,
        "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": _PORT}],
    }
    yield (
        "services",
        _named("v1", "Service", {"component": "apiserver", "provider": "kubernetes"}, spec=spec),
    )
    subset = {"addresses": [{"ip": _ADDRESS}], "ports": [dict(_HTTPS)]}
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    yield "endpoints", _named("v1", "Endpoints", labels, subsets=[subset])
    yield (
        "endpointslices",
        _named(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            {"kubernetes.io/service-name": "kubernetes"},
            addressType="IPv4",
            endpoints=[{"addresses": [_ADDRESS], "conditions": {"ready": True}}],
            ports=[dict(_HTTPS)],
        ),
    )


def _named(api_version: str, kind: str, labels: dict[str, str], **rest: Any) -> Object:
    meta = {"name": "kubernetes", "namespace": "default", "labels": labels}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **rest}
