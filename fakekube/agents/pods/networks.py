"""Networks a pod is attached to beside the cluster's own, as Multus' annotations tell them: wanted, and there. Pure.

Nothing is plugged in anywhere. Addresses come from the ranges a network's IPAM names, where it names any.
Upstream: multus-cni: pkg/k8sclient/k8sclient.go; network-attachment-definition-client: pkg/utils/net-attach-def.go
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from fakekube.agents.pods.addresses import usable
from fakekube.machinery.objects import Obj, annotations, dig, namespace, uid

NETWORKS, DEFAULT_NETWORK = "k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network"
STATUS = "k8s.v1.cni.cncf.io/network-status"
RESOURCE_NAME = "k8s.v1.cni.cncf.io/resourceName"
_CLUSTER_NETWORK = "kindnet"  # what kind calls it
_MULTUS_NAMESPACE = "kube-system"


class Wanted(Struct, frozen=True):
    """One NetworkAttachmentDefinition a pod asks for, as an interface of this name."""

    namespace: str
    name: str
    interface: str
    mac: str = ""
    default: bool = False  # in place of the cluster's network

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


def wanted(pod: Obj) -> list[Wanted]:
    """The default network first, if it is not the cluster's."""
    found = []
    if default := annotations(pod).get(DEFAULT_NETWORK):
        space, _, own = default.rpartition("/")
        found.append(Wanted(space or _MULTUS_NAMESPACE, own, "eth0", default=True))
    for number, one in enumerate(_selected(annotations(pod).get(NETWORKS) or ""), 1):
        interface = one.get("interface") or f"net{number}"
        space = one.get("namespace") or namespace(pod)
        found.append(Wanted(space, one.get("name") or "", interface, one.get("mac") or ""))
    return found


def _selected(text: str) -> list[dict[str, Any]]:
    """Both forms of the annotation: JSON, and `namespace/name@interface, …`."""
    if text.lstrip().startswith(("[", "{")):
        try:
            read = json.loads(text)
        except ValueError:
            return []
        return [one for one in (read if isinstance(read, list) else [read]) if isinstance(one, dict)]
    made = []
    for one in filter(None, (part.strip() for part in text.split(","))):
        path, _, interface = one.partition("@")
        space, _, own = path.rpartition("/")
        made.append({"namespace": space, "name": own, "interface": interface})
    return made


def there(pod: Obj) -> list[dict[str, Any]]:
    """What the pod is attached to, the default network among it."""
    if not (text := annotations(pod).get(STATUS)):
        return []
    try:
        told = json.loads(text)
    except ValueError:
        return []
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def status(
    pod: Obj, address: str, addresses: Mapping[str, list[str]], definition: Callable[[str], Obj | None]
) -> str:
    """The annotation that tells what a pod is attached to. `addresses`: by interface; `definition`: of a network, by its key."""
    asked = wanted(pod)
    first: dict[str, Any] = {"name": _CLUSTER_NETWORK, "interface": "eth0", "ips": [address]}
    for one in asked:
        if one.default:
            first["name"] = one.key
    told = [{**first, "mac": _mac(pod, "eth0"), "default": True, "dns": {}}]
    for one in asked:
        if one.default:
            continue
        entry: dict[str, Any] = {"name": one.key, "interface": one.interface}
        if ips := addresses.get(one.interface):
            entry["ips"] = ips
        entry |= {"mac": one.mac or _mac(pod, one.interface), "dns": {}}
        if annotations(definition(one.key) or {}).get(RESOURCE_NAME):
            card = {"pci-address": _card(pod, one.interface)}
            entry["device-info"] = {"type": "pci", "version": "1.1.0", "pci": card}
        told.append(entry)
    return f"[{','.join(json.dumps(one, indent=4) for one in told)}]"


class Source(Struct, frozen=True):
    """Where a network's addresses come from; each gives one."""

    range: str  # see `addresses`
    plugin: str = ""  # the one of a list that asks for them
    fixed: bool = False  # everybody's is the same


def sources(definition: Obj) -> Iterator[Source]:
    """Those that can be read."""
    try:
        config = json.loads(dig(definition, "spec", "config") or "{}")
    except ValueError:
        return
    if not isinstance(config, dict):
        return
    for one in (config, *(config.get("plugins") or ())):
        if not isinstance(one, dict) or not isinstance(one.get("ipam"), dict):
            continue
        ipam, plugin = one["ipam"], "" if one is config else str(one.get("type") or "")
        for address in ipam.get("addresses") or ():
            yield Source(str(address["address"]).partition("/")[0], plugin, fixed=True)
        for text in _ranges(ipam):
            try:
                usable(text)
            except ValueError:
                continue
            yield Source(text, plugin)


def _ranges(ipam: dict[str, Any]) -> Iterator[str]:
    """As host-local and whereabouts have them."""
    if ipam.get("subnet"):
        yield _range(ipam, "subnet", "rangeStart", "rangeEnd")
    for group in ipam.get("ranges") or ():
        yield ",".join(_range(one, "subnet", "rangeStart", "rangeEnd") for one in group)
    for one in (ipam, *(ipam.get("ipRanges") or ())):
        if one.get("range"):
            yield _range(one, "range", "range_start", "range_end")


def _range(given: dict[str, Any], member: str, start: str, end: str) -> str:
    within = str(given[member])
    first, has_both, last = within.rpartition("/")[0].partition("-")
    if has_both:  # 10.0.0.5-10.0.0.9/24
        return f"{first}-{last}"
    if not given.get(start) and not given.get(end):
        return within
    first, _, last = usable(within).partition("-")
    return f"{given.get(start) or first}-{given.get(end) or last}"


def _digest(pod: Obj, interface: str) -> bytes:
    return hashlib.sha256(f"{uid(pod)}/{interface}".encode()).digest()


def _mac(pod: Obj, interface: str) -> str:
    return "0a:58:" + ":".join(f"{byte:02x}" for byte in _digest(pod, interface)[:4])


def _card(pod: Obj, interface: str) -> str:
    return pci_place(_digest(pod, interface)[:4])


def pci_place(made_of: bytes) -> str:
    """A PCI address: four bytes are one each, so that two of a node's hardly are the same."""
    last = made_of[3]
    return f"{made_of[:2].hex()}:{made_of[2:3].hex()}:{last >> 3:02x}.{last & 7}"
