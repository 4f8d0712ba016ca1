"""Continue tokens: where the next page starts, and at which revision. Pure.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/storage/continue.go
"""

import base64
import binascii
from dataclasses import dataclass

import orjson

from fakekube.machinery.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Position:
    """The next page starts after `after`; revision -1 means "now", after an expired snapshot."""

    revision: int
    after: str


def encode(revision: int, key: str, prefix: str) -> str:
    """The token for what follows `key`."""
    start = key[len(prefix) :] + "\0"
    token = orjson.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": start})
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def decode(token: str, prefix: str) -> Position:
    """Raises BadRequest for anything that is not a token of ours."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        value = orjson.loads(raw)
        version, start = int(value["rv"]), str(value["start"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise BadRequest(
            "invalid continue token: continue key is not valid: illegal base64 data or JSON"
        ) from None
    if value.get("v") != "meta.k8s.io/v1":
        raise BadRequest("invalid continue token: continue key is not valid: incompatible encoded version")
    if ".." in start.split("/"):
        raise BadRequest("invalid continue token: continue key is not valid: illegal path")
    return Position(version, prefix + start.removesuffix("\0"))
