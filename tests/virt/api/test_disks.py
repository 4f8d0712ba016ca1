"""Disks, as upstream's vmi-create-admitter and its admitters of storage judge them: each text, and the field it is about."""

from typing import Any

import pytest

from fakekube.virt.api import disks
from fakekube.virt.causes import REQUIRED, Cause, not_supported
from fakekube.virt.config import ClusterConfig

Object = dict[str, Any]

PLAIN = ClusterConfig("amd64")
SHUT = ClusterConfig(
    "amd64", {"developerConfiguration": {"disabledFeatureGates": ["DeclarativeHotplugVolumes"]}}
)
AT = "spec.domain.devices.disks"
CARDS = "spec.domain.devices.interfaces"
VOLUMES = [
    {"name": "image", "containerDisk": {"image": "a"}},
    {"name": "claim", "persistentVolumeClaim": {"claimName": "a"}},
    {"name": "data", "dataVolume": {"name": "a"}},
    {"name": "metrics", "downwardMetrics": {}},
]
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def ordered(*listed: Object, cards: list[Object] | None = None, config: ClusterConfig = PLAIN) -> list[Cause]:
    devices = {"disks": list(listed), "interfaces": cards or []}
    return list(disks.boot_order("spec", {"domain": {"devices": devices}, "volumes": VOLUMES}, config))


def judged(*listed: Object) -> list[Cause]:
    return list(disks.disks("d", list(listed)))


def one(**more: Any) -> Object:
    return {"name": "a", **more}


def test_disks_of_volumes() -> None:
    """A disk is of a volume; only a drive may be empty, where drives are filled later."""
    assert ordered({"name": "image", "disk": {}}) == []
    assert ordered({"name": "gone", "disk": {}}) == [
        Cause(f"{AT}[0].Name 'gone' not found.", f"{AT}[0].name")
    ]
    assert ordered({"name": "gone"}) == [Cause(f"{AT}[0].Name 'gone' not found.", f"{AT}[0].name")]
    empty = {"name": "gone", "cdrom": {}}
    text = "DeclarativeHotplugVolumes feature gate not enabled, cannot define an empty CD-ROM disk"
    assert ordered(empty) == []
    assert ordered(empty, config=SHUT) == [Cause(text, f"{AT}[0].name")]


def test_units_of_storage() -> None:
    """A LUN is of a claim."""
    text = f"{AT}[2].lun can only be mapped to a DataVolume or PersistentVolumeClaim volume."
    found = ordered(*({"name": name, "lun": {}} for name in ("claim", "data", "image")))
    assert found == [Cause(text, f"{AT}[2].lun")]


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ({"disk": {}}, []),
        ({"disk": {"bus": "virtio"}}, []),
        (
            {"cdrom": {}},
            [
                (
                    f"DownwardMetrics volume must be mapped to a disk, but disk is not set on {AT}[0].disk.",
                    f"{AT}[0].disk",
                    REQUIRED,
                )
            ],
        ),
        (
            {"disk": {"bus": "sata"}},
            [
                (
                    f"DownwardMetrics volume must be mapped to virtio bus, but {AT}[0].disk.bus is set to sata",
                    f"{AT}[0].disk.bus",
                )
            ],
        ),
    ],
)
def test_metrics(target: Object, found: list[tuple[str, ...]]) -> None:
    """Metrics of the host are a disk on virtio."""
    assert ordered({"name": "metrics", **target}) == [Cause(*wrong) for wrong in found]


def test_order() -> None:
    """Each place in the boot order is taken once, by a disk or by a card; upstream tells odd places of cards oddly."""

    def taken(field: str) -> Cause:
        return Cause(f"Boot order for {field} already set for a different device.", field)

    listed = [{"name": name, "bootOrder": place} for name, place in (("image", 1), ("claim", 2), ("data", 1))]
    cards = [
        {"name": "a", "bootOrder": 3},
        {"name": "b", "bootOrder": 2},
        {"name": "c"},
        {"name": "d", "bootOrder": 0},
    ]
    assert ordered(*listed, cards=cards) == [
        taken(f"{AT}[2].bootOrder"),
        taken(f"{CARDS}[1].bootOrder"),
        Cause("spec[3] must have a boot order > 0, if supplied", "spec[3].bootOrder"),
    ]


def test_places_count_from_one() -> None:
    """There is no place 0."""
    wrong = Cause("d[0] must have a boot order > 0, if supplied", "d[0].bootOrder")
    assert judged(one(bootOrder=0)) == [wrong]
    assert judged(one(bootOrder=1)) == []


def test_names() -> None:
    """Names differ, and may be those of containers."""
    assert judged(one(), one(), one()) == [
        Cause("d[1] and d[0] must not have the same Name.", "d[1].name"),
        Cause("d[2] and d[0] must not have the same Name.", "d[2].name"),
        Cause("d[2] and d[1] must not have the same Name.", "d[2].name"),
    ]
    assert judged({"name": "A_b"}) == [Cause(LABEL, "d.domain.devices.disks[0].name")]
    assert judged({"name": "a" * 64}) == [
        Cause("must be no more than 63 characters", "d.domain.devices.disks[0].name")
    ]


def test_targets() -> None:
    """A disk is one thing, or nothing in particular."""
    text = "d[0] can only have a single target type defined"
    assert judged(one(disk={}, cdrom={})) == judged(one(lun={}, disk={}, cdrom={})) == [Cause(text, "d[0]")]
    assert judged(one(disk={})) == judged(one()) == []


@pytest.mark.parametrize(
    ("address", "right"),
    [
        ("0000:81:01.0", True),
        ("0000:0f:1f.7", True),
        ("0000:81:01.8", False),
        ("81:01.0", False),
        ("0000:81:21.0", False),
    ],
)
def test_addresses(address: str, right: bool) -> None:
    """A place on the PCI bus is of the known form, and for disks on virtio."""
    at = "d.domain.devices.disks.disk[0]"
    malformed = Cause(f"disk {at}.name has malformed PCI address ({address}).", f"{at}.pciAddress")
    elsewhere = Cause(
        f"disk {at}.name - setting a PCI address is only possible with bus type virtio.", f"{at}.pciAddress"
    )
    wrong = [] if right else [malformed]
    assert judged(one(disk={"bus": "virtio", "pciAddress": address})) == wrong
    for disk in ({"bus": "scsi"}, {}):
        assert judged(one(disk={**disk, "pciAddress": address})) == [elsewhere, *wrong]


@pytest.mark.parametrize(
    ("target", "bus", "text"),
    [
        ("disk", "virtio", ""),
        ("disk", "usb", ""),
        ("lun", "scsi", ""),
        ("cdrom", "sata", ""),
        ("disk", "ide", "IDE bus is not supported"),
        ("cdrom", "virtio", "Bus type virtio is invalid for CD-ROM device"),
        ("lun", "nvme", "d[0] is set with an unrecognized bus nvme, must be one of: [virtio scsi sata usb]"),
    ],
)
def test_buses(target: str, bus: str, text: str) -> None:
    """There are four buses, and drives are not on virtio."""
    assert judged(one(**{target: {"bus": bus}})) == ([Cause(text, f"d[0].{target}.bus")] if text else [])


def test_read_only_disks() -> None:
    """A disk on SATA can be written; a drive there need not."""
    text = "sata hard-disks do not support read-only."
    assert judged(one(disk={"bus": "sata", "readonly": True})) == [Cause(text, "d[0].disk.bus")]
    assert judged(one(cdrom={"bus": "sata", "readonly": True})) == []
    assert judged(one(disk={"bus": "virtio", "readonly": True})) == []


def test_threads() -> None:
    """A thread of its own is for a disk on virtio; one whose bus is still to be chosen may have it."""
    text = "IOThreads are not supported for disks on a sata bus"
    wrong = not_supported(text, "d.domain.devices.disks[0]")
    assert judged(one(disk={"bus": "sata"}, dedicatedIOThread=True)) == [wrong]
    assert judged(one(disk={"bus": "sata"}, dedicatedIOThread=False)) == []
    assert judged(one(disk={"bus": "virtio"}, dedicatedIOThread=True)) == []
    assert judged(one(disk={}, dedicatedIOThread=True)) == []


@pytest.mark.parametrize("bus", ["", "sata", "scsi"])
def test_reservations(bus: str) -> None:
    """Who reserves a device does so over SCSI."""
    text = f"Persistent reservation requires a SCSI bus, but {bus} was specified"
    found = judged(one(lun={"reservation": True, **({"bus": bus} if bus else {})}))
    assert found == ([] if bus == "scsi" else [Cause(text, "d[0].lun.bus")])
    assert judged(one(lun={"reservation": False, "bus": "sata"})) == []


@pytest.mark.parametrize(
    ("serial", "texts"),
    [
        ("a.B_c+1-2", []),
        ("", []),
        ("a b", ["must be made up of the following characters [A-Za-z0-9_.+-], if specified"]),
        ("a\n", ["must be made up of the following characters [A-Za-z0-9_.+-], if specified"]),
        ("a" * 256, []),
        ("a" * 257, ["must be less than or equal to 256 in length, if specified"]),
        (
            " " * 257,
            [
                "must be made up of the following characters [A-Za-z0-9_.+-], if specified",
                "must be less than or equal to 256 in length, if specified",
            ],
        ),
    ],
)
def test_serial_numbers(serial: str, texts: list[str]) -> None:
    """A disk's serial number is of certain characters, and not too long."""
    assert judged(one(serial=serial)) == [Cause(f"d[0] {text}", "d[0].serial") for text in texts]


@pytest.mark.parametrize(
    ("serial", "texts"),
    [
        ("a.B_c+1-2", []),
        ("a" * 256, []),
        ("a" * 257, ["less than or equal to 256 in length"]),
        ("\u00e4" * 128, ["made up of the following characters [A-Za-z0-9_.+-]"]),
        (
            "\u00e4" * 129,
            ["less than or equal to 256 in length", "made up of the following characters [A-Za-z0-9_.+-]"],
        ),
    ],
)
def test_serial_numbers_of_systems(serial: str, texts: list[str]) -> None:
    """The system's is judged alike, its length in bytes, and first."""
    where = "spec.domain.firmware.serial"
    found = disks.serial_number("spec", {"domain": {"firmware": {"serial": serial}}})
    assert list(found) == [Cause(f"{where} must be {text}, if specified", where) for text in texts]


def test_modes() -> None:
    """How a disk caches, reads and writes, and what it does about errors, is one of a few ways each."""
    right = {
        "cache": ("none", "writethrough", "writeback", "directsync", ""),
        "io": ("native", "threads", ""),
        "errorPolicy": ("stop", "ignore", "report", "enospace", None),
    }
    for member, values in right.items():
        for value in values:
            assert judged(one(**{member: value})) == []
    io = "Disk IO mode for d is not supported. Supported modes are: native, threads."
    assert judged(one(cache="unsafe", io="default", errorPolicy="")) == [
        Cause("d[0].cache has invalid value unsafe", "d[0].cache"),
        not_supported(io, "d.domain.devices.disks[0].io"),
        Cause('d[0].errorPolicy has invalid value ""', "d[0].errorPolicy"),
    ]


@pytest.mark.parametrize(
    ("size", "found"),
    [
        ({"logical": 512, "physical": 4096}, []),
        ({"logical": 2**21, "physical": 2**21, "discardGranularity": 2**22}, []),
        (
            {"logical": 4096, "physical": 512},
            [("Logical size 4096 must be the same or less than the physical size of 512", "logical")],
        ),
        (
            {"logical": 512, "physical": 512, "discardGranularity": 768},
            [("Discard granularity 768 must be multiples of logical size 512", "discardGranularity")],
        ),
        (
            {"logical": 256, "physical": 2**22},
            [
                ("Provided size of 256 is less than the supported minimum size of 512", "logical"),
                (
                    "Provided size of 4194304 is greater than the supported maximum size of 2097152",
                    "physical",
                ),
            ],
        ),
        (
            {"logical": 600, "physical": 1000},
            [
                ("Provided size of 600 is not a power of 2", "logical"),
                ("Provided size of 1000 is not a power of 2", "physical"),
            ],
        ),
        (
            {"physical": 512, "discardGranularity": 1},
            [("Provided size of 0 is less than the supported minimum size of 512", "logical")],
        ),
    ],
)
def test_blocks(size: Object, found: list[tuple[str, str]]) -> None:
    """Sizes of blocks are powers of two within bounds, the logical one the smaller, and one thing is told at a time."""
    wrong = [Cause(text, f"d[0].blockSize.custom.{member}") for text, member in found]
    assert judged(one(disk={"bus": "virtio"}, blockSize={"custom": size})) == wrong


def test_blocks_on_sata() -> None:
    """SATA has one size of blocks."""
    size = {"custom": {"logical": 4096, "physical": 4096}}
    text = "Logical size 4096 must be 512 for SATA devices"
    wrong = [Cause(text, "d[0].blockSize.custom.logical")]
    assert judged(one(disk={"bus": "sata"}, blockSize=size)) == wrong
    assert judged(one(cdrom={"bus": "sata"}, blockSize=size)) == wrong
    assert judged(one(disk={"bus": "scsi"}, blockSize=size)) == []


def test_blocks_as_those_of_volumes() -> None:
    """They are given, or the volume's, which is meant unless it says otherwise."""
    text = "Block size matching can't be enabled together with a custom value"
    size = {"logical": 1, "physical": 0}
    for match in ({}, {"enabled": True}):
        assert judged(one(blockSize={"custom": size, "matchVolume": match})) == [
            Cause(text, "d[0].blockSize")
        ]
        assert judged(one(blockSize={"matchVolume": match})) == []
    assert len(judged(one(blockSize={"custom": size, "matchVolume": {"enabled": False}}))) == 1
