"""Conversations with guests over websockets: console, screen and ports. What is said is decided by `shell`, `rfb` and `ports`.

Whoever talks to a guest is cut off when it ends.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from fakekube.agents.node_server.listening import converse
from fakekube.clock import Clock, parse_rfc3339
from fakekube.machinery.errors import InternalError
from fakekube.machinery.objects import Obj, dig, name, namespace, uid
from fakekube.machinery.wire import Object, WebSocket
from fakekube.virt.handler import domain, ports, rfb, shell

Kind = Literal["console", "vnc", "portforward"]
Serve = Callable[[WebSocket], Awaitable[None]]
Act = Callable[[Object, shell.Deed], Awaitable[None]]

_BAD_DATA = 1007  # a websocket's close code


class Streams:
    """See the module text. `act` does to a guest what was typed into its console."""

    def __init__(self, clock: Clock, act: Act) -> None:
        self._clock = clock
        self._act = act
        self._open: dict[str, set[WebSocket]] = {}  # by VMI uid
        self._rebooted: dict[str, float] = {}  # by VMI uid: clock.monotonic() of the last reboot

    def serve(self, vmi: Object, kind: Kind, port: int = 0, protocol: str = "tcp") -> Serve:
        """How to talk to a guest. Raises InternalError when nothing in it listens."""
        if kind == "console":
            return lambda socket: self._console(vmi, socket)
        if kind == "vnc":
            return lambda socket: self._screen(vmi, socket)
        service = ports.service(vmi, hostname(vmi), port, protocol)
        if service is None:
            address = dig(vmi, "status", "interfaces", 0, "ipAddress", default="")
            raise InternalError(
                f"Internal error occurred: dialing VM: dial {protocol} {address}:{port}: connect: connection refused"
            )
        return lambda socket: self._port(vmi, service, socket)

    def knows(self, vmi_uid: str) -> bool:
        """Whether anybody talks to the guest, or has rebooted it."""
        return vmi_uid in self._open or vmi_uid in self._rebooted

    async def hang_up(self, vmi_uid: str) -> None:
        """The guest is gone."""
        self._rebooted.pop(vmi_uid, None)
        for socket in self._open.pop(vmi_uid, ()):
            await socket.close()

    def rebooted(self, vmi_uid: str) -> None:
        """The guest's uptime begins anew."""
        self._rebooted[vmi_uid] = self._clock.monotonic()

    async def _console(self, vmi: Object, socket: WebSocket) -> None:
        with self._known(vmi, socket):
            turn = shell.opened(_machine(vmi))
            await socket.send(turn.output)
            while (data := await _bytes(socket)) is not None:
                turn = shell.fed(turn.session, data, self._uptime(vmi))
                if turn.output:
                    await socket.send(turn.output)
                if turn.deed == "reboot":
                    self.rebooted(uid(vmi))
                if turn.deed:
                    await self._act(vmi, turn.deed)

    async def _screen(self, vmi: Object, socket: WebSocket) -> None:
        with self._known(vmi, socket):
            viewer, said = rfb.opened(f"{namespace(vmi)}_{name(vmi)}")
            await socket.send(said)
            while (data := await _bytes(socket)) is not None:
                try:
                    viewer, said = rfb.fed(viewer, data)
                except rfb.NotRfb:
                    await socket.close(_BAD_DATA)
                    return
                if said:
                    await socket.send(said)

    async def _port(self, vmi: Object, service: ports.Service, socket: WebSocket) -> None:
        with self._known(vmi, socket):
            await converse(service, socket)

    @contextmanager
    def _known(self, vmi: Object, socket: WebSocket) -> Iterator[None]:
        self._open.setdefault(uid(vmi), set()).add(socket)
        try:
            yield
        finally:
            found = self._open.get(uid(vmi))
            if found is not None:
                found.discard(socket)
                if not found:
                    del self._open[uid(vmi)]

    def _uptime(self, vmi: Object) -> float:
        if (since := self._rebooted.get(uid(vmi))) is not None:
            return self._clock.monotonic() - since
        for one in dig(vmi, "status", "phaseTransitionTimestamps", default=()):
            if one.get("phase") == "Running":
                return (self._clock.now() - parse_rfc3339(one["phaseTransitionTimestamp"])).total_seconds()
        return 0.0


def hostname(vmi: Obj) -> str:
    return str(dig(vmi, "spec", "hostname") or name(vmi))


def _machine(vmi: Obj) -> shell.Machine:
    listed = dig(vmi, "status", "interfaces", default=())
    interfaces = tuple(
        (one.get("interfaceName") or f"eth{number}", one.get("mac", ""), one.get("ipAddress", ""))
        for number, one in enumerate(listed)
    )
    return shell.Machine(hostname(vmi), domain.guest_os(vmi), interfaces)


async def _bytes(socket: WebSocket) -> bytes | None:
    data = await socket.receive()
    return data.encode() if isinstance(data, str) else data
