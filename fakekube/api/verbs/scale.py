"""`/scale`: a small view of an object, autoscaling/v1 Scale, that reads and writes its replica count.

Origin: k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/registry/customresource/etcd.go (ScaleREST)
"""

from typing import Any

from msgspec.structs import replace

from fakekube.api import bodies, typed
from fakekube.api.admission.attributes import Attributes
from fakekube.api.patching import json_patch, merge_patch, strategic_merge
from fakekube.api.registry import codec
from fakekube.api.registry.strategy import ServedResource
from fakekube.api.schema.model import Schema
from fakekube.api.verbs import go_text
from fakekube.api.verbs.call import Call
from fakekube.api.verbs.patch import APPLY, JSON, MERGE, read_patch
from fakekube.api.verbs.update import admission_of
from fakekube.machinery import selectors
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import BadRequest, InternalError, invalid
from fakekube.machinery.field_errors import FieldError
from fakekube.machinery.field_errors import invalid as invalid_field
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object, Response

_KIND = ("autoscaling", "v1", "Scale")
_SCALES = ServedResource("autoscaling", "v1", "scales", "Scale")
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
    name = wanted["metadata"].get("name")
    if name and name != call.info.name:
        raise BadRequest(
            f"the name of the object ({name}) does not match the name on the URL ({call.info.name})"
        )

    async def change(_scale: Object) -> Object:
        return wanted

    return await _write(call, change, "UpdateOptions")


async def patch(call: Call) -> Response:
    """PATCH of a Scale."""
    media = bodies.media_type(call.request.headers.get("content-type") or "")
    if media == APPLY:
        body = bodies.decode(call.request.body, bodies.YAML, "Scale")

        async def applied(scale: Object) -> Object:
            return merge_patch.apply(scale, {"spec": body.get("spec") or {}})

        return await _write(call, applied, "PatchOptions")
    wanted = read_patch(call, media)

    async def change(scale: Object) -> Object:
        if media == JSON:
            return json_patch.apply(scale, wanted)
        if media == MERGE:
            return merge_patch.apply(scale, wanted)
        return strategic_merge.apply(scale, wanted, _SCHEMA)

    return await _write(call, change, "PatchOptions")


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
        wanted = await change(scale)
        _decode(call, wanted, scale)
        if info.verb == "update":
            call.registry.check_identity(resource, wanted, old, info.namespace, info.name)
        replicas = dig(wanted, "spec", "replicas", default=0)
        new = copy_of(old)
        for member in ("resourceVersion", "uid"):
            given = (wanted.get("metadata") or {}).get(member)
            if given:
                new["metadata"][member] = given
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
        typed.decode(wanted, "io.k8s.api.autoscaling.v1.Scale")
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
