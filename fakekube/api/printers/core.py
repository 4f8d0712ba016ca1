"""Rows of the core group, except volumes and pods' relatives that live elsewhere."""

from datetime import datetime
from typing import Any

from fakekube.api.ages import since
from fakekube.api.printers.columns import (
    AGE,
    CONTAINERS,
    IMAGES,
    NAME,
    NONE,
    UNKNOWN,
    Header,
    Printer,
    age,
    conditions,
    containers,
    labels,
    name,
    text,
    wide,
)
from fakekube.api.printers.pods import PRINTER as PODS
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object


def _node(obj: Object, now: datetime) -> list[Any]:
    info = dig(obj, "status", "nodeInfo", default={})
    ready = next((one for one in conditions(obj) if one.get("type") == "Ready"), None)
    status = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    if dig(obj, "spec", "unschedulable"):
        status += ",SchedulingDisabled"
    return [
        name(obj),
        status,
        ",".join(_roles(obj)) or NONE,
        age(obj, now),
        text(info, "kubeletVersion"),
        _address(obj, "InternalIP"),
        _address(obj, "ExternalIP"),
        text(info, "osImage", default=UNKNOWN),
        text(info, "kernelVersion", default=UNKNOWN),
        text(info, "containerRuntimeVersion", default=UNKNOWN),
    ]


def _roles(obj: Object) -> list[str]:
    found = set()
    for key, value in (obj["metadata"].get("labels") or {}).items():
        if key.startswith("node-role.kubernetes.io/"):
            found.add(key.removeprefix("node-role.kubernetes.io/"))
        elif key == "kubernetes.io/role":
            found.add(value)
    return sorted(found - {""})


def _address(obj: Object, type_: str) -> str:
    addresses = dig(obj, "status", "addresses", default=())
    return next((str(one.get("address")) for one in addresses if one.get("type") == type_), NONE)


def _event(obj: Object, now: datetime) -> list[Any]:
    first = since(obj.get("firstTimestamp") or obj.get("eventTime"), now)
    last = since(obj["lastTimestamp"], now) if obj.get("lastTimestamp") else first
    count = obj.get("count") or 1
    series = obj.get("series")
    if series:
        last, count = since(series.get("lastObservedTime"), now), series.get("count") or 0
    subject = obj.get("involvedObject") or {}
    kind, target = str(subject.get("kind") or "").lower(), subject.get("name")
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return [
        last,
        obj.get("type") or "",
        obj.get("reason") or "",
        f"{kind}/{target}" if target else kind,
        subject.get("fieldPath") or "",
        f"{component}, {host}" if host else component,
        str(obj.get("message") or "").strip(),
        first,
        count,
        name(obj),
    ]


def _service(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    ports = [
        f"{port.get('port')}:{port['nodePort']}/{port.get('protocol')}"
        if port.get("nodePort")
        else f"{port.get('port')}/{port.get('protocol')}"
        for port in spec.get("ports") or ()
    ]
    return [
        name(obj),
        spec.get("type") or "",
        text(spec, "clusterIPs", 0, default=NONE),
        _external(obj, spec),
        ",".join(ports) or NONE,
        age(obj, now),
        labels(spec.get("selector")),
    ]


def _external(obj: Object, spec: Object) -> str:
    addresses: list[str] = list(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "ClusterIP" | "NodePort":
            return ",".join(addresses) or NONE
        case "LoadBalancer":
            return ",".join(ingress_points(obj) + addresses) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName") or "")
        case _:
            return UNKNOWN


def ingress_points(obj: Object) -> list[str]:
    """Addresses or host names of a load balancer, sorted."""
    found = dig(obj, "status", "loadBalancer", "ingress", default=())
    return sorted(
        {str(one.get("ip") or one.get("hostname")) for one in found if one.get("ip") or one.get("hostname")}
    )


def _endpoints(obj: Object, now: datetime) -> list[Any]:
    found = []
    for subset in obj.get("subsets") or ():
        addresses = [str(one.get("ip")) for one in subset.get("addresses") or ()]
        if not subset.get("ports"):
            found += addresses
        for port in subset.get("ports") or ():
            found += [
                f"[{address}]:{port.get('port')}" if ":" in address else f"{address}:{port.get('port')}"
                for address in addresses
            ]
    shown = ",".join(found[:3])
    if len(found) > 3:
        shown += f" + {len(found) - 3} more..."
    return [name(obj), shown if obj.get("subsets") else NONE, age(obj, now)]


def _quota(obj: Object, now: datetime) -> list[Any]:
    hard, used = dig(obj, "status", "hard", default={}), dig(obj, "status", "used", default={})
    requests: list[str] = []
    limits: list[str] = []
    for resource in sorted(hard):
        line = f"{resource}: {used.get(resource, '0')}/{hard[resource]}"
        (limits if resource.startswith("limits.") else requests).append(line)
    return [name(obj), ", ".join(requests), ", ".join(limits), age(obj, now)]


def _component(obj: Object, _now: datetime) -> list[Any]:
    found: Object = next((one for one in obj.get("conditions") or () if one.get("type") == "Healthy"), {})
    status = "Unknown" if not found else "Healthy" if found.get("status") == "True" else "Unhealthy"
    return [name(obj), status, found.get("message") or "", found.get("error") or ""]


def _template(obj: Object, _now: datetime) -> list[Any]:
    template = obj.get("template") or {}
    return [name(obj), *containers(template.get("spec")), labels(dig(template, "metadata", "labels"))]


def _claim_count(obj: Object, *members: str) -> int:
    return sum(len(obj.get(member) or ()) for member in members)


_INFO = "@core.v1.NodeSystemInfo."

PRINTERS = {
    ("", "Pod"): PODS,
    ("", "PodTemplate"): Printer(
        (
            NAME,
            Header("Containers", CONTAINERS.text),
            Header("Images", IMAGES.text),
            Header("Pod Labels", "The labels for the pod template."),
        ),
        _template,
    ),
    ("", "Node"): Printer(
        (
            NAME,
            Header("Status", "The status of the node"),
            Header("Roles", "The roles of the node"),
            AGE,
            Header("Version", f"{_INFO}kubeletVersion"),
            wide("Internal-IP", "@core.v1.NodeStatus.addresses"),
            wide("External-IP", "@core.v1.NodeStatus.addresses"),
            wide("OS-Image", f"{_INFO}osImage"),
            wide("Kernel-Version", f"{_INFO}kernelVersion"),
            wide("Container-Runtime", f"{_INFO}containerRuntimeVersion"),
        ),
        _node,
    ),
    ("", "Event"): Printer(
        (
            Header("Last Seen", "@core.v1.Event.lastTimestamp"),
            Header("Type", "@core.v1.Event.type"),
            Header("Reason", "@core.v1.Event.reason"),
            Header("Object", "@core.v1.Event.involvedObject"),
            wide("Subobject", "@core.v1.ObjectReference.fieldPath"),
            wide("Source", "@core.v1.Event.source"),
            Header("Message", "@core.v1.Event.message"),
            wide("First Seen", "@core.v1.Event.firstTimestamp"),
            wide("Count", "@core.v1.Event.count"),
            Header("Name", NAME.text, priority=1, format="name"),
        ),
        _event,
    ),
    ("", "Namespace"): Printer(
        (NAME, Header("Status", "The status of the namespace"), AGE),
        lambda obj, now: [name(obj), text(obj, "status", "phase"), age(obj, now)],
    ),
    ("", "ConfigMap"): Printer(
        (NAME, Header("Data", "@core.v1.ConfigMap.data"), AGE),
        lambda obj, now: [name(obj), _claim_count(obj, "data", "binaryData"), age(obj, now)],
    ),
    ("", "Secret"): Printer(
        (NAME, Header("Type", "@core.v1.Secret.type"), Header("Data", "@core.v1.Secret.data"), AGE),
        lambda obj, now: [name(obj), obj.get("type") or "", _claim_count(obj, "data"), age(obj, now)],
    ),
    ("", "ServiceAccount"): Printer(
        (NAME, Header("Secrets", "@core.v1.ServiceAccount.secrets"), AGE),
        lambda obj, now: [name(obj), _claim_count(obj, "secrets"), age(obj, now)],
    ),
    ("", "Service"): Printer(
        (
            NAME,
            Header("Type", "@core.v1.ServiceSpec.type"),
            Header("Cluster-IP", "@core.v1.ServiceSpec.clusterIP"),
            Header("External-IP", "@core.v1.ServiceSpec.externalIPs"),
            Header("Port(s)", "@core.v1.ServiceSpec.ports"),
            AGE,
            wide("Selector", "@core.v1.ServiceSpec.selector"),
        ),
        _service,
    ),
    ("", "Endpoints"): Printer((NAME, Header("Endpoints", "@core.v1.Endpoints.subsets"), AGE), _endpoints),
    ("", "ResourceQuota"): Printer(
        (
            NAME,
            Header(
                "Request", "Request represents a minimum amount of cpu/memory that a container may consume."
            ),
            Header(
                "Limit",
                "Limits control the maximum amount of cpu/memory that a container may use independent of contention "
                "on the node.",
            ),
            AGE,
        ),
        _quota,
    ),
    ("", "ComponentStatus"): Printer(
        (
            NAME,
            Header("Status", "Status of the component conditions"),
            Header("Message", "Message of the component conditions"),
            Header("Error", "Error of the component conditions"),
        ),
        _component,
    ),
}
