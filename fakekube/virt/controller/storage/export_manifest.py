"""What an export keeps for whoever makes its machine anew elsewhere: the machine written out, a DataVolume for each volume that no
template of it brings, and whom to trust. Pure.

Its exporter reads it, and says where the volumes are to be had.
Origin: kubevirt: pkg/storage/export/export/export.go (createDataManifestConfigMap)
"""

import json
from collections.abc import Mapping
from typing import Any

from fakekube.machinery.objects import Obj, annotations, dig, labels, name, namespace
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance
from fakekube.virt.controller.storage import export_links, exporter

_NOT_TAKEN = ("volumeName", "storageClassName", "dataSource", "dataSourceRef")  # of what a claim says
_HTTP = {"http": {"url": ""}}


def named(export: Obj) -> str:
    return f"exporter-vm-manifest-{name(export)}"


def config_map(
    export: Obj,
    vm: Obj,
    claims: Mapping[str, Obj],
    authority: str,
    outside: tuple[str, str] = ("", ""),
) -> Object:
    """`vm`: the machine, without instance type and preference; `claims`: those of its volumes, by name; `authority`: whom to trust,
    `outside`: which host leads to the proxy of exports from outside, if one does, and whom to trust there."""
    data = {
        "internal_host": f"{export_links.named(export)}.{namespace(export)}.svc",
        "internal_ca_cm": _text(_trusted(export, authority)),
        "virtualmachine-manifest": _text(_machine(vm)),
        "export-name": name(export),
    }
    if outside[0]:
        data["external_host"] = outside[0] + export_links.at_proxy(export)
        data["external_ca_cm"] = _text(_trusted(export, outside[1]))
    for volume in apart(vm):
        if (claim := claims.get(volume)) is not None:
            data[f"dv-{volume}"] = _text(_volume(claim))
    return exporter.owned(export, "ConfigMap", named(export), data=data)


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _trusted(export: Obj, authority: str) -> Object:
    return {"metadata": {"name": f"export-ca-cm-{name(export)}"}, "data": {"ca.pem": authority}}


def _machine(vm: Obj) -> Object:
    meta: Object = {"name": name(vm), "namespace": namespace(vm)}
    meta |= {"labels": dict(labels(vm))} if labels(vm) else {}
    meta |= {"annotations": dict(annotations(vm))} if annotations(vm) else {}
    spec = dict(vm["spec"])
    used = set(_used(vm))
    if templates := spec.get("dataVolumeTemplates"):
        spec["dataVolumeTemplates"] = [
            {**one, "spec": {**one["spec"], "source": _HTTP}} if name(one) in used else one
            for one in templates
        ]
    return {"metadata": meta, "spec": spec}


def apart(vm: Obj) -> list[str]:
    """The claims of its disks that no template brings, by name."""
    brought = {name(one) for one in dig(vm, "spec", "dataVolumeTemplates", default=())}
    return [one for one in _used(vm) if one not in brought]


def _used(vm: Obj) -> list[str]:
    """The claims of its disks, by name."""
    volumes = dig(vm, "spec", "template", "spec", "volumes", default=())
    return [
        instance.claim_name(one) for one in volumes if "dataVolume" in one or "persistentVolumeClaim" in one
    ]


def _volume(claim: Obj) -> Object:
    kept = {member: value for member, value in claim["spec"].items() if member not in _NOT_TAKEN}
    meta = {"name": name(claim), "namespace": namespace(claim)}
    return {"metadata": meta, "spec": {"source": _HTTP, "pvc": kept}}
