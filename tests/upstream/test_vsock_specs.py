"""Guests on VSOCK: addresses no two share and migrations keep, conversations with whoever listens there.

Origin: kubevirt: tests/vmi_vsock_test.go
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.upstream import launchers
from tests.upstream.conftest import Suite
from tests.upstream.consoles import login_to_fedora, run
from tests.upstream.guests import (
    NODES,
    SUBRESOURCES,
    Guest,
    a_namespace,
    configure,
    guest,
    instance,
    migrate,
    migrated,
)


@pytest.fixture
async def here(suite: Suite) -> Suite:
    await configure(suite, developerConfiguration={"featureGates": ["VSOCK"]})
    return await a_namespace(suite)


async def on_vsock(suite: Suite, name: str = "vmi", **devices: bool) -> Guest:
    spec = guest("fedora")
    spec["domain"]["devices"] |= {"autoattachVSOCK": True, **devices}
    return await instance(suite, spec, name)


async def address(vmi: Guest) -> int:
    return int((await vmi.vmi())["status"]["VSOCKCID"])


@asynccontextmanager
async def vsock(vmi: Guest, port: int, tls: bool) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    url = f"{vmi.suite.url.replace('http', 'ws', 1)}{SUBRESOURCES}/virtualmachineinstances/{vmi.name}/vsock"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"{url}?port={port}&tls={str(tls).lower()}", protocols=["plain.kubevirt.io"]
        ) as socket,
    ):
        yield socket


@pytest.mark.parametrize("transitional", [True, False])
async def test_a_device(here: Suite, transitional: bool) -> None:
    """The domain has the device, by the address the instance tells; its launcher asks its node for the host's end."""
    vmi = await on_vsock(here, useVirtioTransitional=transitional)
    device = (await launchers.domain(vmi)).find("devices/vsock")
    assert device is not None
    assert device.get("model") == ("virtio-transitional" if transitional else "virtio-non-transitional")
    cid = device.find("cid")
    assert cid is not None
    assert (cid.get("auto"), cid.get("address")) == ("no", str(await address(vmi)))
    limits = (await vmi.pod())["spec"]["containers"][0]["resources"]["limits"]
    assert limits["devices.kubevirt.io/vhost-vsock"] == "1"
    node = await here.get(f"{NODES}/{await vmi.node()}")
    assert "devices.kubevirt.io/vhost-vsock" in node["status"]["allocatable"]


async def test_addresses(here: Suite) -> None:
    """No two guests share one, and a migration keeps it; guests without the device have none."""
    first, second = await on_vsock(here, "first"), await on_vsock(here, "second")
    before = await address(second)
    assert before != await address(first)
    migration = await migrate(second)
    await migration.succeeds()
    await migrated(second, migration)
    assert await address(second) == before
    assert "VSOCKCID" not in (await (await instance(here, guest(), "plain")).vmi())["status"]


@pytest.mark.parametrize("tls", [True, False])
async def test_conversations(here: Suite, tls: bool) -> None:
    """Whoever listens in the guest is talked to, if both speak TLS or neither does; several may at a time."""
    vmi = await on_vsock(here)
    await login_to_fedora(vmi)
    server = "/usr/bin/example-guest-agent --port 1234" + (" --use-tls" if tls else "")
    assert await run(vmi, "chmod +x /usr/bin/example-guest-agent")
    assert await run(vmi, f"{server} 2>&1 &")
    async with vsock(vmi, 1234, tls) as socket, vsock(vmi, 1234, tls) as other:
        for one in (socket, other):
            await one.send_bytes(b"Hello World?")
            assert await one.receive_bytes(timeout=30) == b"Hello World?"
    async with vsock(vmi, 1234, not tls) as socket:
        assert (await socket.receive(timeout=30)).type == aiohttp.WSMsgType.CLOSED


async def test_nobody_listens(here: Suite) -> None:
    """The connection is made before the guest is called: where nobody listens it breaks, without a farewell."""
    vmi = await on_vsock(here)
    async with vsock(vmi, 9999, True) as socket:
        assert (await socket.receive(timeout=30)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
    path = f"{SUBRESOURCES}/virtualmachineinstances/{vmi.name}/vsock"
    assert (await here.refused("GET", path))["message"].endswith("websocket: bad handshake")
