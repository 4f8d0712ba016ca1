"""What becomes of a spec because virt-api's mutators read it into Go's types and write it again. Changes its argument.

Quantities are in their canonical spelling; a domain has `devices` and `resources` even where they are empty; other lists that
are empty are gone, as are flags of volumes and disks that are not set. Go's controllers test what they have read, written so,
against what is stored (`test` in JSON patches): stored as the user wrote it, `1024Mi` would keep a guest from ever getting
more memory. What is of a wrong type stays: the definition refuses it.

Origin: kubevirt: pkg/virt-api/webhooks/mutating-webhook/mutators/{vm,vmi}-mutator.go (they replace /spec as a whole)
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from fakekube.machinery import quantities

Spec = dict[str, Any]

_OPTIONAL = frozenset({"volumes", "networks", "tolerations", "nodeSelector", "accessCredentials"})
_TARGETS = frozenset({"disk", "lun"})
_GUEST = frozenset({"guest", "maxGuest"})
_FLAGS = frozenset({"readOnly", "hotpluggable"})
_CLAIMS = frozenset({"persistentVolumeClaim", "dataVolume"})
_SIZED = frozenset({"emptyDisk", "hostDisk"})
_VOLUMES = _CLAIMS | _SIZED | {"downwardAPI"}
_READ_ONLY, _CAPACITY, _OVERHEAD, _DIVISOR = (
    frozenset({member}) for member in ("readonly", "capacity", "addedOverhead", "divisor")
)


def encode_instance(spec: Spec) -> None:
    """The spec of an instance, or of a machine's template."""
    domain = spec["domain"]
    devices = domain.setdefault("devices", {})
    _shorten(spec, _OPTIONAL)
    if isinstance(devices, dict):
        if [] in devices.values():
            domain["devices"] = devices = {key: value for key, value in devices.items() if value != []}
        for disk in _listed(devices, "disks"):
            for kind in _TARGETS & disk.keys():
                _shorten(disk[kind], _READ_ONLY)
    if isinstance(memory := domain.get("memory"), dict):
        _spell(memory, _GUEST)
        _spell(memory.get("reservedOverhead"), _OVERHEAD)
    _amounts(domain.setdefault("resources", {}))
    for volume in _listed(spec, "volumes"):
        for kind in _VOLUMES & volume.keys():
            source = volume[kind]
            if kind in _CLAIMS:
                _shorten(source, _FLAGS)
            elif kind in _SIZED:
                _spell(source, _CAPACITY)
            else:
                for field in _listed(source, "fields"):
                    _spell(field.get("resourceFieldRef"), _DIVISOR)


def encode_machine(spec: Spec) -> None:
    """The spec of a machine."""
    encode_instance(spec["template"]["spec"])
    for template in _listed(spec, "dataVolumeTemplates"):
        if isinstance(own := template.get("spec"), dict):
            for kind in ("pvc", "storage"):
                if isinstance(claim := own.get(kind), dict):
                    _amounts(claim.get("resources"))


def _listed(obj: Any, member: str) -> Sequence[Spec]:
    listed = obj.get(member) if isinstance(obj, dict) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else ()


def _shorten(obj: Any, optional: AbstractSet[str]) -> None:
    """Without those optional members that say nothing."""
    if isinstance(obj, dict):
        for member in optional & obj.keys():
            if not obj[member]:
                del obj[member]


def _amounts(resources: Any) -> None:
    if resources and isinstance(resources, dict):
        for kind in ("requests", "limits"):
            if isinstance(amounts := resources.get(kind), dict):
                _spell(amounts, amounts.keys())


def _spell(amounts: Any, members: AbstractSet[str]) -> None:
    if isinstance(amounts, dict):
        for member in members & amounts.keys():
            if (said := amounts[member]) is not None:
                try:
                    amounts[member] = quantities.canonical(str(said))
                except ValueError:
                    continue  # refused, too
