"""What else an installation consists of, as data: accounts, roles, services, and where certificates would be.

Origin: kubevirt: pkg/virt-operator/resource/generate/{components,rbac}, cdi: pkg/operator/resources
"""

from typing import Any

from fakekube.machinery.wire import Object

REGISTRY = "quay.io/kubevirt"
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
_SECRETS = (
    *("kubevirt-ca", "kubevirt-export-ca", "kubevirt-operator-certs", "kubevirt-controller-certs"),
    *("kubevirt-virt-api-certs", "kubevirt-virt-handler-certs", "kubevirt-virt-handler-server-certs"),
    *("kubevirt-exportproxy-certs",),
)
_BUNDLES = ("kubevirt-ca", "kubevirt-export-ca")
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


def services(kubevirt: str, cdi: str) -> list[Object]:
    metrics = {"prometheus.kubevirt.io": "true"}
    return [
        _service("virt-api", kubevirt, {"kubevirt.io": "virt-api"}, 8443),
        _service("virt-exportproxy", kubevirt, {"kubevirt.io": "virt-exportproxy"}, 8443),
        _service("kubevirt-operator-webhook", kubevirt, {"kubevirt.io": "virt-operator"}, 8444),
        _service("kubevirt-prometheus-metrics", kubevirt, metrics, 8443),
        _service("cdi-api", cdi, {"cdi.kubevirt.io": "cdi-apiserver"}, 8443),
        _service("cdi-uploadproxy", cdi, {"cdi.kubevirt.io": "cdi-uploadproxy"}, 8443),
        _service("cdi-prometheus-metrics", cdi, {"prometheus.cdi.kubevirt.io": "true"}, 8080),
    ]


def certificates(kubevirt: str) -> list[Object]:
    """The secrets and bundles of KubeVirt's own authority. They are empty: its components meet in one process."""
    managed = {"app.kubernetes.io/managed-by": "virt-operator"}
    found = [
        {
            **_core("Secret", name, kubevirt, managed),
            "type": "kubernetes.io/tls",
            "data": {"tls.crt": "", "tls.key": ""},
        }
        for name in _SECRETS
    ]
    found += [{**_core("ConfigMap", name, kubevirt, managed), "data": {"ca-bundle": ""}} for name in _BUNDLES]
    return found


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


def _service(name: str, namespace: str, selector: dict[str, str], target: int) -> Object:
    obj = _core("Service", name, namespace, dict(selector))
    obj["spec"] = {
        "selector": selector,
        "ports": [{"port": 443, "targetPort": target, "protocol": "TCP"}],
        "type": "ClusterIP",
    }
    return obj
