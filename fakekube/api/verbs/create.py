"""POST: a new object."""

from fakekube.api import bodies
from fakekube.api.admission.attributes import CREATE, Attributes
from fakekube.api.options import WriteOptions
from fakekube.api.registry.registry import WriteContext, Written
from fakekube.api.verbs import decoding
from fakekube.api.verbs.call import Call
from fakekube.machinery.errors import BadRequest
from fakekube.machinery.wire import Object, Response


async def create(call: Call) -> Response:
    """Decode, default, admit, store: 201 with the object."""
    options = call.options("CreateOptions")
    request, resource = call.request, call.resource
    obj = bodies.decode(request.body, request.headers.get("content-type") or "", resource.kind)
    bodies.check_type(resource, obj, request.body)
    decoding.check_fields(call, obj, request.body, options)
    namespace = check_namespace(call, obj)
    resource.strategy.default(obj)
    written = await admitted(call, obj, options, namespace)
    return call.written(written, 201, dry_run=options.dry_run)


async def admitted(
    call: Call, obj: Object, options: WriteOptions, namespace: str, *, recorded: bool = False
) -> Written:
    """The second half of each create, once the object is read and defaulted: admission, then the registry. `recorded`: it
    says already who owns what of it."""
    attributes, context = _admission_of(call, obj, options, namespace)
    if not recorded:
        attributes.obj = call.registry.record(call.resource, None, obj, context)
    context.recorded = True
    await call.admission.mutate(attributes)
    assert attributes.obj is not None
    return await call.registry.create(call.resource, attributes.obj, namespace, context)


def _admission_of(
    call: Call, obj: Object, options: WriteOptions, namespace: str
) -> tuple[Attributes, WriteContext]:
    """What admission gets to see of a create, and the registry's context that ends in admission's second half."""
    attributes = Attributes(
        CREATE,
        call.resource,
        namespace,
        str(obj["metadata"].get("name") or ""),
        obj,
        None,
        call.user,
        dry_run=options.dry_run,
        options={"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": options.manager},
        warnings=call.warnings,
    )

    async def validate(new: Object, _old: Object | None) -> None:
        attributes.obj = new
        attributes.name = new["metadata"]["name"]
        await call.admission.validate(attributes)

    context = call.context(options)
    context.validate = validate
    return attributes, context


async def admit_body(call: Call, obj: Object, kind: tuple[str, str, str], *, dry_run: bool) -> Object:
    """Admission of what is posted to a subresource and has a kind of its own (`pods/eviction`, `pods/binding`)."""
    options = call.options("CreateOptions")
    attributes = Attributes(
        CREATE,
        call.resource,
        call.info.namespace,
        call.info.name,
        obj,
        None,
        call.user,
        subresource=call.info.subresource,
        kind=kind,
        dry_run=dry_run,
        options={"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": options.manager},
        warnings=call.warnings,
    )
    await call.admission.mutate(attributes)
    await call.admission.validate(attributes)
    assert attributes.obj is not None
    return attributes.obj


def check_namespace(call: Call, obj: Object) -> str:
    """The namespace of the address, which the body may repeat but not contradict."""
    resource, info = call.resource, call.info
    given = obj["metadata"].get("namespace") or ""
    if not resource.namespaced:
        if given:
            obj["metadata"].pop("namespace")
        return ""
    if given and given != info.namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if info.namespace:
        obj["metadata"]["namespace"] = info.namespace
    return info.namespace
