"""Console, screen and ports of guests, over real websockets to a served cluster."""

import asyncio
import struct

import aiohttp
import pytest

from fakekube.agents.node_server.place import Done
from fakekube.agents.volume_contents import VolumeContents
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.copying import copy_of
from fakekube.machinery.objects import dig, name
from fakekube.machinery.resources import EVENTS, VIRTUAL_MACHINE_INSTANCES, VIRTUAL_MACHINES
from fakekube.server import Server
from fakekube.virt.handler.streams import Streams

GUEST = "/apis/subresources.kubevirt.io/v1/namespaces/default/virtualmachineinstances/vm"
PROTOCOL = "plain.kubevirt.io"
VM = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {"name": "vm", "namespace": "default"},
    "spec": {
        "runStrategy": "Once",
        "template": {
            "spec": {
                "domain": {"devices": {}, "memory": {"guest": "128Mi"}},
                "volumes": [{"name": "disk", "containerDisk": {"image": "registry.example/fedora:42"}}],
            }
        },
    },
}


class Doors:
    """A running guest, and ways to it."""

    def __init__(self, cluster, server, session):
        self.client, self.url, self.session = cluster.client(), server.url, session

    def open(self, tail, version="v1", guest="vm"):
        path = GUEST.replace("/v1/", f"/{version}/").replace("/vm", f"/{guest}")
        return self.session.ws_connect(f"{self.url}{path}/{tail}", protocols=[PROTOCOL])

    async def phase(self):
        return dig(await self.client.get(VIRTUAL_MACHINE_INSTANCES, "vm", "default"), "status", "phase")

    async def reaches(self, phase, guest="vm"):
        watch = self.client.watch(VIRTUAL_MACHINE_INSTANCES, "default", send_initial_events=True)
        async for _, vmi in watch:
            if (name(vmi), dig(vmi, "status", "phase")) == (guest, phase):
                return


@pytest.fixture
async def doors():
    """A served cluster in which the VM `vm` runs."""
    async with (
        asyncio.timeout(30),
        Cluster(without=["pool-controller"]) as cluster,
        Server(cluster) as server,
        aiohttp.ClientSession() as session,
    ):
        made = Doors(cluster, server, session)
        await made.client.create(VIRTUAL_MACHINES, VM)
        await made.reaches("Running")
        yield made


async def read(socket, until):
    """What comes until something does."""
    heard = b""
    while until not in heard:
        message = await socket.receive(timeout=30)
        assert message.type == aiohttp.WSMsgType.BINARY, (heard, message)
        heard += message.data
    return heard


async def logged_in(socket, guest=b"vm"):
    await read(socket, guest + b" login: ")
    await socket.send_bytes(b"fedora\r")
    await read(socket, b"Password: ")
    await socket.send_bytes(b"fedora\r")
    await read(socket, b"$ ")


async def say(socket, line):
    await socket.send_bytes(line + b"\r")
    return await read(socket, b"$ ")


async def test_v189_console(doors):
    """V-189: binary frames under plain.kubevirt.io carry a serial console, in both versions of the API."""
    async with doors.open("console") as socket:
        assert socket.protocol == PROTOCOL
        await logged_in(socket)
        assert b"\r\nvm\r\n" in await say(socket, b"hostname")
        assert b"link/ether 02:" in await say(socket, b"ip a")
    async with doors.open("console", "v1alpha3") as socket:
        assert b"\r\n[fedora@vm ~]$ " in await say(socket, b"")


class Typist:
    """A client's end of a console at which this is typed, by root of Alpine."""

    subprotocol = PROTOCOL

    def __init__(self, *lines):
        self._lines = [b"root\r", *(line + b"\r" for line in lines)]
        self.said = b""

    async def receive(self):
        return self._lines.pop(0) if self._lines else None

    async def send(self, data):
        self.said += data

    async def close(self, code=1000):
        self._lines.clear()


ALPINE = {
    "metadata": {"name": "vm", "namespace": "default", "uid": "u"},
    "spec": {"volumes": [{"name": "a", "containerDisk": {"image": "alpine-container-disk-demo"}}]},
    "status": {"phase": "Running"},
}


async def test_what_is_around_a_guest_is_forgotten():
    """Once a line has tried the network, its session keeps nothing of whom it might have met."""

    async def look(_vmi):
        return {"ping": lambda *_: Done("pong\n")}

    consoles = Streams(ManualClock(), nothing, look, VolumeContents())
    typist = Typist(b"ping a")
    await consoles.serve(ALPINE, "console")(typist)
    assert b"\r\npong\r\n" in typist.said
    assert consoles.knows("u")
    assert consoles._sessions["u"].machine.online == {}


async def test_a_guest_goes_while_its_network_is_looked_at():
    """Nothing is shown any more, and nothing remembered."""

    async def look(vmi):
        await consoles.hang_up(vmi["metadata"]["uid"])
        return {"ping": lambda *_: Done("pong\n")}

    consoles = Streams(ManualClock(), nothing, look, VolumeContents())
    typist = Typist(b"ping a", b"hostname")
    await consoles.serve(ALPINE, "console")(typist)
    assert b"pong" not in typist.said
    assert not consoles.knows("u")


async def nothing(_vmi, _deed):
    """No deed is done."""


async def test_poweroff_and_panic(doors):
    """A guest powered off from inside has Succeeded, one that panics has Failed; who listens is cut off."""
    async with doors.open("console") as socket, doors.open("vnc") as other:
        await logged_in(socket)
        await socket.send_bytes(b"panic\r")
        await read(socket, b"end Kernel panic")
        await doors.reaches("Failed")
        while (message := await other.receive(timeout=30)).type == aiohttp.WSMsgType.BINARY:
            pass
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    told = [one["message"] for one in (await doors.client.list(EVENTS, "default")).items]
    assert "The VirtualMachineInstance crashed." in told


async def test_reboot_then_poweroff(doors):
    """A reboot leaves the instance as it is and greets anew; a poweroff ends it."""
    before = await doors.client.get(VIRTUAL_MACHINE_INSTANCES, "vm", "default")
    async with doors.open("console") as socket:
        await logged_in(socket)
        await socket.send_bytes(b"reboot\r")
        await read(socket, b"vm login: ")
        after = await doors.client.get(VIRTUAL_MACHINE_INSTANCES, "vm", "default")
        assert (after["metadata"]["uid"], await doors.phase()) == (before["metadata"]["uid"], "Running")
        await socket.send_bytes(b"root\r\rpoweroff\r")
        await doors.reaches("Succeeded")


async def test_reboot_that_ends(doors):
    """A guest that is to end when it reboots does."""
    other = copy_of(VM)
    other["metadata"]["name"] = "once"
    other["spec"]["template"]["spec"]["domain"]["rebootPolicy"] = "Terminate"
    await doors.client.create(VIRTUAL_MACHINES, other)
    await doors.reaches("Running", "once")
    async with doors.open("console", guest="once") as socket:
        await logged_in(socket, b"once")
        await socket.send_bytes(b"reboot\r")
        await doors.reaches("Succeeded", "once")


async def test_ports(doors):
    """SSH greets, HTTP names the guest, the rest is refused before the connection is upgraded."""
    async with doors.open("portforward/22/tcp") as socket:
        assert (await socket.receive_bytes(timeout=30)).startswith(b"SSH-2.0-")
    async with doors.open("portforward/80") as socket:
        await socket.send_bytes(b"GET / HTTP/1.1\r\nHo")
        await socket.send_bytes(b"st: vm\r\nConnection: close\r\n\r\n")
        page = await read(socket, b"Hello from vm\n")
        assert page.startswith(b"HTTP/1.1 200 OK\r\n")
        assert (await socket.receive(timeout=30)).type == aiohttp.WSMsgType.CLOSE
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await doors.open("portforward/5432")
    assert refused.value.status == 500


async def test_screen(doors):
    """A viewer agrees on RFB 3.8 without security, is told size and name, and gets a picture when it asks for one."""
    async with doors.open("vnc") as socket:
        assert await socket.receive_bytes(timeout=30) == b"RFB 003.008\n"
        await socket.send_bytes(b"RFB 003.008\n")
        assert await socket.receive_bytes(timeout=30) == b"\x01\x01"
        await socket.send_bytes(b"\x01\x01")
        told = await read(socket, b"default_vm")
        width, height = struct.unpack(">HH", told[4:8])
        await socket.send_bytes(struct.pack(">BxH i", 2, 1, 0) + struct.pack(">BBHHHH", 3, 0, 0, 0, 8, 4))
        assert await socket.receive_bytes(timeout=30) == b"\0\0\0\1" + struct.pack(
            ">HHHHi", 0, 0, 8, 4, 0
        ) + bytes(128)
        await socket.send_bytes(b"\xff")
        assert (await socket.receive(timeout=30)).data == 1007
    async with doors.session.get(f"{doors.url}{GUEST}/vnc/screenshot") as answer:
        image = await answer.read()
    assert (answer.content_type, image[:4]) == ("image/png", b"\x89PNG")
    assert struct.unpack(">II", image[16:24]) == (width, height)
