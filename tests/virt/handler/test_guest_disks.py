"""Block devices of a guest, as values and as programs use them."""

import pytest

from fakekube.agents.node_server import shell
from fakekube.agents.node_server.place import Container
from fakekube.virt.handler import guest_disks
from fakekube.virt.handler.guest_devices import Contents, Disk

FILES = {
    "/dev/sdb": "",
    "/dev/disk/by-id/scsi-x": "sdb",
    "/sys/block/sdb/size": "2048\n",
    "/dev/vdc": "",
    "/dev/sr0": "",
}


def vmi(disk, volume, **told):
    return {
        "spec": {
            "domain": {"devices": {"disks": [{"name": "d", **disk}]}},
            "volumes": [{"name": "d", **volume}],
        },
        "status": {"volumeStatus": [{"name": "d", "target": "sda", **told}]},
    }


@pytest.mark.parametrize(
    ("volume", "claim", "mib"),
    [
        ({"emptyDisk": {"capacity": "1G"}}, None, 953),
        ({}, {"capacity": {"storage": "1Gi"}, "volumeMode": "Block", "filesystemOverhead": "0.06"}, 1024),
        (
            {},
            {"capacity": {"storage": "1Gi"}, "volumeMode": "Filesystem", "filesystemOverhead": "0.055"},
            967,
        ),
        ({"containerDisk": {}}, None, 1024),
    ],
)
def test_sizes(volume, claim, mib):
    """In whole MiB: what an empty disk says, what a claim has, without what its file system takes."""
    told = {"persistentVolumeClaimInfo": claim} if claim else {}
    found = guest_disks.files(vmi({"disk": {"bus": "scsi"}}, volume, **told))
    assert found == {"/sys/block/sda/size": f"{mib * 2048}\n"}


@pytest.mark.parametrize(
    ("bus", "path"),
    [
        ({"disk": {"bus": "virtio"}}, "virtio-12345678901234567890"),
        ({"disk": {"bus": "scsi"}}, "scsi-0QEMU_QEMU_HARDDISK_123456789012345678901"),
        ({"lun": {"bus": "sata"}}, "ata-QEMU_HARDDISK_123456789012345678901"),
        ({"disk": {"bus": "usb"}}, "usb-123456789012345678901"),
    ],
)
def test_serial_numbers(bus, path):
    """They are part of a name, on virtio only as long as they may be there."""
    found = guest_disks.files(vmi({**bus, "serial": "123456789012345678901"}, {}))
    assert found[f"/dev/disk/by-id/{path}"] == "sda"
    assert found["/sys/block/sda/serial"] == "123456789012345678901\n"


@pytest.mark.parametrize(
    ("line", "out", "code"),
    [
        ("mount /dev/sdb /a && echo x > /a/f && umount /a && mount /dev/disk/by-id/scsi-x /b && cat /b/f", "x\n", 0),
        ("mount /dev/sdb /a && echo x > /a/f && umount /dev/sdb; cat /a/f", "", 1),
        ("mount /dev/sdb /a; echo x > /a/f; umount /a; mkfs.xfs /dev/sdb > /dev/null; mount /dev/sdb /a; cat /a/f", "", 1),
        ("mount /dev/nope /a", "", 32),
        ("mount /dev/sr0 /a", "", 255),
        ("mount /dev/vdc /a && cat /a/key && umount /a && mount /dev/vdc /b && cat /b/key", "valuevalue", 0),
        ("mount -t virtiofs shared /a && ls /a", "inside\n", 0),
        ("mount -t virtiofs nope /a", "", 32),
        ("umount /a", "", 32),
        ("umount", "", 32),
        ("mkfs /dev/nope", "", 1),
        ("mkfs.ext4", "", 1),
        ("mount /dev/sdb /a && mkfs /dev/sdb", "", 1),
        ("blockdev --getsize64 --getsz --getss /dev/sdb", "1048576\n2048\n512\n", 0),
        ("blockdev", "", 1),
        ("blkid -L cfg", "/dev/vdc\n", 0),
        ("blkid -L nope", "", 2),
        ("dd if=/dev/zero of=/dev/nope", "", 1),
    ],
)  # fmt: skip
def test_programs(line, out, code):
    """Devices are mounted, formatted and measured; what was written stays with the device, until it is formatted."""
    contents = Contents(disks={"vdc": Disk("cfg", {"key": "value"}), "shared": Disk("", {"inside": ""})})
    done = shell.line(Container("vm", files=FILES, programs=guest_disks.programs(contents)), line)
    assert (done.out, done.code) == (out, code)


@pytest.mark.parametrize(
    ("lines", "disks"),
    [
        (["echo 1 > /a/f", "mount /dev/sdb /a", "echo 2 > /a/f; rm /etc/x"], {"vda": {"a/f": "1\n", "etc/x": None}, "sdb": {"old": "0\n", "f": "2\n"}}),
        (["mount /dev/sdb /a; echo 1 > /a/f; rm /a/old; umount /a"], {"sdb": {"f": "1\n"}}),
        (["echo 1 > /a/f; mkdir /b", "mount /dev/sdb /a; umount /a; mount /dev/sdb /b && test -d /b && mount /dev/vdc /a"], {"vda": {"a/f": "1\n", "b/.": ""}, "sdb": {"old": "0\n"}}),
        (["mount /dev/sdb /a; rm /a/old"], {"sdb": {}}),
        (["mount /dev/sdb /a; umount /a; mkfs /dev/sdb; mount /dev/sdb /a; echo 1 > /a/old"], {"sdb": {"old": "1\n"}}),
        (["mount /dev/sdb /a; mount /dev/vdc /a/b; echo 1 > /a/b/f; echo 2 > /a/f"], {"sdb": {"old": "0\n", "f": "2\n"}, "vdc": {"f": "1\n"}}),
        (["mount /dev/sdb /a", "echo 1 > /a/f", "umount /a", "echo 2 > /a/g"], {"sdb": {"old": "0\n", "f": "1\n"}, "vda": {"a/g": "2\n"}}),
        (["echo 1 > /tmp/a; echo 2 > /run/b"], {"sdb": {"old": "0\n"}}),
    ],
)  # fmt: skip
def test_where_files_are(lines, disks):
    """What is written is on the disk that is mounted there when the line has ended, or else on the one the guest has booted from, or on none."""
    files, there = {}, {"sdb": {"old": "0\n"}}
    for line in lines:
        at = Container("vm", files={**FILES, "/etc/x": ""}, programs=guest_disks.programs(Contents()))
        done = shell.line(at.after(guest_disks.found(files, there, "vda")), line)
        assert not done.err
        files, there = guest_disks.settled(done.wrote, files, there, "vda")
    assert there == disks
