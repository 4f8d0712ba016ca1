"""Request bodies → objects: media types, syntax, and whether the type in the body fits the address. Pure.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/runtime/serializer, apiserver/pkg/endpoints/handlers/rest.go
"""

from typing import Any

from fakekube.api.patching import go_syntax
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery import errors
from fakekube.machinery.errors import BadRequest, UnsupportedMediaType
from fakekube.machinery.field_errors import FieldError, invalid
from fakekube.machinery.wire import Object

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
_ACCEPTED = f"{JSON}, {YAML}, {PROTOBUF}"
_NO_TYPE = "couldn't get version/kind; json parse error"
_SCHEME = 'in scheme "pkg/api/legacyscheme/scheme.go:30"'
# Versions that are served no more. The real server still knows their types, and can make today's of them.
_RETIRED = frozenset(
    [
        "apps/v1beta1",
        "apps/v1beta2",
        "extensions/v1beta1",
        "batch/v1beta1",
        "policy/v1beta1",
        "autoscaling/v2beta1",
        "autoscaling/v2beta2",
        "admissionregistration.k8s.io/v1beta1",
        "authentication.k8s.io/v1beta1",
        "authorization.k8s.io/v1beta1",
        "certificates.k8s.io/v1beta1",
        "coordination.k8s.io/v1beta1",
        "discovery.k8s.io/v1beta1",
        "events.k8s.io/v1beta1",
        "networking.k8s.io/v1beta1",
        "node.k8s.io/v1beta1",
        "rbac.authorization.k8s.io/v1beta1",
        "rbac.authorization.k8s.io/v1alpha1",
        "scheduling.k8s.io/v1beta1",
        "scheduling.k8s.io/v1alpha1",
        "storage.k8s.io/v1beta1",
        "storage.k8s.io/v1alpha1",
    ]
)


def media_type(content_type: str) -> str:
    """The type without parameters; JSON where nothing is said."""
    return content_type.partition(";")[0].strip().lower() if content_type else JSON


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
        raise _unrecognized(body, kind, f"{_NO_TYPE}: {_go_mismatch(value)}")
    return value


def _json(body: bytes, kind: str) -> Any:
    try:
        return go_syntax.loads(body)
    except ValueError as error:
        raise _unrecognized(body, kind, f"{_NO_TYPE}: {error}") from None


def _yaml(body: bytes, kind: str) -> Any:
    from fakekube.machinery import yaml_text  # noqa: PLC0415 - kubectl sends JSON; YAML comes from curl and apply

    try:
        return yaml_text.load(body)
    except (yaml_text.YamlError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error)
        raise _unrecognized(body, kind, f"yaml: {line}{problem}") from None


def _unrecognized(body: bytes, kind: str, why: str) -> BadRequest:
    return BadRequest(
        f"the object provided is unrecognized (must be of type {kind}): {why} ({_excerpt(body)})"
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
    """The begin of a body as refusals quote it: text where it looks like JSON, hexadecimal otherwise."""
    if not body:
        return "<empty>"
    rest = " ..." if len(body) > 30 else ""
    return (body[:30].decode("utf-8", "replace") if body.startswith(b"{") else body[:30].hex()) + rest


def check_type(
    resource: ServedResource, obj: Object, body: bytes, kind: tuple[str, str, str] | None = None
) -> None:
    """Whether apiVersion and kind in the body are those of the address; missing ones are filled in for built-ins.

    `kind` is (group, version, kind) where a subresource takes its own type.
    """
    group, version, wanted = kind or (resource.group, resource.version, resource.kind)
    api_version = f"{group}/{version}" if group else version
    given, given_version, meta = obj.get("kind"), obj.get("apiVersion"), obj.get("metadata")
    if given == wanted and given_version == api_version and meta.__class__ is dict:
        return  # as nearly always
    for member, value in (("kind", given), ("apiVersion", given_version)):
        if value is not None and not isinstance(value, str):
            said = {bool: "bool", int: "number", float: "number", list: "array", dict: "object"}[type(value)]
            why = f"json: cannot unmarshal {said} into Go struct field .{member} of type string"
            raise _unrecognized(body, wanted, f"{_NO_TYPE}: {why}")
    if resource.custom and kind is None:
        _check_custom(resource, obj, body)
    else:
        _check_builtin(str(given or wanted), str(given_version or api_version), wanted, api_version, body)
    obj["kind"], obj["apiVersion"] = wanted, api_version
    if meta is None:
        obj["metadata"] = {}
    elif not isinstance(meta, dict):
        said = "string" if isinstance(meta, str) else "array" if isinstance(meta, list) else "number"
        raise BadRequest(
            f'{wanted} in version "{version}" cannot be handled as a {wanted}: json: cannot unmarshal {said} into Go struct '
            f"field {wanted}.metadata of type v1.ObjectMeta"
        )


def _check_builtin(given: str, given_version: str, wanted: str, api_version: str, body: bytes) -> None:
    """What was sent is decoded as what it says it is, and then made into what is wanted here, if that can be done."""
    if given == wanted and given_version == api_version:
        return
    if given_version.count("/") > 1:
        raise _unrecognized(body, wanted, f"unexpected GroupVersion string: {given_version}")
    _, _, version = given_version.rpartition("/")
    where = f'{given} in version "{version}" cannot be handled as a {wanted}'
    if not _is_known(given, given_version):
        raise BadRequest(f'{where}: no kind "{given}" is registered for version "{given_version}" {_SCHEME}')
    if given == wanted:
        raise BadRequest(
            f"the API version in the data ({given_version}) does not match the expected API version ({api_version})"
        )
    package = api_version.rpartition("/")[0].partition(".")[0] or "core"
    raise BadRequest(f"{where}: converting ({version}.{given}) to ({package}.{wanted}): unknown conversion")


def _is_known(kind: str, api_version: str) -> bool:
    """Whether the real server has a type for this, served or not; lists have one too."""
    from fakekube.api.protobuf.tables import by_kind  # noqa: PLC0415 - only bad requests need it

    return api_version in _RETIRED or (api_version, kind) in by_kind()


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
