"""Continue tokens: where the next page starts, and at which revision. Pure.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/storage/continue.go
"""

import base64
import posixpath
import re
from typing import Any

import orjson
from msgspec import Struct

from fakekube.machinery.errors import BadRequest

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")


class Position(Struct, frozen=True):
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
    except orjson.JSONDecodeError:
        from fakekube.api.patching.go_syntax import error_text  # noqa: PLC0415 - only bad requests need it

        raise _invalid(error_text(raw)) from None
    said, version, start = _read(value)
    if said != "meta.k8s.io/v1":
        raise _invalid(f"server does not recognize this encoded version {said}")
    if not version:
        raise _invalid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    if not start:
        raise _invalid("encoded start key empty (version meta.k8s.io/v1)")
    way = start if start.startswith("/") else f"/{start}"
    if posixpath.normpath(way) != way:
        raise _invalid(start)  # a way out of the collection
    return Position(version, prefix + start.removesuffix("\0"))


def _read(value: Any) -> tuple[str, int, str]:
    """The members of a token, as Go's decoder takes them: what is missing is empty, what is of another type refused."""
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise _mistyped(value, "Go value of type storage.continueToken")
    found: list[Any] = []
    for member, wanted, name in (("v", str, "string"), ("rv", int, "int64"), ("start", str, "string")):
        one = value.get(member)
        if one is not None and type(one) is not wanted:
            raise _mistyped(one, f"Go struct field continueToken.{member} of type {name}")
        found.append(wanted() if one is None else one)
    return found[0], found[1], found[2]


def _mistyped(value: Any, wanted: str) -> BadRequest:
    said = {str: "string", bool: "bool", list: "array", dict: "object"}.get(type(value), "number")
    return _invalid(f"json: cannot unmarshal {said} into {wanted}")


def _invalid(why: str) -> BadRequest:
    return BadRequest(f"invalid continue token: continue key is not valid: {why}")
