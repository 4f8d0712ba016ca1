"""Upstream's functional specs of what guests find of their hardware, at their consoles: memory, firmware, USB, PCI, control groups.

Origin: kubevirt: tests/vmi_configuration_test.go
"""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.upstream import consoles, guests, launchers
from tests.upstream.conftest import Make, Object, Suite
from tests.upstream.consoles import PROMPT, console, returned
from tests.upstream.guests import Guest, guest, instance


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of())


async def booted(suite: Suite, image: str, name: str = "testvmi-abcde", **domain: Any) -> Guest:
    spec = guest(image, domain=domain)
    vmi = await instance(suite, spec, name)
    login = {"cirros": consoles.login_to_cirros, "alpine": consoles.login_to_alpine}
    await login.get(image, consoles.login_to_fedora)(vmi)
    return vmi


async def says(vmi: Guest, command: str, told: str) -> None:
    async with console(vmi) as at:
        await at.says(f"{command}\n", returned(told))


TOTAL = "free -m | grep Mem: | tr -s ' ' | cut -d' ' -f2"


async def test_memory(suite: Suite) -> None:
    """[755] [1669] [3115] What a guest has, less what its kernel keeps; its launcher uses as much."""
    vmi = await booted(suite, "cirros", memory={"guest": "256Mi"})
    await says(vmi, TOTAL, "236")
    async with console(vmi) as at:
        await at.says(f"[ $({TOTAL}) -gt 200 ] && echo 'pass'\n", returned("pass"))
        await at.says("swapoff -a && dd if=/dev/zero of=/dev/shm/test bs=1k count=100k\n", PROMPT)
        await at.says("echo $?\n", returned("0"))
    assert int(await launchers.run(vmi, "cat", "/sys/fs/cgroup/memory.current")) > 64 << 20
    limited = await booted(suite, "cirros", "limited", resources={"limits": {"memory": "256Mi"}})
    await says(limited, TOTAL, "236")


@pytest.mark.parametrize(
    ("domain", "counted"),
    [
        ({"resources": {"requests": {"cpu": "1200m", "memory": "128Mi"}}}, 2),
        ({"resources": {"requests": {"memory": "128Mi"}, "limits": {"cpu": "1200m"}}}, 2),
        ({"cpu": {"sockets": 3, "cores": 2}}, 3),
    ],
)
async def test_sockets(suite: Suite, domain: Object, counted: int) -> None:
    """[1660] [1661] [1662] As many as it says, or as what it requests, or is limited to, takes."""
    vmi = await booted(suite, "alpine", **domain)
    await says(vmi, "grep '^physical id' /proc/cpuinfo | uniq | wc -l", str(counted))


@pytest.mark.parametrize(
    ("inputs", "counted"),
    [([{"name": "t", "type": "tablet", "bus": "usb"}], 2), ([{"name": "t", "type": "tablet"}], 2), ([], 0)],
)
async def test_usb(suite: Suite, inputs: list[Object], counted: int) -> None:
    """[3117] [3118] There are hubs where something is on USB."""
    spec = guest("alpine")
    spec["domain"]["devices"]["inputs"] = inputs
    vmi = await instance(suite, spec)
    await consoles.login_to_alpine(vmi)
    await says(vmi, "ls -l /sys/bus/usb/devices/usb* 2>/dev/null | wc -l", str(counted))


async def test_disks_on_pci(suite: Suite) -> None:
    """[3906] A disk is where it was put."""
    spec, place = guest("cirros"), "0000:00:10.0"
    spec["domain"]["devices"]["disks"][0]["disk"]["pciAddress"] = place
    vmi = await instance(suite, spec)
    await consoles.login_to_cirros(vmi)
    command = f"grep DEVNAME /sys/bus/pci/devices/{place}/*/block/vda/uevent|awk -F= '{{ print $2 }}'"
    async with console(vmi) as at:
        await at.says(f"{command}\n", "vda")


@pytest.mark.parametrize(("order", "boots"), [(None, False), (1, True)])
async def test_network_boot(suite: Suite, order: int | None, boots: bool) -> None:
    """[5265] [5266] Firmware looks at the network where an interface is to be booted from, and else says that it finds nothing."""
    spec = guest("")
    spec["domain"]["firmware"] = {"bootloader": {"bios": {"useSerial": True}}}
    if order:
        spec["domain"]["devices"]["interfaces"][0]["bootOrder"] = order
    vmi = await instance(suite, spec)
    async with console(vmi) as at:
        said = await at.expect("No bootable device")
    assert ("iPXE" in said) == boots


async def test_firmware(suite: Suite) -> None:
    """[2751] [2752] [2927] What the KubeVirt object says of all guests, and an instance of itself, is read in both places."""

    async def told(vmi: Guest, **wanted: str) -> None:
        for keyword, text in wanted.items():
            name = keyword.replace("_", "-")
            await says(vmi, f"[ $(sudo dmidecode -s {name} | tr -s ' ') = {text} ] && echo 'pass'", "pass")

    vmi = await booted(suite, "fedora", "one", chassis={"asset": "Test-123"})
    await told(
        vmi,
        chassis_asset_tag="Test-123",
        system_family="KubeVirt",
        system_product_name="None",
        system_manufacturer="KubeVirt",
    )
    smbios = {"family": "test", "product": "test", "manufacturer": "None", "sku": "1.0", "version": "1.0"}
    await guests.configure(suite, smbios=smbios)
    vmi = await booted(suite, "fedora", "other")
    system = (await launchers.domain(vmi)).find("sysinfo/system")
    assert system is not None
    entries = {one.get("name"): one.text for one in system}
    assert {key: entries[key] for key in smbios} == smbios
    await told(vmi, system_family="test", system_product_name="test", system_manufacturer="None")


@pytest.mark.parametrize("hidden", [True, False])
async def test_who_virtualizes(suite: Suite, hidden: bool) -> None:
    """[5271] [5272] A guest finds KVM, unless it hides."""
    vmi = await booted(suite, "fedora", features={"kvm": {"hidden": True}} if hidden else {})
    helper = "/usr/libexec/virt-what-cpuid-helper"
    await says(vmi, f"{helper} > /dev/null 2>&1 && echo 'pass'", "pass")
    sign = "||" if hidden else "&&"
    await says(vmi, f"$(sudo {helper} | grep -q KVMKVMKVM) {sign} echo 'pass'", "pass")


@pytest.mark.parametrize(("isolated", "last"), [(False, 1), (True, 2)])
async def test_own_cpus(suite: Suite, isolated: bool, last: int) -> None:
    """[991] [4023] A launcher's control group has the CPUs that are its guest's own, and one more for an emulator apart."""
    await guests.configure(suite, developerConfiguration={"featureGates": ["CPUManager"]})
    cpu = {"cores": 2, "dedicatedCpuPlacement": True, "isolateEmulatorThread": isolated}
    vmi = await booted(suite, "cirros", cpu=cpu)
    assert await launchers.run(vmi, "cat", "/sys/fs/cgroup/cpuset.cpus.effective") == f"0-{last}\n"
    await says(vmi, "grep -c ^processor /proc/cpuinfo", "2")


@pytest.mark.parametrize(("bus", "name"), [("virtio", "QEMU Virtio Tablet"), ("usb", "QEMU USB Tablet")])
async def test_tablets(suite: Suite, bus: str, name: str) -> None:
    """[3072] [3073] They are on the bus they were put on."""
    spec = guest("alpine")
    spec["domain"]["devices"]["inputs"] = [{"name": "tablet0", "type": "tablet", "bus": bus}]
    vmi = await instance(suite, spec)
    await consoles.login_to_alpine(vmi)
    await says(vmi, f"grep -rs '^{name}' /sys/devices | wc -l", "1")


async def test_random_numbers(suite: Suite) -> None:
    """[1674] [1675] There is a source of them where the guest is given one."""
    available = "/sys/devices/virtual/misc/hw_random/rng_available"
    spec = guest("alpine")
    spec["domain"]["devices"]["rng"] = {}
    with_source, without = (
        await instance(suite, spec, "with"),
        await instance(suite, guest("alpine"), "without"),
    )
    for vmi in (with_source, without):
        await consoles.login_to_alpine(vmi)
    await says(with_source, f"grep -c ^virtio {available}", "1")
    await says(without, f"[[ ! -e {available} ]] && echo non", "non")


async def test_clocks(suite: Suite) -> None:
    """[5268] [6843] A guest sees its time zone, and the clock of a CPU that never stops."""
    for node in await suite.items(guests.NODES):
        await guests.label_node(
            suite, node["metadata"]["name"], {"cpu-feature.node.kubevirt.io/invtsc": "true"}
        )
    cpu = {"features": [{"name": "invtsc", "policy": "require"}]}
    vmi = await booted(suite, "cirros", clock={"timezone": "America/New_York", "timer": {}}, cpu=cpu)
    async with console(vmi) as at:
        await at.says("grep 'nonstop_tsc' /proc/cpuinfo > /dev/null\n", PROMPT)
        await at.says("echo $?\n", returned("0"))
        now = suite.cluster.clock.now().astimezone(ZoneInfo("America/New_York"))
        await at.says("sudo hwclock --localtime \n", f"{now:%H:%M}:")
