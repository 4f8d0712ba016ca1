"""The CustomResourceDefinitions of KubeVirt and CDI, read from the generated manifests.

Parsing all of them takes a few milliseconds; the models behind them (`operator/models`) are never imported here.
"""

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

import orjson

from fakekube.machinery.wire import Object

_MANIFESTS = Path(__file__).parent / "manifests"


@cache
def texts() -> Mapping[str, bytes]:
    """The manifests as JSON, by name and in its order: what somebody may store or send without decoding it."""
    return {path.stem: path.read_bytes() for path in sorted(_MANIFESTS.glob("*.json"))}


def crds(present: Collection[str] = ()) -> list[Object]:
    """Fresh copies of all definitions but those that are `present`, ordered by name."""
    return [orjson.loads(text) for name, text in texts().items() if name not in present]


@cache
def names() -> tuple[str, ...]:
    """The names of KubeVirt's own definitions, in order; CDI's are others'."""
    return tuple(one for one in texts() if not one.endswith(".cdi.kubevirt.io"))


def named(name: str) -> Object:
    """A fresh copy of one definition."""
    found: Object = orjson.loads(texts()[name])
    return found
