"""Upstream's functional specs of probes: of ports somebody listens on, or nobody, and of what the agent is asked.

Origin: kubevirt: tests/network/probes.go (before: tests/probes_test.go),
tests/compute/{guest_agent,guest_agent_probe_pause,guest_agent_probe_scope,guest_agent_probe_migration}.go, docs/probes.md
"""

from typing import Any

import pytest

from tests.upstream import consoles, guests
from tests.upstream.conftest import MERGE_PATCH, Make, Object, Suite, conditions
from tests.upstream.guests import Guest, guest

TCP, HTTP = {"tcpSocket": {"port": 1500}}, {"httpGet": {"port": 1500}}
SAYS = {
    "tcpSocket": "nc  -klp 1500 -e printf 'Hello World!'&",
    "httpGet": 'nc  -klp 1500 -e printf "HTTP/1.1 200 OK\\nContent-Length: 12\\n\\nHello World!"&',
}


@pytest.fixture(params=["instant", "realistic"])
async def suite(suite_of: Make, request: pytest.FixtureRequest) -> Suite:
    return await guests.a_namespace(await suite_of(pace=request.param))


async def probed(suite: Suite, kind: str, probe: Object, image: str = "alpine", delay: int = 5) -> Guest:
    return await guests.instance(
        suite, guest(image, **{kind: {"periodSeconds": 5, "initialDelaySeconds": delay, **probe}})
    )


async def compute(vmi: Guest) -> tuple[Object, str]:
    """The container that is probed, and whether its pod is ready."""
    pod = await vmi.pod()
    (spec,) = [one for one in pod["spec"]["containers"] if one["name"] == "compute"]
    return spec, conditions(pod)["Ready"]


@pytest.mark.parametrize("probe", [TCP, HTTP])
async def test_readiness(suite: Suite, probe: Object) -> None:
    """[1202] [1200] [1220] [1219] Not ready for a minute, ready once a server has been started, and not without it."""
    vmi = await probed(suite, "readinessProbe", probe)
    spec, ready = await compute(vmi)
    assert spec["readinessProbe"]["initialDelaySeconds"] == 15
    (kind,) = probe
    assert spec["readinessProbe"][kind]["port"] == 1500
    assert ready == "False"

    async def not_ready() -> bool:
        return conditions(await vmi.vmi())["Ready"] == "False"

    await suite.consistently(not_ready, 60)
    await consoles.login_to_alpine(vmi)
    assert await consoles.run(vmi, SAYS[kind])
    await vmi.has("Ready", seconds=60)
    assert (await compute(vmi))[1] == "True"
    assert await vmi.act("reset") == ""
    await vmi.has("Ready", "False", seconds=60)


@pytest.mark.parametrize("probe", [TCP, HTTP])
@pytest.mark.parametrize("listens", [True, False])
async def test_liveness(suite: Suite, probe: Object, listens: bool) -> None:
    """[1199] [1201] [1217] [1218] An instance ends two minutes after its start, unless a server listens."""
    vmi = await probed(suite, "livenessProbe", probe, delay=90)
    if listens:
        await consoles.login_to_alpine(vmi)
        (kind,) = probe
        assert await consoles.run(vmi, SAYS[kind])

    async def over() -> bool:
        return (await vmi.vmi())["status"]["phase"] in ("Failed", "Succeeded")

    if not listens:
        await suite.eventually(over, 120)
        await vmi.is_told("Stopped")
        return

    async def lives() -> bool:
        return not await over()

    await suite.consistently(lives, 120)


@pytest.mark.parametrize(
    ("probe", "through"),
    [
        ({"exec": {"command": ["uname", "-a"]}}, ["--command", "uname", "--", "-a"]),
        ({"guestAgentPing": {}}, ["--guestAgentPing"]),
    ],
)
async def test_readiness_by_the_agent(suite: Suite, probe: Object, through: list[str]) -> None:
    """[TODO] [6739] Ready as soon as the agent is there and answers; not any more when it is stopped."""
    vmi = await probed(suite, "readinessProbe", {**probe, "timeoutSeconds": 1}, "fedora")
    spec, _ = await compute(vmi)
    command = spec["readinessProbe"]["exec"]["command"]
    assert command[:5] == ["virt-probe", "--domainName", f"{guests.NS}_{vmi.name}", "--timeoutSeconds", "1"]
    assert command[5:] == through
    assert spec["readinessProbe"]["timeoutSeconds"] == 2
    assert "guestAgentPing" not in spec["readinessProbe"]
    await vmi.has("AgentConnected", seconds=720)
    await vmi.has("Ready", seconds=120)
    await consoles.login_to_fedora(vmi)
    assert await consoles.run(vmi, "systemctl stop qemu-guest-agent")
    await vmi.has("AgentConnected", "", seconds=120)
    addresses = (await vmi.vmi())["status"]["interfaces"][0]["ipAddresses"]
    assert addresses == [one["ip"] for one in (await vmi.pod())["status"]["podIPs"]]
    await vmi.has("Ready", "False", seconds=300)
    pod = (await vmi.pod())["metadata"]["name"]
    told = await suite.items(guests.EVENTS, fieldSelector=f"involvedObject.name={pod},type=Warning")
    assert [one["reason"] for one in told] == ["Unhealthy"]
    assert await consoles.run(vmi, "sudo systemctl start qemu-guest-agent")
    await vmi.has("AgentConnected", seconds=120)
    await vmi.has("Ready", seconds=120)


@pytest.mark.parametrize(
    ("probe", "lives"),
    [
        ({"exec": {"command": ["uname", "-a"]}}, True),
        ({"exec": {"command": ["exit", "1"]}}, False),
        ({"guestAgentPing": {}}, True),
    ],
)
async def test_liveness_by_the_agent(suite: Suite, probe: Object, lives: bool) -> None:
    """[5879] [6738] A command that fails is the instance's end; so is an agent that does not answer any more."""
    vmi = await probed(suite, "livenessProbe", {**probe, "failureThreshold": 3}, "fedora", 90)

    async def final() -> bool:
        return (await vmi.vmi())["status"]["phase"] in ("Failed", "Succeeded")

    if not lives:
        await suite.eventually(final, 180)
        return
    await vmi.has("AgentConnected", seconds=720)

    async def running() -> bool:
        return not await final()

    await suite.consistently(running, 120)
    await consoles.login_to_fedora(vmi)
    assert await consoles.run(vmi, "systemctl stop qemu-guest-agent")
    await suite.eventually(final, 120)
    await vmi.is_told("Stopped")


async def pinged(suite: Suite, times: int = 3, **spec: Any) -> Guest:
    """A guest whose agent is there, and which ends half a minute after its start when it does not answer."""
    probe = {"periodSeconds": 5, "initialDelaySeconds": 30, "guestAgentPing": {}, "failureThreshold": times}
    vmi = await guests.instance(suite, guest("fedora", livenessProbe=probe, **spec))
    await vmi.has("AgentConnected", seconds=240)
    return vmi


async def spare(vmi: Guest, value: str | None) -> None:
    change = {"metadata": {"annotations": {"kubevirt.io/pause-guest-agent-probes": value}}}
    await vmi.suite.patch(vmi.path, change, MERGE_PATCH)


async def stop_agent(vmi: Guest) -> None:
    await consoles.login_to_fedora(vmi)
    assert await consoles.run(vmi, "sudo systemctl stop qemu-guest-agent")
    await vmi.has("AgentConnected", "", seconds=120)


async def lives(vmi: Guest, seconds: float) -> None:
    async def running() -> bool:
        return (await vmi.vmi())["status"]["phase"] == "Running"

    await vmi.suite.consistently(running, seconds, 2)


async def ends(vmi: Guest) -> None:
    async def final() -> bool:
        return (await vmi.vmi())["status"]["phase"] in ("Failed", "Succeeded")

    await vmi.suite.eventually(final, 120)


@pytest.mark.parametrize(("value", "spared"), [("true", True), ("false", False), ("invalid", False)])
async def test_agents_under_repair(suite: Suite, value: str, spared: bool) -> None:
    """[CNV82132-001] [CNV82132-006] [CNV82132-008a-c] [CNV82132-009] Nobody pings an agent whose instance says so; else it is told."""
    vmi = await pinged(suite)
    await spare(vmi, value)
    await stop_agent(vmi)
    if spared:
        await suite.patch(vmi.path, {"metadata": {"labels": {"reconcile-trigger": "true"}}}, MERGE_PATCH)
        await lives(vmi, 45)
        assert "GuestAgentPingFailed" not in await vmi.events()
        await spare(vmi, None)
    await ends(vmi)
    await vmi.is_told("GuestAgentPingFailed")


async def test_agents_under_repair_stay_ready(suite: Suite) -> None:
    """[CNV82132-002] [CNV82132-011] Their guests stay ready, also once they have been paused."""
    vmi = await probed(suite, "readinessProbe", {"guestAgentPing": {}}, "fedora")
    await vmi.has("AgentConnected", seconds=240)
    await vmi.has("Ready", seconds=120)
    await spare(vmi, "true")
    await stop_agent(vmi)

    async def ready() -> bool:
        return conditions(await vmi.vmi())["Ready"] == "True"

    await suite.consistently(ready, 45, 2)
    assert await vmi.act("pause") == ""
    await vmi.has("Paused")
    assert await vmi.act("unpause") == ""
    await vmi.has("Paused", "")
    await vmi.has("Ready")
    await suite.consistently(ready, 30, 2)


async def test_commands_are_carried_out_under_repair(suite: Suite) -> None:
    """[CNV82132-003] Probes that run a command in the guest are no pings."""
    vmi = await probed(suite, "livenessProbe", {"exec": {"command": ["exit", "1"]}}, "fedora", 90)
    await spare(vmi, "true")
    await ends_later(vmi)


async def ends_later(vmi: Guest) -> None:
    await vmi.suite.cluster.advance(60)
    await ends(vmi)


async def test_agents_under_repair_move(suite: Suite) -> None:
    """[CNV82132-004] [CNV82132-005] The annotation holds where the guest has come to; without it, its agent is pinged there."""
    vmi = await pinged(suite)
    await spare(vmi, "true")
    await stop_agent(vmi)
    migration = await guests.migrate(vmi)
    await migration.succeeds()
    await guests.migrated(vmi, migration)
    await lives(vmi, 60)
    await spare(vmi, None)
    await ends(vmi)
    other = await guests.instance(suite, (await vmi.vmi())["spec"], "other")
    await other.has("AgentConnected", seconds=240)
    await (await guests.migrate(other)).succeeds()
    await stop_agent(other)
    await ends(other)


async def test_unanswered_pings(suite: Suite) -> None:
    """Each ping that is not answered is told, even while there may be more of them."""
    vmi = await pinged(suite, 20)
    await stop_agent(vmi)
    await vmi.is_told("GuestAgentPingFailed", seconds=60)
    await suite.cluster.advance(20)
    told = await suite.items(
        guests.EVENTS, fieldSelector=f"involvedObject.name={vmi.name},reason=GuestAgentPingFailed"
    )
    assert told[0]["message"] == f"GuestAgentPing probe failed for VMI {vmi.name}"
    assert told[0]["count"] > 1
    await lives(vmi, 10)


async def test_probed_guests_move(suite: Suite) -> None:
    """Nobody waits for the target to become ready before the guest is there; then it does."""
    probe: Any = {"guestAgentPing": {}}
    vmi = await probed(suite, "readinessProbe", probe, "fedora")
    await vmi.has("Ready", seconds=180)
    migration = await guests.migrate(vmi)
    await migration.succeeds()
    await vmi.has("Ready", seconds=120)
    assert conditions(await vmi.pod())["Ready"] == "True"
