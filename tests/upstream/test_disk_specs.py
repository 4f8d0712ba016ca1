"""Upstream's functional specs of what guests do with their disks, at their consoles: sizes, serial numbers, file systems.

What is kept of what they write is `test_contents_specs`'. Left out: what images hold: there are no bytes.
Origin: kubevirt: tests/storage/{storage,hotplug,declarative-hotplug}.go
"""

from typing import Any

import pytest

from tests.upstream import consoles
from tests.upstream.conftest import Make, Object, Suite
from tests.upstream.consoles import PROMPT, Expecter, console, returned
from tests.upstream.guests import NS, Guest, a_namespace, guest, instance

DATA_VOLUMES = f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{NS}/datavolumes"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await a_namespace(await suite_of())


def with_disk(image: str, volume: Object, kind: str = "disk", **disk: Any) -> Object:
    spec = guest(image)
    spec["domain"]["devices"]["disks"].append({"name": "more", kind: {"bus": "virtio"}, **disk})
    spec["volumes"].append({"name": "more", **volume})
    return spec


async def succeeds(at: Expecter, command: str) -> None:
    await at.says(f"{command}\n", "")
    await at.says("echo $?\n", returned("0"))


async def test_sizes(suite: Suite) -> None:
    """[3134] An empty disk is as large as it says, in whole MiB, and takes a file system."""
    vmi = await instance(suite, with_disk("cirros", {"emptyDisk": {"capacity": "1G"}}))
    await consoles.login_to_cirros(vmi)
    async with console(vmi) as at:
        await at.says("sudo blockdev --getsize64 /dev/vdb\n", "999292928")
        await at.says("\n", PROMPT)
        await succeeds(at, "sudo mkfs.ext4 /dev/vdb")
    assert not await consoles.run(vmi, "sudo mkfs.ext4 /dev/vdz")
    assert not await consoles.run(vmi, "sudo blockdev --getsize64 /dev/vdz")


async def test_serial_numbers(suite: Suite) -> None:
    """[3135] A disk has the serial number it is given."""
    serial = "FB-fb_18030C10002032"
    vmi = await instance(suite, with_disk("alpine", {"emptyDisk": {"capacity": "1Gi"}}, serial=serial))
    await consoles.login_to_alpine(vmi)
    async with console(vmi) as at:
        await at.says('find /sys -type f -regex ".*/block/.*/serial" | xargs cat\n', serial)


async def creates_data(vmi: Guest, device: str, name: str) -> None:
    """Word by word, without waiting for prompts."""
    uid, folder = (await vmi.vmi())["metadata"]["uid"], f"/test/{name}"
    async with console(vmi) as at:
        await succeeds(at, f"mkfs.ext4 -F {device}")
        await at.says(f"mkdir -p {folder}\n", "")
        await at.says(f"mount {device} {folder}\n", "")
        await at.says("echo $?\n", returned("0"))
        await succeeds(at, f"mkdir -p {folder}/data")
        await succeeds(at, f"chmod a+w {folder}/data")
        await succeeds(at, f"echo '{uid}' > {folder}/data/message")
        await at.says(f"cat {folder}/data/message\n", uid)
        await at.says("sync\n", "")
        await at.says("sync\n", "")


@pytest.mark.parametrize("bus", ["scsi", "virtio"])
async def test_plugged_in_and_out(suite: Suite, bus: str) -> None:
    """A disk that is plugged in is found by its serial number, takes a file system and data, and is not found once it has gone."""
    vmi = await instance(suite, guest("alpine"))
    body = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "metadata": {"name": "blank"}}
    size = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    await suite.create(DATA_VOLUMES, {**body, "spec": {"source": {"blank": {}}, "storage": size}})
    disk = {"disk": {"bus": bus}, "serial": "testvolume"}
    added = {"name": "testvolume", "disk": disk, "volumeSource": {"dataVolume": {"name": "blank"}}}
    assert await vmi.act("addvolume", added) == ""

    async def ready() -> bool:
        told = (await vmi.vmi())["status"]["volumeStatus"]
        return any(one["name"] == "testvolume" and one.get("phase") == "Ready" for one in told)

    await suite.eventually(ready, 60)
    await consoles.login_to_alpine(vmi)
    device = "$(find /dev/disk/by-id/ -name '*testvolume')"
    async with console(vmi) as at:
        await at.says(f"test -b {device} > /dev/null 2>&1 && echo devicefound\n", returned("devicefound"))
    await creates_data(vmi, device, "testvolume")
    assert await consoles.run(vmi, "umount /test/testvolume")
    assert not await consoles.run(vmi, "cat /test/testvolume/data/message")
    assert await consoles.run(vmi, f"mount {device} /mnt && cat /mnt/data/message")
    assert await vmi.act("removevolume", {"name": "testvolume"}) == ""

    async def gone() -> bool:
        return all(one["name"] != "testvolume" for one in (await vmi.vmi())["status"]["volumeStatus"])

    await suite.eventually(gone, 60)
    async with console(vmi) as at:
        await at.says(f"ls {device}\n", "No such file or directory")


async def test_drives(suite: Suite) -> None:
    """A drive with a medium can be mounted, and one without says so."""
    held = {"emptyDisk": {"capacity": "1Gi"}}
    spec = with_disk("cirros", held, "cdrom")
    spec["domain"]["devices"]["disks"][-1]["cdrom"] = {"bus": "sata"}
    spec["domain"]["devices"]["disks"].append({"name": "empty", "cdrom": {"bus": "sata"}})
    vmi = await instance(suite, spec)
    await consoles.login_to_cirros(vmi)
    async with console(vmi) as at:
        await at.says("ls -A /mnt/ | wc -l\n", returned("0"))
        await at.says("sudo mount /dev/sr0 /mnt\n", PROMPT)
        await at.says("echo $?\n", returned("0"))
        await at.says("sudo umount /mnt\n", PROMPT)
        await at.says("echo $?\n", returned("0"))
        await at.says("ls -A /mnt/ | wc -l\n", returned("0"))
        said = returned("mount: mounting /dev/sr1 on /mnt failed: No medium found")
        await at.says("sudo mount /dev/sr1 /mnt\n", said)


async def test_copies(suite: Suite) -> None:
    """Devices can be read, and those that are not there cannot."""
    vmi = await instance(suite, guest("alpine"))
    await consoles.login_to_alpine(vmi)
    assert await consoles.run(vmi, "dd if=/dev/vda of=/dev/null bs=1 count=1 status=none")
    assert await consoles.run(vmi, "dd if=/dev/urandom of=/tmp/x bs=1M count=10 && test -f /tmp/x")
    assert not await consoles.run(vmi, "dd if=/dev/vdz of=/dev/null")
    assert not await consoles.run(vmi, "umount /mnt")
