"""Rows of networking and discovery."""

from datetime import datetime
from typing import Any

from fakekube.api.printers.columns import (
    AGE,
    NAME,
    NONE,
    Header,
    Printer,
    age,
    name,
    selector,
    some,
    text,
)
from fakekube.api.printers.core import ingress_points
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object


def _ingress(obj: Object, now: datetime) -> list[Any]:
    rules = dig(obj, "spec", "rules", default=[])
    hosts = [rule["host"] for rule in rules[:3] if rule.get("host")]
    shown = ",".join(hosts) or "*"
    if len(hosts) == 3 and len(rules) > 3:
        shown += f" + {len(rules) - 3} more..."
    return [
        name(obj),
        text(obj, "spec", "ingressClassName", default=NONE),
        shown,
        ",".join(ingress_points(obj)),
        "80, 443" if dig(obj, "spec", "tls") else "80",
        age(obj, now),
    ]


def _ingress_class(obj: Object, now: datetime) -> list[Any]:
    found = dig(obj, "spec", "parameters")
    shown = NONE
    if found:
        group = f".{found['apiGroup']}" if found.get("apiGroup") is not None else ""
        shown = f"{found.get('kind')}{group}/{found.get('name')}"
    return [name(obj), text(obj, "spec", "controller"), shown, age(obj, now)]


def _slice(obj: Object, now: datetime) -> list[Any]:
    ports = [
        str(port["port"])
        if port.get("port") is not None
        else "*"
        if port.get("name") is None
        else port["name"]
        for port in obj.get("ports") or ()
    ]
    addresses = [address for one in obj.get("endpoints") or () for address in one.get("addresses") or ()]
    return [name(obj), obj.get("addressType") or "", some(ports), some(addresses), age(obj, now)]


def _address(obj: Object, now: datetime) -> list[Any]:
    parent = dig(obj, "spec", "parentRef")
    shown = NONE
    if parent:
        group, space = parent.get("group"), parent.get("namespace")
        shown = f"{parent.get('resource')}.{group}".lower() if group else str(parent.get("resource")).lower()
        shown += (f"/{space}" if space else "") + f"/{parent.get('name')}"
    return [name(obj), shown, age(obj, now)]


_PARENT = Header("ParentRef", "@networking.v1.IPAddressSpec.parentRef")

PRINTERS = {
    ("networking.k8s.io", "Ingress"): Printer(
        (
            NAME,
            Header(
                "Class",
                "The name of the IngressClass resource that should be used for additional configuration",
            ),
            Header("Hosts", "Hosts that incoming requests are matched against before the ingress rule"),
            Header("Address", "Address is a list containing ingress points for the load-balancer"),
            Header("Ports", "Ports of TLS configurations that open"),
            AGE,
        ),
        _ingress,
    ),
    ("networking.k8s.io", "IngressClass"): Printer(
        (
            NAME,
            Header("Controller", "Controller that is responsible for handling this class"),
            Header("Parameters", "A reference to a resource with additional parameters"),
            AGE,
        ),
        _ingress_class,
    ),
    ("networking.k8s.io", "NetworkPolicy"): Printer(
        (NAME, Header("Pod-Selector", "@networking.v1.NetworkPolicySpec.podSelector"), AGE),
        lambda obj, now: [name(obj), selector(dig(obj, "spec", "podSelector")), age(obj, now)],
    ),
    ("networking.k8s.io", "ServiceCIDR"): Printer(
        (NAME, Header("CIDRs", "@networking.v1.ServiceCIDRSpec.cidrs"), AGE),
        lambda obj, now: [name(obj), ",".join(dig(obj, "spec", "cidrs", default=())), age(obj, now)],
    ),
    ("networking.k8s.io", "IPAddress"): Printer((NAME, _PARENT, AGE), _address),
    ("discovery.k8s.io", "EndpointSlice"): Printer(
        (
            NAME,
            Header("AddressType", "@discovery.v1.EndpointSlice.addressType"),
            Header("Ports", "@discovery.v1.EndpointSlice.ports"),
            Header("Endpoints", "@discovery.v1.EndpointSlice.endpoints"),
            AGE,
        ),
        _slice,
    ),
}
