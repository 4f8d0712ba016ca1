"""Interfaces of a guest and their addresses, as `ip` shows and changes them, and as files of its kernel tell of them. Pure.

What somebody changes is kept in files, as everything else that is done in a guest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_interface

from fakekube.agents.node_server.place import Container, Done, Program, failed
from fakekube.machinery.objects import Obj, dig
from fakekube.virt.handler import pci_places

MTU = 1500
GIVEN = "/run/addresses/"  # what an interface has been given beside its own addresses, by its name
DOWN = "/run/down/"
LEASES = "/run/dhcp/"  # what is said of an interface when its address is asked for
_INSIDE = {"domain", "guest-agent"}
_VENDORS = {
    "sriov": "0x8086",
    "e1000": "0x8086",
    "e1000e": "0x8086",
    "rtl8139": "0x10ec",
    "ne2k_pci": "0x10ec",
}
_VIRTIO = "0x1af4"
_OPTIONS = {"-br": "", "-brief": "", "-4": "inet ", "-6": "inet6 "}
_ON_ONE_LINE = ("-o", "-one", "-oneline")
_LOOPBACK = ("lo", "", "")

Interfaces = Sequence[tuple[str, str, str]]  # name, MAC, IP address or empty


def devices(vmi: Obj) -> Iterator[tuple[str, Obj]]:
    """What interfaces are called inside, with what the status tells of them: numbered as in the spec, though the status has the
    pods' network first. Those only the launcher has are not there."""
    numbers = _numbers(vmi)
    for position, one in enumerate(dig(vmi, "status", "interfaces", default=())):
        if _INSIDE & set(one.get("infoSource", "domain").split(", ")):
            yield one.get("interfaceName") or f"eth{numbers.get(one.get('name'), position)}", one


def _numbers(vmi: Obj) -> dict[str | None, int]:
    listed = dig(vmi, "spec", "domain", "devices", "interfaces", default=())
    return {one.get("name"): number for number, one in enumerate(listed)}


def files(vmi: Obj) -> dict[str, str]:
    """What the kernel tells of them and their cards, and what a DHCP client hears."""
    own = {one.get("name"): one for one in dig(vmi, "spec", "domain", "devices", "interfaces", default=())}
    places, numbers = pci_places.of_interfaces(vmi), _numbers(vmi)
    made = {"/sys/class/net/lo/address": "00:00:00:00:00:00\n", "/sys/class/net/lo/mtu": "65536\n"}
    for device, entry in devices(vmi):
        interface, folder = own.get(entry.get("name"), {}), f"/sys/class/net/{device}"
        made |= {f"{folder}/address": f"{entry.get('mac', '')}\n", f"{folder}/mtu": f"{MTU}\n"}
        up = entry.get("linkState") != "down"
        made |= {f"{folder}/carrier": f"{up:d}\n", f"{folder}/operstate": "up\n" if up else "down\n"}
        made[f"{LEASES}{device}"] = "".join(f"new_{one}\n" for one in _lease(interface, entry))
        if interface:
            place, number = places[interface["name"]], numbers[interface["name"]]
            made |= _card(device, number, interface, place, made[f"{folder}/address"])
    return made


def _card(device: str, number: int, interface: Obj, place: str, address: str) -> Iterator[tuple[str, str]]:
    """The one behind an interface; virtio is a bus of its own."""
    model = "sriov" if "sriov" in interface else interface.get("model") or "virtio"
    told = f"/sys/class/net/{device}/device"
    yield f"{told}/vendor", f"{_VENDORS.get(model, _VIRTIO)}\n"
    below, uevent = f"/net/{device}/address", f"PCI_CLASS=20000\nPCI_SLOT_NAME={place}\n"
    if model == "virtio":
        below, uevent = f"/virtio{number}{below}", "DRIVER=virtio_net\n"
    yield f"{told}/uevent", uevent
    for folder in (f"/sys/bus/pci/devices/{place}", pci_places.path(place)):
        yield f"{folder}{below}", address
        if index := interface.get("acpiIndex"):
            yield f"{folder}/acpi_index", f"{index}\n"


def _lease(interface: Obj, entry: Obj) -> Iterator[str]:
    if address := entry.get("ipAddress"):
        yield f"ip_address={address}"
    options = interface.get("dhcpOptions") or {}
    for member, own in (("tftpServerName", "tftp_server_name"), ("bootFileName", "bootfile_name")):
        if member in options:
            yield f"{own}={options[member]}"
    if servers := options.get("ntpServers"):
        yield f"ntp_servers={' '.join(servers)}"
    for one in options.get("privateOptions") or ():
        yield f"unknown_{one['option']}={one['value']}"


def without_zeros(address: str) -> str:
    """An address as KubeVirt reads some: leading zeros of its numbers mean nothing."""
    if ":" in address:
        return address
    return ".".join(part.lstrip("0") or part[:1] for part in address.split("."))


def of(device: str, own: Iterable[str], files: Mapping[str, str]) -> list[str]:
    """All addresses of an interface, with the length of their networks."""
    told = [f"{one}/{128 if ':' in one else 24}" for one in own if one]
    return [*told, *(one for one in files.get(f"{GIVEN}{device}", "").split() if one not in told)]


def is_given(text: str) -> bool:
    """Whether somebody may give it to an interface."""
    try:
        ip_interface(text)
    except ValueError:
        return False
    return True


def is_down(files: Mapping[str, str], device: str) -> bool:
    return f"{DOWN}{device}" in files


def ip(interfaces: Interfaces) -> Program:
    """The program."""

    def run(at: Container, words: list[str], _stdin: str) -> Done:
        family = next((_OPTIONS[word] for word in words if _OPTIONS.get(word)), "")
        single = any(word in _ON_ONE_LINE for word in words)
        rest = [word for word in words if word not in (*_OPTIONS, *_ON_ONE_LINE)]
        kind, verb, *more = [*rest, "", ""]
        more = [word for word in more if word]
        if kind and "address".startswith(kind):
            if verb and verb in ("add", "del", "delete", "replace", "flush"):
                return _given(at, interfaces, verb, more)
            return _shown(at, interfaces, _device(verb, more), family, addresses=True, single=single)
        if kind and "link".startswith(kind):
            if verb == "set":
                return _set(at, interfaces, more)
            if verb in ("", "show", "list", "ls") or verb in _names(interfaces):
                return _shown(at, interfaces, _device(verb, more), "", addresses=False, single=single)
            return failed("RTNETLINK answers: Operation not supported", 2)
        if kind and "route".startswith(kind):
            return Done() if verb in ("add", "del", "replace") else Done("".join(_routes(at, interfaces)))
        return failed(
            f'Object "{kind}" is unknown, try "ip help".' if kind else "Usage: ip address | link | route"
        )

    return run


def _names(interfaces: Interfaces) -> list[str]:
    return [_LOOPBACK[0], *(own for own, _, _ in interfaces)]


def _device(verb: str, more: list[str]) -> str:
    """Whom `show` is about."""
    words = [word for word in (verb, *more) if word not in ("", "show", "list", "ls", "dev", "up")]
    return words[-1] if words else ""


def _missing(device: str) -> Done:
    return failed(f'Device "{device}" does not exist.')


def _shown(
    at: Container, interfaces: Interfaces, device: str, family: str, *, addresses: bool, single: bool
) -> Done:
    """`single`: a line for each interface, or for each of its addresses."""
    if device and device not in _names(interfaces):
        return _missing(device)
    lines = list[str]()
    for number, (own, mac, address) in enumerate((_LOOPBACK, *interfaces), 1):
        if device not in ("", own):
            continue
        told = [
            f"    {'inet6' if ':' in one else 'inet'} {one} scope global {own}"
            for one in of(own, (address,), at.files)
        ]
        if own == _LOOPBACK[0]:
            head, told = ["1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536"], ["    inet 127.0.0.1/8 scope host lo"]
        else:
            flags, state = _state(at, own)
            head = [f"{number}: {own}: <{flags}> mtu {MTU} state {state}"]
            head.append(f"    link/ether {mac} brd ff:ff:ff:ff:ff:ff")
        told = [one for one in told if addresses and family in one]
        if single:
            lines += [f"{number}: {own}{one}" for one in told] if addresses else ["\\".join(head)]
        else:
            lines += [*(one for one in head if not family or not one.startswith(" ")), *told]
    return Done("".join(f"{one}\n" for one in lines))


def _state(at: Container, own: str) -> tuple[str, str]:
    """Flags and state: a link that is down from outside is still switched on."""
    if is_down(at.files, own):
        return "BROADCAST,MULTICAST", "DOWN"
    if at.files.get(f"/sys/class/net/{own}/carrier") == "0\n":
        return "NO-CARRIER,BROADCAST,MULTICAST,UP", "DOWN"
    return "BROADCAST,MULTICAST,UP,LOWER_UP", "UP"


def _given(at: Container, interfaces: Interfaces, verb: str, more: list[str]) -> Done:
    device = more[more.index("dev") + 1] if "dev" in more[:-1] else ""
    if device not in _names(interfaces):
        return _missing(device) if device else failed('Not enough information: "dev" argument is required.')
    path = f"{GIVEN}{device}"
    told = at.files.get(path, "").split()
    if verb == "flush":
        return Done(wrote={path: ""})
    address = next((word for word in more if is_given(word) and not word.isdigit()), "")
    if not address:
        return failed("Error: any valid prefix is expected.")
    whole = address if "/" in address else f"{address}/{128 if ':' in address else 32}"
    if verb in ("del", "delete"):
        if whole not in told:
            return failed("RTNETLINK answers: Cannot assign requested address", 2)
        told.remove(whole)
    elif whole not in told:
        told.append(whole)
    elif verb == "add":
        return failed("RTNETLINK answers: File exists", 2)
    return Done(wrote={path: "".join(f"{one}\n" for one in told)})


def _set(at: Container, interfaces: Interfaces, more: list[str]) -> Done:
    words = [word for word in more if word != "dev"]
    if not words or words[0] not in _names(interfaces):
        return _missing(words[0] if words else "")
    path = f"{DOWN}{words[0]}"
    if "down" in words:
        return Done(wrote={path: ""})
    return Done(wrote={path: None} if "up" in words and path in at.files else {})


def _routes(at: Container, interfaces: Interfaces) -> Iterator[str]:
    for own, _, address in interfaces:
        for one in of(own, (address,), at.files):
            if not is_down(at.files, own) and ":" not in one:
                whole, _, length = one.partition("/")
                yield f"{whole.rpartition('.')[0]}.0/{length} dev {own} scope link src {whole}\n"
