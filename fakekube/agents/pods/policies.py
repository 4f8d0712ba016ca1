"""NetworkPolicies: whom they let reach whom. Pure.

A pod that no policy of a direction is about talks to everybody; else at least one of its rules has to fit. Conversations of a node's
own network are nobody's business, nor what comes from beyond the cluster, but by its address.
Upstream: k8s: pkg/apis/networking/types.go
"""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from msgspec import Struct, field

from fakekube.machinery import selectors
from fakekube.machinery.objects import Obj, dig, labels, namespace

_PEERS = {"Ingress": "from", "Egress": "to"}


class Policies(Struct, frozen=True):
    """Those of a cluster, and the labels of its namespaces."""

    policies: Sequence[Obj] = ()
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def let(self, source: Obj | None, target: Obj | None, port: int, protocol: str) -> bool:
        """Whether pods may talk, one of them maybe none: on a port, or by pings (port 0)."""

        def lets(direction: str, own: Obj | None, peer: Obj | None) -> bool:
            rules = self._rules(direction, own) if own is not None else None
            if own is None or rules is None:
                return True
            listed = _PEERS[direction]
            return any(
                self._is_peer(rule.get(listed) or (), namespace(own), peer)
                and _is_port(rule.get("ports") or (), target, port, protocol)
                for rule in rules
            )

        return lets("Ingress", target, source) and lets("Egress", source, target)

    def _rules(self, direction: str, pod: Obj) -> list[Mapping[str, Any]] | None:
        """Those about a pod; None: no policy is."""
        if dig(pod, "spec", "hostNetwork"):
            return None
        about = [
            one
            for one in self.policies
            if namespace(one) == namespace(pod)
            and direction in dig(one, "spec", "policyTypes", default=("Ingress",))
            and selectors.from_object(dig(one, "spec", "podSelector", default={})).matches(labels(pod))
        ]
        rules = (dig(one, "spec", direction.lower(), default=()) for one in about)
        return [rule for listed in rules for rule in listed] if about else None

    def _is_peer(self, listed: Sequence[Mapping[str, Any]], space: str, peer: Obj | None) -> bool:
        return not listed or any(self._fits(one, space, peer) for one in listed)

    def _fits(self, one: Mapping[str, Any], space: str, peer: Obj | None) -> bool:
        if peer is None:
            return False
        if "ipBlock" in one:
            block = one["ipBlock"]
            addresses = [entry["ip"] for entry in dig(peer, "status", "podIPs", default=())]
            return _inside(addresses, (block["cidr"],)) and not _inside(addresses, block.get("except") or ())
        if "namespaceSelector" in one:
            own = self.namespaces.get(namespace(peer), {})
            if not selectors.from_object(one["namespaceSelector"]).matches(own):
                return False
        elif namespace(peer) != space:
            return False
        return selectors.from_object(one.get("podSelector") or {}).matches(labels(peer))


def _inside(addresses: Iterable[str], blocks: Iterable[str]) -> bool:
    networks = [ip_network(block, strict=False) for block in blocks]
    return any(ip_address(one) in network for one in addresses for network in networks)


def _is_port(listed: Sequence[Mapping[str, Any]], target: Obj | None, port: int, protocol: str) -> bool:
    """Rules without ports are about everything, pings among it."""
    if not listed:
        return True
    named = {
        (one.get("name"), (one.get("protocol") or "TCP").lower()): one["containerPort"]
        for container in dig(target or {}, "spec", "containers", default=())
        for one in container.get("ports") or ()
    }
    for one in listed:
        kind, wanted = (one.get("protocol") or "TCP").lower(), one.get("port")
        if not port or kind != protocol:
            continue
        first = named.get((wanted, kind), 0) if isinstance(wanted, str) else int(wanted or 0)
        if wanted is None or first <= port <= int(one.get("endPort") or first):
            return True
    return False
