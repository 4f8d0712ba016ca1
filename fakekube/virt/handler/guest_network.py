"""The network as a guest finds it: who has an address or a name, who answers, and what listens where. Pure.

A guest reaches the pods' network by its interface there, and other guests on the same secondary network by addresses of a subnet it
has one of. Nothing is beyond the cluster. Services lead to the first ready pod behind them, and answer no pings; nor do guests
that are paused, or links that are down.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network

from msgspec import Struct, field

from fakekube.agents.endpoint_planning import ports_of
from fakekube.agents.node_server import listening, names
from fakekube.agents.node_server.listening import Service
from fakekube.agents.pods.policies import Policies
from fakekube.machinery import selectors
from fakekube.machinery.objects import Obj, condition_is, controller_of, dig, labels, name, namespace, uid
from fakekube.machinery.wire import Object
from fakekube.virt import multus
from fakekube.virt.handler import guest_addresses, ports
from fakekube.virt.hostname import hostname, searched

_PODS = ""  # the wire of the pods' network; others are called by their NetworkAttachmentDefinition
_MASQUERADED = ("10.0.2.0/24", "fd10:0:2::/120")
_LOCAL = ("127.0.0.1", "::1", "localhost")

Address = IPv4Interface | IPv6Interface


class Wired(Struct, frozen=True):
    """An interface of a guest."""

    vmi: Obj
    device: str
    wire: str
    addresses: tuple[Address, ...]


class Around(Struct, frozen=True):
    """What of a cluster a guest might meet. `files`: those written in a guest, by its uid."""

    pods: Sequence[Object] = ()
    services: Sequence[Object] = ()
    nodes: Sequence[Obj] = ()
    guests: Sequence[Obj] = ()
    policies: Policies = field(default_factory=Policies)
    files: Callable[[str], Mapping[str, str]] = lambda _uid: {}
    listening: Callable[[str], Mapping[int, str]] = lambda _uid: {}
    gateways: frozenset[str] = frozenset()  # of the secondary networks it is on


class Network:
    """See the module text."""

    def __init__(self, vmi: Obj, around: Around) -> None:
        self._vmi, self._around = vmi, around
        self._own = list(wired(vmi, around.files(uid(vmi))))
        self._pod = next((one for one in around.pods if _runs(one) and _owns(vmi, one)), None)

    # --- names ---------------------------------------------------------------------------------------------------

    def address(self, host: str) -> str:
        """What a name or an address stands for; empty: nobody knows."""
        if host == "localhost" or is_address(host):
            return host
        if host == hostname(self._vmi):
            return _LOCAL[0]
        for space in ("", *searched(self._vmi)):
            if found := self._named(f"{host}.{space}".rstrip(".")):
                return found
        for node in self._around.nodes:
            if name(node) == host:
                return next((one["address"] for one in dig(node, "status", "addresses", default=())), "")
        return ""

    def _named(self, full: str) -> str:
        meant = names.meaning(full.lower())
        if meant is None:
            return ""
        own, *wanted = meant
        service = next((one for one in self._around.services if [name(one), namespace(one)] == wanted), None)
        if service is None:
            return ""
        address = dig(service, "spec", "clusterIP", default="")
        if not own and address != "None":
            return str(address)
        behind = (one for one in self._behind(service) if not own or dig(one, "spec", "hostname") == own)
        return next((str(dig(one, "status", "podIP")) for one in behind), "")

    # --- reaching ------------------------------------------------------------------------------------------------

    def answers(self, address: str) -> bool:
        """A ping."""
        if self._is_own(address):
            return True
        wire = self._wire(address)
        if wire is None:
            return False
        if address in self._gateways():
            return True
        peer = self._guest(wire, address)
        if wire != _PODS:
            return peer is not None and not condition_is(peer.vmi, "Paused")
        if (pod := self._pod_at(address)) is not None:
            paused = peer is not None and condition_is(peer.vmi, "Paused")
            return not paused and self._is_let(pod, 0, "icmp") and (peer is not None or not _is_guests(pod))
        return any(one["address"] == address for one in self._addresses_of_nodes())

    def is_taken(self, address: str) -> bool:
        """Whether somebody else has an address, on a network this guest is on."""
        return not self._is_own(address) and self.answers(address)

    def service(self, address: str, port: int, protocol: str = "tcp") -> Service | None:
        """What listens on a port there; None: nothing that is reached."""
        if self._is_own(address):
            return self._of_guest(self._vmi, port, protocol)
        wire = self._wire(address)
        if wire is None:
            return None
        if wire != _PODS:
            peer = self._guest(wire, address)
            return self._of_guest(peer.vmi, port, protocol) if peer is not None else None
        if (pod := self._pod_at(address)) is not None:
            return self._of_pod(pod, port, protocol)
        on_node = any(one["address"] == address for one in self._addresses_of_nodes())
        for one in self._around.services:
            for number, listed in enumerate(dig(one, "spec", "ports", default=())):
                wanted = listed.get("nodePort") if on_node else listed["port"]
                there = on_node or address in dig(one, "spec", "clusterIPs", default=())
                if there and wanted == port and (listed.get("protocol") or "TCP").lower() == protocol:
                    return self._of_service(one, number, protocol)
        return None

    def _of_service(self, service: Object, number: int, protocol: str) -> Service | None:
        wanted = dig(service, "spec", "ports", number)
        alone = {**service, "spec": {**service["spec"], "ports": [wanted]}}
        for pod in self._behind(service):
            for _, _, port, _ in ports_of(alone, pod):
                return self._of_pod(pod, port, protocol)
        return None

    def _of_pod(self, pod: Object, port: int, protocol: str) -> Service | None:
        if not self._is_let(pod, port, protocol):
            return None
        if not _is_guests(pod):
            return listening.of_pod(pod, port) if protocol == "tcp" else None
        peer = next((one for one in self._around.guests if _owns(one, pod)), None)
        if peer is None or all(one.wire != _PODS for one in wired(peer, self._around.files(uid(peer)))):
            return None
        return self._of_guest(peer, port, protocol) if ports.is_passed_on(peer, port, protocol) else None

    def _of_guest(self, vmi: Obj, port: int, protocol: str) -> Service | None:
        return ports.listens(vmi, hostname(vmi), port, protocol, self._around.listening(uid(vmi)))

    # --- who is where --------------------------------------------------------------------------------------------

    def _is_own(self, address: str) -> bool:
        return address in _LOCAL or any(str(one.ip) == address for own in self._own for one in own.addresses)

    def _wire(self, address: str) -> str | None:
        """The network it is looked for on; None: there is no way."""
        wanted = ip_address(address)
        for own in self._own:
            if own.wire != _PODS and any(wanted in one.network for one in own.addresses):
                return own.wire
        return _PODS if any(own.wire == _PODS for own in self._own) else None

    def _gateways(self) -> frozenset[str]:
        found = set(self._around.gateways)
        for interface, network in _pairs(self._vmi):
            if "masquerade" in interface and "pod" in network:
                given = (dig(network, "pod", member) for member in ("vmNetworkCIDR", "vmIPv6NetworkCIDR"))
                found |= {str(first(cidr or usual)) for cidr, usual in zip(given, _MASQUERADED, strict=True)}
        return frozenset(found)

    def _guest(self, wire: str, address: str) -> Wired | None:
        for vmi in self._around.guests:
            for one in wired(vmi, self._around.files(uid(vmi))):
                if one.wire == wire and any(str(own.ip) == address for own in one.addresses):
                    return one
        return None

    def _pod_at(self, address: str) -> Object | None:
        for pod in self._around.pods:
            ips = [one.get("ip") for one in dig(pod, "status", "podIPs", default=())]
            if address in ips and _runs(pod) and not dig(pod, "spec", "hostNetwork"):
                return pod
        return None

    def _behind(self, service: Object) -> list[Object]:
        selector = dig(service, "spec", "selector")
        if not selector:
            return []
        wanted = selectors.from_object({"matchLabels": selector})
        return [
            pod
            for pod in self._around.pods
            if namespace(pod) == namespace(service)
            and condition_is(pod, "Ready")
            and _runs(pod)
            and wanted.matches(labels(pod))
        ]

    def _is_let(self, pod: Obj, port: int, protocol: str) -> bool:
        return self._around.policies.let(self._pod, pod, port, protocol)

    def _addresses_of_nodes(self) -> Iterator[Obj]:
        for node in self._around.nodes:
            yield from dig(node, "status", "addresses", default=())


def wired(vmi: Obj, files: Mapping[str, str]) -> Iterator[Wired]:
    """The interfaces of a guest whose links are up. `files`: where what it has been told of its addresses is kept."""
    networks = {interface.get("name"): network for interface, network in _pairs(vmi)}
    for device, entry in guest_addresses.devices(vmi):
        network = networks.get(entry.get("name"))
        if network is None:
            continue  # a card whose network nobody can tell
        own = dig(network, "multus", "networkName", default="")
        wires = [own if "/" in own else f"{namespace(vmi)}/{own}"] if own else []
        if not multus.is_secondary(network):
            wires.append(_PODS)  # a network in the cluster's place is both
        if entry.get("linkState") != "down" and not guest_addresses.is_down(files, device):
            addresses = guest_addresses.of(device, entry.get("ipAddresses") or (), files)
            for wire in wires:
                yield Wired(vmi, device, wire, tuple(map(ip_interface, addresses)))


def _pairs(vmi: Obj) -> Iterator[tuple[Obj, Obj]]:
    """Interfaces and their networks."""
    networks = {one["name"]: one for one in dig(vmi, "spec", "networks", default=())}
    for interface in dig(vmi, "spec", "domain", "devices", "interfaces", default=()):
        yield interface, networks.get(interface.get("name"), {"pod": {}})


def first(cidr: str) -> str:
    """The first address of a network, however it is written; empty: there is none."""
    whole, _, length = cidr.partition("/")
    try:
        network = ip_network(f"{guest_addresses.without_zeros(whole)}/{length}", strict=False)
    except ValueError:
        return ""
    return str(network.network_address + 1)


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _owns(vmi: Obj, pod: Obj) -> bool:
    owner = controller_of(pod)
    here = dig(pod, "spec", "nodeName") == dig(vmi, "status", "nodeName")
    return owner is not None and owner["uid"] == uid(vmi) and here


def _is_guests(pod: Obj) -> bool:
    return labels(pod).get("kubevirt.io") == "virt-launcher"


def _runs(pod: Obj) -> bool:
    return bool(dig(pod, "status", "phase") == "Running")
