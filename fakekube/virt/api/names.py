"""Host names and resolver settings of an instance's spec. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/vmi-create-admitter.go
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.virt.causes import Cause, not_supported, required

Spec = Mapping[str, Any]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_LABEL_LIMIT, _SUBDOMAIN_LIMIT = 63, 253
_NAMESERVERS, _SEARCHES, _SEARCH_CHARACTERS = 3, 6, 256


def hostname(path: str, spec: Spec) -> Iterator[Cause]:
    name = spec.get("hostname")
    where = f"{path}.hostname"
    if not name:
        return
    wrong = [] if _LABEL.fullmatch(name) else [_LABEL_TEXT]
    if len(name) > _LABEL_LIMIT:
        wrong.append(f"must be no more than {_LABEL_LIMIT} characters")
    if wrong:
        yield Cause(
            f"{where} does not conform to the kubernetes DNS_LABEL rules : {', '.join(reversed(wrong))}",
            where,
        )


def subdomain(path: str, spec: Spec) -> Iterator[Cause]:
    wrong = _not_a_subdomain(spec.get("subdomain") or "")
    where = f"{path}.subdomain"
    if wrong:
        yield Cause(
            f"{where} does not conform to the kubernetes DNS_SUBDOMAIN rules : {', '.join(wrong)}", where
        )


def _not_a_subdomain(name: str) -> list[str]:
    if not name:
        return []
    wrong = [f"must be no more than {_SUBDOMAIN_LIMIT} characters"] if len(name) > _SUBDOMAIN_LIMIT else []
    if not all(_LABEL.fullmatch(part) for part in name.split(".")):
        wrong.append(_SUBDOMAIN_TEXT)
    return wrong


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
        for text in _not_a_subdomain(search):
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
