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
