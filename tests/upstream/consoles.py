"""Guests' consoles as upstream's specs use them: what they send and wait for, word by word, over a real websocket.

Origin: kubevirt: tests/console/{console,login}.go
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from fakekube.virt.hostname import hostname
from tests.upstream.conftest import JSON
from tests.upstream.guests import NS, SUBRESOURCES, Guest

PROMPT = r"(\$ |\# )"
_SECONDS = 10


def returned(code: str) -> str:
    return "\n" + code + "\r\n.*" + PROMPT


class Expecter:
    """What has been heard and not yet been waited for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket, self._heard = socket, ""

    async def send(self, text: str) -> None:
        await self.socket.send_bytes(text.encode())

    async def expect(self, pattern: str) -> str:
        while (match := re.search(pattern, self._heard)) is None:
            message = await self.socket.receive(timeout=_SECONDS)
            assert message.type == aiohttp.WSMsgType.BINARY, (pattern, self._heard, message)
            self._heard += message.data.decode()
        found, self._heard = self._heard[: match.end()], self._heard[match.end() :]
        return found

    async def says(self, text: str, pattern: str) -> str:
        """A safe batch: behind what was sent comes what is waited for."""
        await self.send(text)
        return await self.expect(re.escape(text.removesuffix("\n")) + "((?s:.*))" + pattern)

    async def answers(self, pattern: str) -> bool:
        """Whether a return is answered so; without a long wait for what does not come."""
        await self.send("\n")
        return re.search(pattern, await self.expect("(?s:.*)(login: |Password: |[$#] )")) is not None


@asynccontextmanager
async def console(vmi: Guest) -> AsyncIterator[Expecter]:
    where = SUBRESOURCES.replace(NS, vmi.space)
    url = f"{vmi.suite.url}{where}/virtualmachineinstances/{vmi.name}/console"
    async with (
        aiohttp.ClientSession(headers={"Accept": JSON}) as session,
        session.ws_connect(url, protocols=["plain.kubevirt.io"]) as socket,
    ):
        yield Expecter(socket)


async def login_to_cirros(vmi: Guest) -> None:
    async with console(vmi) as at:
        if await at.answers(r"\$"):
            return
        host = hostname(await vmi.vmi())
        await at.send("\n")
        await at.expect("login as 'cirros' user. default password: 'gocubsgo'. use 'sudo' for root.")
        await at.send("\n")
        await at.expect(f"{host} login:")
        await at.send("cirros\n")
        await at.expect("Password:")
        await at.send("gocubsgo\n")
        await at.expect(PROMPT)
        await _configured(at, "sudo ")


async def login_to_alpine(vmi: Guest) -> None:
    async with console(vmi) as at:
        host = hostname(await vmi.vmi())
        if await at.answers(rf"(localhost|{host}):~\# "):
            return
        await at.send("\n")
        await at.expect(f"(localhost|{host}) login: ")
        await at.send("root\n")
        await at.expect(PROMPT)
        await _configured(at)


async def login_to_fedora(vmi: Guest) -> None:
    async with console(vmi) as at:
        hosts = f"(localhost|fedora|{vmi.name}|{hostname(await vmi.vmi())})"
        inside = rf"(\[fedora@{hosts} ~\]\$ |\[root@{hosts} fedora\]\# )"
        if await at.answers(inside):
            return
        await at.send("\n\n")
        while True:
            found = await at.expect(f"{hosts} login: |Password:|Login incorrect|{inside}")
            assert "incorrect" not in found
            if re.search(inside, found):
                break
            await at.send("fedora\n")
        await at.send("sudo su\n")
        await at.expect(PROMPT)
        await _configured(at)


async def _configured(at: Expecter, sudo: str = "") -> None:
    for command in ("stty cols 500 rows 500", f"{sudo}dmesg -n 1"):
        await at.send(f"{command}\n")
        await at.expect(PROMPT)
        await at.send("echo $?\n")
        await at.expect(returned("0"))


async def run(vmi: Guest, command: str) -> bool:
    """At a console somebody has logged in at; whether it succeeds."""
    async with console(vmi) as at:
        await at.send("\n")
        await at.expect(PROMPT)
        await at.send(f"{command}\n")
        await at.expect(PROMPT)
        await at.send("echo $?\n")
        found = await at.expect(f"{returned('0')}|{returned('[1-9].*')}")
        return re.search(returned("0"), found) is not None


async def told(vmi: Guest, command: str) -> str:
    """The first line behind the command itself."""
    async with console(vmi) as at:
        await at.send(f"{command}\n")
        await at.expect("\n")
        return (await at.expect("\n")).strip()


async def privileged(vmi: Guest) -> bool:
    async with console(vmi) as at:
        return await at.answers(PROMPT)
