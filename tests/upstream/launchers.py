"""Commands in pods as upstream's specs run them (kubevirt: tests/exec, tests/libpod), and what they ask launchers for most often."""

from xml.etree.ElementTree import Element, fromstring

import aiohttp
import orjson

from tests.upstream.conftest import Object
from tests.upstream.guests import NS, PODS, Guest

_V5 = "v5.channel.k8s.io"
SOCKET = "qemu+unix:///session?socket=/var/run/libvirt/virtqemud-sock"


class Failed(AssertionError):
    """A command that returned something else than zero."""


async def run(vmi: Guest, *words: str, pod: Object | None = None, container: str = "compute") -> str:
    """What a command says in the launcher a guest lives in, or in another pod."""
    pod = pod or await vmi.pod()
    path = f"{PODS}/{pod['metadata']['name']}/exec".replace(NS, pod["metadata"]["namespace"])
    query = [("container", container), ("stdout", "true"), ("stderr", "true")]
    query += [("command", word) for word in words]
    out, status = b"", b"{}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{vmi.suite.url}{path}", protocols=[_V5], params=query) as socket,
    ):
        async for message in socket:
            if message.data[0] == 3:
                status = message.data[1:]
            elif message.data[0] in (1, 2):
                out += message.data[1:]
    if orjson.loads(status)["status"] != "Success":
        raise Failed(f"{words}: {out!r} {status!r}")
    return out.decode()


async def domain(vmi: Guest) -> Element:
    """The guest's domain."""
    return fromstring(await run(vmi, "virsh", "-c", SOCKET, "dumpxml", f"{NS}_{vmi.name}"))


async def paused(vmi: Guest) -> bool:
    return "paused" in await run(vmi, "virsh", "--quiet", "domstate", f"{NS}_{vmi.name}")


async def pid_of(vmi: Guest, process: str) -> str:
    return (await run(vmi, "pidof", process)).strip()
