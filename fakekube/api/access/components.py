"""Roles of the control plane's own parts, so that controllers and nodes can work where RBAC is enforced.

Upstream every controller has a role of its own beside what it reads through the controller manager's shared caches; nodes
are judged by an authorizer of their own, for which a role has to do here.

Origin: k8s: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/{controller_policy,policy}.go
"""

from collections.abc import Sequence
from typing import Any

_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_SYSTEM = "kube-system"

Rule = dict[str, Any]


def _rule(verbs: Sequence[str], resources: Sequence[str], *groups: str) -> Rule:
    return {"apiGroups": list(groups or ("",)), "resources": list(resources), "verbs": list(verbs)}


_CONTROLLERS: dict[str, list[Rule]] = {
    "generic-garbage-collector": [_rule(("get", "list", "watch", "patch", "update", "delete"), ("*",), "*")],
    "namespace-controller": [
        _rule(("get", "list", "watch", "delete"), ("namespaces",)),
        _rule(("update",), ("namespaces/finalize", "namespaces/status")),
        _rule(("get", "list", "delete", "deletecollection"), ("*",), "*"),
    ],
    "service-account-controller": [_rule(("create",), ("serviceaccounts",))],
    "tokens-controller": [
        _rule(("get", "delete", "update"), ("secrets", "serviceaccounts")),
        _rule(("create",), ("serviceaccounts/token",)),
    ],
    "root-ca-cert-publisher": [_rule(("create", "update"), ("configmaps",))],
    "endpoint-controller": [
        _rule((*_READ, "create", "update", "delete"), ("endpoints",)),
        _rule(("create",), ("endpoints/restricted",)),
    ],
    "endpointslice-controller": [
        _rule((*_READ, "create", "update", "delete"), ("endpointslices",), "discovery.k8s.io")
    ],
    "endpointslicemirroring-controller": [
        _rule((*_READ, "create", "update", "delete"), ("endpointslices",), "discovery.k8s.io")
    ],
    "deployment-controller": [
        _rule(("update",), ("deployments", "deployments/status", "deployments/finalizers"), "apps"),
        _rule(_WRITE, ("replicasets",), "apps"),
    ],
    "replicaset-controller": [
        _rule(("update",), ("replicasets", "replicasets/status", "replicasets/finalizers"), "apps"),
        _rule(("create", "delete", "patch"), ("pods",)),
    ],
    "replication-controller": [
        _rule(
            ("update",),
            ("replicationcontrollers", "replicationcontrollers/status", "replicationcontrollers/finalizers"),
        ),
        _rule(("create", "delete", "patch"), ("pods",)),
    ],
    "statefulset-controller": [
        _rule(("update",), ("statefulsets", "statefulsets/status", "statefulsets/finalizers"), "apps"),
        _rule(_WRITE, ("controllerrevisions",), "apps"),
        _rule(("create", "delete", "patch", "update"), ("pods", "persistentvolumeclaims")),
    ],
    "daemon-set-controller": [
        _rule(("update",), ("daemonsets", "daemonsets/status", "daemonsets/finalizers"), "apps"),
        _rule(_WRITE, ("controllerrevisions",), "apps"),
        _rule(("create", "delete", "patch"), ("pods", "pods/binding")),
    ],
    "job-controller": [
        _rule(("patch", "update"), ("jobs", "jobs/status", "jobs/finalizers"), "batch"),
        _rule(("create", "delete", "patch"), ("pods",)),
    ],
    "persistent-volume-binder": [  # and whoever provides, grows and protects volumes here
        _rule(_WRITE, ("persistentvolumes",)),
        _rule(
            ("patch", "update"),
            ("persistentvolumes/status", "persistentvolumeclaims", "persistentvolumeclaims/status"),
        ),
    ],
    "ephemeral-volume-controller": [_rule(("create",), ("persistentvolumeclaims",))],
    "resource-claim-controller": [
        _rule(_WRITE, ("resourceclaims", "resourceclaims/status"), "resource.k8s.io"),
        _rule(("patch",), ("pods/status",)),
    ],
    "ttl-after-finished-controller": [_rule(("delete",), ("jobs",), "batch")],
    "cronjob-controller": [
        _rule(("update",), ("cronjobs", "cronjobs/status", "cronjobs/finalizers"), "batch"),
        _rule(_WRITE, ("jobs",), "batch"),
    ],
    "horizontal-pod-autoscaler": [
        _rule(("update",), ("horizontalpodautoscalers/status",), "autoscaling"),
        _rule(("update",), ("*/scale",), "*"),
    ],
    "disruption-controller": [
        _rule(("update",), ("poddisruptionbudgets/status",), "policy"),
        _rule(("patch", "update"), ("pods/status",)),
    ],
    "node-controller": [
        _rule(("patch", "update"), ("nodes", "nodes/status", "pods/status")),
        _rule(("delete",), ("pods",)),
    ],
    "pod-garbage-collector": [_rule(("delete",), ("pods",)), _rule(("patch",), ("pods/status",))],
}


def roles() -> list[tuple[str, list[Rule], Rule]]:
    """(name, rules, who is bound to it)."""
    found: list[tuple[str, list[Rule], Rule]] = [
        (
            f"system:controller:{name}",
            rules,
            {"kind": "ServiceAccount", "name": name, "namespace": _SYSTEM},
        )
        for name, rules in _CONTROLLERS.items()
    ]
    events = _rule(("create", "patch", "update"), ("events",), "", "events.k8s.io")
    reading = [_rule(_READ, ("*",), "*"), events]
    found.append(("system:kube-controller-manager", reading, _group(f"system:serviceaccounts:{_SYSTEM}")))
    scheduling = [
        *reading,
        _rule(("create",), ("bindings", "pods/binding")),
        _rule(("patch", "update"), ("pods/status",)),
        _rule(("delete",), ("pods",)),
        _rule(("patch", "update"), ("persistentvolumeclaims",)),
        _rule(("patch", "update"), ("resourceclaims", "resourceclaims/status"), "resource.k8s.io"),
    ]
    found.append(("system:kube-scheduler", scheduling, _user("system:kube-scheduler")))
    node = [
        *reading,
        _rule(("create", "delete", "patch", "update"), ("nodes", "nodes/status", "pods", "pods/status")),
        _rule(_WRITE, ("leases",), "coordination.k8s.io"),
        _rule(_WRITE, ("csinodes",), "storage.k8s.io"),
    ]
    found.append(("system:node", node, _group("system:nodes")))
    return found


def _group(name: str) -> Rule:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}


def _user(name: str) -> Rule:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}
