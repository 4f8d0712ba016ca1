"""The CustomResourceDefinitions of KubeVirt and CDI, read from the generated manifests.

Parsing all of them takes a few milliseconds; the models behind them (`operator/models`) are never imported here.
"""

from functools import cache
from pathlib import Path

import orjson

from fakekube.machinery.wire import Object

_MANIFESTS = Path(__file__).parent / "manifests"


@cache
def texts() -> tuple[bytes, ...]:
    """The manifests as JSON, ordered by name: what somebody may store or send without decoding it."""
    return tuple(path.read_bytes() for path in sorted(_MANIFESTS.glob("*.json")))


def crds() -> list[Object]:
    """Fresh copies of all definitions, ordered by name."""
    return [orjson.loads(text) for text in texts()]


@cache
def names() -> tuple[str, ...]:
    """The names of KubeVirt's own definitions, in order; CDI's are others'."""
    found = sorted(path.stem for path in _MANIFESTS.glob("*.json"))
    return tuple(one for one in found if not one.endswith(".cdi.kubevirt.io"))


def named(name: str) -> Object:
    """A fresh copy of one definition."""
    found: Object = orjson.loads((_MANIFESTS / f"{name}.json").read_bytes())
    return found
