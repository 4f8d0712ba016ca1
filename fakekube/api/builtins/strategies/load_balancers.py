"""Addresses of load balancers in the status of Services and Ingresses. Pure.

Origin: k8s: pkg/apis/core/validation/validation.go (ValidateLoadBalancerStatus), pkg/apis/networking/validation/validation.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes, parse_ip, valid_ip
from fakekube.machinery.field_checks import dns_subdomain
from fakekube.machinery.field_errors import forbidden, invalid, not_supported
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

_AT = "status.loadBalancer.ingress"
_MODES = ("Proxy", "VIP")


def of_service(service: Object) -> Causes:
    """Only load balancers have such addresses; each says how packets for its IP arrive."""
    found = dig(service, "status", "loadBalancer", "ingress") or ()
    if found and dig(service, "spec", "type") != "LoadBalancer":
        return [forbidden(_AT, 'may only be used when `spec.type` is "LoadBalancer"')]
    return [
        error
        for index, one in enumerate(found)
        for error in _ip(one, f"{_AT}[{index}]")
        + _mode(one, f"{_AT}[{index}]")
        + _host(one, f"{_AT}[{index}]")
    ]


def of_ingress(ingress: Object) -> Causes:
    """An IP is one, and a host is none."""
    return [
        error
        for index, one in enumerate(dig(ingress, "status", "loadBalancer", "ingress") or ())
        for error in _ip(one, f"{_AT}[{index}]") + _host(one, f"{_AT}[{index}]")
    ]


def _ip(one: Mapping[str, Any], at: str) -> Causes:
    return valid_ip(one["ip"], f"{at}.ip") if one.get("ip") else []


def _mode(one: Mapping[str, Any], at: str) -> Causes:
    mode = one.get("ipMode")
    if mode is not None and not one.get("ip"):
        return [forbidden(f"{at}.ipMode", "may not be specified when `ip` is not set")]
    if mode is not None and mode not in _MODES:
        return [not_supported(f"{at}.ipMode", mode, list(_MODES))]
    return []


def _host(one: Mapping[str, Any], at: str) -> Causes:
    host = one.get("hostname")
    if not host:
        return []
    found = dns_subdomain(host, f"{at}.hostname")
    if parse_ip(host) is not None:
        found.append(invalid(f"{at}.hostname", host, "must be a DNS name, not an IP address"))
    return found
