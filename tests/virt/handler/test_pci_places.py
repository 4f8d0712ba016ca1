"""Where devices are on PCI, as values."""

from itertools import islice

import pytest

from fakekube.virt.handler import pci_places

ROOT = {"kubevirt.io/placePCIDevicesOnRootComplex": "true"}


def vmi(*interfaces, disks=(), marks=None):
    listed = [{"name": f"i{number}", **one} for number, one in enumerate(interfaces)]
    return {
        "metadata": {"annotations": marks or {}},
        "spec": {"domain": {"devices": {"interfaces": listed, "disks": list(disks)}}},
    }


@pytest.mark.parametrize(
    ("interfaces", "disks", "marks", "places", "left"),
    [
        (({}, {}), (), None, ["0000:01:00.0", "0000:02:00.0"], ["0000:05:00.0", "0000:06:00.0"]),
        (
            ({}, {"pciAddress": "0000:01:00.0"}),
            (),
            None,
            ["0000:02:00.0", "0000:01:00.0"],
            ["0000:05:00.0", "0000:06:00.0"],
        ),
        (
            ({"pciAddress": "0000:0A:00.0"},),
            (
                {"disk": {"pciAddress": "0000:05:00.0"}},
                {"lun": {"pciAddress": "0000:06:00.0"}},
                {"cdrom": {}},
            ),
            None,
            ["0000:0a:00.0"],
            ["0000:07:00.0", "0000:08:00.0"],
        ),
        (
            ({},) * 6,
            (),
            None,
            [f"0000:{bus:02x}:00.0" for bus in range(1, 7)],
            ["0000:07:00.0", "0000:08:00.0"],
        ),
        (
            ({}, {"pciAddress": "0000:00:03.0"}),
            (),
            ROOT,
            ["0000:00:02.0", "0000:00:03.0"],
            ["0000:00:04.0", "0000:00:05.0"],
        ),
    ],
)
def test_places(interfaces, disks, marks, places, left):
    """What is said counts, nobody else is there, and buses are kept for interfaces that are plugged in."""
    made = vmi(*interfaces, disks=disks, marks=marks)
    assert list(pci_places.of_interfaces(made).values()) == places
    assert list(islice(pci_places.free(made), 2)) == left


def test_the_first_bus_has_an_end():
    """Slots of the screen, of sound and of SATA stay free; what finds no room is behind a port."""
    places = list(pci_places.of_interfaces(vmi(*[{}] * 30, marks=ROOT)).values())
    slots = [int(one[8:10], 16) for one in places if one.startswith("0000:00:")]
    assert {0x00, 0x01, 0x1B, 0x1F}.isdisjoint(slots)
    assert len(slots) == 28
    assert places[28:] == ["0000:01:00.0", "0000:02:00.0"]


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("0000:00:03.0", "0000:00:03.0"),
        ("0000:01:00.0", "0000:00:02.0/0000:01:00.0"),
        ("0000:09:00.0", "0000:00:03.0/0000:09:00.0"),
    ],
)
def test_paths(place, path):
    """A kernel shows a device below the port it is behind, unless it is on the first bus."""
    assert pci_places.path(place) == f"/sys/devices/pci0000:00/{path}"
