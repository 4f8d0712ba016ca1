"""Upstream's functional specs that look into launchers: domains as libvirt tells them, processes, and what kills them.

Origin: kubevirt: tests/libdomain/domain.go, tests/compute/vmidefaults.go, tests/migration/migration.go, tests/{vm,vmi_controller,vmi_lifecycle}_test.go
"""

from typing import Any

import pytest

from tests.upstream import guests, launchers
from tests.upstream.conftest import Make, Suite
from tests.upstream.guests import NS, guest


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of())


async def test_domains(suite: Suite) -> None:
    """Name, memory, CPUs, firmware, clock, features, disks and interfaces are what the instance asks for."""
    devices: Any = {
        "interfaces": [{"name": "default", "masquerade": {}, "macAddress": "02:00:00:00:00:99"}],
        "disks": [
            {
                "name": "disk0",
                "disk": {"bus": "virtio"},
                "cache": "writeback",
                "bootOrder": 1,
                "serial": "D23",
            },
            {"name": "cd", "cdrom": {"bus": "sata"}},
        ],
        "watchdog": {"name": "mydog", "i6300esb": {"action": "poweroff"}},
        "inputs": [{"name": "tablet1", "type": "tablet", "bus": "usb"}],
        "rng": {},
    }
    domain: Any = {
        "devices": devices,
        "cpu": {"cores": 2, "sockets": 2},
        "memory": {"guest": "256Mi"},
        "firmware": {"bootloader": {"efi": {"secureBoot": False}}, "serial": "abc"},
        "features": {"acpi": {}, "apic": {}, "hyperv": {"relaxed": {}, "spinlocks": {"spinlocks": 8191}}},
        "clock": {"utc": {}, "timer": {"hpet": {"present": False}, "pit": {"tickPolicy": "delay"}}},
        "resources": {},
    }
    disk = {"image": "registry:5000/kubevirt/alpine:devel"}
    spec = guest("", domain=domain)
    spec["volumes"] = [{"name": one, "containerDisk": disk} for one in ("disk0", "cd")]
    vmi = await guests.instance(suite, spec)
    found = await launchers.domain(vmi)
    assert found.findtext("name") == f"{NS}_{vmi.name}"
    assert found.findtext("memory") == str(256 * 1024)
    assert found.findtext("vcpu") == str(4 * 4)
    assert found.find("vcpu").get("current") == "4"  # type: ignore[union-attr]
    assert found.find("os/loader").get("secure") == "no"  # type: ignore[union-attr]
    assert found.findtext("sysinfo/system/entry[@name='serial']") == "abc"
    timers = {one.get("name"): one for one in found.findall("clock/timer")}
    assert timers["hpet"].get("present") == "no"
    assert timers["pit"].get("tickpolicy") == "delay"
    assert found.find("features/hyperv/spinlocks").get("retries") == "8191"  # type: ignore[union-attr]
    first, cdrom = found.findall("devices/disk")
    assert first.find("alias").get("name") == "ua-disk0"  # type: ignore[union-attr]
    assert first.find("driver").get("cache") == "writeback"  # type: ignore[union-attr]
    assert (first.findtext("serial"), first.find("boot").get("order")) == ("D23", "1")  # type: ignore[union-attr]
    assert (cdrom.get("device"), cdrom.find("target").get("bus")) == ("cdrom", "sata")  # type: ignore[union-attr]
    (interface,) = found.findall("devices/interface")
    assert interface.find("mac").get("address") == "02:00:00:00:00:99"  # type: ignore[union-attr]
    assert found.find("devices/watchdog").get("action") == "poweroff"  # type: ignore[union-attr]
    assert found.find("devices/emulator").text == "/usr/libexec/qemu-kvm"  # type: ignore[union-attr]


@pytest.mark.parametrize(("attached", "model"), [(None, "virtio-non-transitional"), (False, "none")])
async def test_memory_balloons(suite: Suite, attached: bool | None, model: str) -> None:
    """[4556] [4559] There is one, which tells every ten seconds, on the seventh bus; unless there is to be none."""
    spec = guest("")
    if attached is not None:
        spec["domain"]["devices"]["autoattachMemBalloon"] = attached
    vmi = await guests.instance(suite, spec)
    balloon = (await launchers.domain(vmi)).find("devices/memballoon")
    assert balloon is not None
    assert balloon.get("model") == model
    if attached is None:
        assert balloon.get("freePageReporting") == "on"
        stats, address = balloon.find("stats"), balloon.find("address")
        assert stats is not None
        assert address is not None
        assert (stats.get("period"), address.get("bus")) == ("10", "0x07")


async def test_domains_that_move(suite: Suite) -> None:
    """[4746] [6972] [6973] They are persistent where they come to, and paused if they were; virtqemud may die on the way."""
    vmi = await guests.instance(suite, guest())
    pid = await launchers.pid_of(vmi, "virtqemud")
    await launchers.run(vmi, "kill", "-9", pid)
    assert await launchers.pid_of(vmi, "virtqemud") != pid
    assert (await vmi.vmi())["status"]["phase"] == "Running"
    assert await vmi.act("pause") == ""
    assert await launchers.paused(vmi)
    migration = await guests.migrate(vmi)
    await migration.succeeds()
    assert await launchers.paused(vmi)
    listed = await launchers.run(vmi, "virsh", "--quiet", "list", "--persistent", "--name")
    assert listed.split() == [f"{NS}_{vmi.name}"]
    assert "migration" not in await launchers.run(vmi, "virsh", "dumpxml", "1")
    assert await vmi.act("unpause") == ""
    assert not await launchers.paused(vmi)


async def test_qemu_dies(suite: Suite) -> None:
    """A segfault of QEMU stops the machine, which starts again."""
    vm = await guests.machine(suite, guest(), runStrategy="RerunOnFailure")
    await vm.ready()
    uid = (await vm.vmi())["metadata"]["uid"]
    emulator = (await launchers.domain(vm)).findtext("devices/emulator") or ""
    await launchers.run(vm, "killall", "-11", emulator.rpartition("/")[2])

    async def again() -> bool:
        found = await vm.vmi()
        return found["metadata"]["uid"] != uid and found["status"].get("phase") == "Running"

    await suite.eventually(again, 360)


@pytest.mark.parametrize(
    ("devices", "controllers"),
    [
        ({}, ["0"]),
        ({"disableHotplug": True}, []),
        ({"disableHotplug": True, "disks": [{"name": "disk0", "disk": {"bus": "scsi"}}]}, ["0"]),
    ],
)
async def test_scsi_controllers(suite: Suite, devices: Any, controllers: list[str]) -> None:
    """There is one for what may be plugged in, and for disks that need it."""
    spec = guest()
    spec["domain"]["devices"] |= devices
    domain = await launchers.domain(await guests.instance(suite, spec))
    found = domain.findall("devices/controller[@type='scsi']")
    assert [one.get("index") for one in found] == controllers
    assert {one.get("model") for one in found} <= {"virtio-non-transitional"}


@pytest.mark.parametrize(
    ("tpm", "found"),
    [
        ({}, [("tpm-tis", None)]),
        ({"persistent": True}, [("tpm-crb", "yes")]),
        ({"enabled": False}, []),
    ],
)
async def test_tpms(suite: Suite, tpm: Any, found: list[tuple[str, str | None]]) -> None:
    """One whose state is kept is of another model, and says so."""
    spec = guest()
    spec["domain"]["devices"]["tpm"] = tpm
    domain = await launchers.domain(await guests.instance(suite, spec))
    told = [
        (one.get("model"), backend.get("persistent_state"))
        for one in domain.findall("devices/tpm")
        for backend in one
    ]
    assert told == found


@pytest.mark.parametrize("emulated", [False, True])
async def test_emulation(suite: Suite, emulated: bool) -> None:
    """[1643]-[1648] Nodes offer KVM, and launchers take it; with software in its place they need none, and say so."""
    await guests.configure(suite, developerConfiguration={"useEmulation": emulated})
    for node in await suite.items(guests.NODES):
        told = node["status"]
        assert "devices.kubevirt.io/kvm" in told["allocatable"].keys() & told["capacity"].keys()
    vmi = await guests.instance(suite, guest())
    pod = await vmi.pod()
    (compute,) = [one for one in pod["spec"]["containers"] if one["name"] == "compute"]
    limits = compute["resources"]["limits"]
    assert ("devices.kubevirt.io/kvm" in limits) is not emulated
    assert "devices.kubevirt.io/tun" in limits
    assert ("--allow-emulation" in compute["args"]) is emulated
    assert (await launchers.domain(vmi)).get("type") == ("qemu" if emulated else "kvm")


async def test_groups(suite: Suite) -> None:
    """Volumes are the group's that QEMU runs as."""
    vmi = await guests.instance(suite, guest())
    group = int(await launchers.run(vmi, "id", "-g", "qemu"))
    assert (await vmi.pod())["spec"]["securityContext"]["fsGroup"] == group


async def test_processes(suite: Suite) -> None:
    """Processes have names, the host a CPU and a clock."""
    vmi = await guests.instance(suite, guest())
    pid = await launchers.pid_of(vmi, "qemu-kvm")
    assert await launchers.run(vmi, "cat", f"/proc/{pid}/comm") == "qemu-kvm\n"
    assert "model name" in await launchers.run(vmi, "grep", "-m1", "model name", "/proc/cpuinfo")
    assert "qemu-kvm" in await launchers.run(vmi, "/bin/bash", "-c", "ps aux | grep qemu | grep -v grep")
    clock = (await launchers.run(vmi, "date", "+%H:%M")).strip()
    assert clock == f"{suite.cluster.clock.now():%H:%M}"


@pytest.mark.parametrize(
    ("marks", "all_of_it"),
    [
        ({"labels": {"debugLogs": "true"}}, True),
        ({"annotations": {"kubevirt.io/libvirt-log-filters": "3:remote 1:*"}}, True),
        ({"labels": {"logVerbosity": "10"}}, True),
        ({"labels": {"logVerbosity": "2"}}, False),
        ({}, False),
    ],
)
async def test_logs(suite: Suite, marks: Any, all_of_it: bool) -> None:
    """[1621] [1622] [3197] [8530]-[8533] A launcher tells of libvirt and of QEMU; everything libvirt says only on demand."""
    vmi = await guests.instance(suite, guest(""), **marks)
    path = f"{guests.PODS}/{(await vmi.pod())['metadata']['name']}/log"
    await suite.cluster.advance(5)
    log = (await suite.call("GET", path, container="compute"))[1].decode()
    for text in ("Found PID for", "libvirt version: ", '"subcomponent":"libvirt"'):
        assert text in log
    assert ("QEMU_MONITOR_SEND_MSG" in log) is all_of_it
