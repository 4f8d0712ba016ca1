"""Bodies in, answers out: options, and refusals in virt-api's words.

Resource names in refusals are singular and carry the group `kubevirt.io`, whatever they name.

Origin: kubevirt: pkg/virt-api/rest/{subresource,common}.go
"""

from typing import Any

import orjson

from fakekube.machinery.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    InternalError,
    NotFound,
    conflict,
    forbidden,
    not_found,
)
from fakekube.machinery.wire import Response

GROUP = "kubevirt.io"
MACHINE, INSTANCE = "virtualmachine", "virtualmachineinstance"
DONE = 200
RECORDED = 202  # the wish is written down; a controller will see to it


def options(body: bytes) -> dict[str, Any]:
    """The options in a body; nothing counts as none."""
    if not body.strip():
        return {}
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        text = "unexpected EOF" if "end of data" in str(error) else str(error)
        raise BadRequest(f"Can not unmarshal Request body to struct, error: {text}") from None
    if not isinstance(decoded, dict):
        raise BadRequest(
            "Can not unmarshal Request body to struct, error: json: cannot unmarshal into Go value"
        )
    return decoded


def is_dry_run(given: dict[str, Any]) -> bool:
    return "All" in (given.get("dryRun") or ())


def empty(status: int = DONE) -> Response:
    return Response(status)


def conflicting(kind: str, name: str, text: str) -> Conflict:
    return conflict(kind, GROUP, name, text)


def unknown(kind: str, name: str) -> NotFound:
    return not_found(kind, GROUP, name)


def prohibited(kind: str, name: str, text: str) -> Forbidden:
    return forbidden(kind, GROUP, name, text)


def internal(text: str) -> InternalError:
    return InternalError(f"Internal error occurred: {text}", details={"causes": [{"message": text}]})
