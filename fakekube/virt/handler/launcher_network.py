"""The interfaces by which a launcher passes packets on to its guest, as commands in its `compute` container find them. Pure.

Origin: kubevirt: pkg/network/{namescheme,setup}
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from fakekube.agents.node_server.place import Container, Done, Program, failed
from fakekube.machinery.objects import Obj, dig
from fakekube.virt import multus
from fakekube.virt.handler import guest_addresses

_PASSED_ON = ("bridge", "masquerade")


class Link(Struct, frozen=True):
    """One of them. `port`: of a bridge, which learns no addresses from it."""

    name: str
    address: str = ""
    port: bool = False
    up: bool = True


def links(vmi: Obj) -> tuple[Link, ...]:
    """Without the loopback."""
    networks = {one["name"]: one for one in dig(vmi, "spec", "networks", default=())}
    told = {one.get("name"): one for one in dig(vmi, "status", "interfaces", default=())}
    found = list[Link]()
    for interface in dig(vmi, "spec", "domain", "devices", "interfaces", default=()):
        own = interface.get("name", "")
        if own in told:
            secondary = multus.is_secondary(networks.get(own, {}))
            found += _of(interface, multus.pod_interface(own) if secondary else "eth0", told[own])
    return tuple(found)


def _of(interface: Obj, in_pod: str, told: Obj) -> Iterator[Link]:
    address, short = told.get("ipAddress", ""), in_pod.removeprefix("pod")
    if "bridge" in interface:  # the guest has its address
        yield Link(in_pod, up=False)
        yield Link(f"{in_pod}-nic", port=True)
    else:
        yield Link(in_pod, address)
    if interface.keys() & set(_PASSED_ON):
        yield Link(f"k6t-{short}")
        yield Link("tap0" if in_pod == "eth0" else f"tap{short}")


def files(found: Sequence[Link]) -> dict[str, str]:
    made = dict[str, str]()
    for one in found:
        folder = f"/sys/class/net/{one.name}"
        made |= {f"{folder}/mtu": f"{guest_addresses.MTU}\n", f"{folder}/address": f"{_mac(one.name)}\n"}
        if one.port:
            made[f"{folder}/brport/learning"] = "0\n"
        if not one.up:
            made[f"{guest_addresses.DOWN}{one.name}"] = ""
    return made


def programs(found: Sequence[Link]) -> Mapping[str, Program]:
    names = [one.name for one in found]

    def ethtool(_at: Container, words: list[str], _stdin: str) -> Done:
        """Bridges that offer addresses leave checksums to whoever sends."""
        named = [word for word in words if not word.startswith("-")]
        if not named or named[0] not in names:
            return failed("netlink error: no device matches name (offset 24)", 75)
        return Done(f"Features for {named[0]}:\nrx-checksumming: on\ntx-checksumming: off\n")

    return {
        "ethtool": ethtool,
        "ip": guest_addresses.ip([(one.name, _mac(one.name), one.address) for one in found]),
    }


def _mac(name: str) -> str:
    """Nobody's own: it follows from the name."""
    return ":".join(["02", *(f"{byte:02x}" for byte in f"{name:>5}"[-5:].encode())])
