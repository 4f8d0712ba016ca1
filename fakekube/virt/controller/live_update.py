"""What of a changed template reaches the guest while it runs: sockets and memory by a migration, placement at once. Pure.

Whether a change may be made live at all is `restart_required`'s to say.
Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (handleCPUChangeRequest, handleMemoryHotplugRequest, handleAffinityChangeRequest)
"""

from collections.abc import Collection
from typing import Any

from fakekube.machinery.objects import Obj, condition, condition_is, dig
from fakekube.virt import quantities
from fakekube.virt.controller import conditions, instance, launcher_facts, names, nics, patches

Path = tuple[str, ...]

CPU_CHANGE, MEMORY_CHANGE, VOLUMES_CHANGE = "HotVCPUChange", "HotMemoryChange", "VolumesChange"
_SOCKETS, _MEMORY = ("domain", "cpu", "sockets"), ("domain", "memory", "guest")
_SIZES = (_SOCKETS, _MEMORY)
_TOLD = {  # of a change that has to wait: condition of the one before, what it is called, how a failure begins, its reason
    _SOCKETS: (
        CPU_CHANGE,
        "CPU",
        "Error encountered while handling CPU change request",
        "HotPlugCPUError",
    ),
    _MEMORY: (
        MEMORY_CHANGE,
        "memory",
        "error encountered while handling memory hotplug requests",
        "HotPlugMemoryError",
    ),
}
_PLACES = (("nodeSelector",), ("affinity",), ("tolerations",))


def changes(
    started: Obj, current: Obj, vmi: Obj, *, cpu_ratio: int, besides: Collection[Path] = ()
) -> list[patches.Operation]:
    """The patch that brings a VMI to its VM's template where that has changed since the start. `started`: the VM's spec then.

    Placement may also go back to what it was, unless an instancetype has a say in it. `besides`: what has to wait.
    """
    made: list[patches.Operation] = []
    goes_back = not current.get("instancetype")
    for path in (*_SIZES, *_PLACES):
        before, after = (dig(spec, "template", "spec", *path) for spec in (started, current))
        present = dig(vmi, "spec", *path)
        if path in besides or after == present or (after == before and not (goes_back and path in _PLACES)):
            continue
        pointer = "/spec/" + "/".join(path)
        if after is None:
            made += [{"op": "test", "path": pointer, "value": present}, {"op": "remove", "path": pointer}]
        elif present is None:
            made += patches.added(pointer, after)
        else:
            made += patches.guarded(pointer, present, after)
        if path == _MEMORY:
            made += _reckoned_with(vmi, present, after)
        elif path == _SOCKETS:
            made += _more_cpus(current, vmi, cpu_ratio)
    return made


def waiting(current: Obj, vmi: Obj) -> dict[Path, conditions.Failure]:
    """What has to wait with its change, and what is told of that: sizes change one after the other, and not while a guest moves."""
    made: dict[Path, conditions.Failure] = {}
    for path in _SIZES:
        wanted, present = dig(current, "template", "spec", *path), dig(vmi, "spec", *path)
        if wanted is None or present is None or _same_amount(wanted, present):
            continue
        condition, word, told, reason = _TOLD[path]
        why = ""
        if condition_is(vmi, condition):
            why = f"another {word} hotplug is in progress"
        elif instance.is_migrating(vmi):
            why = f"{word} hotplug is not allowed while VMI is migrating"
        if why:
            made[path] = conditions.Failure(reason, f"{told}: {why}")
    return made


def _more_cpus(current: Obj, vmi: Obj, ratio: int) -> list[patches.Operation]:
    """What a guest asks of its node grows with its CPUs, if it asks at all."""
    made: list[patches.Operation] = []
    template = dig(current, "template", "spec")
    more = launcher_facts.vcpus({"spec": template}) - launcher_facts.vcpus(vmi)
    for kind in ("requests", "limits"):
        wanted, asked = (
            dig(spec, "domain", "resources", kind, "cpu") for spec in (template, dig(vmi, "spec"))
        )
        if wanted is not None and asked is not None:
            new = quantities.grown(asked, more * (1000 // ratio))
            made += patches.guarded(f"/spec/domain/resources/{kind}/cpu", asked, new)
    return made


def _reckoned_with(vmi: Obj, present: Any, after: Any) -> list[patches.Operation]:
    """What the launcher asks for grows with the guest; without it, the target would be too small."""
    made: list[patches.Operation] = []
    for kind in ("requests", "limits"):
        asked = dig(vmi, "spec", "domain", "resources", kind, "memory")
        if asked is not None:
            more = quantities.whole(after) - quantities.whole(present or asked)
            new = quantities.binary(quantities.whole(asked) + more)
            made += patches.guarded(f"/spec/domain/resources/{kind}/memory", asked, new)
    return made


def awaits_migration(vmi: Obj) -> bool:
    """Whether the guest has to move to become what its spec says."""
    return condition_is(vmi, nics.MIGRATION_REQUIRED) or bool(under_way(vmi))


def under_way(vmi: Obj) -> list[str]:
    """The conditions that tell of changes the running guest has not got yet."""
    if instance.phase(vmi) != names.RUNNING:
        return []
    found = [VOLUMES_CHANGE] if dig(vmi, "status", "migratedVolumes") else []
    if not condition_is(vmi, "LiveMigratable"):
        return found
    has = dig(vmi, "status", "currentCPUTopology", "sockets")
    if has is not None and has != dig(vmi, "spec", "domain", "cpu", "sockets", default=has):
        found.append(CPU_CHANGE)
    amount = dig(vmi, "status", "memory", "guestCurrent")
    wanted = dig(vmi, "spec", "domain", "memory", "guest")
    if amount and wanted and not _same_amount(amount, wanted) and not memory_failed(vmi):
        found.append(MEMORY_CHANGE)
    return found


def memory_failed(vmi: Obj) -> bool:
    """Whether the guest was to get more memory, and could not be given it: nobody tries again."""
    return (condition(vmi, MEMORY_CHANGE) or {}).get("status") == "False"


def _same_amount(one: Any, other: Any) -> bool:
    return one == other or quantities.whole(one) == quantities.whole(other)
