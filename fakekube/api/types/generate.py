"""Make `schemas.json.gz` and `descriptions.json.gz` from the definitions the package `kubernetes-validate` carries.

Run it as a module after raising VERSION: `python -m fakekube.api.types.generate`. The package is a development
dependency only. It rewrites upstream's OpenAPI for JSON Schema validators; here that is turned back: types lose their
`null`, apiVersion and kind their `enum`, references their prefix. Alpha and beta versions, off by default, are left out.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

VERSION = "1.36.0"
HERE = Path(__file__).parent
PREFIX = "#/$defs/"

# Upstream's `+default=` markers, which that package drops. They matter: apply fills list keys with
# them. Origin: k8s: staging/src/k8s.io/api/core/v1/types.go
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "io.k8s.api.core.v1.ContainerPort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.ServicePort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.GRPCAction": {"service": ""},
    "io.k8s.api.core.v1.LocalObjectReference": {"name": ""},
    "io.k8s.api.core.v1.ConfigMapEnvSource": {"name": ""},
    "io.k8s.api.core.v1.ConfigMapKeySelector": {"name": ""},
    "io.k8s.api.core.v1.ConfigMapProjection": {"name": ""},
    "io.k8s.api.core.v1.ConfigMapVolumeSource": {"name": ""},
    "io.k8s.api.core.v1.SecretEnvSource": {"name": ""},
    "io.k8s.api.core.v1.SecretKeySelector": {"name": ""},
    "io.k8s.api.core.v1.SecretProjection": {"name": ""},
    "io.k8s.api.core.v1.AzureDiskVolumeSource": {
        "cachingMode": "ReadWrite", "fsType": "ext4", "kind": "Shared", "readOnly": False
    },
    "io.k8s.api.core.v1.ISCSIVolumeSource": {"iscsiInterface": "default"},
    "io.k8s.api.core.v1.ISCSIPersistentVolumeSource": {"iscsiInterface": "default"},
    "io.k8s.api.core.v1.RBDVolumeSource": {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"},
    "io.k8s.api.core.v1.RBDPersistentVolumeSource": {
        "keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"
    },
    "io.k8s.api.core.v1.ScaleIOVolumeSource": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
    "io.k8s.api.core.v1.ScaleIOPersistentVolumeSource": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
}  # fmt: skip

# Types of two shapes: OpenAPI v2 has no word for them beside `format`.
RESTORED = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": "string", "format": "int-or-string"},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string"},
}


def main() -> None:
    source = (
        files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}-local" / "_definitions.json"
    )
    upstream = json.loads(source.read_bytes())["$defs"]
    kept = {name: upstream[name] for name in sorted(reachable(upstream, filter(served, upstream)))}
    write("schemas.json.gz", {name: restored(name, raw) for name, raw in kept.items()})
    write("descriptions.json.gz", {name: texts(raw) for name, raw in kept.items()})


def served(name: str) -> bool:
    """Whether a cluster serves this definition's version without being asked to."""
    return "beta" not in (version := name.split(".")[-2]) and "alpha" not in version


def reachable(upstream: Mapping[str, Any], roots: Iterable[str]) -> set[str]:
    found: set[str] = set()
    queue = list(roots)
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue.extend(references(upstream[name]))
    return found


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix(PREFIX)
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def restored(name: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """One definition as OpenAPI v2 has it, without texts."""
    if name in RESTORED:
        return RESTORED[name]
    out = schema(raw)
    for field, value in DEFAULTS.get(name, {}).items():
        out["properties"][field]["default"] = value
    return out


def schema(raw: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in raw.items():
        match key:
            case "description" | "enum":
                continue
            case "type":
                out[key] = next(one for one in value if one != "null") if isinstance(value, list) else value
            case "$ref":
                out[key] = "#/definitions/" + value.removeprefix(PREFIX)
            case "properties":
                out[key] = {name: schema(one) for name, one in value.items()}
            case "items" | "additionalProperties" if isinstance(value, dict):
                out[key] = schema(value)
            case _:
                out[key] = value
    return out


def texts(raw: Mapping[str, Any]) -> dict[str, str]:
    found = {"": raw.get("description", "")}
    for name, one in (raw.get("properties") or {}).items():
        found[name] = one.get("description", "")
    return {name: text for name, text in found.items() if text}


def write(name: str, data: Any) -> None:
    packed = gzip.compress(orjson.dumps(data, option=orjson.OPT_SORT_KEYS), compresslevel=9, mtime=0)
    (HERE / name).write_bytes(packed)
    print(f"{name}: {len(data)} definitions, {len(packed)} bytes")  # noqa: T201 - a tool speaks on stdout


if __name__ == "__main__":
    main()
