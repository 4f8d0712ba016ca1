"""POST: a new object."""

from typing import Any

from fakekube.api import bodies
from fakekube.api.admission.attributes import CREATE, Attributes
from fakekube.api.options import WriteOptions
from fakekube.api.registry.registry import WriteContext, Written
from fakekube.api.verbs import decoding
from fakekube.api.verbs.call import Call
from fakekube.machinery.errors import BadRequest
from fakekube.machinery.wire import Object, Response

_REPEATED = (
    ".metadata.ownerReferences contains duplicate entries{}; API server dedups owner references in 1.20+, and may reject such "
    "requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}"
)
AFTER_ADMISSION = " after mutating admission happens"
# What a client may not say of a new object, and nobody hears of: neither admission nor who owns its fields.
_SERVERS_OWN = ("creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")


async def create(call: Call) -> Response:
    """Decode, default, admit, store: 201 with the object."""
    options = call.options("CreateOptions")
    request, resource = call.request, call.resource
    obj = bodies.decode(request.body, request.headers.get("content-type") or "", resource.kind)
    bodies.check_type(resource, obj, request.body)
    decoding.check_fields(call, obj, request.body, options)
    namespace = check_namespace(call, obj)
    name_owners_once(call, obj)
    resource.strategy.default(obj)
    written = await admitted(call, obj, options, namespace)
    return call.written(written, 201, dry_run=options.dry_run)


async def admitted(
    call: Call, obj: Object, options: WriteOptions, namespace: str, *, recorded: bool = False
) -> Written:
    """The second half of each create, once the object is read and defaulted: admission, then the registry. `recorded`: it
    says already who owns what of it."""
    for member in _SERVERS_OWN:
        obj["metadata"].pop(member, None)
    attributes, context = _admission_of(call, obj, options, namespace)
    if not recorded:
        attributes.obj = call.registry.record(call.resource, None, obj, context)
    context.recorded = True
    await call.admission.mutate(attributes)
    assert attributes.obj is not None
    name_owners_once(call, attributes.obj, AFTER_ADMISSION)
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


def name_owners_once(call: Call, obj: Object, when: str = "") -> None:
    """Of owner references that say the same, the first stays; the client is warned. In place."""
    owners = obj["metadata"].get("ownerReferences")
    if not owners or len(owners) < 2:
        return
    kept: list[Any] = []
    repeated: list[Any] = []
    for one in owners:
        (repeated if one in kept else kept).append(one)
    if repeated:
        obj["metadata"] = {**obj["metadata"], "ownerReferences": kept}
        call.warnings.append(_REPEATED.format(when, ", ".join(str(one.get("uid") or "") for one in repeated)))


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
