"""What the server fills into a pod spec. Pods get a little more than templates: requests, service links, host ports.

Origin: k8s: pkg/apis/core/v1/{defaults,conversion}.go
"""

from collections.abc import Iterator
from typing import Any

from fakekube.api.builtins.strategies.pod_spec.resources import sum_of

Spec = dict[str, Any]

GRACE_SECONDS = 30
FILE_MODE = 0o644
_TOKEN_SECONDS = 3600
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_WITH_MODE = ("secret", "configMap", "downwardAPI", "projected")
_VOLUMES: dict[str, dict[str, Any]] = {
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def containers_of(spec: Spec) -> Iterator[Spec]:
    """Init, then regular, then ephemeral containers."""
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()
    yield from spec.get("ephemeralContainers") or ()


def pod_spec(spec: Spec) -> None:
    """Defaults of a spec wherever it stands, in place."""
    for name, value in (
        ("restartPolicy", "Always"),
        ("dnsPolicy", "ClusterFirst"),
        ("schedulerName", "default-scheduler"),
    ):
        if not spec.get(name):
            spec[name] = value
    spec.setdefault("terminationGracePeriodSeconds", GRACE_SECONDS)
    spec.setdefault("securityContext", {})
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for one in containers_of(spec):
        container(one)
    for one in spec.get("volumes") or ():
        volume(one)


def pod(spec: Spec) -> None:
    """Defaults of the spec of a pod itself, in place: limits are requested, ports of the host's network are the host's."""
    pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    on_host = spec.get("hostNetwork")
    for one in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        if one["resources"].get("limits"):
            _request_limits(one["resources"])
        if on_host:
            for port in one.get("ports") or ():
                if not port.get("hostPort"):
                    port["hostPort"] = port.get("containerPort", 0)
    whole = spec.get("resources")
    if whole and whole.get("limits"):
        _request_for_the_pod(spec, whole)


def _request_limits(resources: Spec) -> None:
    requests = resources.get("requests")
    if requests is None:
        requests = resources["requests"] = {}
    for name, amount in resources["limits"].items():
        if name not in requests:
            requests[name] = amount


def _request_for_the_pod(spec: Spec, whole: Spec) -> None:
    """Requests at pod level: what the containers ask for together, else the limit."""
    requests = whole.setdefault("requests", {})
    for name, limit in whole["limits"].items():
        if name not in requests:
            asked = [
                (one["resources"].get("requests") or {}).get(name) for one in spec.get("containers") or ()
            ]
            given = [amount for amount in asked if amount is not None]
            requests[name] = sum_of(given) if given and not name.startswith("hugepages-") else limit


def container(one: Spec) -> None:
    """Defaults of one container, in place."""
    if one.get("resources") is None:
        one["resources"] = {}
    if not one.get("terminationMessagePath"):
        one["terminationMessagePath"] = "/dev/termination-log"
    if not one.get("terminationMessagePolicy"):
        one["terminationMessagePolicy"] = "File"
    if not one.get("imagePullPolicy"):
        one["imagePullPolicy"] = pull_policy(one.get("image") or "")
    for port in one.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
    for name in _PROBES:
        probe = one.get(name)
        if probe is not None:
            for member, value in _PROBE.items():
                if not probe.get(member):
                    probe[member] = value
            _handler(probe)
    for handler in (one.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _handler(handler)
    for variable in one.get("env") or ():
        source = variable.get("valueFrom")
        if source:
            _references(source)


def _handler(handler: Spec) -> None:
    http = handler.get("httpGet")
    if http is not None:
        if not http.get("path"):
            http["path"] = "/"
        if not http.get("scheme"):
            http["scheme"] = "HTTP"
    if handler.get("grpc") is not None:
        handler["grpc"].setdefault("service", "")


def _references(source: Spec) -> None:
    field = source.get("fieldRef")
    if field is not None and not field.get("apiVersion"):
        field["apiVersion"] = "v1"
    if source.get("resourceFieldRef") is not None:
        source["resourceFieldRef"].setdefault("divisor", "0")
    if source.get("fileKeyRef") is not None:
        source["fileKeyRef"].setdefault("optional", False)


def pull_policy(image: str) -> str:
    """Images that may change behind their name are pulled always: no tag, or `latest`."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def volume(one: Spec) -> None:
    """Defaults of one volume, in place."""
    if not one.keys() - {"name"}:
        one["emptyDir"] = {}
        return
    for name in _WITH_MODE:
        source = one.get(name)
        if source is not None:
            source.setdefault("defaultMode", FILE_MODE)
            for item in source.get("items") or () if name == "downwardAPI" else ():
                _references(item)
            for part in source.get("sources") or () if name == "projected" else ():
                _projection(part)
    for name, members in _VOLUMES.items():
        source = one.get(name)
        if source is not None:
            for member, value in members.items():
                source.setdefault(member, value)
    if one.get("ephemeral") is not None:
        claim = (one["ephemeral"].get("volumeClaimTemplate") or {}).get("spec")
        if claim is not None:
            claim.setdefault("volumeMode", "Filesystem")
    if one.get("image") is not None and not one["image"].get("pullPolicy"):
        one["image"]["pullPolicy"] = pull_policy(one["image"].get("reference") or "")


def _projection(part: Spec) -> None:
    if part.get("serviceAccountToken") is not None:
        part["serviceAccountToken"].setdefault("expirationSeconds", _TOKEN_SECONDS)
    for item in (part.get("downwardAPI") or {}).get("items") or ():
        _references(item)
