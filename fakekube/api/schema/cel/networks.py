"""URLs, IP addresses and CIDRs.

k8s: staging/src/k8s.io/apiserver/pkg/cel/library/{urls,ip,cidr}.go
"""

import ipaddress
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import SplitResult, parse_qs, urlsplit

from msgspec import Struct

from fakekube.api.schema.cel.overloads import Library
from fakekube.api.schema.cel.types import BOOL, CIDR, INT, IP, STRING, URL, list_of, map_of
from fakekube.api.schema.cel.values import CelError
from fakekube.machinery import digits

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Interface | ipaddress.IPv6Interface


class Url(Struct, frozen=True):
    cel_type: ClassVar[str] = "kubernetes.URL"
    parts: SplitResult


class Ip(Struct, frozen=True):
    cel_type: ClassVar[str] = "net.IP"
    address: _Address

    def __str__(self) -> str:
        return str(self.address)


class Cidr(Struct, frozen=True):
    cel_type: ClassVar[str] = "net.CIDR"
    interface: _Network

    def __str__(self) -> str:
        return str(self.interface)

    def contains_ip(self, address: _Address) -> bool:
        return address.version == self.interface.version and address in self.interface.network

    def contains(self, other: "Cidr") -> bool:
        return (
            other.interface.version == self.interface.version
            and other.interface.network.prefixlen >= self.interface.network.prefixlen
            and self.contains_ip(other.interface.network.network_address)
        )


def parse_url(text: str) -> Url:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise CelError(f"URL parse error during conversion from string: {error}") from None
    if not (parts.scheme or text.startswith("/")) or any(char.isspace() for char in text):
        raise CelError(
            f'URL parse error during conversion from string: parse "{text}": invalid URI for request'
        )
    return Url(parts)


def parse_ip(text: str) -> Ip:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise CelError(f'IP Address "{text}" parse error during conversion from string') from None
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped is not None or address.scope_id):
        raise CelError(f'IP Address "{text}" parse error during conversion from string')
    return Ip(address)


def parse_cidr(text: str) -> Cidr:
    bits = text.partition("/")[2]
    try:
        if digits.number(bits) is None:
            raise ValueError(text)
        return Cidr(ipaddress.ip_interface(text))
    except ValueError:
        raise CelError(
            f'network address parse error during conversion from string: netip.ParsePrefix("{text}"): not a CIDR'
        ) from None


def parses(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    """Whether a text can be read at all."""

    def test(text: str) -> bool:
        try:
            parse(text)
        except CelError:
            return False
        return True

    return test


def _host(url: Url) -> str:
    return url.parts.netloc.rpartition("@")[2]


def _is_loopback(ip: Ip) -> bool:
    return ip.address.is_loopback


def _is_unspecified(ip: Ip) -> bool:
    return ip.address.is_unspecified


def _is_link_local_multicast(ip: Ip) -> bool:
    linked = ipaddress.ip_network("224.0.0.0/24" if ip.address.version == 4 else "ff02::/16")
    return ip.address in linked


def _is_global_unicast(ip: Ip) -> bool:
    one = ip.address
    return not (one.is_unspecified or one.is_loopback or one.is_multicast or one.is_link_local) and (
        one != ipaddress.ip_address("255.255.255.255")
    )


def _within(cidr: Cidr, other: Any) -> bool:
    return cidr.contains_ip(other.address if isinstance(other, Ip) else parse_ip(other).address)


def install(library: Library) -> None:
    library.add("url", (STRING,), URL, parse_url)
    library.add("isURL", (STRING,), BOOL, parses(parse_url))
    library.member("getScheme", (URL,), STRING, lambda url: url.parts.scheme)
    library.member("getHost", (URL,), STRING, _host)
    library.member("getHostname", (URL,), STRING, lambda url: url.parts.hostname or "")
    library.member("getPort", (URL,), STRING, lambda url: str(url.parts.port or ""))
    library.member("getEscapedPath", (URL,), STRING, lambda url: url.parts.path)
    query = map_of(STRING, list_of(STRING))
    library.member("getQuery", (URL,), query, lambda url: parse_qs(url.parts.query, keep_blank_values=True))

    library.add("ip", (STRING,), IP, parse_ip)
    library.add("isIP", (STRING,), BOOL, parses(parse_ip))
    library.add("ip.isCanonical", (STRING,), BOOL, lambda text: str(parse_ip(text)) == text)
    library.add("string", (IP,), STRING, str)
    library.member("family", (IP,), INT, lambda ip: ip.address.version)
    library.member("isUnspecified", (IP,), BOOL, _is_unspecified)
    library.member("isLoopback", (IP,), BOOL, _is_loopback)
    library.member("isLinkLocalMulticast", (IP,), BOOL, _is_link_local_multicast)
    library.member("isLinkLocalUnicast", (IP,), BOOL, lambda ip: ip.address.is_link_local)
    library.member("isGlobalUnicast", (IP,), BOOL, _is_global_unicast)

    library.add("cidr", (STRING,), CIDR, parse_cidr)
    library.add("isCIDR", (STRING,), BOOL, parses(parse_cidr))
    library.add("string", (CIDR,), STRING, str)
    for one in (IP, STRING):
        library.member("containsIP", (CIDR, one), BOOL, _within)
    library.member("containsCIDR", (CIDR, CIDR), BOOL, Cidr.contains)
    library.member("containsCIDR", (CIDR, STRING), BOOL, lambda cidr, text: cidr.contains(parse_cidr(text)))
    library.member("ip", (CIDR,), IP, lambda cidr: Ip(cidr.interface.ip))
    library.member("masked", (CIDR,), CIDR, lambda cidr: parse_cidr(str(cidr.interface.network)))
    library.member("prefixLength", (CIDR,), INT, lambda cidr: cidr.interface.network.prefixlen)
