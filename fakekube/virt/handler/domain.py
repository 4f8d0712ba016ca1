"""What a running guest looks like in its VMI: devices, addresses, volumes, CPUs and memory. Pure.

Origin: kubevirt: pkg/virt-handler/vm.go, pkg/network/setup/netstat.go, pkg/network/vmispec/interface.go
"""

import hashlib
from collections.abc import Iterable

from fakekube.machinery.objects import Obj, annotations, dig, name, namespace
from fakekube.machinery.wire import Object
from fakekube.virt import multus

_MACHINE_TYPES = {"pc": "pc-i440fx-rhel7.6.0", "q35": "pc-q35-rhel9.6.0"}  # what aliases resolve to

_MOST_QUEUES = 256  # of one interface
NO_MORE_MEMORY = "kubevirt.io/func-test-memory-hotplug-fail"


def mac_address(vmi: Obj, interface: Obj) -> str:
    """The address given, or one that stays the same however often the guest restarts."""
    if given := interface.get("macAddress"):
        return str(given).lower().replace("-", ":")
    digest = hashlib.sha256(f"{namespace(vmi)}/{name(vmi)}/{interface.get('name')}".encode()).digest()
    return "02:00:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])


def interfaces(vmi: Obj, pod: Obj, *, agent: bool) -> list[Object]:
    """`status.interfaces` of a running guest: what its launcher is connected to, with addresses; the pod network first."""
    listed = {one.get("name"): one for one in dig(vmi, "status", "interfaces", default=())}
    networks = dig(vmi, "spec", "networks", default=())
    secondary = {one["name"] for one in networks if multus.is_secondary(one)}
    pod_networks = {one["name"] for one in networks} - secondary
    there = multus.attached(pod)
    made: list[Object] = []
    unnamed: list[Object] = []  # what the agent sees, and nobody can tell which of the spec's it is
    for number, interface in enumerate(dig(vmi, "spec", "domain", "devices", "interfaces", default=())):
        own = interface.get("name")
        plug: Object = {}
        if own in secondary:
            plug["podInterfaceName"] = multus.pod_interface(own)
            if plug["podInterfaceName"] not in there:
                continue
            if interface.get("state") == multus.ABSENT:
                made.append({"name": own, "infoSource": "multus-status", **plug})
                continue
        entry: Object = {**listed.get(own, {}), "name": own, "infoSource": "domain", **plug}
        if (
            "sriov" in interface
        ):  # the host's own card: the domain knows no address of it but the one that is given
            entry |= {"mac": mac_address(vmi, interface)} if interface.get("macAddress") else {}
        else:
            entry |= {"mac": mac_address(vmi, interface), "queueCount": queues(vmi, interface)}
            entry["linkState"] = interface.get("state") or "up"
        if own in pod_networks:
            ips = [one["ip"] for one in dig(pod, "status", "podIPs", default=())]
            if ips:
                entry |= {"ipAddress": ips[0], "ipAddresses": ips}
        if agent:
            seen = {"infoSource": "guest-agent", "interfaceName": f"eth{number}"}
            if "mac" in entry:
                entry |= {**seen, "infoSource": "domain, guest-agent"}
            else:
                unnamed.append({"mac": mac_address(vmi, interface), **seen})
        if plug:
            given = there[plug["podInterfaceName"]].get("ips")
            if given and "bridge" in interface:  # handed to the guest, as the pod's own address is
                entry |= {"ipAddress": given[0], "ipAddresses": given}
            entry["infoSource"] += ", multus-status"
        made.append(entry)
    return [*sorted(made, key=lambda entry: entry["name"] not in pod_networks), *unnamed]


def plugged(vmi: Obj) -> list[tuple[int, Obj]]:
    """The interfaces that are in the guest, by their place in its spec: not those that are yet to come, or have gone already."""
    told = {
        one.get("name"): one.get("infoSource", "") for one in dig(vmi, "status", "interfaces", default=())
    }
    listed = dig(vmi, "spec", "domain", "devices", "interfaces", default=())
    return [pair for pair in enumerate(listed) if not told or "domain" in told.get(pair[1].get("name"), "")]


def queues(vmi: Obj, interface: Obj) -> int:
    """In how many queues packets wait: one, or one for each CPU."""
    if not dig(vmi, "spec", "domain", "devices", "networkInterfaceMultiqueue"):
        return 1
    topology = cpu_topology(vmi)
    cpus = topology["cores"] * topology["sockets"] * topology["threads"]
    return min(cpus, _MOST_QUEUES) if interface.get("model", "virtio") == "virtio" else 1


def rewired(vmi: Obj, pod: Obj, *, agent: bool) -> list[Object] | None:
    """`status.interfaces` once links are up and down, and interfaces unplugged, as the spec says; None: they are already."""
    fresh = interfaces(vmi, pod, agent=agent)
    listed = dig(vmi, "status", "interfaces", default=())
    told = {one.get("name"): _wire(one) for one in listed}
    gone = any(one.get("name") and one.get("infoSource") == "" for one in listed)  # from everywhere
    if not gone and all(told.get(one.get("name"), _wire(one)) == _wire(one) for one in fresh):
        return None
    return fresh


def _wire(entry: Obj) -> tuple[str, bool]:
    return entry.get("linkState", ""), "domain" in entry.get("infoSource", "")


_MADE_ON_THE_NODE = frozenset(
    ("cloudInitNoCloud", "cloudInitConfigDrive", "configMap", "secret", "serviceAccount")
)


def volume_statuses(vmi: Obj) -> list[Object]:
    """`status.volumeStatus` with the device each disk has become; what is plugged in later has to wait."""
    buses = targets(vmi)
    sized = {
        volume["name"]
        for volume in dig(vmi, "spec", "volumes", default=())
        if not _MADE_ON_THE_NODE.isdisjoint(volume)
    }
    made = []
    for entry in dig(vmi, "status", "volumeStatus", default=()):
        if "hotplugVolume" in entry:
            made.append(entry)
            continue
        told = {**entry, "target": buses.get(entry["name"], entry.get("target", ""))}
        if entry["name"] in sized:
            told["size"] = 1048576
        made.append(told)
    return made


def targets(vmi: Obj) -> dict[str, str]:
    """The device each disk is in the guest when it boots."""
    buses: dict[str, str] = {}
    counts: dict[str, int] = {}
    for own, prefix in _prefixes(vmi).items():
        counts[prefix] = counts.get(prefix, 0) + 1
        buses[own] = prefix + _letters(counts[prefix] - 1)
    return buses


def free_target(vmi: Obj, own: str, taken: Iterable[str]) -> str:
    """The device a disk becomes that is plugged in: the first one nobody has."""
    prefix, taken = _prefixes(vmi).get(own, "sd"), set(taken)
    return next(made for number in range(len(taken) + 1) if (made := prefix + _letters(number)) not in taken)


def _prefixes(vmi: Obj) -> dict[str, str]:
    """What the devices of disks begin with, by disk."""
    found = {}
    for disk in dig(vmi, "spec", "domain", "devices", "disks", default=()):
        kind = next((one for one in ("disk", "cdrom", "lun") if one in disk), "disk")
        bus = dig(disk, kind, "bus") or ("sata" if kind == "cdrom" else "virtio")
        found[str(disk["name"])] = "vd" if bus == "virtio" else "sd"
    return found


def _letters(number: int) -> str:
    """A … z, aa, ab, …"""
    text = chr(ord("a") + number % 26)
    return _letters(number // 26 - 1) + text if number >= 26 else text


def machine_type(vmi: Obj) -> str:
    """The chipset the guest has."""
    chosen = str(dig(vmi, "spec", "domain", "machine", "type") or "q35")
    return _MACHINE_TYPES.get(chosen, chosen)


def memory(vmi: Obj) -> Object:
    guest = dig(vmi, "spec", "domain", "memory", "guest") or dig(
        vmi, "spec", "domain", "resources", "requests", "memory"
    )
    known = dict(dig(vmi, "status", "memory", default={}))
    if guest:
        known |= {"guestAtBoot": guest, "guestCurrent": guest, "guestRequested": guest}
    return known


def updated(vmi: Obj) -> Object:
    """`status` of a guest that has got, by moving, the sockets, the memory and the volumes its spec asks for."""
    status: Object = {key: value for key, value in vmi["status"].items() if key != "migratedVolumes"}
    status["currentCPUTopology"] = cpu_topology(vmi)
    wanted = dig(vmi, "spec", "domain", "memory", "guest")
    if wanted and not takes_no_memory(vmi):
        status["memory"] = {**(status.get("memory") or {}), "guestCurrent": wanted, "guestRequested": wanted}
    return status


def takes_no_memory(vmi: Obj) -> bool:
    """Whether memory that is plugged into the guest fails, as a test asked for."""
    return NO_MORE_MEMORY in annotations(vmi)


def cpu_topology(vmi: Obj) -> Object:
    cpu = dig(vmi, "spec", "domain", "cpu", default={})
    return {part: int(cpu.get(part) or 1) for part in ("cores", "sockets", "threads")}


def own_cpus(vmi: Obj) -> list[int]:
    """The CPUs of its node a guest has for itself, if it has some: as many as it sees, and one for its emulator where that is isolated."""
    cpu = dig(vmi, "spec", "domain", "cpu", default={})
    if not cpu.get("dedicatedCpuPlacement"):
        return []
    topology = cpu_topology(vmi)
    count = topology["cores"] * topology["sockets"] * topology["threads"]
    return list(range(count + bool(cpu.get("isolateEmulatorThread"))))
