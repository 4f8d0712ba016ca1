"""Request bodies → objects: media types, syntax, and whether the type in the body fits the address. Pure.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/runtime/serializer, apiserver/pkg/endpoints/handlers/rest.go
"""

from typing import Any

import orjson

from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery import errors
from fakekube.machinery.errors import BadRequest, UnsupportedMediaType
from fakekube.machinery.field_errors import FieldError, invalid
from fakekube.machinery.wire import Object

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
_ACCEPTED = f"{JSON}, {YAML}, {PROTOBUF}"


def media_type(content_type: str) -> str:
    """The type without parameters; JSON where nothing is said."""
    return content_type.partition(";")[0].strip().lower() or JSON


def decode(body: bytes, content_type: str, kind: str) -> Object:
    """The object in a body. Raises BadRequest, UnsupportedMediaType in the server's words; `kind` is what was expected."""
    media = media_type(content_type)
    if media == JSON:
        value = _json(body, kind)
    elif media == YAML:
        value = _yaml(body, kind)
    elif media == PROTOBUF:
        from fakekube.api.protobuf import decoder  # noqa: PLC0415 - its tables load with the first such body

        value = decoder.decode(body)
    else:
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {_ACCEPTED}"
        )
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _unrecognized(body, kind, f"{_go_mismatch(value)}", quoted=False)
    return value


def _json(body: bytes, kind: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        from fakekube.api.patching.go_syntax import error_text  # noqa: PLC0415 - only bad requests need it

        why = f"couldn't get version/kind; json parse error: {error_text(body)}"
        raise BadRequest(
            f"the object provided is unrecognized (must be of type {kind}): {why} ({_excerpt(body)})"
        ) from None


def _yaml(body: bytes, kind: str) -> Any:
    from fakekube.machinery import yaml_text  # noqa: PLC0415 - kubectl sends JSON; YAML comes from curl and apply

    try:
        return yaml_text.load(body)
    except (yaml_text.YamlError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error)
        raise BadRequest(
            f"the object provided is unrecognized (must be of type {kind}): yaml: {line}{problem} ({body.hex()[:60]})"
        ) from None


def _unrecognized(body: bytes, kind: str, why: str, *, quoted: bool) -> BadRequest:
    shown = _excerpt(body) if quoted else body.hex()
    return BadRequest(
        f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: "
        f"{why} ({shown})"
    )


def _go_mismatch(value: Any) -> str:
    said = {str: "string", bool: "bool", int: "number", float: "number", list: "array"}.get(
        type(value), "value"
    )
    return (
        f"json: cannot unmarshal {said} into Go value of type struct "
        '{ APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
    )


def _excerpt(body: bytes) -> str:
    if not body:
        return "<empty>"
    text = body.decode("utf-8", "replace")
    return text if len(text) <= 30 else f"{text[:30]} ..."


def check_type(
    resource: ServedResource, obj: Object, body: bytes, kind: tuple[str, str, str] | None = None
) -> None:
    """Whether apiVersion and kind in the body are those of the address; missing ones are filled in for built-ins.

    `kind` is (group, version, kind) where a subresource takes its own type.
    """
    group, version, wanted = kind or (resource.group, resource.version, resource.kind)
    api_version = f"{group}/{version}" if group else version
    given, given_version = obj.get("kind"), obj.get("apiVersion")
    for member, value in (("kind", given), ("apiVersion", given_version)):
        if value is not None and not isinstance(value, str):
            said = {bool: "bool", int: "number", float: "number", list: "array", dict: "object"}[type(value)]
            raise _unrecognized(
                body,
                wanted,
                f"json: cannot unmarshal {said} into Go struct field .{member} of type string",
                quoted=True,
            )
    if resource.custom and kind is None:
        _check_custom(resource, obj, body)
    elif not given and not given_version:
        obj["kind"], obj["apiVersion"] = wanted, api_version
    elif given != wanted and given:
        if given_version != api_version and given_version:
            raise _version_mismatch(str(given_version), api_version, str(given), wanted)
        raise BadRequest(
            f'{given} in version "{version}" cannot be handled as a {wanted}: converting ({version}.{given}) to '
            f"({group or 'core'}.{wanted}): unknown conversion"
        )
    elif given_version != api_version:
        raise _version_mismatch(str(given_version or ""), api_version, str(given), wanted)
    obj["kind"], obj["apiVersion"] = wanted, api_version
    meta = obj.get("metadata")
    if meta is None:
        obj["metadata"] = {}
    elif not isinstance(meta, dict):
        said = "string" if isinstance(meta, str) else "array" if isinstance(meta, list) else "number"
        raise BadRequest(
            f'{wanted} in version "{version}" cannot be handled as a {wanted}: json: cannot unmarshal {said} into Go struct '
            f"field {wanted}.metadata of type v1.ObjectMeta"
        )


def _version_mismatch(given: str, wanted: str, kind: str, as_kind: str) -> BadRequest:
    if "/" in given or "/" in wanted:
        return BadRequest(
            f"the API version in the data ({given}) does not match the expected API version ({wanted})"
        )
    return BadRequest(
        f'{kind} in version "{given}" cannot be handled as a {as_kind}: no kind "{kind}" is registered for version '
        f'"{given}" in scheme "pkg/api/legacyscheme/scheme.go:30"'
    )


def _check_custom(resource: ServedResource, obj: Object, body: bytes) -> None:
    if not obj.get("kind"):
        shown = body.decode("utf-8", "replace")
        raise BadRequest(
            f"the object provided is unrecognized (must be of type {resource.kind}): Object 'Kind' is missing in "
            f"'{shown}' ({_excerpt(body)})"
        )
    given = obj.get("apiVersion") or ""
    if given != resource.api_version:
        raise BadRequest(
            f"the API version in the data ({given}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if obj["kind"] != resource.kind:
        cause: FieldError = invalid("kind", obj["kind"], f"must be {resource.kind}")
        meta = obj.get("metadata")
        name = str(meta.get("name") or "") if isinstance(meta, dict) else ""
        raise errors.invalid(str(obj["kind"]), resource.group, name, [cause])
