"""What becomes of a spec because virt-api's mutators read it into Go's types and write it again. Changes its argument.

Quantities are in their canonical spelling; a domain has `devices` and `resources` even where they are empty; other lists that
are empty are gone, as are flags of volumes and disks that are not set. Go's controllers test what they have read, written so,
against what is stored (`test` in JSON patches): stored as the user wrote it, `1024Mi` would keep a guest from ever getting
more memory. What is of a wrong type stays: the definition refuses it.

Origin: kubevirt: pkg/virt-api/webhooks/mutating-webhook/mutators/{vm,vmi}-mutator.go (they replace /spec as a whole)
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from fakekube.machinery import quantities

Spec = dict[str, Any]

_OPTIONAL = ("volumes", "networks", "tolerations", "nodeSelector", "accessCredentials")


def encode_instance(spec: Spec) -> None:
    """The spec of an instance, or of a machine's template."""
    domain = spec["domain"]
    for member in ("devices", "resources"):
        domain.setdefault(member, {})
    devices = domain["devices"]
    _shorten(spec, *_OPTIONAL)
    if isinstance(devices, dict):
        _shorten(devices, *(key for key, value in devices.items() if value == []))
    for disk in _each(devices, "disks"):
        for kind in ("disk", "lun"):
            _shorten(disk.get(kind), "readonly")
    if isinstance(memory := domain.get("memory"), dict):
        _spell(memory, "guest", "maxGuest")
        _spell(memory.get("reservedOverhead"), "addedOverhead")
    _amounts(domain["resources"])
    for volume in _each(spec, "volumes"):
        for kind in ("persistentVolumeClaim", "dataVolume"):
            _shorten(volume.get(kind), "readOnly", "hotpluggable")
        for kind in ("emptyDisk", "hostDisk"):
            _spell(volume.get(kind), "capacity")
        for field in _each(volume.get("downwardAPI"), "fields"):
            _spell(field.get("resourceFieldRef"), "divisor")


def encode_machine(spec: Spec) -> None:
    """The spec of a machine."""
    encode_instance(spec["template"]["spec"])
    for template in _each(spec, "dataVolumeTemplates"):
        if isinstance(own := template.get("spec"), dict):
            for kind in ("pvc", "storage"):
                if isinstance(claim := own.get(kind), dict):
                    _amounts(claim.get("resources"))


def _each(obj: Any, member: str) -> Iterator[Spec]:
    listed = obj.get(member) if isinstance(obj, dict) else None
    return (one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else iter(())


def _shorten(obj: Any, *optional: str) -> None:
    """Without those optional members that say nothing."""
    if isinstance(obj, dict):
        for member in optional:
            if not obj.get(member, True):
                del obj[member]


def _amounts(resources: Any) -> None:
    if isinstance(resources, dict):
        for kind in ("requests", "limits"):
            if isinstance(amounts := resources.get(kind), dict):
                _spell(amounts, *amounts)


def _spell(amounts: Any, *members: str) -> None:
    if not isinstance(amounts, dict):
        return
    for member in members:
        if (said := amounts.get(member)) is not None:
            with suppress(ValueError):  # refused, too
                amounts[member] = quantities.canonical(str(said))
