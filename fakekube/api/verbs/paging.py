"""Continue tokens: where the next page starts, and at which revision. Pure.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/storage/continue.go
"""

import base64
import re
from dataclasses import dataclass

import orjson

from fakekube.machinery.errors import BadRequest

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")


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
    wrong = _ALPHABET.match(token)
    assert wrong is not None
    if wrong.end() < len(token) or len(token) % 4 == 1:
        raise _invalid(f"illegal base64 data at input byte {min(wrong.end(), len(token) - 1)}")
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    try:
        value = orjson.loads(raw)
        version, start = int(value["rv"]), str(value["start"])
    except orjson.JSONDecodeError:
        from fakekube.api.patching.go_syntax import error_text  # noqa: PLC0415 - only bad requests need it

        raise _invalid(error_text(raw)) from None
    except (ValueError, KeyError, TypeError):
        raise _invalid("incorrect encoded start resourceVersion or key") from None
    if value.get("v") != "meta.k8s.io/v1":
        raise _invalid("incompatible encoded version")
    if ".." in start.split("/"):
        raise _invalid("illegal path")
    return Position(version, prefix + start.removesuffix("\0"))


def _invalid(why: str) -> BadRequest:
    return BadRequest(f"invalid continue token: continue key is not valid: {why}")
