"""Programs that are a guest's own: its disks, addresses and uptime, and what ends it. Pure.

What a program does to the guest is told as its act; others carry it out.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath

from msgspec import Struct, field
from msgspec.structs import replace

from fakekube.agents.node_server import programs, shell
from fakekube.agents.node_server.place import EPOCH, Container, Done, Files, Program, failed
from fakekube.machinery import digits
from fakekube.virt.handler import guest_addresses, guest_devices, guest_disks, guest_hardware, guest_tpm

HOST_MODEL = "Intel Xeon Processor (Skylake, IBRS)"
LISTENING = "/run/listening/"  # what servers have been started, by port
ECHOING = "/run/vsock/"  # the same for VSOCK: `plain` or `tls`, for all of them echo
_SYSRQ = "/proc/sysrq-trigger"
_PANIC = (
    "[{up:12.6f}] sysrq: Trigger a crash",
    "[{up:12.6f}] Kernel panic - not syncing: sysrq triggered crash",
    "[{up:12.6f}] CPU: 0 UID: 0 PID: 1 Comm: sh Not tainted {kernel}",
    "[{up:12.6f}] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---",
)


class Machine(Struct, frozen=True):
    """What the shell tells about the guest it runs in."""

    hostname: str
    system: Mapping[str, str] = field(default_factory=dict)  # as the guest agent would tell it
    interfaces: tuple[tuple[str, str, str], ...] = ()  # name, MAC, IP address or empty
    disks: tuple[tuple[str, str], ...] = ()  # device, size or empty
    root: str = "vda"  # the device it has booted from
    topology: tuple[int, int] = (1, 1)  # sockets, CPUs of each
    model: str = HOST_MODEL  # of its CPUs
    queues: tuple[int, int] = (1, 1)  # of interfaces, of disks
    boots: int = 1
    boot: str = ""  # what its firmware, and its kernel of it, say when it boots
    identity: str = ""  # its boot's own
    now: datetime = EPOCH
    domain: str = ""  # the one its name is in
    files: Mapping[str, str] = field(default_factory=dict)  # of its kernel and its network
    outliving: tuple[str, ...] = ()  # what it has that remembers (`guest_tpm`)
    contents: guest_devices.Contents = guest_devices.NOTHING
    online: Mapping[str, Program] = field(
        default_factory=dict
    )  # by which it tries its network, where somebody does

    @property
    def cpus(self) -> int:
        sockets, each = self.topology
        return sockets * each

    @property
    def kernel(self) -> str:
        return self.system.get("kernelRelease", "")

    @property
    def architecture(self) -> str:
        return self.system.get("machine", "x86_64")


def cpuinfo(count: int, of_each: int = 1, model: str = HOST_MODEL, flags: str = "") -> str:
    """`/proc/cpuinfo` of so many CPUs, so many of them in each socket."""
    told = f"flags\t\t: {flags}\n" if flags else ""
    return "".join(
        f"processor\t: {number}\nvendor_id\t: GenuineIntel\nmodel name\t: {model}\n"
        f"physical id\t: {number // of_each}\n{told}\n"
        for number in range(count)
    )


def release(machine: Machine) -> str:
    """`/etc/os-release`."""
    pretty, own = machine.system.get("prettyName", ""), machine.system.get("id", "")
    return f'ID={own}\nPRETTY_NAME="{pretty}"\n'


def home_of(user: str) -> str:
    return str(PurePosixPath("/root") if user == "root" else PurePosixPath("/", "home", user))


def console(machine: Machine, user: str, wrote: Files, uptime: float, folder: str = "/") -> Container:
    """Where commands run that somebody types at the console, in the folder the shell began in."""
    files = {
        "/etc/hostname": f"{machine.hostname}\n",
        f"/{guest_devices.RELEASE}": release(machine),
        "/proc/uptime": f"{uptime:.2f} {uptime:.2f}\n",
        "/proc/sys/kernel/random/boot_id": f"{machine.identity}\n",
        "/proc/stat": f"btime {int(machine.now.timestamp() - uptime) + machine.boots}\n",
        "/proc/cpuinfo": cpuinfo(machine.cpus, machine.topology[1], machine.model),
    }
    files |= guest_devices.files(device for device, _ in machine.disks) | {**machine.files}
    files |= guest_tpm.files(machine.outliving)
    interfaces, disks = machine.queues
    for device, _ in machine.disks:
        files |= {f"/sys/block/{device}/mq/{number}/nr_tags": "256\n" for number in range(disks)}
    for name, _, _ in machine.interfaces:
        files |= {f"/sys/class/net/{name}/queues/rx-{number}/rps_cpus": "0\n" for number in range(interfaces)}
    found = Container(
        machine.hostname,
        {"HOME": home_of(user), "USER": user},
        files,
        {1: "init", 2: "sh", 3: "ps"},
        user,
        folder,
        machine.now,
        programs=_programs(machine, uptime),
        given=files,
    )
    return found.after({**wrote, **machine.contents.keys})


def _programs(machine: Machine, uptime: float) -> Mapping[str, Program]:
    def ends(act: str, text: str) -> Program:
        return lambda *_: Done(text, act=act)

    off = ends("poweroff", f"[{uptime:12.6f}] reboot: Power down\n")
    again = ends("reboot", f"[{uptime:12.6f}] reboot: Restarting system\n")
    panic = ends("panic", "".join(f"{one.format(up=uptime, kernel=machine.kernel)}\n" for one in _PANIC))

    def listens(at: Container, words: list[str], stdin: str) -> Done:
        """A server, told as a file: nobody is served before its port is asked for."""
        flags = {letter for word in words if word[:1] == "-" != word[1:2] for letter in word[1:]}
        port = _first_number(words)
        if "l" not in flags and "http.server" not in words and "nc" in machine.online:
            return machine.online["nc"](at, words, stdin)
        if port is None or ("l" not in flags and "http.server" not in words):
            return failed("nc: connect: Connection refused")
        if "--vsock" in words:
            return Done(wrote={f"{ECHOING}{port}": "plain"})
        text = words[-1]
        if words[-2] == "-c":
            text = shell.line(at, text).out
        if "http.server" in words:
            text = "HTTP/1.0 200 OK\n\n"
        return Done(wrote={f"{LISTENING}{port}": text.replace("\\n", "\n")})

    def echoes(_at: Container, words: list[str], _stdin: str) -> Done:
        """KubeVirt's own example of who may listen on VSOCK."""
        port = _first_number(words)
        kind = "tls" if "--use-tls" in words else "plain"
        return Done() if port is None else Done(wrote={f"{ECHOING}{port}": kind})

    def service(_at: Container, words: list[str], _stdin: str) -> Done:
        named = [word for word in words if not word.startswith("-")]
        if not any("qemu-guest-agent" in word or word == "qemu-ga" for word in named):
            return Done()
        if "stop" in named:
            return Done(act="agent-off")
        return Done(act="agent-on") if {"start", "restart"} & set(named) else Done()

    def sudo(at: Container, words: list[str], stdin: str) -> Done:
        rest = [word for word in words if word not in ("-n", "-E")]
        if rest[:1] in (["su"], ["-i"], ["-s"]):
            return Done(act="root")
        if not rest:
            return failed("usage: sudo command")
        try:
            return shell.program(replace(at, user="root"), rest, stdin)
        except shell.NotFound:
            return failed(f"sudo: {rest[0]}: command not found")

    def dhclient(at: Container, words: list[str], _stdin: str) -> Done:
        """Has whom it is given told of what has been offered, which may be `env`."""
        lease = at.files.get(f"{guest_addresses.LEASES}{words[-1] if words else ''}", "")
        return Done(lease if "/usr/bin/env" in words else "")

    def lsblk(*_: object) -> Done:
        rows = [
            f"{device:<4} 252:{16 * number:<4} 0 {size:>6}  0 disk\n"
            for number, (device, size) in enumerate(machine.disks)
        ]
        return Done("NAME MAJ:MIN RM  SIZE RO TYPE MOUNTPOINT\n" + "".join(rows))

    def uname(_at: Container, words: list[str], _stdin: str) -> Done:
        version = machine.system.get("kernelVersion", "")
        parts = {"s": "Linux", "n": machine.hostname, "r": machine.kernel, "v": version}
        return programs.uname({**parts, "m": machine.architecture, "o": "GNU/Linux"}, words)

    def hostname(_at: Container, words: list[str], _stdin: str) -> Done:
        full = {"-f", "--fqdn"} & set(words) and machine.domain
        return Done(f"{machine.hostname}.{machine.domain}\n" if full else f"{machine.hostname}\n")

    def told(text: str) -> Program:
        return lambda *_: Done(f"{text}\n" if text else "")

    return {
        **machine.online,
        **guest_tpm.PROGRAMS,
        **guest_hardware.PROGRAMS,
        **guest_disks.programs(machine.contents),
        "hostname": hostname,
        "poweroff": off,
        "halt": off,
        "shutdown": off,
        "reboot": again,
        "panic": panic,
        "su": lambda *_: Done(act="root"),
        "sudo": sudo,
        "nc": listens,
        "ncat": listens,
        "python3": lambda at, words, stdin: (
            listens(at, words, stdin) if {"http.server", "--vsock"} & set(words) else Done()
        ),
        "example-guest-agent": echoes,
        "screen": lambda at, words, stdin: sudo(
            at, [word for word in words if word not in ("-d", "-m")], stdin
        ),
        "systemctl": service,
        "service": service,
        "rc-service": service,
        "ip": guest_addresses.ip(machine.interfaces),
        "lsblk": lsblk,
        "uname": uname,
        "uptime": told(_up(uptime)),
        "last": told("\n".join(f"reboot   system boot  {machine.kernel}" for _ in range(machine.boots))),
        "nproc": told(str(machine.cpus)),
        "stty": told(""),
        "chmod": told(""),
        "chown": told(""),
        "chpasswd": told(""),
        "passwd": told(""),
        "cirros-dhcpc": told(""),
        "dhclient": dhclient,
        "dmesg": told(""),
        "sleep": told(""),
        "udhcpc": told(""),
        "help": told(
            "curl ip lsblk mount nc nproc panic ping poweroff reboot shutdown sudo uptime wget, cat, echo, grep, ls, ps and the like"
        ),
    }


def _first_number(words: list[str]) -> int | None:
    return next((found for word in words if (found := digits.number(word)) is not None), None)


def triggers_panic(wrote: Files) -> bool:
    """Whether what was written makes the kernel crash."""
    return "c" in (wrote.get(_SYSRQ) or "")


def panicked(machine: Machine, uptime: float) -> Done:
    return _programs(machine, uptime)["panic"](Container(machine.hostname), [], "")


def _up(uptime: float) -> str:
    minutes = int(uptime) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    long = f"{hours:2d}:{rest:02d}" if hours else f"{rest} min"
    return f" up {f'{days} days, ' if days else ''}{long},  1 user,  load average: 0.00, 0.00, 0.00"
