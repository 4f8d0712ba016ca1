"""Addresses handed out: of each range the next free one, round and round.

A range is a subnet, whose first address is its gateway's, or what lies from one address to another (`10.0.0.5-10.0.0.9`), or
several of these, with commas between.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from itertools import chain

from fakekube.client.controller import RetryError
from fakekube.machinery.objects import Obj, dig, name, uid

_DEFAULT_NETWORK = "10.244.0.0/16"  # of nodes that name none


class Addresses:
    """Those of one network, which may have several ranges. Whoever holds an address is known by a name."""

    def __init__(self) -> None:
        self._by_owner: dict[str, str] = {}
        self._taken: set[str] = set()
        self._next: dict[str, tuple[Iterator[str], int]] = {}

    def __bool__(self) -> bool:
        """Whether anybody has one."""
        return bool(self._by_owner)

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

    def release(self, owner: str) -> bool:
        """Whether it had one."""
        address = self._by_owner.pop(owner, None)
        if address is not None:
            self._taken.discard(address)
        return address is not None


def of_pod(addresses: Addresses, pod: Obj, node: Obj) -> str:
    """A pod's address: the one it has, or a new one of its node's range. Raises RetryError where there is none left."""
    cidr = dig(node, "spec", "podCIDR") or _DEFAULT_NETWORK
    known = dig(pod, "status", "podIP") or addresses.of(uid(pod), cidr)
    if known is None:
        raise RetryError(f"no free pod address in {cidr} of node {name(node)}; give it a larger podCIDR")
    return str(known)


def usable(range_: str) -> str:
    """A range as host-local tells it: from which address to which. Raises ValueError where it is none."""
    return ",".join(f"{kind(first)}-{kind(last)}" for kind, first, last in map(_bounds, range_.split(",")))


def _around(range_: str) -> tuple[Iterator[str], int]:
    """The addresses of a range for ever, and how many it has."""
    parts = []
    for one in range_.split(","):
        kind, first, last = _bounds(one)
        gateway = first if "-" not in one and last > first else None
        parts.append((kind, range(first if gateway is None else first + 1, last + 1)))

    def forever() -> Iterator[str]:
        while True:
            yield from chain.from_iterable(map(str, map(kind, numbers)) for kind, numbers in parts)

    return forever(), sum(numbers.stop - numbers.start for _, numbers in parts)


def _bounds(one: str) -> tuple[type, int, int]:
    """Of which family it is, and its first and last address."""
    if "-" in one:
        low, high = (ip_address(part.strip()) for part in one.split("-", 1))
        if low.version != high.version or int(low) > int(high):
            raise ValueError(f"{one} is no range")
        return type(low), int(low), int(high)
    network = ip_network(one, strict=False)
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.num_addresses <= 2:
        return type(network.network_address), first, last
    return (
        type(network.network_address),
        first + 1,
        last - (network.version == 4),
    )  # the other has no broadcasts
