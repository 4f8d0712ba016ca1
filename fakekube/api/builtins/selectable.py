"""What field selectors may ask of built-in kinds, beyond name and namespace.

The two event groups share stored objects, and what is selected by is remembered beside them: so both carry one table,
whose getters read an event of either version.
k8s: pkg/apis/core/v1/conversion.go (AddFieldLabelConversions…), pkg/registry/*/strategy.go (ToSelectableFields)
"""

from collections.abc import Mapping

from fakekube.api.registry.strategy import FieldGetter
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object


def _text(*path: str) -> FieldGetter:
    def get(obj: Object) -> str:
        return str(dig(obj, *path, default=""))

    return get


def _flag(*path: str) -> FieldGetter:
    def get(obj: Object) -> str:
        return "true" if dig(obj, *path) else "false"

    return get


def _number(*path: str) -> FieldGetter:
    def get(obj: Object) -> str:
        return str(dig(obj, *path, default=0))

    return get


def _pod_ip(obj: Object) -> str:
    return str(dig(obj, "status", "podIPs", 0, "ip") or dig(obj, "status", "podIP", default=""))


def _regarding(field: str) -> FieldGetter:
    def get(obj: Object) -> str:
        subject = obj.get("involvedObject") or obj.get("regarding") or {}
        return str(subject.get(field) or "")

    return get


def _reporter(obj: Object) -> str:
    return str(obj.get("reportingComponent") or obj.get("reportingController") or "")


def _source(obj: Object) -> str:
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    return str(source.get("component") or _reporter(obj))


_SUBJECT = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_EVENT: Mapping[str, FieldGetter] = {
    **{f"involvedObject.{field}": _regarding(field) for field in _SUBJECT},
    **{f"regarding.{field}": _regarding(field) for field in _SUBJECT},
    "reason": _text("reason"),
    "type": _text("type"),
    "source": _source,
    "reportingComponent": _reporter,
    "reportingController": _reporter,
}

SELECTABLE: Mapping[tuple[str, str], Mapping[str, FieldGetter]] = {
    ("", "Event"): _EVENT,
    ("events.k8s.io", "Event"): _EVENT,
    ("", "Namespace"): {"status.phase": _text("status", "phase")},
    ("", "Node"): {"spec.unschedulable": _flag("spec", "unschedulable")},
    ("", "Pod"): {
        "spec.nodeName": _text("spec", "nodeName"),
        "spec.restartPolicy": _text("spec", "restartPolicy"),
        "spec.schedulerName": _text("spec", "schedulerName"),
        "spec.serviceAccountName": _text("spec", "serviceAccountName"),
        "spec.hostNetwork": _flag("spec", "hostNetwork"),
        "status.phase": _text("status", "phase"),
        "status.podIP": _pod_ip,
        "status.podIPs": _pod_ip,
        "status.nominatedNodeName": _text("status", "nominatedNodeName"),
    },
    ("", "ReplicationController"): {"status.replicas": _number("status", "replicas")},
    ("", "Secret"): {"type": _text("type")},
    ("", "Service"): {"spec.clusterIP": _text("spec", "clusterIP"), "spec.type": _text("spec", "type")},
    ("batch", "Job"): {"status.successful": _number("status", "succeeded")},
    ("certificates.k8s.io", "CertificateSigningRequest"): {"spec.signerName": _text("spec", "signerName")},
    ("resource.k8s.io", "ResourceSlice"): {
        "spec.nodeName": _text("spec", "nodeName"),
        "spec.driver": _text("spec", "driver"),
    },
}
