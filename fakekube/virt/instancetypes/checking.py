"""What stands against an instancetype or a preference: fields that the machine decides too, and less than it takes. Pure.

Origin: kubevirt: pkg/instancetype/{apply,conflict,preference/{requirements,validation}}
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fakekube.machinery.objects import dig
from fakekube.virt.instancetypes.applying import COPIED, preferred_topology, spread
from fakekube.virt.quantities import whole

Spec = Mapping[str, Any]
_PARTS = ("sockets", "cores", "threads")
_SPREAD = {
    "SocketsCores": ("sockets", "cores"),
    "CoresThreads": ("cores", "threads"),
    "SocketsCoresThreads": _PARTS,
}

_THREADS = 2  # of a core
_RATIO = "Spec.PreferSpreadSocketToCoreRatio or Spec.CPU.PreferSpreadOptions.Ratio"


class Unmet(NamedTuple):
    """What is missing, and the fields that would have to give it."""

    text: str
    fields: str


def conflicts(path: str, template: Spec, size: Spec | None) -> list[str]:
    """The fields of a template that say what its instancetype says too; the same annotation is no contradiction."""
    if size is None:
        return []
    spec = template.get("spec") or {}
    marked = dig(template, "metadata", "annotations", default={})
    return [f"{path}.{field}" for field in _fields(spec, size)] + [
        f"annotations.{key}"
        for key, value in (size.get("annotations") or {}).items()
        if marked.get(key, value) != value
    ]


def _fields(spec: Spec, size: Spec) -> Iterator[str]:
    domain: Spec = spec.get("domain") or {}
    yield from (name for name in ("nodeSelector", "schedulerName") if size.get(name) and spec.get(name))
    yield from _cpu(domain, size)
    yield from _memory(domain, size)
    for member in ("ioThreadsPolicy", "launchSecurity"):
        if size.get(member) is not None and domain.get(member) is not None:
            yield f"domain.{member}"
    for member in ("gpus", "hostDevices"):
        if size.get(member) and dig(domain, "devices", member):
            yield f"domain.devices.{member}"


def _cpu(domain: Spec, size: Spec) -> Iterator[str]:
    cpu: Spec = domain.get("cpu") or {}
    yield from _resources(domain, "cpu")
    yield from (f"domain.cpu.{part}" for part in _PARTS if cpu.get(part))
    for theirs, own in COPIED:
        if cpu.get(own) and dig(size, "cpu", theirs) is not None:
            yield f"domain.cpu.{theirs}"


def _memory(domain: Spec, size: Spec) -> Iterator[str]:
    """Only the first is told."""
    memory: Spec = domain.get("memory") or {}
    if memory.get("guest") is not None:
        yield "domain.memory.guest"
        return
    for member in ("hugepages", "maxGuest"):
        if memory.get(member) is not None and dig(size, "memory", member) is not None:
            yield f"domain.memory.{member}"
            return
    for field in _resources(domain, "memory"):
        yield field
        return


def _resources(domain: Spec, name: str) -> Iterator[str]:
    for kind in ("requests", "limits"):
        if dig(domain, "resources", kind, name) is not None:
            yield f"domain.resources.{kind}.{name}"


def uneven(size: Spec | None, preference: Spec | None) -> str:
    """What is said of CPUs that cannot be spread as the preference wants it; empty where they can."""
    if size is None or preference is None or preferred_topology(preference) != "spread":
        return ""
    ratio, across = spread(preference)
    own = int(dig(size, "cpu", "guest") or 0)
    threads = f"the number of threads per core {ratio if across == 'CoresThreads' else _THREADS}"
    if across == "CoresThreads":
        odd, of = own % ratio, threads
    elif across == "SocketsCoresThreads":
        odd, of = own % _THREADS or own // _THREADS % ratio, f"{threads} and {_RATIO} of {ratio}"
    else:
        odd, of = own % ratio, f"the {_RATIO} of {ratio} provided by the preference"
    return f"{own} vCPUs provided by the instance type are not divisible by {of}" if odd else ""


def unmet(spec: Spec, size: Spec | None, preference: Spec | None) -> Unmet | None:
    """What a spec, written out, offers less of than its preference requires."""
    needs: Spec = (preference or {}).get("requirements") or {}
    if preference is None or not needs:
        return None
    return (
        _too_few_cpus(spec, size, preference, int(dig(needs, "cpu", "guest") or 0))
        or _too_little_memory(spec, size, dig(needs, "memory", "guest"))
        or _other_architecture(spec, needs.get("architecture"))
    )


def _too_few_cpus(spec: Spec, size: Spec | None, preference: Spec, wanted: int) -> Unmet | None:
    if size is not None:
        own = int(dig(size, "cpu", "guest") or 0)
        text = f"insufficient CPU resources of {own} vCPU provided by instance type, preference requires {wanted} vCPU"
        return Unmet(text, "spec.instancetype") if own < wanted else None
    topology = preferred_topology(preference)
    told, parts = topology, tuple[str, ...]()
    if topology == "spread":
        told = spread(preference)[1]
        parts = _SPREAD[told]
    elif topology == "any":
        told, parts = "cores, sockets and threads", ("cores", "sockets", "threads")
    else:
        parts = (topology,)
    own = 1
    for part in parts:
        own *= int(dig(spec, "domain", "cpu", part) or 0)
    if own >= wanted:
        return None
    text = (
        f"insufficient CPU resources of {own} vCPU provided by VirtualMachine, "
        f"preference requires {wanted} vCPU provided as {told}"
    )
    return Unmet(text, ", ".join(f"spec.template.spec.domain.cpu.{part}" for part in parts))


def _too_little_memory(spec: Spec, size: Spec | None, wanted: Any) -> Unmet | None:
    if wanted is None:
        return None
    by, field = "VirtualMachine", "spec.template.spec.domain.memory"
    own = dig(spec, "domain", "memory", "guest")
    if size is not None:
        by, field = "instance type", "spec.instancetype"
        own = own if own is not None else dig(size, "memory", "guest")
    text = f"insufficient Memory resources of {own or 0} provided by {by}, preference requires {wanted}"
    return Unmet(text, field) if whole(own) < whole(wanted) else None


def _other_architecture(spec: Spec, wanted: str | None) -> Unmet | None:
    own = spec.get("architecture")
    if not wanted or own == wanted:
        return None
    text = f"preference requires architecture {wanted} but {own} is being requested"
    return Unmet(text, "spec.template.spec.architecture")
