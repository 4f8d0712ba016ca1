"""The roles and bindings every cluster starts with, as far as people and their tools rely on them.

Origin: k8s: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go
"""

from collections.abc import Sequence
from typing import Any

from fakekube.api.access import components
from fakekube.machinery.wire import Object

_RBAC = "rbac.authorization.k8s.io"
_META = {
    "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
    "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
}
_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_HEALTH = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY = (
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/readyz",
    "/version",
    "/version/",
)
_WORKLOADS: Sequence[tuple[str, Sequence[str]]] = (
    (
        "",
        (
            "pods",
            "pods/attach",
            "pods/exec",
            "pods/portforward",
            "pods/proxy",
            "services",
            "services/proxy",
            "configmaps",
            "endpoints",
            "persistentvolumeclaims",
            "replicationcontrollers",
            "replicationcontrollers/scale",
            "secrets",
            "serviceaccounts",
            "events",
        ),
    ),
    (
        "apps",
        (
            "daemonsets",
            "deployments",
            "deployments/rollback",
            "deployments/scale",
            "replicasets",
            "replicasets/scale",
            "statefulsets",
            "statefulsets/scale",
            "controllerrevisions",
        ),
    ),
    ("autoscaling", ("horizontalpodautoscalers",)),
    ("batch", ("cronjobs", "jobs")),
    ("networking.k8s.io", ("ingresses", "networkpolicies")),
    ("policy", ("poddisruptionbudgets",)),
    ("coordination.k8s.io", ("leases",)),
    ("discovery.k8s.io", ("endpointslices",)),
)


def _role(name: str, *rules: dict[str, Any], **more: Any) -> Object:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, **_META},
        "rules": list(rules),
        **more,
    }


def _binding(role: str, *groups: str) -> Object:
    return _bound(role, [{"apiGroup": _RBAC, "kind": "Group", "name": group} for group in groups])


def _bound(role: str, subjects: list[dict[str, Any]]) -> Object:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role, **_META},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": subjects,
    }


def _on(verbs: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"apiGroups": [group], "resources": list(names), "verbs": list(verbs)} for group, names in _WORKLOADS
    ]


def _aggregated(name: str) -> dict[str, Any]:
    label = f"rbac.authorization.k8s.io/aggregate-to-{name}"
    return {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]}}


def objects() -> list[Object]:
    """In the order in which they are made."""
    namespaced_rbac = {
        "apiGroups": [_RBAC],
        "resources": ["roles", "rolebindings"],
        "verbs": [*_READ, *_WRITE],
    }
    reviews = {
        "apiGroups": ["authorization.k8s.io"],
        "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        "verbs": ["create"],
    }
    whoami = {
        "apiGroups": ["authentication.k8s.io"],
        "resources": ["selfsubjectreviews"],
        "verbs": ["create"],
    }
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    return [
        _role("cluster-admin", everything, {"nonResourceURLs": ["*"], "verbs": ["*"]}),
        _role("system:discovery", {"nonResourceURLs": list(_DISCOVERY), "verbs": ["get"]}),
        _role("system:public-info-viewer", {"nonResourceURLs": list(_HEALTH), "verbs": ["get"]}),
        _role("system:basic-user", reviews, whoami),
        _role("view", *_on(_READ), **_aggregated("view")),
        _role("edit", *_on((*_READ, *_WRITE)), **_aggregated("edit")),
        _role("admin", *_on((*_READ, *_WRITE)), namespaced_rbac, **_aggregated("admin")),
        *(_role(name, *rules) for name, rules, _ in components.roles()),
        *(_bound(name, [subject]) for name, _, subject in components.roles()),
        _binding("cluster-admin", "system:masters"),
        _binding("system:discovery", "system:authenticated"),
        _binding("system:basic-user", "system:authenticated"),
        _binding("system:public-info-viewer", "system:authenticated", "system:unauthenticated"),
    ]
