"""Addresses handed out: of each range the next free one, round and round. A range's first address is its gateway's."""

from collections.abc import Iterator
from ipaddress import ip_network

from fakekube.machinery.objects import Obj, dig, name, uid

_DEFAULT_NETWORK = "10.244.0.0/16"  # of nodes that name none


class Addresses:
    """Those of one network, which may have several ranges. Whoever holds an address is known by a name."""

    def __init__(self) -> None:
        self._by_owner: dict[str, str] = {}
        self._taken: set[str] = set()
        self._next: dict[str, tuple[Iterator[str], int]] = {}

    def of(self, owner: str, cidr: str) -> str | None:
        """The owner's address: the one it has, or a new one; None: all are taken."""
        if known := self._by_owner.get(owner):
            return known
        if cidr not in self._next:
            self._next[cidr] = _around(cidr)
        addresses, size = self._next[cidr]
        free = next(
            (one for one, _ in zip(addresses, range(size), strict=False) if one not in self._taken), None
        )
        if free is not None:
            self.take(owner, free)
        return free

    def take(self, owner: str, address: str) -> None:
        self._by_owner[owner] = address
        self._taken.add(address)

    def release(self, owner: str) -> None:
        address = self._by_owner.pop(owner, None)
        if address is not None:
            self._taken.discard(address)


def of_pod(addresses: Addresses, pod: Obj, node: Obj) -> str:
    """A pod's address: the one it has, or a new one of its node's range. Raises RuntimeError where there is none left."""
    cidr = dig(node, "spec", "podCIDR") or _DEFAULT_NETWORK
    known = dig(pod, "status", "podIP") or addresses.of(uid(pod), cidr)
    if known is None:
        raise RuntimeError(f"no free pod address in {cidr} of node {name(node)}; give it a larger podCIDR")
    return str(known)


def _around(cidr: str) -> tuple[Iterator[str], int]:
    """The addresses of a range for ever, and how many it has."""
    network = ip_network(cidr, strict=False)
    first, last = int(network.network_address) + 2, int(network.broadcast_address)
    if network.num_addresses <= 2:
        first, last = int(network.network_address), int(network.broadcast_address) + 1
    kind = type(network.network_address)

    def forever() -> Iterator[str]:
        while True:
            yield from (str(kind(number)) for number in range(first, last))

    return forever(), network.num_addresses
