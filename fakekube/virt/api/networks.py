"""Networks and interfaces of an instance's spec. Pure.

Origin: kubevirt: pkg/network/admitter
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, ip_address
from typing import Any

from fakekube.machinery.objects import dig
from fakekube.virt.api import disks
from fakekube.virt.causes import Cause, duplicate, not_supported, required
from fakekube.virt.config import DISCONTINUED, ClusterConfig

_BINDINGS = ("bridge", "masquerade", "sriov", "passtBinding", "binding")
_GONE = {
    "slirp": "Slirp interface support has been discontinued since v1.3",
    "macvtap": "Macvtap network binding has been discontinued since v1.3",
    "passt": "Passt network binding has been discontinued since v1.3",
}
_MODELS = ("e1000", "e1000e", "igb", "ne2k_pci", "pcnet", "rtl8139", "virtio")
_NAME = re.compile(r"[A-Za-z0-9-_]+")
_MAC_PART = re.compile("[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}")
_PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?")
_HIGHEST_PORT = 65536
_MAC_BYTES = 6
_PRIVATE_OPTIONS = range(224, 255)


def creation(path: str, spec: Mapping[str, Any]) -> Iterator[Cause]:
    """What may exist, but not be made any more."""
    for index, interface in enumerate(_interfaces(spec)):
        for binding, text in _GONE.items():
            if interface.get(binding) is not None:
                yield Cause(text, f"{path}.domain.devices.interfaces[{index}].{binding}")


def discontinued(spec: Mapping[str, Any], config: ClusterConfig) -> Iterator[Cause]:
    """Gates of features that are gone and somebody lists all the same, where a new guest relies on them."""
    for gate in dig(config.raw, "developerConfiguration", "featureGates", default=()):
        if gate in DISCONTINUED and any(one.get(gate.lower()) is not None for one in _interfaces(spec)):
            yield not_supported(DISCONTINUED[gate])


def networks(path: str, spec: Mapping[str, Any], config: ClusterConfig) -> Iterator[Cause]:
    """Networks, interfaces, and that they fit each other."""
    listed, interfaces = spec.get("networks") or (), _interfaces(spec)
    by_name = {network["name"]: network for network in listed}
    field = f"{path}.domain.devices.interfaces"
    yield from _sources(path, listed)
    for index, interface in enumerate(interfaces):
        yield from _state(field, index, interface, by_name)
    for index, interface in enumerate(interfaces):
        yield from _binding(f"{field}[{index}]", interface, by_name.get(interface["name"], {}), config)
    yield from _names(path, field, listed, interfaces, by_name)
    for index, interface in enumerate(interfaces):
        yield from _fields(f"{field}[{index}]", interface, by_name.get(interface["name"], {}))
        yield from _dhcp(path, f"{field}[{index}].dhcpOptions", interface.get("dhcpOptions") or {})


def _interfaces(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    return (spec["domain"].get("devices") or {}).get("interfaces") or []


def _sources(path: str, listed: Any) -> Iterator[Cause]:
    pods = sum(network.get("pod") is not None for network in listed)
    defaults = sum(bool((network.get("multus") or {}).get("default")) for network in listed)
    if pods > 1:
        yield duplicate(
            f"more than one interface is connected to a pod network in {path}.interfaces",
            f"{path}.interfaces",
        )
    if defaults > 1:
        yield Cause("Multus CNI should only have one default network", f"{path}.networks")
    if pods and defaults:
        yield Cause(
            "Pod network cannot be defined when Multus default network is defined", f"{path}.networks"
        )
    for index, network in enumerate(listed):
        kinds = sum(network.get(kind) is not None for kind in ("pod", "multus", "resourceClaim"))
        if not kinds:
            yield required("should have a network type", f"{path}.networks[{index}]")
        elif kinds > 1:
            yield required("should have only one network type", f"{path}.networks[{index}]")
    for index, network in enumerate(listed):
        if network.get("multus") is not None and not network["multus"].get("networkName"):
            yield required("CNI delegating plugin must have a networkName", f"{path}.networks[{index}]")
            break


def _state(
    field: str, index: int, interface: Mapping[str, Any], by_name: Mapping[str, Any]
) -> Iterator[Cause]:
    state, name = interface.get("state"), interface["name"]
    where = f"{field}[{index}].state"
    if state not in (None, "", "absent", "up", "down"):
        yield Cause(f"logical {name} interface state value is unsupported: {state}", where)
    if state in ("up", "down") and interface.get("sriov") is not None:
        yield Cause(f'"{name}" interface\'s state "{state}" is not supported for SR-IOV NICs', where)
    if state != "absent":
        return
    if interface.get("bridge") is None:
        yield Cause(f'"{name}" interface\'s state "{state}" is supported only for bridge binding', where)
    network = by_name.get(name) or {}
    if network.get("pod") is not None or (network.get("multus") or {}).get("default"):
        yield Cause(f'"{name}" interface\'s state "{state}" is not supported on default networks', where)


def _binding(
    here: str, interface: Mapping[str, Any], network: Mapping[str, Any], config: ClusterConfig
) -> Iterator[Cause]:
    name = interface["name"]
    if sum(interface.get(binding) is not None for binding in _BINDINGS) != 1:
        yield Cause(
            f"logical {name} interface must have exactly one binding method or binding plugin",
            here,
        )
    if interface.get("masquerade") is not None:
        if network.get("pod") is None:
            yield Cause("Masquerade interface only implemented with pod network", f"{here}.name")
        if str(interface.get("macAddress") or "").lower().replace("-", ":") == "02:00:00:00:00:00":
            yield Cause(
                "The requested MAC address is reserved for the in-pod bridge. Please choose another one.",
                f"{here}.macAddress",
            )
    on_pod = interface.get("bridge") is not None and network.get("pod") is not None
    if on_pod and not config.bridge_on_pod_network:
        yield Cause(
            "Bridge on pod network configuration is not enabled under kubevirt-config", f"{here}.name"
        )
    if interface.get("passtBinding") is not None:
        if not config.gate("PasstBinding"):
            yield Cause("PasstBinding feature gate is not enabled", f"{here}.name")
        if network.get("pod") is None:
            yield Cause("PasstBinding interface only implemented with pod network", f"{here}.name")


def _names(
    path: str, field: str, listed: Any, interfaces: list[dict[str, Any]], by_name: Mapping[str, Any]
) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, network in enumerate(listed):
        if network["name"] in seen:
            yield duplicate(
                f'Network with name "{network["name"]}" already exists, every network must have a unique name',
                f"{path}.networks[{index}].name",
            )
        seen.add(network["name"])
    connected = [interface["name"] for interface in interfaces]
    for index, network in enumerate(listed):
        if network["name"] not in connected:
            where = f"{path}.networks[{index}].name"
            yield required(f"{where} '{network['name']}' not found.", where)
    for index, name in enumerate(connected):
        if name in connected[:index]:
            yield duplicate(
                "Only one interface can be connected to one specific network", f"{field}[{index}].name"
            )
    for index, name in enumerate(connected):
        if name not in by_name:
            yield Cause(f"{field}[{index}].name '{name}' not found.", f"{field}[{index}].name")


def _fields(here: str, interface: Mapping[str, Any], network: Mapping[str, Any]) -> Iterator[Cause]:
    if not _NAME.fullmatch(interface["name"]):
        yield Cause(
            "Network interface name can only contain alphabetical characters, numbers, dashes (-) or "
            "underscores (_)",
            f"{here}.name",
        )
    model = interface.get("model")
    if model and model not in _MODELS:
        yield not_supported(
            f"interface {here}.name uses model {model} that is not supported.", f"{here}.model"
        )
    mac = interface.get("macAddress")
    if mac and not mac_bytes(mac):
        yield Cause(f"interface {here}.name has malformed MAC address ({mac}).", f"{here}.macAddress")
    elif mac and mac_bytes(mac) > _MAC_BYTES:
        yield Cause(f"interface {here}.name has too long MAC address ({mac}).", f"{here}.macAddress")
    pci = interface.get("pciAddress")
    if pci and not disks.PCI.fullmatch(pci):
        yield Cause(f"interface {here}.name has malformed PCI address ({pci}).", f"{here}.pciAddress")
    if network.get("pod") is not None:
        yield from _ports(f"{here}.ports", interface.get("ports") or [])


def _dhcp(path: str, field: str, options: Mapping[str, Any]) -> Iterator[Cause]:
    numbers = [one.get("option") for one in options.get("privateOptions") or ()]
    if len(set(numbers)) < len(numbers):
        yield Cause("Found Duplicates: you have provided duplicate DHCPPrivateOptions", path)
    for number in numbers:
        if number not in _PRIVATE_OPTIONS:
            yield Cause("provided DHCPPrivateOptions are out of range, must be in range 224 to 254", path)
    for index, server in enumerate(options.get("ntpServers") or ()):
        if not _is_ipv4(server):
            yield Cause("NTP servers must be a list of valid IPv4 addresses.", f"{field}.ntpServers[{index}]")


def _is_ipv4(text: str) -> bool:
    """Go takes one that is written as an IPv6 address, too."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return isinstance(address, IPv4Address) or address.ipv4_mapped is not None


def mac_bytes(mac: str) -> int:
    """How many bytes it has, as Go reads it: each after a colon, each after a hyphen, or every two after a dot; 0: it is none."""
    separator = next((one for one in ":-." if one in mac), " ")
    parts, digits = mac.split(separator), 4 if separator == "." else 2
    right = all(len(part) == digits and _MAC_PART.fullmatch(part) for part in parts)
    count = len(parts) * digits // 2
    return count if right and count in (6, 8, 20) else 0


def _ports(field: str, ports: list[dict[str, Any]]) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        name = port.get("name")
        if not name:
            continue
        if name in seen:
            yield duplicate(f"Duplicate name of the port: {name}", f"{field}[{index}].name")
        if not _PORT_NAME.fullmatch(name):
            yield Cause(f"Invalid name of the port: {name}", f"{field}[{index}].name")
        seen.add(name)
    for index, port in enumerate(ports):
        here, number = f"{field}[{index}]", port.get("port") or 0
        if number == 0:
            yield required("Port field is mandatory.", here)
        if number < 0 or number > _HIGHEST_PORT:
            yield Cause("Port field must be in range 0 < x < 65536.", here)
        if port.get("protocol") not in (None, "", "TCP", "UDP"):
            yield Cause("Unknown protocol, only TCP or UDP allowed", f"{here}.protocol")
