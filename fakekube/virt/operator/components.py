"""What else an installation consists of, as data: namespaces, accounts with what they may do (`rules.json`), services.

Origin: kubevirt: pkg/virt-operator/resource/generate/{components,rbac}, cdi: pkg/operator/resources
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.resources import NETWORK_ATTACHMENT_DEFINITIONS
from fakekube.machinery.wire import Object
from fakekube.virt.operator import roles

REGISTRY = "quay.io/kubevirt"
CDI_REGISTRY = "quay.io/kubevirt"
ACCOUNTS = ("apiserver", "controller", "handler", "exportproxy", "synchronization-controller")
_OPERATOR = "operator"
_RULES = Path(__file__).parent / "rules.json"
_RBAC = "rbac.authorization.k8s.io"

_MONITORED = {"openshift.io/cluster-monitoring": "true"}


def namespace(kubevirt: str) -> Object:
    pod_security = {
        "pod-security.kubernetes.io/enforce": "privileged",
        "pod-security.kubernetes.io/audit": "privileged",
        "pod-security.kubernetes.io/warn": "privileged",
    }
    return _core("Namespace", kubevirt, labels={"kubevirt.io": "", **_MONITORED, **pod_security})


def cdi_namespace(cdi: str) -> Object:
    return _core("Namespace", cdi, labels={"cdi.kubevirt.io": ""})


def monitored(space: str) -> Object:
    """The mark by which OpenShift's Prometheus knows the namespace, which is all virt-operator looks after in it."""
    return _core("Namespace", space, labels=_MONITORED)


def priority_class() -> Object:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "kubevirt-cluster-critical"},
        "value": 1000000000,
        "globalDefault": False,
        "description": "This priority class should be used for core kubevirt components only.",
    }


def accounts(space: str, kubevirt: Obj) -> list[Object]:
    """Those of components, as a KubeVirt object wants them, but for virt-operator's, with their roles."""
    rules = _rules()
    listed = dig(kubevirt["spec"], "configuration", "developerConfiguration", "featureGates", default=())
    if "ExternalNetResourceInjection" in listed:  # that it is open by itself does not count here
        everywhere = rules["controller"]["ClusterRole"]  # somebody else looks at networks
        everywhere[:] = [
            one for one in everywhere if NETWORK_ATTACHMENT_DEFINITIONS.group not in one["apiGroups"]
        ]
    delegator = "system:auth-delegator"
    return [
        *(one for own in ACCOUNTS for one in _account(own, rules[own], space)),
        _bound("ClusterRole", delegator, "apiserver", space, "kubevirt-apiserver-auth-delegator"),
    ]


def installer(space: str) -> list[Object]:
    """What whoever installs virt-operator makes for it: nobody can grant what he may not do himself. Who is admin may install
    KubeVirt."""
    rules = _rules()
    own = rules[_OPERATOR]
    for kind, granted in own.items():
        granted += [rule for one in ACCOUNTS for rule in rules[one][kind]]
    own["ClusterRole"] += [rule for role in roles.roles() for rule in role.get("rules", ())]
    for group, reviews in (("authentication", "tokenreviews"), ("authorization", "subjectaccessreviews")):
        own["ClusterRole"].append(
            {"apiGroups": [f"{group}.k8s.io"], "resources": [reviews], "verbs": ["create"]}
        )
    return [
        *_account(_OPERATOR, own, space, joined="kubevirt-operator-rolebinding"),
        roles.for_installers(),
    ]


def _rules() -> dict[str, dict[str, list[Object]]]:
    """Those of each account's ClusterRole and Role."""
    found: dict[str, dict[str, list[Object]]] = orjson.loads(_RULES.read_bytes())
    return found


def _account(own: str, rules: Mapping[str, list[Object]], space: str, *, joined: str = "") -> list[Object]:
    """An account, and what binds it to its roles, everywhere and in its own namespace."""
    title = f"kubevirt-{own}"
    found = [_core("ServiceAccount", title, space, {"kubevirt.io": ""})]
    for kind, granted in rules.items():
        found.append({**_rights(kind, title, space), "rules": granted})
        found.append(_bound(kind, title, own, space, joined if kind == "Role" else ""))
    return found


def _bound(kind: str, role: str, own: str, space: str, title: str = "") -> Object:
    return {
        **_rights(f"{kind}Binding", title or role, space),
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": f"kubevirt-{own}", "namespace": space}],
    }


def _rights(kind: str, name: str, space: str) -> Object:
    where = "" if kind.startswith("Cluster") else space
    return {**_core(kind, name, where, {"kubevirt.io": ""}), "apiVersion": f"{_RBAC}/v1"}


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
