"""Conversations with guests over websockets: console, screen, ports and USB. What is said is decided by `shell`, `rfb`, `ports` and
`usbredir`.

Whoever talks to a guest is cut off when it ends; at a console or a screen, also when the next one comes. Who comes to a
console goes on where the last one stopped, and is told nothing; only the first one sees the guest boot.
What is written on a guest's disks is kept by the volumes behind them, and where there are none, as long as the instance is there.
Upstream: kubevirt: pkg/virt-handler/rest/console.go
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal

from msgspec.structs import replace

from fakekube.agents.node_server import terminal
from fakekube.agents.node_server.listening import converse
from fakekube.agents.node_server.logs import Line
from fakekube.agents.node_server.place import Program
from fakekube.agents.volume_contents import VolumeContents
from fakekube.clock import Clock, parse_rfc3339
from fakekube.machinery.errors import InternalError
from fakekube.machinery.objects import dig, name, namespace, uid
from fakekube.machinery.wire import Object, WebSocket
from fakekube.virt.handler import guest_machine, guest_volumes, ports, rfb, shell, usbredir
from fakekube.virt.handler.guest_devices import NOTHING, Contents
from fakekube.virt.handler.guest_disks import Disks
from fakekube.virt.handler.guest_programs import Machine
from fakekube.virt.handler.transcripts import Transcripts
from fakekube.virt.hostname import hostname

Kind = Literal["console", "vnc", "portforward", "usbredir", "vsock"]
Serve = Callable[[WebSocket], Awaitable[None]]
Act = Callable[[Object, shell.Deed], Awaitable[None]]
Look = Callable[[Object], Awaitable[Mapping[str, Program]]]

_BAD_DATA, _BROKEN = 1007, 1006  # a websocket's close codes


class Streams:
    """See the module text. `act` does to a guest what was typed into its console; `look` gives it programs to try its network by;
    `contents` are the volumes'."""

    def __init__(self, clock: Clock, act: Act, look: Look, contents: VolumeContents) -> None:
        self._contents = contents
        self._clock = clock
        self._act = act
        self._look = look
        self._open: dict[str, set[WebSocket]] = {}  # by VMI uid
        self._alone: dict[tuple[str, Kind], WebSocket] = {}  # by VMI uid: who has its console, and its screen
        self._usb: dict[str, int] = {}  # by VMI uid: slots in use
        # By VMI uid: where its console stands, how often it has booted after the first time, what is on its own disks.
        self._sessions: dict[str, shell.Session] = contents.beside("consoles")
        self._boots: dict[str, int] = contents.beside("guests' boots")
        self._disks: dict[str, Disks] = contents.beside("guests' disks")
        self._standing: dict[str, float] = {}  # by VMI uid: clock.monotonic() when it was paused
        self._stood: dict[str, float] = {}  # by VMI uid: seconds of its uptime it was paused
        self._rebooted: dict[str, float] = {}  # by VMI uid: clock.monotonic() of the last reboot
        self._born: dict[str, str] = {}  # by VMI uid: that of the instance the guest was first
        self._moving: tuple[dict[str, Any], ...] = (
            self._sessions,
            self._boots,
            self._standing,
            self._stood,
            self._disks,
        )
        self._remembered = (*self._moving, self._rebooted, self._born)
        self.transcripts = Transcripts(contents.beside("said"), contents.beside("begun"))

    def serve(
        self, vmi: Object, kind: Kind, port: int = 0, protocol: str = "tcp", given: Contents = NOTHING
    ) -> Serve:
        """How to talk to a guest. `given`: what it shows at its console. Raises InternalError when nothing in it listens."""
        if kind == "console":
            return lambda socket: self._console(vmi, socket, given)
        if kind == "vnc":
            return lambda socket: self._screen(vmi, socket)
        if kind == "usbredir":
            if self._usb.get(uid(vmi), 0) >= usbredir.SLOTS:
                raise InternalError("Internal error occurred: dialing virt-handler: websocket: bad handshake")
            return lambda socket: self._device(vmi, socket)
        if kind == "vsock":
            return lambda socket: self._vsock(vmi, socket, port, protocol)
        service = ports.service(vmi, hostname(vmi), port, protocol, self.listening(uid(vmi)))
        if service is None:
            address = dig(vmi, "status", "interfaces", 0, "ipAddress", default="")
            raise InternalError(
                f"Internal error occurred: dialing VM: dial {protocol} {address}:{port}: connect: connection refused"
            )
        return lambda socket: self._port(vmi, service, socket)

    def knows(self, vmi_uid: str) -> bool:
        """Whether anybody talks to the guest, or anything is remembered of it."""
        return any(vmi_uid in known for known in (self._open, *self._remembered))

    def listening(self, vmi_uid: str) -> Mapping[int, str]:
        """The ports servers listen on that somebody has started at the guest's console, and what they say."""
        session = self._sessions.get(vmi_uid)
        return shell.listening(session) if session is not None else {}

    def files(self, vmi_uid: str) -> Mapping[str, str]:
        """What has been written in a guest at whose console somebody has been."""
        session = self._sessions.get(vmi_uid)
        kept = session.files.items() if session is not None else ()
        return {path: text for path, text in kept if text is not None}

    async def hang_up(self, vmi_uid: str) -> None:
        """The guest is gone."""
        for known in self._remembered:
            known.pop(vmi_uid, None)
        for socket in self._open.pop(vmi_uid, ()):
            await socket.close()

    async def cut_off(self, vmi_uid: str) -> None:
        """Nobody talks to the guest any more; who comes anew does."""
        for socket in self._open.pop(vmi_uid, ()):
            await _cut_off(socket)

    def moved(self, source: Object, vmi_uid: str) -> None:
        """The guest of one instance is another's now, as it was. Who talks to it is cut off with the one it has left."""
        left, up = uid(source), self._uptime(source)
        for known in self._moving:
            if left in known:
                known[vmi_uid] = known.pop(left)
        self._rebooted[vmi_uid] = self._clock.monotonic() - self._stood.get(vmi_uid, 0.0) - up
        self._born[vmi_uid] = self._born.get(left, left)

    def rebooted(self, vmi_uid: str) -> None:
        """The guest boots again: nobody is logged in, its uptime begins anew."""
        self._rebooted[vmi_uid] = self._clock.monotonic()
        self._boots[vmi_uid] = self._boots.get(vmi_uid, 0) + 1
        self._stood.pop(vmi_uid, None)
        self._sessions.pop(vmi_uid, None)

    def paused(self, vmi_uid: str, paused: bool) -> None:
        """The guest's clock stands still, or goes on."""
        if paused:
            self._standing.setdefault(vmi_uid, self._clock.monotonic())
        elif (since := self._standing.pop(vmi_uid, None)) is not None:
            self._stood[vmi_uid] = self._stood.get(vmi_uid, 0.0) + self._clock.monotonic() - since

    async def _console(self, vmi: Object, socket: WebSocket, given: Contents) -> None:
        with self._known(vmi, socket, "console") as earlier:
            await _cut_off(earlier)
            await self._type(vmi, socket, b"", given)
            while (data := await _bytes(socket)) is not None and self._talks(vmi, socket):
                for piece in terminal.pieces(data):
                    await self._type(vmi, socket, piece, given)
                    await self._clock.sleep(0)  # others have their turn
                    if not self._talks(vmi, socket):
                        return

    def _talks(self, vmi: Object, socket: WebSocket) -> bool:
        return socket in self._open.get(uid(vmi), ())

    async def _type(self, vmi: Object, socket: WebSocket, data: bytes, given: Contents) -> None:
        own, said = uid(vmi), b""
        alone = machine = self._machine(vmi, given)
        if shell.tries_the_network(self._sessions.get(own), given, data):
            machine = replace(alone, online=await self._look(vmi))
            if not self._talks(vmi, socket):
                return  # the guest has gone meanwhile
        session, now = self._sessions.get(own), self._clock.now()
        disks = self._on_disks(vmi, given)
        if session is None:
            begun = shell.booted(machine, disks)
            session, said = begun.session, begun.output
            first = self.transcripts.of(own) is None
            self.transcripts.add(own, said, (_running_since(vmi) if first else None) or now)
            self._keep(own, given, disks, session.disks)
            disks = session.disks
        turn = shell.fed(replace(session, machine=machine, disks=disks), data, self._uptime(vmi))
        if turn.deed == "reboot":
            self.rebooted(own)
        self._keep(own, given, disks, turn.session.disks)
        # What was around is looked up anew each time.
        self._sessions[own] = replace(turn.session, machine=alone, disks={})
        self.transcripts.add(own, turn.output, now)
        if said or turn.output:
            await socket.send(said + turn.output)
        if turn.deed:
            await self._act(vmi, turn.deed)

    def console_log(self, vmi: Object, given: Contents) -> list[Line]:
        """What a guest has said at its console since it has run first."""
        said, since = self.transcripts.of(uid(vmi)), _running_since(vmi)
        if said is not None or since is None:
            return said or []
        text = shell.booted(self._machine(vmi, given), self._on_disks(vmi, given)).output.decode()
        return [Line(since, one.replace("\r", "")) for one in text.split("\n")[:-1]]

    def _on_disks(self, vmi: Object, given: Contents) -> Disks:
        """What is on a guest's disks now."""
        own = self._disks.get(uid(vmi), {})
        behind = {
            device: guest_volumes.read(self._contents, one)
            for device, one in given.backings.items()
            if one.kept or device not in own
        }
        return {**own, **{device: files for device, files in behind.items() if files}}

    def _keep(self, own: str, given: Contents, before: Disks, after: Disks) -> None:
        """Keep what has been written on them."""
        for device, files in after.items():
            if files is before.get(device):
                continue
            backing = given.backings.get(device)
            if backing is not None and backing.kept:
                guest_volumes.write(self._contents, backing, files)
            else:
                self._disks[own] = {**self._disks.get(own, {}), device: files}

    def _machine(self, vmi: Object, given: Contents) -> Machine:
        own = uid(vmi)
        boots, born = self._boots.get(own, 0) + 1, self._born.get(own, own)
        return guest_machine.machine(vmi, given, boots, born, self._clock.now())

    async def _screen(self, vmi: Object, socket: WebSocket) -> None:
        with self._known(vmi, socket, "vnc") as earlier:
            await _cut_off(earlier)
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

    async def _vsock(self, vmi: Object, socket: WebSocket, port: int, protocol: str) -> None:
        """The node has said yes before it calls: who does not answer, or not in that way, lets the connection break."""
        session = self._sessions.get(uid(vmi))
        if session is None or shell.echoing(session).get(port) != protocol:
            await _cut_off(socket)
            return
        await self._port(vmi, ports.ECHO, socket)

    async def _device(self, vmi: Object, socket: WebSocket) -> None:
        own = uid(vmi)
        self._usb[own] = self._usb.get(own, 0) + 1
        try:
            with self._known(vmi, socket):
                await socket.send(usbredir.HELLO)
                while await socket.receive() is not None:
                    pass
        finally:
            self._usb[own] -= 1
            if not self._usb[own]:
                del self._usb[own]

    @contextmanager
    def _known(self, vmi: Object, socket: WebSocket, place: Kind | None = None) -> Iterator[WebSocket | None]:
        """For the time of a conversation. At a place for one, who was there before."""
        self._open.setdefault(uid(vmi), set()).add(socket)
        seat = (uid(vmi), place) if place is not None else None
        earlier = self._alone.get(seat) if seat is not None else None
        if seat is not None:
            self._alone[seat] = socket
        try:
            yield earlier
        finally:
            if seat is not None and self._alone.get(seat) is socket:
                del self._alone[seat]
            found = self._open.get(uid(vmi))
            if found is not None:
                found.discard(socket)
                if not found:
                    del self._open[uid(vmi)]

    def _uptime(self, vmi: Object) -> float:
        stood = self._stood.get(uid(vmi), 0.0)
        if (since := self._rebooted.get(uid(vmi))) is not None:
            return self._clock.monotonic() - since - stood
        running = _running_since(vmi)
        return (self._clock.now() - running).total_seconds() - stood if running is not None else 0.0


def _running_since(vmi: Object) -> datetime | None:
    for one in dig(vmi, "status", "phaseTransitionTimestamps", default=()):
        if one.get("phase") == "Running":
            return parse_rfc3339(one["phaseTransitionTimestamp"])
    return None


async def _cut_off(earlier: WebSocket | None) -> None:
    """Without a word, as virt-api breaks off: clients tell that from an end by the missing farewell."""
    if earlier is not None:
        await earlier.close(_BROKEN)


async def _bytes(socket: WebSocket) -> bytes | None:
    data = await socket.receive()
    return data.encode() if isinstance(data, str) else data
