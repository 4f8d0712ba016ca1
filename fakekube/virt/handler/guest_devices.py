"""What a guest has on its disks, and where that is kept. Pure."""

from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from fakekube.agents.volume_contents import Part

INSTANCE = "var/lib/cloud/data/instance-id"  # on the disk it boots from: for which cloud-init has done once what it does once
RELEASE = "etc/os-release"  # on the same disk: which system it is
CHANNEL = "/sys/class/virtio-ports/vport2p1/name"


class Disk(Struct, frozen=True):
    """One that holds configuration: its label, and its files by their paths on it."""

    label: str
    files: Mapping[str, str]


class Backing(Struct, frozen=True):
    """The volume of the cluster that holds what is on a guest's disk, or shared with it; `kept`: also what the guest writes. `below`:
    the folder there that holds it."""

    volume: str
    part: Part
    kept: bool = True
    below: str = ""


class Contents(Struct, frozen=True):
    """What a guest has on its disks, and has been configured with."""

    origin: str = ""  # what the disk it boots from was filled with
    backings: Mapping[str, Backing] = field(default_factory=dict)  # by device, or the tag of what is shared
    disks: Mapping[str, Disk] = field(default_factory=dict)  # by device
    hostname: str = ""  # where it is to be another one
    identity: str = ""  # for which cloud-init does once what it does once
    script: str = ""  # what is to run then
    files: Mapping[str, str] = field(default_factory=dict)  # what is written then
    each_time: str = ""  # what is to run before that, whenever it boots
    addresses: Mapping[str, str] = field(default_factory=dict)  # what is written whenever it boots
    keys: Mapping[str, str] = field(default_factory=dict)  # files its agent writes whenever they are others
    smbios: Mapping[str, str] = field(default_factory=dict)  # what the cluster has its firmware say


NOTHING = Contents()


def files(devices: Iterator[str]) -> dict[str, str]:
    """The devices as files."""
    return {**{f"/dev/{device}": "" for device in devices}, CHANNEL: "org.qemu.guest_agent.0\n"}
