"""Pods: defaults of the spec, phase Pending, QoS class, and a grace period after DELETE.

Origin: k8s: pkg/registry/core/pod/strategy.go, pkg/apis/core/v1/defaults.go
"""

from typing import Any

from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery.wire import Object

_DEFAULT_GRACE = 30


class PodStrategy(BuiltinStrategy):
    """What the server adds to a pod, and when DELETE removes one at once: unbound, finished, or asked for with 0."""

    def default(self, obj: Object) -> None:
        super().default(obj)
        spec = obj.get("spec")
        if isinstance(spec, dict):
            default_pod_spec(spec)

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj.get("spec") or {})}

    def prepare_update(self, new: Object, old: Object) -> None:
        if "status" in old:
            new["status"] = old["status"]

    def grace_period(self, obj: Object, asked: int | None) -> int:
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
            return 0
        if asked is not None:
            return asked
        grace = spec.get("terminationGracePeriodSeconds")
        return _DEFAULT_GRACE if grace is None else int(grace)


def default_pod_spec(spec: dict[str, Any]) -> None:
    """Defaults of a pod spec, also inside the templates of workloads. In place."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", _DEFAULT_GRACE)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for list_name in ("initContainers", "containers"):
        for container in spec.get(list_name) or ():
            default_container(container)
    for volume in spec.get("volumes") or ():
        default_volume(volume)


def default_container(container: dict[str, Any]) -> None:
    """Defaults of one container. In place."""
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    image = str(container.get("image") or "")
    if "imagePullPolicy" not in container:
        container["imagePullPolicy"] = "Always" if _is_latest(image) else "IfNotPresent"
    resources = container["resources"]
    limits = resources.get("limits")
    if limits:
        resources["requests"] = {**limits, **(resources.get("requests") or {})}
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe:
            for key, value in (
                ("timeoutSeconds", 1),
                ("periodSeconds", 10),
                ("successThreshold", 1),
                ("failureThreshold", 3),
            ):
                probe.setdefault(key, value)
            if "httpGet" in probe:
                probe["httpGet"].setdefault("path", "/")
                probe["httpGet"].setdefault("scheme", "HTTP")
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")


def _is_latest(image: str) -> bool:
    if "@" in image:
        return False
    name = image.rpartition("/")[2]
    tag = name.partition(":")[2]
    return tag in ("", "latest")


def default_volume(volume: dict[str, Any]) -> None:
    """Defaults of one volume. In place."""
    if not any(key != "name" for key in volume):
        volume["emptyDir"] = {}
    for source in ("secret", "configMap", "downwardAPI", "projected"):
        if source in volume and isinstance(volume[source], dict):
            volume[source].setdefault("defaultMode", 420)
    if isinstance(volume.get("hostPath"), dict):
        volume["hostPath"].setdefault("type", "")
    image = volume.get("image")
    if isinstance(image, dict) and "pullPolicy" not in image:
        image["pullPolicy"] = "Always" if _is_latest(str(image.get("reference") or "")) else "IfNotPresent"


def qos_class(spec: dict[str, Any]) -> str:
    """Guaranteed, Burstable or BestEffort, by the resources of all containers."""
    requested: set[bool] = set()
    guaranteed = True
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        resources = container.get("resources") or {}
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        for name in ("cpu", "memory"):
            if name in requests or name in limits:
                requested.add(True)
            if name not in limits or requests.get(name, limits.get(name)) != limits.get(name):
                guaranteed = False
    if not requested:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
