"""A guest's serial console: what it says when it boots, a getty, a login and a shell, as bytes in → bytes out. Pure: a session is
a value, and goes on as long as the guest runs, whoever sits at the console.

Like a terminal line in cooked mode it echoes what is typed, and knows backspace, ^C, ^U and ^D. Any user may log in with
any password. What a command does to the guest itself (poweroff, reboot, panic) is told as a deed; others carry it out. A
session holds what is on the guest's disks, and others keep that; what is written elsewhere is there until the guest boots again.
"""

import re
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from fakekube.agents.node_server import shell
from fakekube.agents.node_server.place import ROOM, WHERE, Container, Done, Files, bytes_of, seen_from
from fakekube.machinery import digits
from fakekube.virt.handler import guest_disks, guest_programs, guest_tpm, systems
from fakekube.virt.handler.guest_devices import INSTANCE, RELEASE, Contents
from fakekube.virt.handler.guest_disks import Disks
from fakekube.virt.handler.guest_programs import Machine

Deed = Literal["", "poweroff", "reboot", "panic", "agent-on", "agent-off", "listens"]
Stage = Literal["login", "password", "shell", "ended"]

_ONLINE = re.compile(rb"\b((ar)?ping6?|nc|ncat|curl|wget)\b")
_HERE, _FURTHER = re.compile(r"<<\s*(['\"]?)(\w+)\1"), b"> "
_LONGEST_LINE = 4096  # bytes; a terminal line takes no more, either
_BACKSPACES, _ENTERS = b"\x7f\x08", b"\r\n"
_CTRL_C, _CTRL_D, _CTRL_U = 0x03, 0x04, 0x15
_ENDS: Mapping[str, Deed] = {"poweroff": "poweroff", "panic": "panic"}
_DEEDS: Mapping[str, Deed] = {"agent-on": "agent-on", "agent-off": "agent-off"}


class Here(Struct, frozen=True):
    """A command that waits for what it is to read, up to a word."""

    command: str
    end: str
    text: str = ""


class Session(Struct, frozen=True):
    """Where a conversation stands."""

    machine: Machine
    stage: Stage = "login"
    line: bytes = b""
    user: str = ""
    home: str = ""  # whose shell it is that the user has become root in
    code: int = 0  # what the last command returned
    returned: bool = False  # the last byte was a carriage return: a newline after it counts for nothing
    files: Mapping[str, str | None] = field(default_factory=dict)  # what has been written on no disk
    disks: Disks = field(default_factory=dict)  # what is on them
    variables: Mapping[str, str] = field(default_factory=dict)  # what the shell has been told
    here: Here | None = None


class Turn(Struct, frozen=True):
    """What came of some input."""

    session: Session
    output: bytes = b""
    deed: Deed = ""


def booted(machine: Machine, disks: Disks | None = None) -> Turn:
    """The guest has just booted; nobody has sat at its console since. What it was to do then, it has done; some of that only where
    its disk does not say it has been done."""
    given, begun = machine.contents, Session(machine, disks=disks or {})
    there, wrote = begun.disks.get(machine.root, {}), dict[str, str | None](given.addresses)
    wrote |= guest_disks.mounted(guest_tpm.mounts(machine.outliving))
    script = given.each_time
    if machine.root in given.backings and RELEASE not in there:
        wrote[f"/{RELEASE}"] = guest_programs.release(machine)
    if given.identity and there.get(INSTANCE) != given.identity:
        wrote |= {**given.files, f"/{INSTANCE}": given.identity}
        script = f"{script}\n{given.script}"
    begun = _written(begun, wrote)
    done = shell.script(_place(begun, "root", 0.0), script)
    text = f"{machine.boot}[    0.000000] Linux version {machine.kernel}\n{done.out}{done.err}{_greeting(machine)}"
    return Turn(_written(begun, done.wrote), _crlf(text))


def _place(session: Session, user: str, uptime: float, folder: str = "/") -> Container:
    """Where commands run."""
    machine = session.machine
    there = guest_disks.found(session.files, session.disks, machine.root)
    return guest_programs.console(machine, user, there, uptime, folder)


def _written(session: Session, wrote: Files) -> Session:
    if not wrote:
        return session
    files, disks = guest_disks.settled(wrote, session.files, session.disks, session.machine.root)
    return replace(session, files=files, disks=disks)


def fed(session: Session, data: bytes, uptime: float) -> Turn:
    """What the terminal answers to what was typed; input behind a deed is lost, as the guest is."""
    shown = bytearray()
    deed: Deed = ""
    for byte in data:
        if session.stage == "ended":
            break
        turn = _typed(session, byte, uptime)
        session = turn.session
        shown += turn.output
        deed = turn.deed or deed
        if session.stage == "ended" or deed == "reboot":
            break
    return Turn(session, bytes(shown), deed)


def _typed(session: Session, byte: int, uptime: float) -> Turn:
    if byte in _ENTERS:
        if byte == 0x0A and session.returned:
            return Turn(replace(session, returned=False))
        turn = _entered(replace(session, line=b""), session.line.decode(errors="replace"), uptime)
        after = replace(turn.session, returned=byte == 0x0D)
        return Turn(after, b"\r\n" + turn.output, turn.deed)
    session = replace(session, returned=False)
    hidden = session.stage == "password"
    if byte in _BACKSPACES:
        if not session.line:
            return Turn(session)
        return Turn(replace(session, line=session.line[:-1]), b"" if hidden else b"\x08 \x08")
    if byte == _CTRL_U:
        wiped = b"" if hidden else b"\x08 \x08" * len(session.line)
        return Turn(replace(session, line=b""), wiped)
    if byte == _CTRL_C:
        again = replace(session, line=b"", code=130, here=None)
        return Turn(again, b"^C\r\n" + _prompt(again))
    if byte == _CTRL_D:
        if session.line or session.stage != "shell":
            return Turn(session)
        return _left(session)
    if len(session.line) >= _LONGEST_LINE or (byte < 0x20 and byte != 0x09):
        return Turn(session)
    return Turn(replace(session, line=session.line + bytes((byte,))), b"" if hidden else bytes((byte,)))


def _entered(session: Session, line: str, uptime: float) -> Turn:
    manners = systems.manners(session.machine.system)
    if session.stage == "login":
        user = line.strip()
        if not user:
            return Turn(session, _crlf(_greeting(session.machine)))
        if user != manners.open_to:
            asked = replace(session, stage="password", user=user)
            return Turn(asked, _prompt(asked))
        session = replace(session, user=user)
    if session.stage in ("login", "password"):
        inside = replace(session, stage="shell", home=session.user, code=0)
        return Turn(inside, _crlf(manners.welcome) + _prompt(inside))
    return _ran(session, line, uptime)


def _ran(session: Session, line: str, uptime: float) -> Turn:
    machine, stdin = session.machine, ""
    if (here := session.here) is not None:
        if line != here.end:
            told = f"{here.text}{line}\n"[: ROOM + 1]  # no disk takes that much
            further = replace(session, here=replace(here, text=told))
            return Turn(further, _FURTHER)
        session, line, stdin = replace(session, here=None), here.command, here.text
    elif (found := _HERE.search(line)) is not None:
        waits = Here(line[: found.start()] + line[found.end() :], found[2])
        return Turn(replace(session, here=waits), _FURTHER)
    if not line.strip():
        return Turn(session, _prompt(session))
    home = guest_programs.home_of(session.home)
    place = _place(session, session.user, uptime, home).after({}, session.variables)
    done = shell.line(place, line, session.code, stdin)
    if guest_programs.triggers_panic(done.wrote):
        done = guest_programs.panicked(machine, uptime)
    after = replace(
        _written(session, done.wrote), code=done.code, variables={**session.variables, **done.variables}
    )
    text = _crlf(done.out + done.err)
    if done.act in ("poweroff", "reboot"):
        farewell = systems.manners(machine.system).farewell
        text = _prompt(after) + _crlf(f"\n{farewell}") + text
    if done.act == "reboot":
        again = booted(machine, after.disks)
        return Turn(again.session, text + again.output, "reboot")
    if deed := _ENDS.get(done.act):
        return Turn(replace(after, stage="ended"), text, deed)
    if done.left:
        return _left(after, text)
    turn = _settled(after, done, text)
    serves = any(path.startswith(guest_programs.LISTENING) for path in done.wrote)
    return replace(turn, deed=_DEEDS.get(done.act, "listens" if serves else ""))


def tries_the_network(session: Session | None, given: Contents, data: bytes) -> bool:
    """Whether a line that ends, or what a guest that boots is to do, names a program that does."""
    before = session.line if session is not None else f"{given.each_time}\n{given.script}".encode()
    ends = session is None or any(byte in data for byte in _ENTERS)
    return ends and _ONLINE.search(before + data) is not None


def listening(session: Session) -> Mapping[int, str]:
    """The ports servers in the guest listen on, and what they say."""
    return _by_port(session, guest_programs.LISTENING)


def echoing(session: Session) -> Mapping[int, str]:
    """The VSOCK ports somebody listens on in the guest: `plain`, or `tls`."""
    return {port: manner for port, manner in _by_port(session, guest_programs.ECHOING).items() if manner}


def _by_port(session: Session, folder: str) -> Mapping[int, str]:
    """The files of a folder that are named by ports; a guest may put others there."""
    found = (
        (digits.number(path.removeprefix(folder)), text)
        for path, text in session.files.items()
        if path.startswith(folder)
    )
    return {port: text for port, text in found if port is not None and text is not None}


def _settled(session: Session, done: Done, text: bytes) -> Turn:
    """The next prompt, for the user somebody may have become."""
    session = replace(session, user="root") if done.act == "root" else session
    broken = text and not text.endswith(b"\n")
    return Turn(session, text + (b"\r\n" if broken else b"") + _prompt(session))


def _left(session: Session, text: bytes = b"") -> Turn:
    """Out of root's shell into one's own, or out."""
    if session.user != session.home:
        outer = replace(session, user=session.home)
        return Turn(outer, text + b"exit\r\n" + _prompt(outer))
    out = Session(session.machine, files=session.files, disks=session.disks)
    return Turn(out, text + b"\r\n" + _crlf(_greeting(session.machine)))


def _prompt(session: Session) -> bytes:
    host = session.machine.hostname
    if session.stage == "login":
        return f"{host} login: ".encode()
    if session.stage == "password":
        return b"Password: "
    folder = session.variables.get(WHERE, guest_programs.home_of(session.home))
    folder = seen_from(guest_programs.home_of(session.user), folder)
    sign = "#" if session.user == "root" else "$"
    return systems.manners(session.machine.system).prompt(session.user, host, folder, sign).encode()


def _greeting(machine: Machine) -> str:
    name = machine.system.get("prettyName", "Linux")
    issue = systems.manners(machine.system).issue
    above = issue or f"{name}\nKernel {machine.kernel} on an {machine.architecture} (ttyS0)\n"
    return f"\n{above}\n{machine.hostname} login: "


def _crlf(text: str) -> bytes:
    return bytes_of(text.replace("\n", "\r\n"))
