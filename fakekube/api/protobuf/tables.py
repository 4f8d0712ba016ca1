"""The messages of the Kubernetes types, loaded with the first protobuf body. `generate.py` makes the data."""

import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from fakekube.api.types import definitions

Row = tuple[int, str, str, int]  # number, JSON name, type, whether JSON omits it when empty


@cache
def messages() -> Mapping[str, list[Row]]:
    """Message → its fields. See `generate.py` for how a type is written."""
    packed = (Path(__file__).parent / "fields.json.gz").read_bytes()
    found: Mapping[str, list[Row]] = orjson.loads(zlib.decompress(packed, wbits=31))
    return found


@cache
def by_kind() -> Mapping[tuple[str, str], str]:
    """(apiVersion, kind) → message."""
    found: dict[tuple[str, str], str] = {}
    known = messages()
    for name, raw in definitions().raw.items():
        gvks: list[dict[str, Any]] = raw.get("x-kubernetes-group-version-kind", []) if name in known else []
        for gvk in gvks:
            api_version = f"{gvk['group']}/{gvk['version']}" if gvk["group"] else gvk["version"]
            found[api_version, gvk["kind"]] = name
    return found


@cache
def omitted(message: str) -> frozenset[str]:
    """The members Go's JSON leaves out when they are empty, those of embedded structs among them.

    Empty for messages the tables do not know, and for those that keep everything.
    """
    names: set[str] = set()
    for _, name, type_, omit in messages().get(message, ()):
        if not name:
            names |= omitted(type_)
        elif omit:
            names.add(name)
    return frozenset(names)
