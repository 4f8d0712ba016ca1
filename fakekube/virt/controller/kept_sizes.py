"""ControllerRevisions that keep a VM's instancetype and preference: what is in one, how an old one reads. Pure.

The oldest have no object in them but an encoded spec; all versions agree about what a spec says.
Origin: kubevirt: pkg/instancetype/{revision,compatibility}
"""

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from fakekube.machinery.objects import Obj, labels, name, namespace, owner_reference
from fakekube.machinery.wire import Object
from fakekube.virt.instancetypes import kinds

_LABEL = "instancetype.kubevirt.io/object-"
_GROUP, _LATEST = "instancetype.kubevirt.io", "v1beta1"
_OLDEST: Mapping[kinds.Member, str] = {
    "instancetype": "VirtualMachineInstancetype",
    "preference": "VirtualMachinePreference",
}


def revision(vm: Obj, found: Obj) -> Object:
    """The ControllerRevision that keeps an instancetype or preference for a VM."""
    meta = found.get("metadata") or {}
    group, _, version = found["apiVersion"].partition("/")
    owner = owner_reference(
        {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": vm["metadata"]}
    )
    number, own, own_uid = int(meta.get("generation") or 0), meta.get("name", ""), meta.get("uid", "")
    told = {
        "generation": str(number),
        "kind": found["kind"],
        "name": own,
        "uid": own_uid,
        "version": version,
    }
    kept = {member: meta[member] for member in ("name", "namespace", "uid", "generation") if member in meta}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{name(vm)}-{own}-{version}-{own_uid}-{number}",
            "namespace": namespace(vm),
            "labels": {f"{_LABEL}{member}": value for member, value in told.items()},
            "ownerReferences": [owner],
        },
        "data": {
            "apiVersion": f"{group}/{version}",
            "kind": found["kind"],
            "metadata": kept,
            "spec": found.get("spec") or {},
        },
        "revision": 0,
    }


def is_latest(stored: Obj) -> bool:
    return labels(stored).get(f"{_LABEL}version") == _LATEST


def upgraded(stored: Obj, member: kinds.Member) -> Object:
    """The instancetype or preference in an old revision, in the version of today."""
    data: Object = stored.get("data") or {}
    if "kind" in data:
        return {**data, "apiVersion": f"{_GROUP}/{_LATEST}"}
    meta = {"name": f"old-version-of-{member}-object"}
    made = {"apiVersion": f"{_GROUP}/{_LATEST}", "kind": _OLDEST[member], "metadata": meta}
    return {**made, "spec": _decoded(data.get("spec"))}


def _decoded(spec: Any) -> Any:
    if not isinstance(spec, str):
        return spec or {}
    try:
        return orjson.loads(base64.b64decode(spec))
    except ValueError:  # nobody's, or broken
        return {}
