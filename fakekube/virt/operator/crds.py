"""The CustomResourceDefinitions of KubeVirt and CDI, read from the generated manifests.

Parsing all of them takes a few milliseconds; the models behind them (`operator/models`) are never imported here.
"""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

import orjson

from fakekube.machinery.wire import Object

_MANIFESTS = Path(__file__).parent / "manifests"


@cache
def _files() -> Mapping[str, Path]:
    """The manifests by name, in its order."""
    return {path.stem: path for path in sorted(_MANIFESTS.glob("*.json"))}


def crds(present: Collection[str] = ()) -> Iterator[Object]:
    """Fresh copies of all definitions but those that are `present`, ordered by name, each read when its turn comes:
    together and decoded they are several megabytes."""
    return (named(name) for name in _files() if name not in present)


@cache
def names() -> tuple[str, ...]:
    """The names of KubeVirt's own definitions, in order; CDI's are others'."""
    return tuple(one for one in _files() if not one.endswith(".cdi.kubevirt.io"))


def of_cdi() -> Iterator[Object]:
    """Fresh copies of CDI's definitions."""
    return crds(names())


def named(name: str) -> Object:
    """A fresh copy of one definition."""
    found: Object = orjson.loads(_files()[name].read_bytes())
    return found
