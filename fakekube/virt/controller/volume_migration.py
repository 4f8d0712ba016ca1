"""Volumes of a running guest that are to be copied to other claims: what is on its way, what forbids it, what it comes to. Pure.

A change of claims in a VM's template does that where `updateVolumesStrategy` is Migration. The VMI gets the new claims at once
and tells where they come from in `status.migratedVolumes`, until a migration has brought the guest there.
Origin: kubevirt: pkg/virt-controller/watch/volume-migration/volume-migration.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.machinery.objects import Obj, condition, condition_is, dig, is_final
from fakekube.machinery.wire import Object
from fakekube.virt.controller import conditions, instance, persistent_state
from fakekube.virt.controller.live_update import VOLUMES_CHANGE

ONLY_BACK = "The volume can only be reverted to the previous version during the update"
_RECOVERY, _LOST = "ManualRecoveryRequired", "VMI was removed or was final during the volume migration"


def is_strategy(vm: Obj) -> bool:
    return bool(dig(vm, "spec", "updateVolumesStrategy") == "Migration")


def updated(vm: Obj, vmi: Obj) -> dict[str, str]:
    """The new claims of volumes that both have, by volume, where they differ."""
    present = {one["name"]: instance.claim_name(one) for one in instance.volumes(vmi)}
    found = {}
    for volume in instance.template_volumes(vm):
        claim, before = instance.claim_name(volume), present.get(volume["name"])
        if claim and before and claim != before:
            found[str(volume["name"])] = claim
    return found


def on_their_way(vm: Obj, vmi: Obj, claims: Mapping[str, Obj]) -> list[Object]:
    """`status.migratedVolumes` for the volumes that differ."""
    new = updated(vm, vmi)
    return [
        {
            "volumeName": one["name"],
            "sourcePVCInfo": _info(instance.claim_name(one), claims),
            "destinationPVCInfo": _info(new[one["name"]], claims),
        }
        for one in instance.volumes(vmi)
        if one["name"] in new
    ]


def _info(own: str, claims: Mapping[str, Obj]) -> Object:
    claim = claims.get(own, {})
    found = {
        "claimName": own,
        "volumeMode": dig(claim, "spec", "volumeMode"),
        "accessModes": dig(claim, "spec", "accessModes"),
        "requests": dig(claim, "spec", "resources", "requests"),
        "capacity": dig(claim, "status", "capacity"),
    }
    return {key: value for key, value in found.items() if value}


def obstacle(vm: Obj, vmi: Obj) -> str:
    """Why the volumes cannot be migrated; empty when they can."""
    new = updated(vm, vmi)
    devices = dig(vmi, "spec", "domain", "devices", default={})
    disks = [one for one in devices.get("disks") or () if one["name"] in new]
    wrong = {
        "filesystems": [one["name"] for one in devices.get("filesystems") or () if one["name"] in new],
        "shareable": [one["name"] for one in disks if one.get("shareable")],
        "luns": [one["name"] for one in disks if "lun" in one],
    }
    said = [f" {word}: [{' '.join(found)}]" for word, found in wrong.items() if found]
    if said:
        return f"invalid volumes to update with migration:{''.join(said)}"
    if condition_is(vmi, "StorageLiveMigratable", "False"):
        text = (condition(vmi, "StorageLiveMigratable") or {}).get("message", "")
        return f"cannot migrate the volumes as the VMI isn't migratable: {text}"
    for entry in dig(vmi, "status", "volumeStatus", default=()):
        modes = dig(entry, "persistentVolumeClaimInfo", "accessModes", default=())
        if persistent_state.is_entry(entry, vmi):
            continue
        if modes and "ReadWriteMany" not in modes and entry["name"] not in new:
            own = entry["name"]
            return f"cannot migrate the VM. The volume {own} is RWO and not included in the migration volumes"
    return ""


def goes_back(vm: Obj, vmi: Obj) -> bool:
    """Whether the template names the sources again, and nothing else."""
    moved = dig(vmi, "status", "migratedVolumes", default=())
    sources = {one["volumeName"]: dig(one, "sourcePVCInfo", "claimName") for one in moved}
    return bool(updated(vm, vmi) == sources)


def is_back(vmi: Obj) -> bool:
    """Whether the VMI names the sources of all that was to move."""
    named = {one["name"]: instance.claim_name(one) for one in instance.volumes(vmi)}
    moved = dig(vmi, "status", "migratedVolumes", default=())
    return all(named.get(one["volumeName"]) == dig(one, "sourcePVCInfo", "claimName") for one in moved)


def replaced(vm: Obj, vmi: Obj) -> list[Object]:
    """The VMI's volumes, as the template has them where they differ."""
    wanted = {one["name"]: one for one in instance.template_volumes(vm)}
    new = updated(vm, vmi)
    return [dict(wanted[one["name"]]) if one["name"] in new else dict(one) for one in instance.volumes(vmi)]


def cancelled(now: str) -> conditions.Condition:
    """What the VMI says once its volumes are what they were."""
    made = conditions.make(VOLUMES_CHANGE, "False", "VolumesChangeCancellation")
    return {**made, "lastTransitionTime": now}


def of_machine(vm: Obj, vmi: Obj | None, old: Any) -> Any:
    """`status.volumeUpdateState` of a VM. It outlives a VMI that is lost on the way, until the volumes are what they were."""
    if vmi is not None and not is_final(vmi):
        moved = dig(vmi, "status", "migratedVolumes")
        return {"volumeMigrationState": {"migratedVolumes": moved}} if moved else None
    moved = dig(old, "volumeMigrationState", "migratedVolumes", default=())
    if not moved or not is_strategy(vm):
        return None
    named = {one["name"]: instance.claim_name(one) for one in instance.template_volumes(vm)}
    lost = [
        one for one in moved if named.get(one["volumeName"]) == dig(one, "destinationPVCInfo", "claimName")
    ]
    return old if lost else None


def recovery(
    listed: list[conditions.Condition], state: Any, vmi: Obj | None, now: str
) -> list[conditions.Condition]:
    """The VM's conditions with what says that somebody has to decide which claims are good."""
    if not state or (vmi is not None and not is_final(vmi)):
        return conditions.drop(listed, _RECOVERY)
    if conditions.find(listed, _RECOVERY) is not None:
        return listed
    return [*listed, {**conditions.make(_RECOVERY, "True", _LOST), "lastTransitionTime": now}]


def needs_recovery(vm: Obj) -> bool:
    return condition_is(vm, _RECOVERY)
