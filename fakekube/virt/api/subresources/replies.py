"""Bodies in, answers out: options, and refusals in virt-api's words.

Resource names in refusals are singular and carry the group `kubevirt.io`, whatever they name.

Origin: kubevirt: pkg/virt-api/rest/{subresource,common}.go
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson

from fakekube.machinery.errors import (
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    InternalError,
    NotFound,
    conflict,
    forbidden,
    not_found,
)
from fakekube.machinery.wire import Object, Response

GROUP = "kubevirt.io"
MACHINE, INSTANCE = "virtualmachine", "virtualmachineinstance"
_TYPES: Mapping[str, type] = {
    "bool": bool,
    "int64": int,
    "string": str,
    "[]string": list,
}  # others are objects
_SAID: Mapping[type, str] = {bool: "bool", str: "string", list: "array", dict: "object"}
UNREADABLE = "Can not unmarshal Request body to struct, error: "
NOT_RUNNING = "VMI is not running"
DONE = 200
RECORDED = 202  # the wish is written down; a controller will see to it


def options(body: bytes, struct: str = "", **members: str) -> dict[str, Any]:
    """The options in a body; nothing counts as none. `members`: Go's types of those that somebody will look at."""
    if not body.strip():
        return {}
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _undecodable("unexpected EOF" if "end of data" in str(error) else str(error)) from None
    if decoded is None:
        return {}
    if not isinstance(decoded, dict):
        raise _undecodable(_mismatch(decoded, f"value of type v1.{struct}"))
    for member, wanted in {"dryRun": "[]string", **members}.items():
        value = decoded.get(member)
        if value is not None and type(value) is not _TYPES.get(wanted, dict):
            raise _undecodable(_mismatch(value, f"struct field {struct}.{member} of type {wanted}"))
    return decoded


def _mismatch(value: Any, where: str) -> str:
    number = f"number {value}" if isinstance(value, float) else "number"
    return f"json: cannot unmarshal {_SAID.get(type(value), number)} into Go {where}"


def _undecodable(why: str) -> BadRequest:
    return BadRequest(UNREADABLE + why)


def is_dry_run(given: dict[str, Any]) -> bool:
    return "All" in (given.get("dryRun") or ())


def empty(status: int = DONE) -> Response:
    return Response(status)


def conflicting(kind: str, name: str, text: str) -> Conflict:
    return conflict(kind, GROUP, name, text)


def unknown(kind: str, name: str) -> NotFound:
    return not_found(kind, GROUP, name)


def found(obj: Object | None, kind: str, name: str) -> Object:
    """The object itself. Raises NotFound where there is none."""
    if obj is None:
        raise not_found(kind, GROUP, name)
    return obj


def prohibited(kind: str, name: str, text: str) -> Forbidden:
    return forbidden(kind, GROUP, name, text)


def plainly(error: ApiError) -> Response:
    """How questions to a node are refused: 500 and plain text, whatever the matter is."""
    return Response(500, error.message.encode(), "text/plain; charset=utf-8")


def not_emulated(what: str) -> ApiError:
    """An honest no: 501 rather than something made up."""
    return ApiError(f"{what} of guests are not emulated", code=501, reason="NotImplemented")


@contextmanager
def internally(prefix: str = "", *but: type[ApiError]) -> Iterator[None]:
    """Whatever is refused inside is an internal error to the caller, but for those kinds of refusals that are passed on."""
    try:
        yield
    except but:
        raise
    except ApiError as error:
        raise internal(prefix + error.message) from None


def internal(text: str) -> InternalError:
    return InternalError(f"Internal error occurred: {text}", details={"causes": [{"message": text}]})
