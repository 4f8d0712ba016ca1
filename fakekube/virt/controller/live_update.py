"""What of a changed template reaches the guest while it runs: sockets and memory by a migration, placement at once. Pure.

Whether a change may be made live at all is `restart_required`'s to say.
Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (handleCPUChangeRequest, handleMemoryHotplugRequest, handleAffinityChangeRequest)
"""

from typing import Any

from fakekube.machinery.objects import Obj, condition_is, dig
from fakekube.virt import quantities
from fakekube.virt.controller import instance, names, nics, patches

CPU_CHANGE, MEMORY_CHANGE, VOLUMES_CHANGE = "HotVCPUChange", "HotMemoryChange", "VolumesChange"
_MEMORY = ("domain", "memory", "guest")
_SIZES = (("domain", "cpu", "sockets"), _MEMORY)
_PLACES = (("nodeSelector",), ("affinity",), ("tolerations",))


def changes(started: Obj, current: Obj, vmi: Obj) -> list[patches.Operation]:
    """The patch that brings a VMI to its VM's template where that has changed since the start. `started`: the VM's spec then.

    Placement may also go back to what it was, unless an instancetype has a say in it.
    """
    made: list[patches.Operation] = []
    goes_back = not current.get("instancetype")
    for path in (*_SIZES, *_PLACES):
        before, after = (dig(spec, "template", "spec", *path) for spec in (started, current))
        present = dig(vmi, "spec", *path)
        if after == present or (after == before and not (goes_back and path in _PLACES)):
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
    if amount and wanted and not _same_amount(amount, wanted):
        found.append(MEMORY_CHANGE)
    return found


def _same_amount(one: Any, other: Any) -> bool:
    return one == other or quantities.whole(one) == quantities.whole(other)
