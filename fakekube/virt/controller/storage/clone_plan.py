"""What a clone makes of its source: why it cannot be made, and the patches that make another machine of the copy. Pure.

Origin: kubevirt: pkg/virt-controller/watch/clone/{clone,util,vm-target}.go
"""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from fakekube.machinery.objects import annotations, dig, labels, name, namespace
from fakekube.machinery.regexes import regex
from fakekube.machinery.wire import Object
from fakekube.virt import json_patch
from fakekube.virt.controller import instance, persistent_state
from fakekube.virt.controller.storage import restoring

_TEMPLATE = "/spec/template"
_DOMAIN = f"{_TEMPLATE}/spec/domain"
_STATE = "Clone of source with backendstorage is not supported"


def keeps_state(vm: Object) -> str:
    """Why a machine cannot be cloned for what its TPM or its firmware remember; or empty."""
    kept = persistent_state.is_remembered(dig(vm, "spec", "template", "spec", default={}))
    return f"{_STATE}: VM {namespace(vm)}/{name(vm)}" if kept else ""


def not_snapshottable(vm: Object) -> str:
    """What is said of volumes that cannot be snapshotted, as far as the machine knows; or empty."""
    told = {
        one["name"]: one.get("enabled") for one in dig(vm, "status", "volumeSnapshotStatuses", default=())
    }
    found = []
    for volume in _on_claims(vm):
        own = volume["name"]
        if own not in told:
            found.append(f"Virtual Machine volume {own} snapshot support unknown")
        elif not told[own]:
            found.append(f"Virtual Machine volume {own} does not support snapshots")
    return "\n".join(found)


def not_usable(snapshot: Object, content: Object | None, content_name: str) -> str:
    """Why nothing can be made of a snapshot that is ready; or empty."""
    if content is None:
        return f"snapshot content {content_name} in namespace {namespace(snapshot)} does not exist"
    taken = dig(content, "spec", "virtualMachineSnapshotName")
    if not taken:
        return f"cannot get snapshot name from content {content_name}"
    kept = dig(content, "spec", "source", "virtualMachine", default={})
    if keeps_state(kept):
        return f"{_STATE}: snapshot {namespace(snapshot)}/{name(snapshot)}"
    saved = {one["volumeName"] for one in dig(content, "spec", "volumeBackups", default=())}
    lost = (one["name"] for one in _on_claims(kept) if one["name"] not in saved)
    return "\n".join(f"volume {one} is not backed up in snapshot {taken}" for one in lost)


def restore_spec(clone: Object, kept: Object, snapshot: str, suffix: str) -> Object:
    """The spec of the restore that makes the copy. `suffix` ends the name of a target that has none."""
    given = dig(clone, "spec", "target", default={})
    own = given.get("name") or f"{name(kept)}-clone-{suffix}"
    target = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", **given, "name": own}
    patches = [orjson.dumps(one).decode() for one in differences(clone, kept)]
    spec: Object = {"target": target, "virtualMachineSnapshotName": snapshot}
    if patches := [*patches, *dig(clone, "spec", "patches", default=())]:
        spec["patches"] = patches
    if policy := dig(clone, "spec", "volumeNamePolicy"):
        spec["volumeRestorePolicy"] = policy
    return spec


def differences(clone: Object, kept: Object) -> list[Object]:
    """The JSON patch operations that make another machine of a copy. Upstream writes an empty text where a new address,
    serial number or UUID is to be found."""
    spec, template = clone["spec"], dig(kept, "spec", "template", default={})
    domain = dig(template, "spec", "domain", default={})
    addresses = spec.get("newMacAddresses") or {}
    made = [
        _replaced(f"{_DOMAIN}/devices/interfaces/{number}/macAddress", addresses.get(one["name"], ""))
        for number, one in enumerate(dig(domain, "devices", "interfaces", default=()))
    ]
    if has_firmware := "firmware" in domain:
        made.append(_replaced(f"{_DOMAIN}/firmware/serial", spec.get("newSMBiosSerial") or ""))
    filters = spec.get("template") or {}
    own = {key: value for key, value in annotations(kept).items() if key != restoring.LAST}
    made += _filtered("/metadata/labels", labels(kept), spec.get("labelFilters"))
    made += _filtered("/metadata/annotations", own, spec.get("annotationFilters"))
    made += _filtered(f"{_TEMPLATE}/metadata/labels", labels(template), filters.get("labelFilters"))
    marks = annotations(template)
    made += _filtered(f"{_TEMPLATE}/metadata/annotations", marks, filters.get("annotationFilters"))
    if has_firmware:
        made.append(_replaced(f"{_DOMAIN}/firmware/uuid", ""))
    return made


def _replaced(path: str, value: str) -> Object:
    return {"op": "replace", "path": path, "value": value}


def _filtered(path: str, present: Iterable[str], filters: Iterable[str] | None) -> Iterator[Object]:
    """Remove the keys no filter lets through; `!` before a filter keeps out what another one lets through. A filter is an
    expression that is found anywhere in a key. Without filters everything stays."""
    if filters is None:
        return
    wanted = [".*" if one == "*" else one for one in filters if not one.startswith("!")]
    unwanted = [one[1:] for one in filters if one.startswith("!")]
    for key in present:
        if not _found(wanted, key) or _found(unwanted, key):
            yield {"op": "remove", "path": f"{path}/{json_patch.escaped(key)}"}


def _found(expressions: Iterable[str], key: str) -> bool:
    for one in expressions:
        try:
            if regex.searcher(one)(key):
                return True
        except regex.RegexError:
            continue  # as upstream, which only logs it
    return False


def _on_claims(vm: Object) -> list[dict[str, Any]]:
    listed = instance.template_volumes(vm)
    return [one for one in listed if "persistentVolumeClaim" in one or "dataVolume" in one]
