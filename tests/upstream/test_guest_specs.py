"""Upstream's functional specs that look from inside: CPUs, queues, and how long a guest has been up.

Origin: kubevirt: tests/compute/cpu.go, tests/compute/subresources/{reset,softreboot,pausing}.go
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.upstream import consoles, guests, launchers
from tests.upstream.conftest import Make, Suite
from tests.upstream.consoles import console, returned
from tests.upstream.guests import NODES, Guest, guest

SOCKETS = "grep '^physical id' /proc/cpuinfo | uniq | wc -l"
CPUS = "grep -c ^processor /proc/cpuinfo"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of())


async def says(vmi: Guest, command: str, value: str) -> None:
    async with console(vmi) as at:
        await at.says(f"{command}\n", returned(value))


@pytest.mark.parametrize(
    ("cpu", "resources", "command", "value"),
    [
        ({"cores": 3}, {}, CPUS, "3"),
        ({"cores": 2, "sockets": 3}, {}, SOCKETS, "3"),
        ({}, {"requests": {"cpu": "1200m", "memory": "128Mi"}}, SOCKETS, "2"),
        ({}, {"limits": {"cpu": "1200m"}, "requests": {"memory": "128Mi"}}, SOCKETS, "2"),
        ({"cores": 1, "threads": 1, "sockets": 2}, {}, CPUS, "2"),
    ],
)
async def test_cpus(suite: Suite, cpu: Any, resources: Any, command: str, value: str) -> None:
    """[1659] [1660] [1661] [1662] [1663] The guest has the cores, sockets and threads it asked for, or as many sockets as CPUs."""
    domain: Any = {"resources": resources} if resources else {}
    spec = guest(domain={**domain, **({"cpu": cpu} if cpu else {})})
    vmi = await guests.instance(suite, spec)
    await consoles.login_to_alpine(vmi)
    await says(vmi, command, value)


async def test_queues(suite: Suite) -> None:
    """[1665] The interface has a queue for each CPU, the disk one."""
    spec = guest(domain={"resources": {"requests": {"memory": "128Mi", "cpu": "3"}}})
    spec["domain"]["devices"] = {
        "interfaces": [{"name": "default", "masquerade": {}}],
        "disks": [{"name": "disk0", "disk": {"bus": "virtio"}}],
        "networkInterfaceMultiqueue": True,
        "blockMultiQueue": False,
    }
    vmi = await guests.instance(suite, spec)
    await consoles.login_to_alpine(vmi)
    await says(vmi, "ls /sys/class/net/eth0/queues/ | grep rx | wc -l", "3")
    await says(vmi, "ls -1 /sys/block/vda/mq | wc -l", "1")
    found = await launchers.domain(vmi)
    driver = found.find("devices/interface/driver")
    assert driver is not None
    assert driver.get("queues") == "3"


@pytest.mark.parametrize("model", ["named", "host-passthrough", "host-model"])
async def test_models(suite: Suite, model: str) -> None:
    """[1678] [1679] [1680] The named model, or that of the node."""
    prefix = "cpu-model.node.kubevirt.io/"
    (first, *_) = await suite.items(NODES)
    supported = [one.removeprefix(prefix) for one in first["metadata"]["labels"] if one.startswith(prefix)]
    chosen = supported[0] if model == "named" else model
    vmi = await guests.instance(suite, guest(domain={"cpu": {"model": chosen}}))
    here = await launchers.run(vmi, "grep", "-m1", "model name", "/proc/cpuinfo")
    wanted = chosen if model == "named" else here.partition(": ")[2].strip()
    await consoles.login_to_alpine(vmi)
    assert wanted in await consoles.told(vmi, "grep 'model name' /proc/cpuinfo")


@pytest.mark.parametrize(
    ("verb", "image", "login"),
    [
        ("reset", "alpine", consoles.login_to_alpine),
        ("softreboot", "fedora", consoles.login_to_fedora),
        ("softreboot", "cirros", consoles.login_to_cirros),
    ],
)
async def test_reboots(
    suite: Suite, verb: str, image: str, login: Callable[[Guest], Awaitable[None]]
) -> None:
    """The same instance has booted at another time, twice as it says itself."""
    spec = guest(image)
    if image == "fedora":
        spec["domain"]["features"] = {"acpi": {"enabled": False}}
    vmi = await guests.instance(suite, spec)
    await login(vmi)
    uid = (await vmi.vmi())["metadata"]["uid"]
    before = await consoles.told(vmi, "cat /proc/stat | grep btime")
    assert await vmi.act(verb) == ""
    await login(vmi)
    assert await consoles.told(vmi, "cat /proc/stat | grep btime") != before
    async with console(vmi) as at:
        await at.says("last reboot | grep reboot | wc -l\n", "2")
    assert (await vmi.vmi())["metadata"]["uid"] == uid


async def test_pauses_stop_the_clock(suite: Suite) -> None:
    """[3090] A guest does not grow older while it is paused."""
    vmi = await guests.instance(suite, guest("cirros"))
    await consoles.login_to_cirros(vmi)

    async def uptime() -> float:
        return float(await consoles.told(vmi, "cat /proc/uptime | awk '{print $1;}'"))

    begun = await uptime()
    assert await vmi.act("pause") == ""
    await vmi.has("Paused", seconds=30)
    await suite.cluster.advance(10)
    assert await vmi.act("unpause") == ""
    await vmi.has("Paused", "", seconds=30)
    await suite.cluster.advance(2)
    assert 2 <= await uptime() - begun < 6
