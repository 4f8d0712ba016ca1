"""What the roles for people allow: view, edit and admin, each with what the one before it allows.

The roles of these names are gathered from parts that say to which of them they belong; people add parts of their own by
the same labels. Seeing secrets, running commands and acting as a service account come with edit, not with view.

Origin: k8s: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go (viewRules, editRules, adminRules)
"""

from collections.abc import Sequence
from typing import Any

_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")

Rule = dict[str, Any]


def _rule(group: str, verbs: Sequence[str], *resources: str) -> Rule:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}


def view() -> list[Rule]:
    """Reading all that gives away nothing."""
    return [
        _rule(
            "", _READ, "configmaps", "endpoints", "persistentvolumeclaims", "persistentvolumeclaims/status", "pods",
            "replicationcontrollers", "replicationcontrollers/scale", "serviceaccounts", "services", "services/status",
        ),
        _rule(
            "", _READ, "bindings", "events", "limitranges", "namespaces/status", "pods/log", "pods/status",
            "replicationcontrollers/status", "resourcequotas", "resourcequotas/status",
        ),
        _rule("", _READ, "namespaces"),
        _rule("discovery.k8s.io", _READ, "endpointslices"),
        _rule(
            "apps", _READ, "controllerrevisions", "daemonsets", "daemonsets/status", "deployments", "deployments/scale",
            "deployments/status", "replicasets", "replicasets/scale", "replicasets/status", "statefulsets",
            "statefulsets/scale", "statefulsets/status",
        ),
        _rule("autoscaling", _READ, "horizontalpodautoscalers", "horizontalpodautoscalers/status"),
        _rule("batch", _READ, "cronjobs", "cronjobs/status", "jobs", "jobs/status"),
        _rule("policy", _READ, "poddisruptionbudgets", "poddisruptionbudgets/status"),
        _rule("networking.k8s.io", _READ, "ingresses", "ingresses/status", "networkpolicies"),
        _rule("resource.k8s.io", _READ, "resourceclaims", "resourceclaims/status", "resourceclaimtemplates"),
    ]  # fmt: skip


def edit() -> list[Rule]:
    """Beyond view: changing what runs, and so acting as whatever runs."""
    return [
        _rule(
            "", _READ, "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy",
        ),
        _rule("", ("impersonate",), "serviceaccounts"),
        _rule("", _WRITE, "pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"),
        _rule("", ("create",), "pods/eviction"),
        _rule(
            "", _WRITE, "configmaps", "events", "persistentvolumeclaims", "replicationcontrollers",
            "replicationcontrollers/scale", "secrets", "serviceaccounts", "services", "services/proxy",
        ),
        _rule("", ("create",), "serviceaccounts/token"),
        _rule(
            "apps", _WRITE, "daemonsets", "deployments", "deployments/rollback", "deployments/scale", "replicasets",
            "replicasets/scale", "statefulsets", "statefulsets/scale",
        ),
        _rule("autoscaling", _WRITE, "horizontalpodautoscalers"),
        _rule("batch", _WRITE, "cronjobs", "jobs"),
        _rule("policy", _WRITE, "poddisruptionbudgets"),
        _rule("networking.k8s.io", _WRITE, "ingresses", "networkpolicies"),
        _rule("coordination.k8s.io", (*_READ, *_WRITE), "leases"),
        _rule("resource.k8s.io", _WRITE, "resourceclaims", "resourceclaimtemplates"),
    ]  # fmt: skip


def admin() -> list[Rule]:
    """Beyond edit: granting what one has."""
    return [
        _rule("authorization.k8s.io", ("create",), "localsubjectaccessreviews"),
        _rule("rbac.authorization.k8s.io", (*_READ, *_WRITE), "rolebindings", "roles"),
    ]
