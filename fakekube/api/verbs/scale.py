"""`/scale`: a small view of an object, autoscaling/v1 Scale, that reads and writes its replica count.

Origin: k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/registry/customresource/etcd.go (ScaleREST)
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from msgspec.structs import replace

from fakekube.api import bodies, typed
from fakekube.api.admission.attributes import Attributes
from fakekube.api.options import WriteOptions
from fakekube.api.patching import json_patch, merge_patch, server_side_apply, strategic_merge
from fakekube.api.registry import codec
from fakekube.api.registry.strategy import ServedResource, Strategy
from fakekube.api.schema.model import Schema
from fakekube.api.types import definitions
from fakekube.api.verbs import decoding, go_text
from fakekube.api.verbs.applying import configuration, merged
from fakekube.api.verbs.call import Call
from fakekube.api.verbs.create import check_namespace
from fakekube.api.verbs.patch import (
    APPLY,
    JSON,
    MERGE,
    check_patched,
    read_patch,
    refuse_force,
    strict_faults,
)
from fakekube.api.verbs.update import admission_of, check_name
from fakekube.machinery import selectors
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import BadRequest, Conflict, InternalError, invalid
from fakekube.machinery.field_errors import FieldError
from fakekube.machinery.field_errors import invalid as invalid_field
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object, Response

_KIND = ("autoscaling", "v1", "Scale")
_DEFINITION = "io.k8s.api.autoscaling.v1.Scale"


class _ScaleStrategy(Strategy):
    @cached_property
    def schema(self) -> Schema | None:  # type: ignore[override]  # read when somebody first applies a scale
        return definitions()[_DEFINITION]

    def prune(self, obj: Object) -> Sequence[str]:
        return typed.decode(obj, _DEFINITION)


_SCALES = ServedResource("autoscaling", "v1", "scales", "Scale", strategy=_ScaleStrategy())
_Changed = tuple[
    Object, list[Object] | None
]  # the Scale that is wanted; who owns the fields of the object then
_SCHEMA = Schema(
    {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"replicas": {"type": "integer"}}}},
    }
)


async def get(call: Call) -> Response:
    """The Scale of an object."""
    resource = call.resource
    obj = codec.decode(resource, await call.registry.get(resource, call.info.namespace, call.info.name))
    assert resource.scale is not None
    path = resource.scale.spec_replicas
    if resource.custom and read_path(obj, path) is None:
        said = f'the spec replicas field "{path}" does not exist'
        raise InternalError(f"Internal error occurred: {said}", details={"causes": [{"message": said}]})
    return _show(call, obj)


def _show(call: Call, obj: Object) -> Response:
    """The Scale of `obj`; as a table, in the columns of Scales, which custom resources do not have."""
    shown = call if call.resource.custom else replace(call, resource=_SCALES)
    return shown.show(view(call, obj))


async def update(call: Call) -> Response:
    """PUT of a Scale: only `spec.replicas` counts, and the versions if they are given."""
    request = call.request
    wanted = bodies.decode(request.body, request.headers.get("content-type") or "", "Scale")
    if call.resource.custom and (wanted.get("kind"), wanted.get("apiVersion")) != ("Scale", "autoscaling/v1"):
        raise BadRequest(
            'no kind is registered for the type v1.Scale in scheme "k8s.io/client-go/scale/util.go:125"'
        )
    bodies.check_type(call.resource, wanted, request.body, _KIND)
    options, scales = call.options("UpdateOptions"), replace(call, resource=_SCALES)
    decoding.check_fields(scales, wanted, request.body, options)
    check_name(wanted, call.info.name)
    check_namespace(call, wanted)

    async def change(_scale: Object, _old: Object) -> _Changed:
        return wanted, None

    return await _write(call, change, "UpdateOptions")


async def patch(call: Call) -> Response:
    """PATCH of a Scale."""
    media = bodies.media_type(call.request.headers.get("content-type") or "")
    options = call.options("PatchOptions")
    if media == APPLY:
        return await _apply(call, options)
    wanted = read_patch(call, media)
    refuse_force(options)
    scales = replace(call, resource=_SCALES)
    faults = strict_faults(call, options, media, wanted)

    async def change(scale: Object, _old: Object) -> _Changed:
        if media == JSON:
            new = json_patch.apply(copy_of(scale), wanted)
        elif media == MERGE:
            new = merge_patch.apply(scale, wanted)
        else:
            new = strategic_merge.apply(scale, wanted, _SCHEMA)
        shown = copy_of(new)
        check_patched(
            scales, new, scale, options, lambda: go_text.text(shown, scale, structs=True), faults=faults
        )
        return new, None

    return await _write(call, change, "PatchOptions")


async def _apply(call: Call, options: WriteOptions) -> Response:
    """Server-side apply of a Scale: who owns the replicas of the object behind it is told there."""
    applied = configuration(call, options)
    server_side_apply.apply(  # for its complaints
        None, applied, manager=options.manager, force=True, api_version=_SCALES.api_version, subresource="scale",
        now=call.registry.clock.now(), schema=_SCALES.strategy.schema, kind="Scale",
    )  # fmt: skip
    replicas = dig(applied, "spec", "replicas")

    async def change(scale: Object, old: Object) -> _Changed:
        meta = applied.get("metadata") or {}
        check_name(applied, call.info.name)
        wanted = {**scale, "metadata": {**scale["metadata"], **meta}}
        check_namespace(call, wanted)
        if replicas is None:
            return wanted, None
        wanted["spec"] = {"replicas": replicas}
        # Nobody owns what a custom resource's scale writes.
        return wanted, None if call.resource.custom else _owners(call, old, replicas, options)

    return await _write(call, change, "PatchOptions")


def _owners(call: Call, old: Object, replicas: int, options: WriteOptions) -> list[Object]:
    """Who owns what of the object once its replicas have been applied. Raises Conflict."""
    resource = call.resource
    spec = {"spec": {"replicas": replicas}}
    try:
        after = merged(
            call, old, {"apiVersion": resource.api_version, "kind": resource.kind, **spec}, options
        )
    except Conflict as error:  # in terms of what was applied
        own, told = f" using {resource.api_version}", f" using {_SCALES.api_version}"
        error.message = error.message.replace(own, told)
        for cause in (error.details or {}).get("causes") or ():
            cause["message"] = cause["message"].replace(own, told)
        raise
    owners: list[Object] = after["metadata"].get("managedFields") or []
    return owners


async def _write(call: Call, change: Any, kind: str) -> Response:
    options = call.options(kind)
    resource, info = call.resource, call.info
    attributes: Attributes
    attributes, context = admission_of(call, options, subresource="scale", kind=kind)
    attributes.kind = _KIND
    final_view = context.validate
    assert final_view is not None

    async def transform(old: Object) -> Object:
        scale = view(call, old)
        wanted, owners = await change(scale, old)
        _decode(call, wanted, scale)
        if info.verb == "update":
            call.registry.check_identity(resource, wanted, old, info.namespace, info.name)
        replicas = dig(wanted, "spec", "replicas", default=0)
        new = copy_of(old)
        for member in ("resourceVersion", "uid"):
            given = (wanted.get("metadata") or {}).get(member)
            if given:
                new["metadata"][member] = given
        if owners is not None:
            new["metadata"]["managedFields"] = owners
            context.recorded = True
        assert resource.scale is not None
        write_path(new, resource.scale.spec_replicas, replicas)
        attributes.obj, attributes.old = view(call, new), scale
        await call.admission.mutate(attributes)
        assert attributes.obj is not None
        write_path(new, resource.scale.spec_replicas, dig(attributes.obj, "spec", "replicas", default=0))
        return new

    async def validate(new: Object, old: Object | None) -> None:
        await final_view(view(call, new), view(call, old) if old else None)

    context.validate = validate
    context.recorded = resource.custom  # nobody owns what a custom resource's scale writes
    written = await call.registry.update(resource, info.namespace, info.name, transform, context)
    return _show(call, written.obj)


def _decode(call: Call, wanted: Object, scale: Object) -> None:
    """Read what the client made of a Scale into its type, in place. Raises BadRequest, Invalid."""
    given = copy_of(wanted)
    try:
        typed.decode(wanted, _DEFINITION)
    except BadRequest as bad:
        if call.info.verb == "update":
            raise
        detail = bad.message.partition("cannot be handled as a Scale: ")[2]
        shown = go_text.text(given, scale, structs=True)
        raise invalid("", "", "", [FieldError("FieldValueInvalid", "patch", detail, shown)]) from None
    replicas = dig(wanted, "spec", "replicas", default=0)
    if replicas < 0 and not call.resource.custom:  # those find it themselves, among other things
        cause = invalid_field("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid("Scale", "autoscaling", call.info.name, [cause])


def view(call: Call, obj: Object) -> Object:
    """The Scale object shown for `obj`."""
    scale = call.resource.scale
    assert scale is not None
    meta = obj["metadata"]
    spec_replicas = read_path(obj, scale.spec_replicas)
    members = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Object = {"replicas": read_path(obj, scale.status_replicas) or 0}
    selector = _selector_text(read_path(obj, scale.selector)) if scale.selector else ""
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {member: meta[member] for member in members if member in meta},
        "spec": {"replicas": spec_replicas} if spec_replicas else {},
        "status": status,
    }


def _selector_text(selector: Any) -> str:
    if isinstance(selector, dict):
        if "matchLabels" in selector or "matchExpressions" in selector or not selector:
            return str(selectors.from_object(selector))
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    return str(selector or "")


def read_path(obj: Object, path: str) -> Any:
    """The value at a path like `.spec.replicas`, or None."""
    return dig(obj, *path.strip(".").split("."))


def write_path(obj: Object, path: str, value: Any) -> None:
    """Set the value at a path like `.spec.replicas`, making what is missing on the way. In place."""
    *way, last = path.strip(".").split(".")
    for step in way:
        obj = obj.setdefault(step, {})
    obj[last] = value
