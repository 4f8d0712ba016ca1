"""The roles and bindings every cluster starts with, as far as people and their tools rely on them.

Origin: k8s: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go
"""

from typing import Any

from fakekube.api.access import components, people
from fakekube.machinery.wire import Object

_RBAC = "rbac.authorization.k8s.io"
_META = {
    "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
    "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
}
_READ = ("get", "list", "watch")
_GATHERED = "rbac.authorization.k8s.io/aggregate-to-"
_ISSUER = (
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/",
    "/openid/v1/jwks",
    "/openid/v1/jwks/",
)
_MONITORED = (
    "/healthz",
    "/healthz/*",
    "/livez",
    "/livez/*",
    "/metrics",
    "/metrics/slis",
    "/readyz",
    "/readyz/*",
)
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


def _gathered(name: str, rules: list[dict[str, Any]], part_of: str = "") -> Object:
    """A role gathered from parts; `rules` is what they say at first, as the controller that gathers them writes it."""
    label = f"{_GATHERED}{name}"
    role = _role(name, *rules, aggregationRule={"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]})
    return _labelled(role, part_of) if part_of else role


def _part(name: str, rules: list[dict[str, Any]]) -> Object:
    return _labelled(_role(f"system:aggregate-to-{name}", *rules), name)


def _labelled(role: Object, part_of: str) -> Object:
    meta = role["metadata"]
    return role | {"metadata": meta | {"labels": meta["labels"] | {f"{_GATHERED}{part_of}": "true"}}}


def _trust_reader() -> Object:
    """For servers that delegate authentication: how requests passed on to them are recognised."""
    name, trusted = "extension-apiserver-authentication-reader", "extension-apiserver-authentication"
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [trusted], "verbs": list(_READ)}
    role = _role(name, rule)
    return role | {"kind": "Role", "metadata": role["metadata"] | {"namespace": "kube-system"}}


def objects() -> list[Object]:
    """In the order in which they are made."""
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
    delegated = {
        "apiGroups": ["authorization.k8s.io"],
        "resources": ["subjectaccessreviews"],
        "verbs": ["create"],
    }
    token_reviews = {
        "apiGroups": ["authentication.k8s.io"],
        "resources": ["tokenreviews"],
        "verbs": ["create"],
    }
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    return [
        _role("cluster-admin", everything, {"nonResourceURLs": ["*"], "verbs": ["*"]}),
        _role("system:discovery", {"nonResourceURLs": list(_DISCOVERY), "verbs": ["get"]}),
        _role("system:public-info-viewer", {"nonResourceURLs": list(_HEALTH), "verbs": ["get"]}),
        _role("system:basic-user", reviews, whoami),
        _part("view", people.view()),
        _part("edit", people.edit()),
        _part("admin", people.admin()),
        _gathered("view", people.view(), "edit"),
        _gathered("edit", [*people.edit(), *people.view()], "admin"),
        _gathered("admin", [*people.admin(), *people.edit(), *people.view()]),
        _role("system:auth-delegator", delegated, token_reviews),
        _role(
            "system:service-account-issuer-discovery", {"nonResourceURLs": list(_ISSUER), "verbs": ["get"]}
        ),
        _role("system:monitoring", {"nonResourceURLs": list(_MONITORED), "verbs": ["get"]}),
        *(_role(name, *rules) for name, rules, _ in components.roles()),
        *(_bound(name, [subject]) for name, _, subject in components.roles()),
        _trust_reader(),
        _binding("cluster-admin", "system:masters"),
        _binding("system:discovery", "system:authenticated"),
        _binding("system:basic-user", "system:authenticated"),
        _binding("system:public-info-viewer", "system:authenticated", "system:unauthenticated"),
        _binding("system:monitoring", "system:monitoring"),
        _binding("system:service-account-issuer-discovery", "system:serviceaccounts"),
    ]
