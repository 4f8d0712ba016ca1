"""Server-side apply: a configuration in YAML or JSON, merged into what is there or created.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/patch.go, applyPatcher
"""

from typing import Any

import orjson

from fakekube.api.options import WriteOptions
from fakekube.api.patching import server_side_apply
from fakekube.api.registry.ownership import reset_fields
from fakekube.api.registry.registry import Written
from fakekube.api.schema.duplicates import duplicate_fields
from fakekube.api.verbs import decoding
from fakekube.api.verbs.call import Call
from fakekube.api.verbs.create import admitted, check_namespace
from fakekube.api.verbs.update import admission_of, admit, check_name, keep_other_half
from fakekube.machinery.errors import ApiError, BadRequest, NotFound, conflict, invalid
from fakekube.machinery.field_errors import required
from fakekube.machinery.nesting import is_too_deep
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object, Response

_OF_NULL = ': "null"'  # how complaints about a null end
_NOT_AS_YAML = (b"\t", b"\x7f", b"\\u")  # what YAML refuses, or halves of characters that only JSON joins


async def apply(call: Call, options: WriteOptions) -> Response:
    """Server-side apply: creates what is not there."""
    resource, info = call.resource, call.info
    applied = configuration(call, options)
    wanted_version = str(dig(applied, "metadata", "resourceVersion") or "")
    attributes, context = admission_of(call, options, subresource=info.subresource, kind="PatchOptions")
    context.recorded = True

    async def transform(old: Object) -> Object:
        new = merged(call, old, applied, options)
        if wanted_version:
            new["metadata"]["resourceVersion"] = wanted_version
        _as_typed(call, new, old)
        check_namespace(call, new)
        check_name(new, info.name)
        tracked = "managedFields" in new["metadata"]
        new = keep_other_half(call, new, old)
        if not tracked:  # nobody owns anything any more: the old entries must not come back
            new["metadata"].pop("managedFields", None)
        _refuse_nulls(call, applied, new, old)
        return await admit(call, attributes, None, new, old)

    try:
        written = await call.registry.update(resource, info.namespace, info.name, transform, context)
    except NotFound:
        if info.subresource:
            raise
        written = await _create_applied(call, applied, options)
    return call.written(written, dry_run=options.dry_run)


def configuration(call: Call, options: WriteOptions) -> Object:
    """What is applied. Raises Invalid where nobody applies it, BadRequest."""
    if not call.query.get("fieldManager"):
        cause = required("fieldManager", "is required for apply patch")
        raise invalid("PatchOptions", "meta.k8s.io", "", [cause])
    body = call.request.body
    if (plain := _plain_json(body)) is not None:
        return plain
    from fakekube.machinery import yaml_text  # noqa: PLC0415 - a tenth of the start-up, for the first apply

    try:
        value = yaml_text.load(body)
    except (yaml_text.YamlError, ValueError) as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        line = f"line {mark.line + 1}: " if mark is not None else ""
        raise BadRequest(
            f"error decoding YAML: error converting YAML to JSON: yaml: {line}{problem}"
        ) from None
    repeated = decoding.repeated_keys(body, options)
    if repeated and options.validation == "Strict":
        raise BadRequest(f"error strict decoding YAML: error converting YAML to JSON: {repeated[0]}")
    call.warnings += repeated
    if value is None:
        return {}
    if not isinstance(value, dict):
        said = "string" if isinstance(value, str) else "array" if isinstance(value, list) else "number"
        raise BadRequest(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
            f"{said} into Go value of type map[string]interface {{}}"
        )
    return value


def _plain_json(body: bytes) -> Object | None:
    """The object of a body that says the same as JSON and as YAML, read ten times quicker; most clients apply such."""
    if not body.startswith(b"{") or not body.isascii() or any(mark in body for mark in _NOT_AS_YAML):
        return None
    try:
        value: Object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return None if is_too_deep(value, body) or duplicate_fields(body, value) else value


def merged(call: Call, live: Object | None, applied: Object, options: WriteOptions) -> Object:
    """Live object and applied configuration together, ownership recorded. Raises Conflict."""
    resource = call.resource
    return server_side_apply.apply(
        live,
        applied,
        manager=options.manager,
        force=options.force,
        api_version=resource.api_version,
        subresource=call.info.subresource,
        now=call.registry.clock.now(),
        schema=resource.strategy.schema,
        kind=resource.kind,
        reset=reset_fields(resource, call.info.subresource),
    )


def _refuse_nulls(call: Call, applied: Object, new: Object, old: Object | None) -> None:
    """Other writes lose the nulls a schema does not allow when they are decoded; what is applied is not decoded again."""
    if not _has_null(applied):
        return
    causes = call.resource.strategy.null_causes(new, old)
    if any(cause.detail.endswith(_OF_NULL) for cause in causes):  # the rest may yet be mended by admission
        raise invalid(call.resource.kind, call.resource.group, call.info.name, causes)


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null, value.values()))
    return any(map(_has_null, value)) if isinstance(value, list) else value is None


def _as_typed(call: Call, obj: Object, old: Object | None) -> None:
    """Decode a merged object into its type, in place. What the schema lets pass and Go does not is the server's fault."""
    resource = call.resource
    try:
        decoding.prune(call, obj, old)
    except BadRequest as bad:
        if resource.custom:
            raise
        why = bad.message.partition(" cannot be handled as a ")[2].partition(": ")[2] or bad.message
        where, kind = (
            f"{call.info.namespace}/{call.info.name}",
            f"{resource.api_version}, Kind={resource.kind}",
        )
        kind = kind if resource.group else f"/{kind}"
        raise ApiError(
            f"failed to convert new object ({where}; {kind}) to proper version ({resource.api_version}): "
            f"unable to convert unstructured object to {kind}: {why}"
        ) from None


async def _create_applied(call: Call, applied: Object, options: WriteOptions) -> Written:
    resource = call.resource
    obj = merged(call, None, applied, options)
    _as_typed(call, obj, None)
    obj["metadata"].pop("resourceVersion", None)
    uid = obj["metadata"].get("uid")
    if uid:
        said = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise conflict(resource.plural, resource.group, call.info.name, said)
    check_namespace(call, obj)
    check_name(obj, call.info.name)
    _refuse_nulls(call, applied, obj, None)
    resource.strategy.default(obj)
    namespace = call.info.namespace if resource.namespaced else ""
    return await admitted(call, obj, options, namespace, recorded=True)
