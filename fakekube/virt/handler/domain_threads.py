"""The threads that carry out a guest's input and output, and which disk has which. Pure.

Origin: kubevirt: pkg/virt-launcher/virtwrap/converter/compute/iothreads.go
"""

from msgspec import Struct, field

from fakekube.machinery.objects import Obj, dig
from fakekube.virt.handler import domain

_PER_CPU = 2  # as many threads as a CPU is given at most, where their number is found automatically


class Threads(Struct, frozen=True):
    """How many there are; those of the disks, which count from one."""

    number: int = 0
    of: dict[str, int] = field(default_factory=dict)


def threads(vmi: Obj) -> Threads:
    spec = dig(vmi, "spec", "domain", default={})
    policy = spec.get("ioThreadsPolicy")
    disks = [one for one in dig(spec, "devices", "disks", default=()) if _is_virtio(one)]
    alone = [one["name"] for one in disks if one.get("dedicatedIOThread")]
    if not policy and not alone:
        return Threads()
    if policy == "supplementalPool":
        return Threads(int(dig(spec, "ioThreads", "supplementalPoolThreadCount") or 0))
    together = [one["name"] for one in disks if one["name"] not in alone]
    pool = _pool(vmi, len(together), len(alone)) if policy == "auto" else 1
    of = {own: number % pool + 1 for number, own in enumerate(together)}
    return Threads(pool + len(alone), of | {own: pool + 1 + number for number, own in enumerate(alone)})


def _pool(vmi: Obj, together: int, alone: int) -> int:
    """One for each disk, as far as the guest's CPUs go round."""
    topology = domain.cpu_topology(vmi)
    cpus = int(topology["cores"] * topology["sockets"] * topology["threads"])
    most = 1 if dig(vmi, "spec", "domain", "cpu", "isolateEmulatorThread") else cpus * _PER_CPU
    return max(min(together, most - alone), 1)


def _is_virtio(disk: Obj) -> bool:
    return "cdrom" not in disk and (dig(disk, "disk", "bus") or "virtio") == "virtio" and "lun" not in disk
