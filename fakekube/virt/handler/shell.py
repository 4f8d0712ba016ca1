"""A guest's serial console: a getty, a login and a small shell, as bytes in → bytes out. Pure: a session is a value.

Like a terminal line in cooked mode it echoes what is typed, and knows backspace, ^C, ^U and ^D. Any user may log in with
any password. What a command does to the guest itself (poweroff, reboot, panic) is told as a deed; others carry it out.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Deed = Literal["", "poweroff", "reboot", "panic", "disconnect"]
Stage = Literal["login", "password", "shell", "ended"]

_LONGEST_LINE = 4096  # bytes; a terminal line takes no more, either
_BACKSPACES, _ENTERS = b"\x7f\x08", b"\r\n"
_CTRL_C, _CTRL_D, _CTRL_U = 0x03, 0x04, 0x15
_PANIC = (
    "[{up:12.6f}] sysrq: Trigger a crash",
    "[{up:12.6f}] Kernel panic - not syncing: sysrq triggered crash",
    "[{up:12.6f}] CPU: 0 UID: 0 PID: 1 Comm: sh Not tainted {kernel}",
    "[{up:12.6f}] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """What the shell tells about the guest it runs in."""

    hostname: str
    system: Mapping[str, str] = field(default_factory=dict)  # as the guest agent would tell it
    interfaces: tuple[tuple[str, str, str], ...] = ()  # name, MAC, IP address or empty

    @property
    def kernel(self) -> str:
        return self.system.get("kernelRelease", "")


@dataclass(frozen=True, slots=True)
class Session:
    """Where a conversation stands."""

    machine: Machine
    stage: Stage = "login"
    line: bytes = b""
    user: str = ""
    code: int = 0  # what the last command returned
    returned: bool = False  # the last byte was a carriage return: a newline after it counts for nothing


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of some input."""

    session: Session
    output: bytes = b""
    deed: Deed = ""


def opened(machine: Machine) -> Turn:
    """A console is attached: the getty shows itself."""
    return Turn(Session(machine), _crlf(_greeting(machine)))


def fed(session: Session, data: bytes, uptime: float) -> Turn:
    """What the terminal answers to what was typed; input behind a deed is lost, as the guest is."""
    shown = bytearray()
    for byte in data:
        if session.stage == "ended":
            break
        turn = _typed(session, byte, uptime)
        session = turn.session
        shown += turn.output
        if turn.deed:
            return Turn(session, bytes(shown), turn.deed)
    return Turn(session, bytes(shown))


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
        again = replace(session, line=b"", code=130)
        return Turn(again, b"^C\r\n" + _prompt(again))
    if byte == _CTRL_D:
        if session.line or session.stage != "shell":
            return Turn(session)
        return _left(session)
    if len(session.line) >= _LONGEST_LINE or (byte < 0x20 and byte != 0x09):
        return Turn(session)
    return Turn(replace(session, line=session.line + bytes((byte,))), b"" if hidden else bytes((byte,)))


def _entered(session: Session, line: str, uptime: float) -> Turn:
    if session.stage == "login":
        user = line.strip()
        if not user:
            return Turn(session, _prompt(session))
        asked = replace(session, stage="password", user=user)
        return Turn(asked, _prompt(asked))
    if session.stage == "password":
        inside = replace(session, stage="shell", code=0)
        return Turn(inside, _prompt(inside))
    return _ran(session, line, uptime)


def _ran(session: Session, line: str, uptime: float) -> Turn:
    """One command line. Quotes and `$?` work; pipes, variables and the like do not."""
    try:
        words = shlex.split(line.replace("$?", str(session.code)), comments=True)
    except ValueError:
        return _done(session, "-sh: syntax error: unterminated quoted string", 2)
    while words and words[0] == "sudo" and len(words) > 1:
        del words[0]
    if not words:
        return Turn(session, _prompt(session))
    if words[0] == "echo" and words[-1] == "/proc/sysrq-trigger" and "c" in words:
        words = ["panic"]
    deed = _DEEDS.get(words[0])
    if deed is not None:
        return deed(session, uptime)
    command = _COMMANDS.get(words[0])
    if command is None:
        return _done(session, f"-sh: {words[0]}: not found", 127)
    text, code = command(session, words[1:], uptime)
    return _done(session, text, code)


def _done(session: Session, text: str, code: int) -> Turn:
    after = replace(session, code=code)
    return Turn(after, (_crlf(text) + b"\r\n" if text else b"") + _prompt(after))


def _prompt(session: Session) -> bytes:
    if session.stage == "login":
        return f"{session.machine.hostname} login: ".encode()
    if session.stage == "password":
        return b"Password: "
    sign = "#" if session.user == "root" else "$"
    return f"[{session.user}@{session.machine.hostname} ~]{sign} ".encode()


def _greeting(machine: Machine) -> str:
    name = machine.system.get("prettyName", "Linux")
    return f"\n{name}\nKernel {machine.kernel} on an {_architecture(machine)} (ttyS0)\n\n{machine.hostname} login: "


def _architecture(machine: Machine) -> str:
    return machine.system.get("machine", "x86_64")


def _crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


# What ends the session, or more.


def _left(session: Session, _uptime: float = 0.0) -> Turn:
    out = Session(session.machine)
    return Turn(out, b"\r\n" + _crlf(_greeting(session.machine)))


def _powered_off(session: Session, uptime: float) -> Turn:
    text = f"[{uptime:12.6f}] reboot: Power down\n"
    return Turn(replace(session, stage="ended"), _crlf(text), "poweroff")


def _rebooted(session: Session, uptime: float) -> Turn:
    machine = session.machine
    text = f"[{uptime:12.6f}] reboot: Restarting system\n[    0.000000] Linux version {machine.kernel}\n"
    return Turn(Session(machine), _crlf(text + _greeting(machine)), "reboot")


def _panicked(session: Session, uptime: float) -> Turn:
    text = "\n".join(line.format(up=uptime, kernel=session.machine.kernel) for line in _PANIC)
    return Turn(replace(session, stage="ended"), _crlf(text + "\n"), "panic")


_DEEDS: Mapping[str, Callable[[Session, float], Turn]] = {
    "poweroff": _powered_off,
    "halt": _powered_off,
    "shutdown": _powered_off,
    "reboot": _rebooted,
    "panic": _panicked,
    "exit": _left,
    "logout": _left,
}


# What only tells something: (text, exit code).

_Told = tuple[str, int]


def _uname(session: Session, words: list[str], _uptime: float) -> _Told:
    machine = session.machine
    version = machine.system.get("kernelVersion", "")
    architecture = _architecture(machine)
    parts = {
        "s": "Linux",
        "n": machine.hostname,
        "r": machine.kernel,
        "v": version,
        "m": architecture,
        "o": "GNU/Linux",
    }
    asked = {letter for word in words for letter in word.removeprefix("-")} or {"s"}
    if unknown := sorted(asked - parts.keys() - {"a"}):
        return f"uname: invalid option -- '{unknown[0]}'", 1
    return " ".join(text for letter, text in parts.items() if letter in asked or "a" in asked), 0


def _ip(session: Session, words: list[str], _uptime: float) -> _Told:
    if not words or not "address".startswith(words[0]):
        return "Usage: ip address", 1
    lines = ["1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536", "    inet 127.0.0.1/8 scope host lo"]
    for number, (own, mac, address) in enumerate(session.machine.interfaces, 2):
        lines.append(f"{number}: {own}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP")
        lines.append(f"    link/ether {mac} brd ff:ff:ff:ff:ff:ff")
        if address:
            family, length = ("inet6", 128) if ":" in address else ("inet", 24)
            lines.append(f"    {family} {address}/{length} scope global {own}")
    return "\n".join(lines), 0


def _up(_session: Session, _words: list[str], uptime: float) -> _Told:
    minutes = int(uptime) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    long = f"{hours:2d}:{rest:02d}" if hours else f"{rest} min"
    return f" up {f'{days} days, ' if days else ''}{long},  1 user,  load average: 0.00, 0.00, 0.00", 0


def _cat(session: Session, words: list[str], _uptime: float) -> _Told:
    machine = session.machine
    pretty, own = machine.system.get("prettyName", ""), machine.system.get("id", "")
    files = {"/etc/hostname": machine.hostname, "/etc/os-release": f'ID={own}\nPRETTY_NAME="{pretty}"'}
    for word in words:
        if word not in files:
            return f"cat: can't open '{word}': No such file or directory", 1
    return "\n".join(files[word] for word in words), 0


_COMMANDS: Mapping[str, Callable[[Session, list[str], float], _Told]] = {
    "echo": lambda _session, words, _uptime: (" ".join(words), 0),
    "uname": _uname,
    "hostname": lambda session, _words, _uptime: (session.machine.hostname, 0),
    "ip": _ip,
    "uptime": _up,
    "whoami": lambda session, _words, _uptime: (session.user, 0),
    "cat": _cat,
    "true": lambda *_: ("", 0),
    "false": lambda *_: ("", 1),
    "help": lambda *_: (" ".join(sorted({*_COMMANDS, *_DEEDS})), 0),
}
