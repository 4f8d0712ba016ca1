"""Questions about a VirtualMachineInstance that several controllers ask. Pure."""

from typing import Any

from fakekube.machinery import digits
from fakekube.machinery.objects import Obj, annotations, dig
from fakekube.virt.controller import names

ROOT, NOBODY = 0, 107  # users launchers run as


def phase(vmi: Obj) -> str:
    return (vmi.get("status") or {}).get("phase") or ""


def is_unprocessed(vmi: Obj) -> bool:
    """Whether no launcher pod has been seen for it yet, and one is to be made."""
    return phase(vmi) in names.UNPROCESSED and not is_receiver(vmi)


def is_receiver(vmi: Obj) -> bool:
    """Whether its guest is to come from another instance."""
    return names.CREATE_MIGRATION_TARGET in annotations(vmi)


def reached(vmi: Obj, wanted: str) -> bool:
    """Whether the VMI has ever been in the phase `wanted`, by its own record."""
    for one in dig(vmi, "status", "phaseTransitionTimestamps", default=()):
        if one.get("phase") == wanted:
            return True
    return False


def made_from(vmi: Obj) -> int | None:
    """The generation of its machine it is said to be made of, if what is said is a number."""
    return digits.number(annotations(vmi).get(names.VM_GENERATION, ""))


def started_from(vmi: Obj) -> int | None:
    """The generation its revision is of, by that one's name."""
    return digits.number(dig(vmi, "status", "virtualMachineRevisionName", default="").rpartition("-")[2])


def transitions(vmi: Obj) -> list[dict[str, Any]]:
    return list(dig(vmi, "status", "phaseTransitionTimestamps", default=()))


def with_transition(vmi: Obj, new_phase: str, now: str) -> list[dict[str, Any]]:
    """The record of phases with `new_phase` in it; the first entry of a phase wins."""
    entries = transitions(vmi)
    if new_phase and not reached(vmi, new_phase):
        entries.append({"phase": new_phase, "phaseTransitionTimestamp": now})
    return entries


def has_dedicated_cpus(vmi: Obj) -> bool:
    return bool(dig(vmi, "spec", "domain", "cpu", "dedicatedCpuPlacement"))


def is_root(vmi: Obj) -> bool:
    """Whether its launchers run as root, as they do with the gate `Root`."""
    return dig(vmi, "status", "runtimeUser") == ROOT and names.NON_ROOT not in annotations(vmi)


def is_migrating(vmi: Obj) -> bool:
    """Whether the guest is being copied to another node."""
    state = dig(vmi, "status", "migrationState", default={})
    return bool(state.get("startTimestamp")) and not state.get("endTimestamp")


def has_vsock(vmi: Obj) -> bool:
    return bool(dig(vmi, "spec", "domain", "devices", "autoattachVSOCK"))


def volumes(vmi: Obj) -> list[dict[str, Any]]:
    return list((vmi.get("spec") or {}).get("volumes") or ())


def all_volumes(vmi: Obj) -> list[dict[str, Any]]:
    """The volumes of a guest, and those mounted beside it, as if they were plugged in."""
    found = volumes(vmi)
    for one in (vmi.get("spec") or {}).get("utilityVolumes") or ():
        source = {"claimName": one["claimName"], "hotpluggable": True}
        found.append({"name": one["name"], "persistentVolumeClaim": source})
    return found


def plugged(vmi: Obj) -> list[dict[str, Any]]:
    """What comes to a guest by attachment pods."""
    return [one for one in all_volumes(vmi) if is_hotplugged(one)]


def template_volumes(vm: Obj) -> list[dict[str, Any]]:
    """The volumes of the instances a machine makes."""
    return list(dig(vm, "spec", "template", "spec", "volumes", default=()))


def claim_name(volume: Obj) -> str:
    """The claim a launcher mounts for a volume, or empty: beside those a volume brings along (`virt.claims`) the one a memory dump
    goes to, and the one an ephemeral volume only reads."""
    if source := volume.get("persistentVolumeClaim") or volume.get("memoryDump"):
        return str(source.get("claimName", ""))
    if source := volume.get("dataVolume"):
        return str(source.get("name", ""))
    if source := volume.get("ephemeral"):
        return str(dig(source, "persistentVolumeClaim", "claimName", default=""))
    return ""


def is_hotplugged(volume: Obj) -> bool:
    source = volume.get("persistentVolumeClaim") or volume.get("dataVolume") or volume.get("memoryDump")
    return bool(source and source.get("hotpluggable"))
