"""Upstream's functional specs of serial consoles, and the logins all others begin with.

Origin: kubevirt: tests/console/{console,login}.go, tests/compute/console.go, tests/vnc_test.go
"""

from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tests.upstream import consoles, guests
from tests.upstream.conftest import Make, Suite
from tests.upstream.consoles import console
from tests.upstream.guests import VMIS, Guest, guest


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of())


@pytest.mark.parametrize(
    ("image", "login"),
    [
        ("cirros", consoles.login_to_cirros),
        ("alpine", consoles.login_to_alpine),
        ("alpine-with-test-tooling", consoles.login_to_alpine),
        ("fedora-with-test-tooling", consoles.login_to_fedora),
    ],
)
@pytest.mark.parametrize("hostname", ["", "other"])
async def test_logins(
    suite: Suite, image: str, login: Callable[[Guest], Awaitable[None]], hostname: str
) -> None:
    """Somebody logs in, hangs up, and is logged in still, also where the guest has moved to; until it boots again."""
    more = {"hostname": hostname} if hostname else {}
    vmi = await guests.instance(
        suite, guest(image, **more), "testvmi-abcde.with.dots" if hostname else "testvmi"
    )
    await login(vmi)
    assert await consoles.privileged(vmi)
    await login(vmi)
    assert await consoles.run(vmi, "true")
    assert not await consoles.run(vmi, "false")
    assert await consoles.run(vmi, "stress-ng --vm 1 &")
    assert await consoles.run(vmi, "echo hello > /tmp/here")
    migration = await guests.migrate(vmi)
    await migration.succeeds()
    assert await consoles.told(vmi, "cat /tmp/here") == "hello"
    boot = await consoles.told(vmi, "cat /proc/sys/kernel/random/boot_id")
    assert boot
    assert await vmi.act("reset") == ""
    async with console(vmi) as at:
        await at.expect(r"\[    0.000000\] Linux version")
        assert await at.answers(" login: ")
    await login(vmi)
    assert await consoles.told(vmi, "cat /proc/sys/kernel/random/boot_id") != boot


async def test_output(suite: Suite) -> None:
    """[1588] [1590] A return is answered by a login, however often somebody comes anew."""
    cirros = await guests.instance(suite, guest("cirros"), "cirros")
    async with console(cirros) as at:
        await at.says("\n", "login as 'cirros' user")
    alpine = await guests.instance(suite, guest(), "alpine")
    for _ in range(5):
        async with console(alpine) as at:
            await at.says("\n", "login")


async def test_two_at_a_console(suite: Suite) -> None:
    """[1591] The second one ends the conversation of the first, who hears of no reason."""
    vmi = await guests.instance(suite, guest())
    async with console(vmi) as first:
        await first.says("\n", "login")
        async with console(vmi) as second:
            await second.says("\n", "login")
            while (message := await first.socket.receive(timeout=30)).type == aiohttp.WSMsgType.BINARY:
                pass
            assert message.type == aiohttp.WSMsgType.CLOSED


@pytest.mark.parametrize("place", ["vnc", "console"])
async def test_browsers(suite: Suite, place: str) -> None:
    """[1612] [1613] [1614] Of the protocols a browser offers the known one is chosen; who offers none is served, too."""
    vmi = await guests.instance(suite, guest())
    url = f"{suite.url}{guests.SUBRESOURCES}/virtualmachineinstances/{vmi.name}/{place}"
    for offered, chosen in (["fantasy.protocol", "plain.kubevirt.io"], "plain.kubevirt.io"), ([], None):
        async with (
            aiohttp.ClientSession(headers={"Origin": suite.url}) as session,
            session.ws_connect(url, protocols=offered) as socket,
        ):
            assert socket.protocol == chosen


async def test_not_yet(suite_of: Make) -> None:
    """[1592] [1593] Until the guest runs clients are told to try again by a 400; then there is a stream."""
    suite = await guests.a_namespace(await suite_of(pace="realistic"))
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": "new"}}
    await suite.create(VMIS, {**body, "spec": guest()})
    vmi, refusals = Guest(suite, "new"), set[int]()

    async def connected() -> bool:
        try:
            async with console(vmi) as at:
                await at.says("\n", "login")
        except aiohttp.WSServerHandshakeError as error:
            refusals.add(error.status)
            return False
        return True

    assert not await connected()
    await suite.eventually(connected, 60)
    assert refusals == {400}


async def test_no_console(suite: Suite) -> None:
    """[4118] A guest without one says so."""
    spec = guest()
    spec["domain"]["devices"]["autoattachSerialConsole"] = False
    vmi = await guests.instance(suite, spec)
    path = f"{guests.SUBRESOURCES}/virtualmachineinstances/{vmi.name}/console"
    answer = await suite.refused("GET", path)
    assert answer["message"] == "No serial consoles are present."


@pytest.mark.parametrize(
    ("firmware", "said"),
    [
        ({"bios": {"useSerial": True}}, r"i(PXE|\x1b\[[0-9]+;[0-9]+HP)"),
        ({"efi": {}}, "secureboot: Secure boot enabled"),
        ({"efi": {"secureBoot": False}}, "secureboot: Secure boot disabled"),
    ],
)
async def test_boots(suite: Suite, firmware: dict[str, object], said: str) -> None:
    """Who comes first sees the firmware, and then the kernel."""
    domain = {"firmware": {"bootloader": firmware}, "features": {"smm": {"enabled": True}}}
    spec = guest(domain=domain)
    if "bios" in firmware:
        spec["domain"]["devices"]["interfaces"][0]["bootOrder"] = 1
    vmi = await guests.instance(suite, spec)
    async with console(vmi) as at:
        await at.expect(said)
        await at.expect("login: ")


@pytest.mark.parametrize(("first", "text"), [("alpine", "Welcome to Alpine"), ("cirros", "cirros")])
async def test_boot_order(suite: Suite, first: str, text: str) -> None:
    """[1627] [1628] The guest is what is on its first disk."""
    spec = guest()
    disk = {"image": "registry:5000/kubevirt/cirros-container-disk-demo:devel"}
    spec["volumes"].append({"name": "disk2", "containerDisk": disk})
    alpine, cirros = (1, 2) if first == "alpine" else (2, 1)
    spec["domain"]["devices"]["disks"] = [
        {"name": "disk0", "disk": {"bus": "virtio"}, "bootOrder": alpine},
        {"name": "disk2", "disk": {"bus": "virtio"}, "bootOrder": cirros},
    ]
    vmi = await guests.instance(suite, spec)
    async with console(vmi) as at:
        await at.send("\n\n")
        await at.expect(text)


@pytest.mark.parametrize("by_claim", [True, False])
async def test_imported_disks(suite: Suite, by_claim: bool) -> None:
    """A guest on a disk that was imported is what was imported, whatever the disk is called."""
    source = {"registry": {"url": "docker://registry:5000/kubevirt/alpine-container-disk-demo:devel"}}
    storage = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    body = {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": {"name": "test-dv-abcde"},
        "spec": {"source": source, "pvc": storage},
    }
    await suite.create(f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{guests.NS}/datavolumes", body)
    await suite.cluster.settle()
    spec = guest()
    spec["volumes"] = [
        {
            "name": "disk0",
            **(
                {"persistentVolumeClaim": {"claimName": "test-dv-abcde"}}
                if by_claim
                else {"dataVolume": {"name": "test-dv-abcde"}}
            ),
        }
    ]
    vmi = await guests.instance(suite, spec)
    await consoles.login_to_alpine(vmi)
