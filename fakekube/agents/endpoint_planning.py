"""Which addresses stand behind a Service. Pure.

A Service's pods become `Ready`-aware endpoints, grouped by the ports their containers really listen on; groups become
the subsets of one Endpoints object. How they are spread over EndpointSlices: `endpoint_slices`.

Upstream: k8s: pkg/controller/endpoint/endpoints_controller.go, staging/src/k8s.io/endpointslice/reconciler.go
"""

import ipaddress
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from fakekube.machinery import objects
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

MAX_IN_ENDPOINTS = 1000
SERVICE_NAME, MANAGED_BY = "kubernetes.io/service-name", "endpointslice.kubernetes.io/managed-by"
HEADLESS = "service.kubernetes.io/headless"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
_ADDRESSES = ("addresses", "notReadyAddresses")

Endpoint = dict[str, Any]
Port = tuple[str, str, int, str]  # name, protocol, port, appProtocol


class Shape(Struct, frozen=True):
    """What all endpoints of one slice share."""

    family: str
    ports: tuple[Port, ...]


# --- from pods -------------------------------------------------------------------------------------------------


def concerns(pod: Object) -> tuple[Any, ...]:
    """Everything of a pod that can matter here: while it stays the same, nobody has to look."""
    return (
        objects.labels(pod),
        dig(pod, "status", "podIPs"),
        dig(pod, "status", "podIP"),
        objects.is_final(pod),
        objects.condition_is(pod, "Ready"),
        objects.is_terminating(pod),
        dig(pod, "spec", "nodeName"),
    )


def endpoints_of_pods(
    service: Object, pods: Iterable[Object], zones: Mapping[str, str]
) -> dict[Shape, list[Endpoint]]:
    """The slice endpoints of a Service with a selector, by what they share."""
    spec: Mapping[str, Any] = service["spec"]
    found: dict[Shape, list[Endpoint]] = {}
    for family in spec.get("ipFamilies") or ("IPv4",):
        for pod in pods:
            address = address_of(pod, family)
            if address and not objects.is_final(pod):
                shape = Shape(family, ports_of(service, pod))
                found.setdefault(shape, []).append(_endpoint(service, pod, address, zones))
    return found


def _endpoint(service: Object, pod: Object, address: str, zones: Mapping[str, str]) -> Endpoint:
    serving, terminating = objects.condition_is(pod, "Ready"), objects.is_terminating(pod)
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    endpoint: Endpoint = {
        "addresses": [address],
        "conditions": {
            "ready": published or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": target_of(pod),
    }
    node = dig(pod, "spec", "nodeName")
    if node:
        endpoint["nodeName"] = node
        if zones.get(node):
            endpoint["zone"] = zones[node]
    hostname = _hostname(service, pod)
    return {**endpoint, "hostname": hostname} if hostname else endpoint


def subsets_of_pods(service: Object, pods: Iterable[Object]) -> list[Object]:
    """The subsets of a Service's Endpoints object. Pods on their way out are in slices only."""
    family = (service["spec"].get("ipFamilies") or ("IPv4",))[0]
    groups: dict[tuple[Port, ...], tuple[list[Object], list[Object]]] = {}
    for pod in pods:
        address = address_of(pod, family)
        if not address or objects.is_terminating(pod) or objects.is_final(pod):
            continue
        ports = ports_of(service, pod)
        if not ports and service["spec"].get("ports"):
            continue
        entry: Object = {"ip": address}
        hostname = _hostname(service, pod)
        if hostname:
            entry["hostname"] = hostname
        if dig(pod, "spec", "nodeName"):
            entry["nodeName"] = pod["spec"]["nodeName"]
        entry["targetRef"] = target_of(pod)
        published = service["spec"].get("publishNotReadyAddresses")
        ready, unready = groups.setdefault(ports, ([], []))
        (ready if published or objects.condition_is(pod, "Ready") else unready).append(entry)
    return [_subset(*groups[ports], ports) for ports in sorted(groups)]


def truncated(subsets: Sequence[Object], limit: int = MAX_IN_ENDPOINTS) -> tuple[list[Object], bool]:
    """As many addresses as fit into one Endpoints object, and whether that left any out.

    Ready ones come first; each subset keeps its part of what there is room for.
    """
    counts = {member: sum(len(one.get(member, ())) for one in subsets) for member in _ADDRESSES}
    if sum(counts.values()) <= limit:
        return list(subsets), False
    cut = _ADDRESSES[0] if counts[_ADDRESSES[0]] > limit else _ADDRESSES[1]
    room = limit if cut == _ADDRESSES[0] else limit - counts[_ADDRESSES[0]]
    left, kept = room, []
    for subset in subsets:
        part = min(left, math.ceil(len(subset.get(cut, ())) / counts[cut] * room))
        left -= part
        addresses = {cut: subset.get(cut, [])[:part]}
        if cut == _ADDRESSES[1]:
            addresses[_ADDRESSES[0]] = subset.get(_ADDRESSES[0], [])
        others = {name: value for name, value in subset.items() if name not in _ADDRESSES}
        kept.append({name: value for name, value in addresses.items() if value} | others)
    return kept, True


def _subset(ready: list[Object], unready: list[Object], ports: tuple[Port, ...]) -> Object:
    subset: Object = {}
    for member, entries in zip(_ADDRESSES, (ready, unready), strict=True):
        if entries:
            subset[member] = sorted(entries, key=lambda one: ipaddress.ip_address(one["ip"]).packed)
    if ports:
        subset["ports"] = [shown_port(port, always_named=False) for port in ports]
    return subset


def ports_of(service: Object, pod: Object) -> tuple[Port, ...]:
    """The Service's ports as this pod serves them; named ones it does not have are left out."""
    found: list[Port] = []
    for port in service["spec"].get("ports") or ():
        protocol = port.get("protocol") or "TCP"
        target = port.get("targetPort") or port["port"]
        number = target if isinstance(target, int) else _named(pod, target, protocol)
        if number:
            found.append((port.get("name") or "", protocol, number, port.get("appProtocol") or ""))
    return tuple(found)


def _named(pod: Object, name: str, protocol: str) -> int:
    for container in dig(pod, "spec", "containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == name and (port.get("protocol") or "TCP") == protocol:
                return int(port["containerPort"])
    return 0


def address_of(pod: Object, family: str) -> str:
    """The pod's address in this family, if it has one."""
    status = pod.get("status") or {}
    listed = [one.get("ip") or "" for one in status.get("podIPs") or ()] or [status.get("podIP") or ""]
    return next((ip for ip in listed if ip and family_of(ip) == family), "")


def family_of(ip: str) -> str:
    return "IPv6" if ":" in ip else "IPv4"


def target_of(pod: Object) -> Object:
    return {
        "kind": "Pod",
        "namespace": objects.namespace(pod),
        "name": objects.name(pod),
        "uid": objects.uid(pod),
    }


def _hostname(service: Object, pod: Object) -> str:
    spec = pod["spec"]
    return str(spec.get("hostname") or "") if spec.get("subdomain") == objects.name(service) else ""


# --- from Endpoints --------------------------------------------------------------------------------------------


def endpoints_of_subsets(subsets: Iterable[Object]) -> dict[Shape, list[Endpoint]]:
    """The slice endpoints that mirror somebody's hand-written Endpoints."""
    found: dict[Shape, list[Endpoint]] = {}
    for subset in subsets:
        ports = tuple(
            (one.get("name") or "", one.get("protocol") or "TCP", one["port"], one.get("appProtocol") or "")
            for one in subset.get("ports") or ()
        )
        for member, ready in (("addresses", True), ("notReadyAddresses", False)):
            for entry in subset.get(member) or ():
                endpoint: Endpoint = {"addresses": [entry["ip"]], "conditions": {"ready": ready}}
                kept = {
                    name: entry[name] for name in ("hostname", "nodeName", "targetRef") if entry.get(name)
                }
                shape = Shape(family_of(entry["ip"]), ports)
                found.setdefault(shape, []).append(endpoint | kept)
    return found


def shown_port(port: Port, *, always_named: bool) -> Object:
    """A port as Endpoints and slices list it."""
    name, protocol, number, app = port
    shown: Object = {"name": name} if name or always_named else {}
    shown |= {"port": number, "protocol": protocol}
    return {**shown, "appProtocol": app} if app else shown
