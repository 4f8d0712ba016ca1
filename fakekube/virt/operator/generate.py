"""Turns the models into CRD manifests: `python -m fakekube.virt.operator.generate` rewrites `manifests/`.

Runs while developing only. A structural schema has no references and no unions beside int-or-string, so references are
replaced by what they name and `X | None` by X.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from fakekube.virt.operator.definitions import DEFINITIONS
from fakekube.virt.operator.definitions.definition import Definition
from fakekube.virt.operator.models.base import Resource

MANIFESTS = Path(__file__).parent / "manifests"
_SHARED = "#/$defs/"


def structural(node: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """One node of pydantic's JSON schema as a structural schema."""
    if "$ref" in node:
        named = shared[node["$ref"].removeprefix(_SHARED)]
        return structural({**named, **{key: value for key, value in node.items() if key != "$ref"}}, shared)
    options = [option for option in node.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        rest = {key: value for key, value in node.items() if key != "anyOf"}
        return structural({**structural(options[0], shared), **_without_null_default(rest)}, shared)
    plain = _without_null_default(node)
    plain.pop("title", None)
    if "const" in plain:
        plain["enum"] = [plain.pop("const")]
    if "properties" in plain:
        plain["properties"] = {
            name: structural(member, shared) for name, member in sorted(plain["properties"].items())
        }
        if not plain["properties"]:
            del plain["properties"]
    if "items" in plain:
        plain["items"] = structural(plain["items"], shared)
    if isinstance(plain.get("additionalProperties"), Mapping):
        plain["additionalProperties"] = structural(plain["additionalProperties"], shared)
    if "required" in plain:
        plain["required"] = sorted(plain["required"])
    return plain


def _without_null_default(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if not (key == "default" and value is None)}


def schema(model: type[Resource]) -> dict[str, Any]:
    """The structural schema of a resource."""
    raw = model.model_json_schema(by_alias=True)
    return structural(raw, raw.get("$defs", {})) | {"type": "object"}


def manifest(definition: Definition) -> dict[str, Any]:
    """The CustomResourceDefinition of a resource, in all its versions."""
    described = schema(definition.model)
    described.pop("$defs", None)
    versions = []
    for version in definition.versions:
        one: dict[str, Any] = {"name": version.name, "served": True, "storage": version.storage}
        if version.deprecation:
            one |= {"deprecated": True, "deprecationWarning": version.deprecation}
        one["schema"] = {"openAPIV3Schema": described}
        if definition.subresources:
            one["subresources"] = dict(definition.subresources)
        if definition.columns:
            one["additionalPrinterColumns"] = [column.manifest() for column in definition.columns]
        versions.append(one)
    names: dict[str, Any] = {
        "kind": definition.kind,
        "listKind": f"{definition.kind}List",
        "plural": definition.plural,
        "singular": definition.kind.lower(),
    }
    if definition.short_names:
        names["shortNames"] = list(definition.short_names)
    if definition.categories:
        names["categories"] = list(definition.categories)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": definition.name, "labels": dict(definition.labels)},
        "spec": {
            "group": definition.group,
            "names": names,
            "scope": "Namespaced" if definition.namespaced else "Cluster",
            "conversion": {"strategy": "None"},
            "versions": versions,
        },
    }


def files() -> dict[str, bytes]:
    """Every manifest by file name, compact: these files are read by machines, the models by people."""
    return {f"{one.name}.json": orjson.dumps(manifest(one)) + b"\n" for one in DEFINITIONS}


def main() -> None:
    """Write all manifests, remove what is no longer defined."""
    MANIFESTS.mkdir(exist_ok=True)
    wanted = files()
    for stale in MANIFESTS.glob("*.json"):
        if stale.name not in wanted:
            stale.unlink()
    for name, text in wanted.items():
        (MANIFESTS / name).write_bytes(text)
    sys.stdout.write(f"{len(wanted)} manifests, {sum(map(len, wanted.values()))} bytes\n")


if __name__ == "__main__":
    main()
