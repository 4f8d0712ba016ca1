"""Endpoints and EndpointSlices: where the traffic of a Service goes.

Origin: k8s: pkg/apis/core/validation/validation.go (ValidateEndpoints), pkg/apis/discovery/{v1/defaults.go,validation/validation.go}
"""

from typing import Any

from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks, names
from fakekube.machinery.field_errors import duplicate, invalid, required, too_many
from fakekube.machinery.wire import Object

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_MAX_ADDRESSES, _MAX_ENDPOINTS, _MAX_PORTS = 100, 1000, 20000


class EndpointsStrategy(BuiltinStrategy):
    """The old, single object per Service."""

    metadata_rechecks = 1

    def default(self, obj: Object) -> None:
        super().default(obj)
        for subset in obj.get("subsets") or ():
            for port in subset.get("ports") or ():
                port.setdefault("protocol", "TCP")

    def prepare_create(self, obj: Object) -> None:
        _repack(obj)

    def prepare_update(self, new: Object, old: Object) -> None:
        _repack(new)

    def validate_create(self, obj: Object) -> Causes:
        return checks.each(obj.get("subsets"), "subsets", _subset)

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)


def _repack(obj: Object) -> None:
    """Addresses in a fixed order, as clients that compare whole objects rely on. What will be refused stays in its own."""
    if checks.each(obj.get("subsets"), "subsets", _subset):
        return
    for subset in obj.get("subsets") or ():
        for member in ("addresses", "notReadyAddresses"):
            if member in subset:
                subset[member].sort(key=_place)


def _place(address: dict[str, Any]) -> tuple[bytes, str]:
    ip = checks.parse_ip(address.get("ip"))
    packed = b"" if ip is None else ip.packed.rjust(16, b"\0")
    return packed, str((address.get("targetRef") or {}).get("uid") or "")


def _subset(subset: dict[str, Any], at: str) -> Causes:
    found: Causes = []
    if not subset.get("addresses") and not subset.get("notReadyAddresses"):
        found.append(required(at, "must specify `addresses` or `notReadyAddresses`"))
    for member in ("addresses", "notReadyAddresses"):
        found += checks.each(subset.get(member), f"{at}.{member}", _address)
    ports = subset.get("ports") or ()
    for index, port in enumerate(ports):
        found += _port(port, f"{at}.ports[{index}]", named=len(ports) > 1)
    return found


def _address(address: dict[str, Any], at: str) -> Causes:
    ip = address.get("ip") or ""
    found = checks.valid_ip(ip, f"{at}.ip")
    if address.get("hostname"):
        found += checks.dns_label(address["hostname"], f"{at}.hostname")
    if address.get("nodeName"):
        found += field_checks.dns_subdomain(address["nodeName"], f"{at}.nodeName")
    return found + checks.ordinary_ip(ip, f"{at}.ip")


def _port(port: dict[str, Any], at: str, *, named: bool) -> Causes:
    found: Causes = []
    name = port.get("name") or ""
    if name:
        found += checks.dns_label(name, f"{at}.name")
    elif named:
        found.append(required(f"{at}.name"))
    found += checks.port_number(port.get("port"), f"{at}.port")
    found += field_checks.one_of(port.get("protocol"), f"{at}.protocol", _PROTOCOLS)
    if port.get("appProtocol"):
        found += field_checks.qualified(port["appProtocol"], f"{at}.appProtocol")
    return found


class EndpointSliceStrategy(BuiltinStrategy):
    """A part of a Service's endpoints, all of one address type."""

    metadata_rechecks = 1

    def default(self, obj: Object) -> None:
        super().default(obj)
        for port in obj.get("ports") or ():
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")
        for endpoint in obj.get("endpoints") or ():
            endpoint.setdefault("conditions", {})

    def changes_generation(self, new: Object, old: Object) -> bool:
        """Labels count too: they say which Service a slice belongs to."""
        labels = new["metadata"].get("labels") != old["metadata"].get("labels")
        return labels or super().changes_generation(new, old)

    def validate_create(self, obj: Object) -> Causes:
        kind = obj.get("addressType") or ""
        found = field_checks.one_of(kind, "addressType", _ADDRESS_TYPES)
        endpoints = obj.get("endpoints") or ()
        if len(endpoints) > _MAX_ENDPOINTS:
            found.append(too_many("endpoints", len(endpoints), _MAX_ENDPOINTS))
        for index, endpoint in enumerate(endpoints):
            found += _endpoint(endpoint, f"endpoints[{index}]", kind)
        return found + _slice_ports(obj.get("ports") or ())

    def validate_update(self, new: Object, old: Object) -> Causes:
        found = self.validate_create(new)
        return found + checks.immutable(new.get("addressType"), old.get("addressType"), "addressType")


def _endpoint(endpoint: dict[str, Any], at: str, kind: str) -> Causes:
    found: Causes = []
    addresses = endpoint.get("addresses") or ()
    if not addresses:
        found.append(required(f"{at}.addresses", "must contain at least 1 address"))
    elif len(addresses) > _MAX_ADDRESSES:
        found.append(too_many(f"{at}.addresses", len(addresses), _MAX_ADDRESSES))
    for index, address in enumerate(addresses):
        place = f"{at}.addresses[{index}]"
        if kind == "FQDN":
            found += field_checks.texts(place, address, names.subdomain(address))
        elif kind in ("IPv4", "IPv6"):
            parsed = checks.parse_ip(address)
            if parsed is None:
                found += checks.valid_ip(address, place)
            elif f"IPv{parsed.version}" != kind:
                found.append(invalid(place, address, f"must be an {kind} address"))
            found += [] if parsed is None else checks.ordinary_ip(address, place)
    if endpoint.get("nodeName"):
        found += field_checks.dns_subdomain(endpoint["nodeName"], f"{at}.nodeName")
    if endpoint.get("hostname"):
        found += checks.dns_label(endpoint["hostname"], f"{at}.hostname")
    return found


def _slice_ports(ports: Any) -> Causes:
    found: Causes = []
    if len(ports) > _MAX_PORTS:
        found.append(too_many("ports", len(ports), _MAX_PORTS))
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at, name = f"ports[{index}]", port.get("name") or ""
        if name:
            found += checks.dns_label(name, f"{at}.name")
        if name in seen:
            found.append(duplicate(f"{at}.name", name))
        seen.add(name)
        found += field_checks.one_of(port.get("protocol"), f"{at}.protocol", _PROTOCOLS)
        if port.get("appProtocol"):
            found += field_checks.qualified(port["appProtocol"], f"{at}.appProtocol")
    return found
