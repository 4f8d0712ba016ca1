"""Operating systems of guests, by a word in the name of an image: what their agents tell of them, and how they meet whoever sits
at the console. Others are told as Fedora. Pure.

What is said at consoles is what upstream's specs expect of the images they boot (kubevirt: tests/console/login.go).
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from fakekube.machinery.objects import Obj, dig
from fakekube.virt.claims import behind

_BOOTABLE = frozenset(["containerDisk", "dataVolume", "ephemeral", "hostDisk", "persistentVolumeClaim"])
_NO_AGENT = ("cirros", "alpine")
_KERNEL = {"machine": "x86_64"}
_SYSTEMS: dict[str, dict[str, str]] = {
    "cirros": {
        "id": "cirros",
        "name": "CirrOS",
        "prettyName": "CirrOS 0.5.2",
        "version": "0.5.2",
        "versionId": "0.5.2",
        "kernelRelease": "5.3.0-26-generic",
        "kernelVersion": "#28~18.04.1-Ubuntu SMP Wed Dec 18 16:40:14 UTC 2019",
        **_KERNEL,
    },
    "alpine": {
        "id": "alpine",
        "name": "Alpine Linux",
        "prettyName": "Alpine Linux v3.20",
        "version": "3.20.3",
        "versionId": "3.20.3",
        "kernelRelease": "6.6.56-0-virt",
        "kernelVersion": "#1-Alpine SMP PREEMPT_DYNAMIC 2024-10-14 07:45:20",
        **_KERNEL,
    },
    "ubuntu": {
        "id": "ubuntu",
        "name": "Ubuntu",
        "prettyName": "Ubuntu 24.04.2 LTS",
        "version": "24.04",
        "versionId": "24.04",
        "kernelRelease": "6.8.0-52-generic",
        "kernelVersion": "#53-Ubuntu SMP PREEMPT_DYNAMIC Sat Jan 11 00:06:25 UTC 2025",
        **_KERNEL,
    },
    "debian": {
        "id": "debian",
        "name": "Debian GNU/Linux",
        "prettyName": "Debian GNU/Linux 12 (bookworm)",
        "version": "12 (bookworm)",
        "versionId": "12",
        "kernelRelease": "6.1.0-30-amd64",
        "kernelVersion": "#1 SMP PREEMPT_DYNAMIC Debian 6.1.124-1 (2025-01-12)",
        **_KERNEL,
    },
    "": {
        "id": "fedora",
        "name": "Fedora Linux",
        "prettyName": "Fedora Linux 42 (Cloud Edition)",
        "version": "42 (Cloud Edition)",
        "versionId": "42",
        "kernelRelease": "6.14.0-63.fc42.x86_64",
        "kernelVersion": "#1 SMP PREEMPT_DYNAMIC Mon Mar 24 19:53:37 UTC 2025",
        **_KERNEL,
    },
}


def has_agent(vmi: Obj) -> bool:
    """Whether the guest's image brings an agent: the tiny ones do not, nor does a guest without disks."""
    images = list(_images(vmi))
    return bool(images) and not any(word in image for image in images for word in _NO_AGENT)


def guest_os(vmi: Obj, origin: str = "") -> dict[str, str]:
    """`guestOSInfo`. `origin`: what the claim it boots from was filled with, where that is known."""
    first = origin or next(iter(_images(vmi)), "")
    return dict(next(system for word, system in _SYSTEMS.items() if word in first))


def boot_claim(vmi: Obj) -> str:
    """The claim the guest boots from, if it does."""
    first = next(iter(_images(vmi)), "")
    return first if first in map(behind, dig(vmi, "spec", "volumes", default=())) else ""


def origin(data_volume: Obj) -> str:
    """Where a DataVolume has its contents from: an address, or the name of another claim."""
    source = dig(data_volume, "spec", "source", default={})
    for kind in source.values():
        if found := (kind or {}).get("url") or (kind or {}).get("name"):
            return str(found)
    return ""


def boot_volume(vmi: Obj) -> str:
    """The name of the volume the guest boots from; or empty."""
    return str(next((one.get("name") for one in _in_order(vmi) if not _BOOTABLE.isdisjoint(one)), ""))


def _images(vmi: Obj) -> Iterable[str]:
    """What the guest may boot from, in the order it tries."""
    for volume in _in_order(vmi):
        for kind, member in (
            ("containerDisk", "image"),
            ("dataVolume", "name"),
            ("persistentVolumeClaim", "claimName"),
        ):
            if kind in volume:
                yield str(volume[kind].get(member, ""))


def _in_order(vmi: Obj) -> list[Obj]:
    last = 1 << 32
    orders = {
        disk.get("name"): disk.get("bootOrder") or last
        for disk in dig(vmi, "spec", "domain", "devices", "disks", default=())
    }
    volumes = dig(vmi, "spec", "volumes", default=())
    return sorted(volumes, key=lambda one: orders.get(one.get("name"), last))


class Manners(Struct, frozen=True):
    """How a system behaves at a console. `prompt` is made of user, host, folder and the sign for the user."""

    prompt: Callable[[str, str, str, str], str]
    issue: str = ""  # instead of name and kernel, above the login prompt
    open_to: str = ""  # the user who needs no password
    welcome: str = ""
    farewell: str = ""  # before it powers off, or boots again


_BUSYBOX = "The system is going down NOW!\nSent SIGTERM to all processes\nSent SIGKILL to all processes\n"
_BRACKETS = Manners(
    lambda user, host, folder, sign: f"[{user}@{host} {folder.rpartition('/')[2] or '/'}]{sign} "
)
_MANNERS: Mapping[str, Manners] = {
    "alpine": Manners(
        lambda _user, host, folder, sign: f"{host}:{folder}{sign} ",
        issue="Welcome to Alpine Linux 3.20\nKernel 6.6.56-0-virt on an x86_64 (/dev/ttyS0)\n",
        open_to="root",
        welcome="Welcome to Alpine!\n\n",
        farewell=_BUSYBOX,
    ),
    "cirros": Manners(
        lambda _user, _host, _folder, sign: f"{sign} ",
        issue="login as 'cirros' user. default password: 'gocubsgo'. use 'sudo' for root.",
        farewell=_BUSYBOX,
    ),
    "ubuntu": Manners(lambda user, host, folder, sign: f"{user}@{host}:{folder}{sign} "),
    "debian": Manners(lambda user, host, folder, sign: f"{user}@{host}:{folder}{sign} "),
}


def manners(system: Mapping[str, str]) -> Manners:
    """Those of a system told as `guestOSInfo`."""
    return _MANNERS.get(system.get("id", ""), _BRACKETS)
