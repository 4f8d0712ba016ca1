"""What else an installation consists of, as data: namespaces, accounts, services.

Origin: kubevirt: pkg/virt-operator/resource/generate/components, cdi: pkg/operator/resources
"""

from typing import Any

from fakekube.machinery.wire import Object

REGISTRY = "quay.io/kubevirt"
CDI_REGISTRY = "quay.io/kubevirt"
ACCOUNTS = ("operator", "apiserver", "controller", "handler", "exportproxy", "synchronization-controller")

_MONITORED = {"openshift.io/cluster-monitoring": "true"}


def namespaces(kubevirt: str, cdi: str) -> list[Object]:
    pod_security = {
        "pod-security.kubernetes.io/enforce": "privileged",
        "pod-security.kubernetes.io/audit": "privileged",
        "pod-security.kubernetes.io/warn": "privileged",
    }
    return [
        _core("Namespace", kubevirt, labels={"kubevirt.io": "", **_MONITORED, **pod_security}),
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


def services(kubevirt: str) -> list[Object]:
    metrics = {"prometheus.kubevirt.io": "true"}
    scraped = _service("kubevirt-prometheus-metrics", kubevirt, metrics, "metrics", name="metrics")
    scraped["spec"]["clusterIP"] = "None"
    operator = {"kubevirt.io": "virt-operator"}
    webhooks = _service("kubevirt-operator-webhook", kubevirt, operator, "webhooks", name="webhooks")
    for one in (scraped, webhooks):
        one["metadata"]["labels"] = {"kubevirt.io": "", **metrics}
    return [
        _service("virt-api", kubevirt, {"kubevirt.io": "virt-api"}, 8443),
        _service("virt-exportproxy", kubevirt, {"kubevirt.io": "virt-exportproxy"}, 8443),
        webhooks,
        scraped,
    ]


def cdi_services(cdi: str) -> list[Object]:
    return [
        _service("cdi-api", cdi, {"cdi.kubevirt.io": "cdi-apiserver"}, 8443),
        _service("cdi-uploadproxy", cdi, {"cdi.kubevirt.io": "cdi-uploadproxy"}, 8443),
        _service("cdi-prometheus-metrics", cdi, {"prometheus.cdi.kubevirt.io": "true"}, 8080),
    ]


def _core(kind: str, name: str, namespace: str = "", labels: dict[str, str] | None = None) -> Object:
    meta: dict[str, Any] = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    if labels:
        meta["labels"] = labels
    return {"apiVersion": "v1", "kind": kind, "metadata": meta}


def _service(own: str, namespace: str, selector: dict[str, str], target: int | str, **port: str) -> Object:
    obj = _core("Service", own, namespace, dict(selector))
    obj["spec"] = {
        "selector": selector,
        "ports": [{**port, "port": 443, "targetPort": target, "protocol": "TCP"}],
        "type": "ClusterIP",
    }
    return obj
