"""Cluster IPs and node ports: which are taken, and which one is next.

What is taken follows the stored Services alone: `follow` is told of every write and deletion, so a dry run or a refused
write leaves nothing behind and there is nothing to repair.
Origin: k8s: pkg/registry/core/service/{ipallocator,portallocator}, storage/alloc.go
"""

import random
from collections.abc import Collection, Iterator
from ipaddress import IPv4Network, ip_address

from fakekube.machinery.wire import Object

SERVICE_RANGE = IPv4Network("10.96.0.0/16")
FIRST_PORT, LAST_PORT = 30000, 32767
_STATIC = 256  # the lowest addresses are left to those who ask for one
_STATIC_PORTS = 86
TAKEN_IP = "provided IP is already allocated"
TAKEN_PORT = "provided port is already allocated"


class Addresses:
    """One cluster's Service addresses. Choices come from the given source of randomness."""

    def __init__(self, source: random.Random) -> None:
        self._random = source
        self._owners: dict[str | int, str] = {}  # address or port → uid of the Service that has it
        self._held: dict[str, tuple[str | int, ...]] = {}  # and back

    def follow(self, service: Object, *, deleted: bool) -> None:
        """A Service was written or is gone."""
        uid = service["metadata"]["uid"]
        for address in self._held.pop(uid, ()):
            if self._owners.get(address) == uid:
                del self._owners[address]
        if not deleted:
            held = self._held[uid] = (*cluster_ips(service), *node_ports(service))
            for address in held:
                self._owners[address] = uid

    def refuses_ip(self, ip: str, uid: str) -> str:
        """Why the Service with this uid may not have that address; empty if it may."""
        address = ip_address(ip)
        if address not in SERVICE_RANGE or address in (
            SERVICE_RANGE.network_address,
            SERVICE_RANGE.broadcast_address,
        ):
            return (
                f"the provided IP ({ip}) is not in the valid range. The range of valid IPs is {SERVICE_RANGE}"
            )
        return "" if self._owners.get(ip, uid) == uid else TAKEN_IP

    def refuses_port(self, port: int, uid: str) -> str:
        if not FIRST_PORT <= port <= LAST_PORT:
            return f"provided port is not in the valid range. The range of valid ports is {FIRST_PORT}-{LAST_PORT}"
        return "" if self._owners.get(port, uid) == uid else TAKEN_PORT

    def next_ip(self) -> str | None:
        """A free address, from the upper part of the range while there is one; None when all are taken."""
        last = SERVICE_RANGE.num_addresses - 1  # the broadcast address
        for low, high in ((_STATIC + 1, last), (1, _STATIC + 1)):
            for offset in _from_anywhere(low, high, self._random):
                ip = str(SERVICE_RANGE[offset])
                if ip not in self._owners:
                    return ip
        return None

    def next_port(self, besides: Collection[int]) -> int | None:
        """A free port that is not among `besides` either."""
        dynamic = FIRST_PORT + _STATIC_PORTS
        for low, high in ((dynamic, LAST_PORT + 1), (FIRST_PORT, dynamic)):
            for port in _from_anywhere(low, high, self._random):
                if port not in self._owners and port not in besides:
                    return port
        return None


def _from_anywhere(low: int, high: int, source: random.Random) -> Iterator[int]:
    """All numbers of the range, round from a random one."""
    start = source.randrange(low, high)
    yield from range(start, high)
    yield from range(low, start)


def cluster_ips(service: Object) -> list[str]:
    """The addresses a Service has: none if it is headless."""
    return [ip for ip in service["spec"].get("clusterIPs") or () if ip and ip != "None"]


def node_ports(service: Object) -> list[int]:
    """The ports a Service has on every node, each once."""
    spec = service["spec"]
    ports = [port.get("nodePort") for port in spec.get("ports") or ()]
    return list(dict.fromkeys(port for port in (*ports, spec.get("healthCheckNodePort")) if port))
