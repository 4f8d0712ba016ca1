"""What a guest finds of its hardware, as values."""

import pytest

from fakekube.agents.node_server import shell
from fakekube.agents.node_server.place import Container
from fakekube.virt.handler import guest_hardware


def run(line, smbios=None, **domain):
    vmi = {
        "metadata": {"name": "vm", "namespace": "ns"},
        "spec": {"domain": {"memory": {"guest": "1Gi"}, **domain}},
    }
    files = guest_hardware.files(vmi, smbios or {})
    return shell.line(Container("vm", files=files, programs=guest_hardware.PROGRAMS), line)


@pytest.mark.parametrize(
    ("line", "out", "code"),
    [
        ("free -m | grep Mem | awk '{print $2}'", "1004\n", 0),
        ("free | grep Mem | awk '{print $2}'", "1028096\n", 0),
        ("free -b | grep Swap | awk '{print $2}'", "0\n", 0),
        ("echo x > /proc/meminfo; free", "", 1),
        ("rm /proc/meminfo; free", "", 1),
        ("dmidecode -s system-product-name", "None\n", 0),
        ("dmidecode -s chassis-version", "Not Specified\n", 0),
        ("dmidecode -s nonsense", "", 2),
        ("dmidecode | grep -c system", "4\n", 0),
        ("cat /sys/class/dmi/id/product_uuid | wc -c", "37\n", 0),
        ("/usr/libexec/virt-what-cpuid-helper", "KVMKVMKVM\n", 0),
    ],
)
def test_programs(line, out, code):
    """They tell what the instance says, and refuse what firmware has no word for."""
    done = run(line)
    assert (done.out, done.code) == (out, code)


@pytest.mark.parametrize(
    ("devices", "there"),
    [
        ({}, False),
        ({"inputs": [{"bus": "virtio"}]}, False),
        ({"inputs": [{"type": "tablet"}]}, True),
        ({"disks": [{"cdrom": {"bus": "usb"}}]}, True),
        ({"clientPassthrough": {}}, True),
    ],
)
def test_usb(devices, there):
    """There are hubs where something is on USB, or may come there."""
    assert (run("ls /sys/bus/usb/devices/usb1", devices=devices).code == 0) is there


def test_what_the_cluster_says():
    """It counts where the instance says nothing."""
    assert run("dmidecode -s system-family", {"family": "Ours"}).out == "Ours\n"
    assert run("dmidecode -s chassis-asset-tag", chassis={"asset": "tag"}).out == "tag\n"
