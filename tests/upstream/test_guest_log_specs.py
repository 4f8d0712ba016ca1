"""Upstream's functional specs of guests' console logs: what is said at a serial console is a container's log.

Left out: how the log's own files are rotated.
Origin: kubevirt: tests/guestlog/guestlog.go
"""

import asyncio

import aiohttp
import pytest

from tests.upstream import consoles, guests
from tests.upstream.conftest import Make, Suite
from tests.upstream.consoles import console, returned
from tests.upstream.guests import Guest, guest

TEXT = "GuestConsoleTest3413254123535234523"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of())


async def log(vmi: Guest, pod: str = "") -> str:
    path = f"{guests.PODS}/{pod or (await vmi.pod())['metadata']['name']}/log"
    status, said = await vmi.suite.call("GET", path, container="guest-console-log")
    assert status == 200
    return str(said.decode())


async def alpine(suite: Suite, name: str = "testvmi-abcde") -> Guest:
    spec = guest()
    spec["domain"]["devices"] |= {"logSerialConsole": True, "autoattachSerialConsole": True}
    return await guests.instance(suite, spec, name)


async def test_a_log(suite: Suite) -> None:
    """A guest's boot is in it, and what is said at its console, line by line; reading it disturbs nobody who sits there."""
    vmi = await alpine(suite)
    assert "Welcome to Alpine Linux" in await log(vmi)
    await consoles.login_to_alpine(vmi)
    async with console(vmi) as at:
        await at.says(f"echo {TEXT}\n", TEXT)
        found = await log(vmi)
        await at.says("true; echo $?\n", returned("0"))
    assert f"{vmi.name} login:" in found
    assert f"echo {TEXT}\n" in found
    assert f"\n{TEXT}\n" in found
    assert found.count("Linux version") == 1


async def test_no_line_is_skipped(suite: Suite) -> None:
    """Many lines come in their order."""
    vmi = await alpine(suite)
    await consoles.login_to_alpine(vmi)
    async with console(vmi) as at:
        for number in range(200):
            await at.send(f"echo logline {number:07}\n")
        await at.expect("\nlogline 0000199\r\n")
    found = [line for line in (await log(vmi)).splitlines() if line.startswith("logline ")]
    assert found == [f"logline {number:07}" for number in range(200)]


async def test_following(suite: Suite) -> None:
    """Who follows the log hears what is said as it is said, until the guest ends; so does whoever else does."""
    vmi = await alpine(suite)
    path = f"{guests.PODS}/{(await vmi.pod())['metadata']['name']}/log"
    query = {"container": "guest-console-log", "follow": "true"}

    async def heard(answer: aiohttp.ClientResponse, text: str) -> None:
        while text not in (line := (await asyncio.wait_for(answer.content.readline(), 30)).decode()):
            assert line

    async with (
        aiohttp.ClientSession(suite.url) as session,
        session.get(path, params=query) as one,
        session.get(path, params=query) as other,
    ):
        await heard(one, "Welcome to Alpine Linux")
        await consoles.login_to_alpine(vmi)
        async with console(vmi) as at:
            await at.says(f"echo {TEXT}\n", TEXT)
            for answer in (one, other):
                await heard(answer, f"echo {TEXT}")
            await at.send("poweroff\n")
            for answer in (one, other):
                await heard(answer, "The system is going down NOW!")
        await vmi.is_in("Succeeded")
        assert "reboot: Power down" in (await one.content.read()).decode()


async def test_a_launcher_ends_in_good_order(suite: Suite) -> None:
    """When its guest shuts itself down it succeeds, and its log stays."""
    vmi = await alpine(suite)
    pod = (await vmi.pod())["metadata"]["name"]
    found = await suite.get(f"{guests.PODS}/{pod}")
    assert "guest-console-log" in [one["name"] for one in found["spec"]["initContainers"]]
    await consoles.login_to_alpine(vmi)
    async with console(vmi) as at:
        await at.says("poweroff\n", "The system is going down NOW!")

    async def succeeded() -> bool:
        phase = (await suite.get(f"{guests.PODS}/{pod}"))["status"]["phase"]
        assert phase != "Failed"
        return phase == "Succeeded"

    await suite.eventually(succeeded, 60)
    assert "The system is going down NOW!" in await log(vmi, pod)


async def test_where_a_guest_comes_to(suite: Suite) -> None:
    """A launcher's log is of the time the guest was in it."""
    vmi = await alpine(suite)
    await consoles.login_to_alpine(vmi)
    await suite.cluster.advance(5)
    before = (await vmi.pod())["metadata"]["name"]
    await (await guests.migrate(vmi)).succeeds()
    await suite.cluster.advance(5)
    async with console(vmi) as at:
        await at.says(f"echo {TEXT}\n", TEXT)
    found = await log(vmi)
    assert TEXT in found
    assert "Linux version" not in found
    assert TEXT not in await log(vmi, before)


@pytest.mark.parametrize("devices", [{"logSerialConsole": False}, {"autoattachSerialConsole": False}])
async def test_no_log(suite: Suite, devices: dict[str, bool]) -> None:
    """Without a console, or without a wish for its log, there is none."""
    spec = guest()
    spec["domain"]["devices"] |= devices
    pod = await (await guests.instance(suite, spec)).pod()
    assert "guest-console-log" not in [one["name"] for one in pod["spec"].get("initContainers", ())]
