"""From a patch's body to values, refusing what is none in the real server's words.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/patch.go
"""

from typing import Any

from fakekube.api.patching import go_syntax
from fakekube.machinery.errors import BadRequest, TooLarge
from fakekube.machinery.nesting import TOO_DEEP, is_too_deep
from fakekube.machinery.wire import Object

MAX_OPERATIONS = 10_000

_OBJECT = "map[string]interface {}"
_GO_KINDS: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "bool",
    int: "number",
    float: "number",
}


def json_operations(body: bytes) -> list[Any]:
    """The operations of a JSON patch. Whether they can be carried out is judged when they are applied."""
    value = _decoded(body)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong_kind(value, "Go value of type []handlers.jsonPatchOp")
    for operation in value:
        if operation is not None and not isinstance(operation, dict):
            raise _wrong_kind(operation, "Go value of type handlers.jsonPatchOp")
        for name in ("op", "path", "from"):
            member = operation.get(name) if operation else None
            if member is not None and not isinstance(member, str):
                raise _wrong_kind(member, f"Go struct field jsonPatchOp.{name} of type string")
    if len(value) > MAX_OPERATIONS:
        raise TooLarge(
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{MAX_OPERATIONS}, got {len(value)}"
        )
    return value


def merge_object(body: bytes) -> Object:
    """The document of a merge patch."""
    value = _decoded(body)
    if value is None:
        raise BadRequest("Invalid JSON Patch")
    if not isinstance(value, dict):
        raise _wrong_kind(value, f"Go value of type {_OBJECT}")
    return value


def strategic_object(body: bytes) -> Object:
    """The document of a strategic merge patch; null says nothing. Its errors come without an introduction."""
    try:
        value = _decoded(body)
        if value is not None and not isinstance(value, dict):
            raise _wrong_kind(value, f"Go value of type {_OBJECT}")
    except BadRequest as error:
        raise BadRequest(error.message.removeprefix("error decoding patch: ")) from None
    return value or {}


def _decoded(body: bytes) -> Any:
    try:
        return go_syntax.loads(body)
    except ValueError as error:
        raise BadRequest(f"error decoding patch: {error}") from None


def check_depth(value: Any, text: bytes | None = None) -> None:
    """Refuse values nested deeper than can be handled. `text` is their JSON, where it is at hand."""
    if is_too_deep(value, text):
        raise BadRequest(f"error decoding patch: {TOO_DEEP}")


def _wrong_kind(value: Any, wanted: str) -> BadRequest:
    return BadRequest(f"error decoding patch: json: cannot unmarshal {_GO_KINDS[type(value)]} into {wanted}")
