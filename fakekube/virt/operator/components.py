"""What else an installation consists of, as data: accounts, roles, services, and the workloads tools look at.

Origin: kubevirt: pkg/virt-operator/resource/generate/{components,rbac}
"""

from typing import Any

from fakekube.machinery.wire import Object

REGISTRY, VERSION = "quay.io/kubevirt", "v1.9.0"
CDI_REGISTRY, CDI_VERSION = "quay.io/kubevirt", "v1.66.0"
ACCOUNTS = ("operator", "apiserver", "controller", "handler", "exportproxy", "synchronization-controller")
_READ = ["get", "list", "watch"]
_WRITE = ["get", "delete", "create", "update", "patch", "list", "watch"]
_ALL = [*_WRITE, "deletecollection"]
_OF_MACHINES = ("start", "stop", "restart", "migrate", "memorydump", "removememorydump", "evacuate/cancel")
_OF_INSTANCES = (
    *("pause", "unpause", "addvolume", "removevolume", "freeze", "unfreeze", "softreboot", "reset"),
    *("sev/setupsession", "sev/injectlaunchsecret", "evacuate/cancel"),
)
_READABLE = (
    *("console", "vnc", "vnc/screenshot", "portforward", "guestosinfo", "filesystemlist", "userlist"),
    *("sev/fetchcertchain", "sev/querylaunchmeasurement", "usbredir"),
)
_GROUPS = {
    "kubevirt.io": (
        *("virtualmachines", "virtualmachineinstances", "virtualmachineinstancepresets"),
        *("virtualmachineinstancereplicasets", "virtualmachineinstancemigrations"),
    ),
    "snapshot.kubevirt.io": (
        *("virtualmachinesnapshots", "virtualmachinesnapshotcontents", "virtualmachinerestores"),
    ),
    "export.kubevirt.io": ("virtualmachineexports",),
    "clone.kubevirt.io": ("virtualmachineclones",),
    "instancetype.kubevirt.io": (
        *("virtualmachineinstancetypes", "virtualmachineclusterinstancetypes"),
        *("virtualmachinepreferences", "virtualmachineclusterpreferences"),
    ),
    "pool.kubevirt.io": ("virtualmachinepools",),
    "backup.kubevirt.io": ("virtualmachinebackups", "virtualmachinebackuptrackers"),
}
_MIGRATIONS = "virtualmachineinstancemigrations"


def namespaces(kubevirt: str, cdi: str) -> list[Object]:
    pod_security = {
        "pod-security.kubernetes.io/enforce": "privileged",
        "pod-security.kubernetes.io/audit": "privileged",
        "pod-security.kubernetes.io/warn": "privileged",
    }
    return [
        _core("Namespace", kubevirt, labels={"kubevirt.io": "", **pod_security}),
        _core("Namespace", cdi, labels={"cdi.kubevirt.io": ""}),
    ]


def priority_class() -> Object:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "kubevirt-cluster-critical"},
        "value": 1000000000,
        "globalDefault": False,
        "description": "This priority class should be used for core kubevirt components only.",
    }


def accounts(namespace: str) -> list[Object]:
    return [_core("ServiceAccount", f"kubevirt-{name}", namespace, {"kubevirt.io": ""}) for name in ACCOUNTS]


def roles() -> list[Object]:
    """The roles for users, joined to Kubernetes' own admin, edit and view."""
    return [
        _role("admin", _rules(_ALL, _ALL)),
        _role("edit", _rules(_WRITE, _WRITE)),
        _role("view", _rules(_READ, _READ, change=False)),
        _role(
            "migrate",
            [
                _rule("subresources.kubevirt.io", ["virtualmachines/migrate"], ["update"]),
                _rule("kubevirt.io", [_MIGRATIONS], _ALL),
            ],
            aggregate=False,
        ),
        _role(
            "default",
            [_rule("subresources.kubevirt.io", ["version", "guestfs"], ["get", "list"])],
            aggregate=False,
        ),
    ]


def services(namespace: str) -> list[Object]:
    return [
        _service("virt-api", namespace, "virt-api", 443, 8443),
        _service("kubevirt-operator-webhook", namespace, "virt-operator", 443, 8444),
        _service("kubevirt-prometheus-metrics", namespace, "", 443, 8443),
    ]


def workloads(namespace: str, nodes: int, now: str) -> list[Object]:
    """The Deployments and the DaemonSet, as if all their pods were ready."""
    deployments = [
        _deployment(name, namespace, now) for name in ("virt-operator", "virt-api", "virt-controller")
    ]
    return [*deployments, _daemon_set("virt-handler", namespace, nodes)]


def _rules(own: list[str], others: list[str], *, change: bool = True) -> list[Object]:
    sub = "subresources.kubevirt.io"
    rules = [_rule(sub, [f"virtualmachineinstances/{name}" for name in _READABLE], ["get"])]
    rules.append(_rule(sub, ["virtualmachines/expand-spec", "virtualmachines/portforward"], ["get"]))
    if change:
        rules.append(_rule(sub, [f"virtualmachineinstances/{name}" for name in _OF_INSTANCES], ["update"]))
        machine = [f"virtualmachines/{name}" for name in _OF_MACHINES if name != "migrate"]
        rules.append(
            _rule(sub, [*machine, "virtualmachines/addvolume", "virtualmachines/removevolume"], ["update"])
        )
        rules.append(_rule(sub, ["expand-vm-spec"], ["update"]))
    for group, resources in _GROUPS.items():
        mine = [name for name in resources if name != _MIGRATIONS]
        rules.append(_rule(group, mine, own if group == "kubevirt.io" else others))
    rules.append(_rule("kubevirt.io", [_MIGRATIONS], _READ))
    rules.append(_rule("migrations.kubevirt.io", ["migrationpolicies"], _READ))
    return rules


def _role(name: str, rules: list[Object], *, aggregate: bool = True) -> Object:
    labels = {"kubevirt.io": "", "app.kubernetes.io/managed-by": "virt-operator"}
    if aggregate:
        labels[f"rbac.authorization.k8s.io/aggregate-to-{name}"] = "true"
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"kubevirt.io:{name}", "labels": labels},
        "rules": rules,
    }


def _rule(group: str, resources: list[str], verbs: list[str]) -> Object:
    return {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}


def _core(kind: str, name: str, namespace: str = "", labels: dict[str, str] | None = None) -> Object:
    meta: dict[str, Any] = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    if labels:
        meta["labels"] = labels
    return {"apiVersion": "v1", "kind": kind, "metadata": meta}


def _service(name: str, namespace: str, component: str, port: int, target: int) -> Object:
    label = {"kubevirt.io": component} if component else {"prometheus.kubevirt.io": "true"}
    obj = _core("Service", name, namespace, dict(label))
    obj["spec"] = {
        "selector": label,
        "ports": [{"port": port, "targetPort": target, "protocol": "TCP"}],
        "type": "ClusterIP",
    }
    return obj


def _labels(name: str) -> dict[str, str]:
    return {
        "kubevirt.io": name,
        "app.kubernetes.io/component": "kubevirt",
        "app.kubernetes.io/managed-by": "virt-operator",
        "app.kubernetes.io/version": VERSION,
    }


def _workload(kind: str, name: str, namespace: str, spec: dict[str, Any]) -> Object:
    account = {"virt-api": "apiserver", "virt-controller": "controller", "virt-handler": "handler"}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": _labels(name)},
        "spec": {
            **spec,
            "selector": {"matchLabels": {"kubevirt.io": name}},
            "template": {
                "metadata": {"labels": _labels(name)},
                "spec": {
                    "serviceAccountName": f"kubevirt-{account.get(name, 'operator')}",
                    "priorityClassName": "kubevirt-cluster-critical",
                    "containers": [{"name": name, "image": f"{REGISTRY}/{name}:{VERSION}"}],
                },
            },
        },
    }


def _deployment(name: str, namespace: str, now: str) -> Object:
    count = 2
    obj = _workload("Deployment", name, namespace, {"replicas": count})
    times = {"lastTransitionTime": now, "lastUpdateTime": now}
    obj["status"] = {
        "observedGeneration": 1,
        "replicas": count,
        "updatedReplicas": count,
        "readyReplicas": count,
        "availableReplicas": count,
        "conditions": [
            {
                "type": "Available",
                "status": "True",
                "reason": "MinimumReplicasAvailable",
                "message": "Deployment has minimum availability.",
                **times,
            },
            {
                "type": "Progressing",
                "status": "True",
                "reason": "NewReplicaSetAvailable",
                "message": f'ReplicaSet "{name}" has successfully progressed.',
                **times,
            },
        ],
    }
    return obj


def _daemon_set(name: str, namespace: str, nodes: int) -> Object:
    obj = _workload("DaemonSet", name, namespace, {})
    obj["status"] = {
        "observedGeneration": 1,
        "currentNumberScheduled": nodes,
        "desiredNumberScheduled": nodes,
        "updatedNumberScheduled": nodes,
        "numberAvailable": nodes,
        "numberReady": nodes,
        "numberMisscheduled": 0,
    }
    return obj
