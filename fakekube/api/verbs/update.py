"""PUT: the object as the client wants it."""

from fakekube.api import bodies
from fakekube.api.admission.attributes import UPDATE, Attributes
from fakekube.api.options import WriteOptions
from fakekube.api.registry.registry import WriteContext
from fakekube.api.verbs import decoding
from fakekube.api.verbs.call import Call
from fakekube.api.verbs.create import AFTER_ADMISSION, admitted, check_namespace, name_owners_once
from fakekube.machinery.copying import copy_beside
from fakekube.machinery.errors import BadRequest, NotFound
from fakekube.machinery.wire import Object, Response

# Their strategies drop most of what a client sends; the registry credits the writer with what is left.
_RECORDED_LATER = ("resize", "ephemeralcontainers")


async def update(call: Call) -> Response:
    """Replace spec and metadata, or only the status on `/status`."""
    options = call.options("UpdateOptions")
    request, resource, info = call.request, call.resource, call.info

    def read(old: Object | None) -> Object:
        if type(request.sent) is dict and old is not None and resource.strategy.shares_parts:
            wanted = copy_beside(request.sent, old)
        else:
            wanted = bodies.decode(request.body, request.headers.get("content-type") or "", resource.kind)
        bodies.check_type(resource, wanted, request.body)
        decoding.check_fields(call, wanted, request.body, options, old)
        check_name(wanted, info.name)
        check_namespace(call, wanted)
        name_owners_once(call, wanted)
        return wanted

    namespace = info.namespace if resource.namespaced else ""
    attributes, context = admission_of(call, options, subresource=info.subresource, kind="UpdateOptions")

    async def transform(old: Object) -> Object:
        wanted = read(old)
        call.registry.check_identity(resource, wanted, old, namespace, info.name)
        return await admit(call, attributes, context, keep_other_half(call, wanted, old), old)

    try:
        written = await call.registry.update(resource, namespace, info.name, transform, context)
    except NotFound:
        wanted = read(None)  # what is wrong with the body is said first, then that nothing there has this uid
        call.registry.check_identity(resource, wanted, {"metadata": {"uid": ""}}, namespace, info.name)
        if not resource.strategy.allow_create_on_update or info.subresource:
            raise
        resource.strategy.default(wanted)
        written = await admitted(call, wanted, options, namespace)
    return call.written(written, dry_run=options.dry_run)


def check_name(obj: Object, name: str) -> None:
    """The name in the body has to be there and to be the one of the address."""
    given = obj["metadata"].get("name")
    if not given:
        raise BadRequest(
            "the name of the object (" + name + " based on URL) was undeterminable: name must be provided"
        )
    if given != name:
        raise BadRequest(f"the name of the object ({given}) does not match the name on the URL ({name})")


def keep_other_half(call: Call, new: Object, old: Object) -> Object:
    """Main writes leave status alone, `/status` writes leave the rest alone, where the two are separate."""
    if call.info.subresource == "status":
        kept = {**old, "metadata": dict(old["metadata"])}
        if "status" in new:
            kept["status"] = new["status"]
        else:
            kept.pop("status", None)
        meta = new["metadata"]
        for member in call.resource.strategy.status_metadata:
            if meta.get(member):
                kept["metadata"][member] = meta[member]
            else:
                kept["metadata"].pop(member, None)
        for member in ("resourceVersion", "uid", "managedFields"):
            if member in meta:
                kept["metadata"][member] = meta[member]
            elif member == "resourceVersion":
                kept["metadata"].pop(member, None)
        return kept
    if call.resource.strategy.status_subresource:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    if "managedFields" not in new["metadata"] and "managedFields" in old["metadata"]:
        new["metadata"]["managedFields"] = old["metadata"]["managedFields"]
    return new


async def admit(
    call: Call, attributes: Attributes, context: WriteContext | None, new: Object, old: Object
) -> Object:
    """Defaults, then credit to the writer (where `context` says who), then admission's first half.

    What admission and strategies fill in afterwards is nobody's field.
    """
    call.resource.strategy.default_update(new, old)
    if context is not None and call.info.subresource not in _RECORDED_LATER:
        new = call.registry.record(call.resource, old, new, context)
        context.recorded = True
    attributes.obj, attributes.old = new, old
    await call.admission.mutate(attributes)
    assert attributes.obj is not None
    name_owners_once(call, attributes.obj, AFTER_ADMISSION)
    return attributes.obj


def admission_of(
    call: Call, options: WriteOptions, *, subresource: str, kind: str
) -> tuple[Attributes, WriteContext]:
    """As for a create: attributes to fill in, and a context whose `validate` shows the final pair to admission."""
    attributes = Attributes(
        UPDATE,
        call.resource,
        call.info.namespace,
        call.info.name,
        None,
        None,
        call.user,
        subresource=subresource,
        dry_run=options.dry_run,
        options={"kind": kind, "apiVersion": "meta.k8s.io/v1", "fieldManager": options.manager},
        warnings=call.warnings,
    )

    async def validate(new: Object, old: Object | None) -> None:
        attributes.obj, attributes.old = new, old
        await call.admission.validate(attributes)

    context = call.context(options, subresource=subresource)
    context.validate = validate
    return attributes, context
