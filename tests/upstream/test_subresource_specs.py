"""Commands to running guests: frozen file systems, reboots, pauses; and that they are told of in the OpenAPI document.

Origin: kubevirt: tests/compute/subresources/{vmi,pausing,openapi,reset,softreboot}.go, tests/network/{services,vmi_subdomain}.go
"""

import json
from typing import Any

import aiohttp
import pytest

from tests.upstream.conftest import Object, Suite, conditions
from tests.upstream.guests import NS, SUBRESOURCES, Guest, a_namespace, guest, instance, machine


@pytest.fixture
async def here(suite: Suite) -> Suite:
    return await a_namespace(suite)


def without_acpi(image: str) -> Object:
    return guest(image, domain={"features": {"acpi": {"enabled": False}}})


async def freezes(vmi: Guest, wanted: str, seconds: float = 30) -> None:
    async def look() -> bool:
        return (await vmi.vmi())["status"].get("fsFreezeStatus", "") == wanted

    await vmi.suite.eventually(look, seconds, 2)


async def test_nobody_to_freeze(here: Suite) -> None:
    """[7476] [7477] Without an agent both are internal errors."""
    vmi = await instance(here, guest("cirros"))
    assert "Internal error occurred" in await vmi.act("freeze", {"unfreezeTimeout": "0s"})
    assert "Internal error occurred" in await vmi.act("unfreeze")


async def test_freezing(here: Suite) -> None:
    """[7479] [7480] Frozen and thawed, as often as one likes; by itself after its time."""
    vmi = await instance(here, guest("fedora"))
    await vmi.has("AgentConnected", seconds=720)
    for _ in range(3):
        assert await vmi.act("freeze", {"unfreezeTimeout": "0s"}) == ""
        await freezes(vmi, "frozen")
    for _ in range(3):
        assert await vmi.act("unfreeze") == ""
        await freezes(vmi, "")
    assert await vmi.act("freeze", {"unfreezeTimeout": "10s"}) == ""
    await freezes(vmi, "frozen")
    await freezes(vmi, "")


async def test_soft_reboots(here: Suite) -> None:
    """By the agent or by ACPI; with neither, or while the guest is paused, it is refused."""
    talks = await instance(here, without_acpi("fedora"), "talks")
    await talks.has("AgentConnected", seconds=720)
    assert await talks.act("softreboot") == ""
    assert await (await instance(here, guest("cirros"), "listens")).act("softreboot") == ""
    deaf = await instance(here, without_acpi("cirros"), "deaf")
    text = "VMI neither have the agent connected nor the ACPI feature enabled"
    assert text in await deaf.act("softreboot")
    assert await talks.act("pause") == ""
    await talks.has("Paused")
    assert "VMI is paused" in await talks.act("softreboot")
    assert await talks.act("unpause") == ""
    await talks.has("Paused", "")
    assert await talks.act("softreboot") == ""


async def test_pausing(here: Suite) -> None:
    """[4597] [3083] [3226] Paused once, woken once; a paused one is not ready, and its pod is not."""
    vmi = await instance(here, guest())
    assert await vmi.act("pause") == ""
    paused = await vmi.has("Paused")
    assert conditions(paused)["Ready"] == "False" or conditions(await vmi.pod())["Ready"] == "False"
    assert "VMI is already paused" in await vmi.act("pause")
    assert await vmi.act("unpause") == ""
    await vmi.has("Paused", "")
    await vmi.has("Ready")
    assert "VMI is not paused" in await vmi.act("unpause")


async def test_told_of(here: Suite) -> None:
    """[3177] The aggregated document has the subresources of the version that is preferred."""
    status, document = await here.call("GET", "/openapi/v2", accept="application/json")
    assert status == 200
    assert "subresources.kubevirt.io/v1" in json.dumps(document)


@pytest.mark.parametrize("cluster_ip", [None, "None"], ids=["service", "headless"])
async def test_services(here: Suite, cluster_ip: str | None) -> None:
    """[1547] [1549] Found by the instance's labels; under a headless one by host name and subdomain."""
    spec = guest(hostname="inbound", subdomain="vmi")
    vmi = await instance(here, spec, labels={"expose": "me"})
    service: Object = {"ports": [{"port": 1500, "targetPort": 1500}], "selector": {"expose": "me"}}
    if cluster_ip:
        service["clusterIP"] = cluster_ip
    await here.create(f"/api/v1/namespaces/{NS}/services", {"metadata": {"name": "vmi"}, "spec": service})
    pod = await vmi.pod()
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("inbound", "vmi")

    async def shown() -> Any:
        (one,) = await here.items(
            f"/apis/discovery.k8s.io/v1/namespaces/{NS}/endpointslices", "kubernetes.io/service-name=vmi"
        )
        return [each for each in one.get("endpoints") or () if each["conditions"]["ready"]]

    (endpoint,) = await here.eventually(shown, 30)
    assert endpoint["addresses"] == [pod["status"]["podIP"]]
    if cluster_ip:
        assert endpoint["hostname"] == "inbound"


async def test_pauses_that_are_none(here: Suite) -> None:
    """[3224] [7671]–[7674] Who is looked after by a probe cannot be paused; what is only tried out changes nothing."""
    probe = {
        "httpGet": {"path": "/something", "port": 8080},
        "initialDelaySeconds": 120,
        "periodSeconds": 120,
    }
    watched = await instance(here, guest("cirros", livenessProbe=probe), "watched")
    text = "Pausing VMIs with a non-GuestAgentPing LivenessProbe is not supported"
    assert text in await watched.act("pause")
    vm = await machine(here, guest("cirros"))
    tried = {"dryRun": ["All"]}

    async def awake() -> bool:
        return conditions(await vm.vm()).get("Paused", "False") == "False"

    async def asleep() -> bool:
        return conditions(await vm.vm()).get("Paused") == conditions(await vm.vmi()).get("Paused") == "True"

    assert await vm.act("pause", tried) == ""
    await here.consistently(awake, 5)
    assert await vm.act("pause") == ""
    await vm.has("Paused", seconds=30, of_vm=True)
    assert await vm.act("unpause", tried) == ""
    await here.consistently(asleep, 5)
    assert "VM is already running" in await vm.act("start", kind="virtualmachines")


async def test_paused_guests_show_themselves(here: Suite) -> None:
    """[3083] [3084] [3085] A paused guest has a console and a screen, and its machine can be stopped."""
    vm = await machine(here, guest("cirros"))
    assert await vm.act("pause") == ""
    await vm.has("Paused", seconds=30, of_vm=True)
    for place in ("console", "vnc"):
        url = f"{here.url.replace('http', 'ws', 1)}{SUBRESOURCES}/virtualmachineinstances/{vm.name}/{place}"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, protocols=["plain.kubevirt.io"]) as socket,
        ):
            assert await socket.receive_bytes(timeout=30)
    assert await vm.act("stop", kind="virtualmachines") == ""

    async def stopped() -> bool:
        gone = (await here.call("GET", vm.path))[0] == 404
        return gone and not (await vm.vm())["status"].get("ready")

    await here.eventually(stopped, 300)


async def test_resets(here: Suite) -> None:
    """A reset leaves the instance the same, whose guest begins anew."""
    vmi = await instance(here, guest())
    before = (await vmi.vmi())["metadata"]["uid"]
    assert await vmi.act("reset") == ""
    assert (await vmi.vmi())["metadata"]["uid"] == before
