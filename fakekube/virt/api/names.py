"""Host names and resolver settings of an instance's spec. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/vmi-create-admitter.go
"""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.machinery import names
from fakekube.virt.causes import Cause, not_supported, required

Spec = Mapping[str, Any]

_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_NAMESERVERS, _SEARCHES, _SEARCH_CHARACTERS = 3, 6, 256


def hostname(path: str, spec: Spec) -> Iterator[Cause]:
    name, where = spec.get("hostname"), f"{path}.hostname"
    if name and (wrong := names.label(name)):
        text = ", ".join(wrong)
        yield Cause(f"{where} does not conform to the kubernetes DNS_LABEL rules : {text}", where)


def subdomain(path: str, spec: Spec) -> Iterator[Cause]:
    name, where = spec.get("subdomain"), f"{path}.subdomain"
    if name and (wrong := names.subdomain(name)):
        text = ", ".join(wrong)
        yield Cause(f"{where} does not conform to the kubernetes DNS_SUBDOMAIN rules : {text}", where)


def resolver(path: str, spec: Spec) -> Iterator[Cause]:
    policy, config = spec.get("dnsPolicy"), spec.get("dnsConfig")
    if policy and policy not in _DNS_POLICIES:
        yield not_supported(
            f"DNSPolicy: {policy} is not supported, valid values: [{' '.join(_DNS_POLICIES)} ]",
            f"{path}.dnsPolicy",
        )
    if policy == "None":
        if config is None:
            yield required("must provide `dnsConfig` when `dnsPolicy` is None", f"{path}.dnsConfig")
            return
        if not config.get("nameservers"):
            yield required("must provide at least one DNS nameserver when `dnsPolicy` is None", "nameservers")
            return
    if config is None:
        return
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > _NAMESERVERS:
        yield Cause(
            f"must not have more than {_NAMESERVERS} nameservers: [{' '.join(servers)}]", "nameservers"
        )
    for server in servers:
        if not _is_address(server):
            yield Cause(f"must be valid IP address: {server}", "nameservers")
    if len(searches) > _SEARCHES:
        yield Cause(f"must not have more than {_SEARCHES} search paths", "searchDomains")
    if len(" ".join(searches)) > _SEARCH_CHARACTERS:
        yield Cause(
            f"must not have more than {_SEARCH_CHARACTERS} characters (including spaces) in the search list",
            "searchDomains",
        )
    for search in searches:
        for text in names.subdomain(search):
            yield Cause(text, "searchDomains")
    for option in config.get("options") or ():
        if not option.get("name"):
            yield Cause("Option.Name must not be empty", "options")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
