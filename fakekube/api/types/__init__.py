"""Generated data about the built-in types, loaded when first asked for. `generate.py` makes it anew.

`schemas.json.gz` is what pruning, patches and apply walk; `descriptions.json.gz` only documents (explain, tables).
"""

import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from fakekube.api.schema.model import Definitions


def _read(name: str) -> Any:
    return orjson.loads(zlib.decompress((Path(__file__).parent / name).read_bytes(), wbits=31))


@cache
def definitions() -> Definitions:
    """Every schema the served built-in kinds need, by OpenAPI name, without descriptions."""
    return Definitions(_read("schemas.json.gz"))


@cache
def descriptions() -> Mapping[str, Mapping[str, str]]:
    """Definition → property → text. The definition's own text stands under the empty name."""
    found: Mapping[str, Mapping[str, str]] = _read("descriptions.json.gz")
    return found


def describe(definition: str, field: str = "") -> str:
    """What the type's documentation says about a field, or about the type itself; empty when it says nothing."""
    return descriptions().get(definition, {}).get(field, "")
