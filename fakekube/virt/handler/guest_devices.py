"""Disks with configuration on them and the TPM, as programs in a guest find them. Pure.

A register of the TPM is the file Linux has for it: it is kept as long as the guest runs, wherever that is.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from fakekube.agents.node_server.place import Container, Done, Program, failed
from fakekube.agents.volume_contents import Part

INSTANCE = "var/lib/cloud/data/instance-id"  # on the disk it boots from: for which cloud-init has done once what it does once
RELEASE = "etc/os-release"  # on the same disk: which system it is
CHANNEL = "/sys/class/virtio-ports/vport2p1/name"
_REGISTERS = "/sys/class/tpm/tpm0/pcr-sha256"
_EMPTY = "0" * 64


class Disk(Struct, frozen=True):
    """One that holds configuration: its label, and its files by their paths on it."""

    label: str
    files: Mapping[str, str]


class Backing(Struct, frozen=True):
    """The volume of the cluster that holds what is on a guest's disk, or shared with it; `kept`: also what the guest writes."""

    volume: str
    part: Part
    kept: bool = True


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


def files(devices: Iterator[str], *, tpm: bool) -> dict[str, str]:
    """The devices as files."""
    made = {f"/dev/{device}": "" for device in devices}
    return {**made, CHANNEL: "org.qemu.guest_agent.0\n", **(dict.fromkeys(_TPM, "") if tpm else {})}


_TPM = ("/dev/tpm0", "/dev/tpmrm0")


def _read(at: Container, words: list[str], _stdin: str) -> Done:
    if _TPM[0] not in at.files:
        return _NO_TPM
    _, _, listed = (words[-1] if words else "sha256:0").partition(":")
    rows = (f"    {one:<2}: 0x{_register(at, one).upper()}\n" for one in listed.split(","))
    return Done("  sha256:\n" + "".join(rows))


def _extended(at: Container, words: list[str], _stdin: str) -> Done:
    from hashlib import sha256  # noqa: PLC0415 - few guests are asked

    if _TPM[0] not in at.files:
        return _NO_TPM
    number, _, digest = (words[-1] if words else "").partition(":sha256=")
    try:
        added = bytes.fromhex(digest)
    except ValueError:
        added = b""
    if not number.isdigit() or len(added) != len(_EMPTY) // 2:
        return failed("ERROR: Unable to run tpm2_pcrextend")
    value = sha256(bytes.fromhex(_register(at, number)) + added).hexdigest()
    return Done(wrote={f"{_REGISTERS}/{number}": f"{value}\n"})


def _register(at: Container, number: str) -> str:
    return at.files.get(f"{_REGISTERS}/{number}", _EMPTY).strip()


_NO_TPM = failed(
    "ERROR:tcti:src/tss2-tcti/tcti-device.c: Failed to open specified TCTI device file /dev/tpmrm0"
)


PROGRAMS: Mapping[str, Program] = {"tpm2_pcrread": _read, "tpm2_pcrextend": _extended}
