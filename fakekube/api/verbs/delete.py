"""DELETE of one object or of a collection.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/delete.go
"""

from typing import Any

from fakekube.api import bodies, negotiation, typed
from fakekube.api.admission.attributes import DELETE, Attributes
from fakekube.api.options import boolean, first, integer, write_options
from fakekube.api.registry import codec
from fakekube.api.registry.deletion import DeleteOptions
from fakekube.api.registry.matching import list_options, matcher
from fakekube.api.registry.reading import Range
from fakekube.api.registry.registry import Written
from fakekube.api.verbs.call import Call
from fakekube.machinery.errors import BadRequest, NotFound, UnsupportedMediaType, invalid
from fakekube.machinery.field_errors import FieldError, not_supported
from fakekube.machinery.wire import Object, Response

_POLICIES = ("Background", "Foreground", "Orphan")


async def delete(call: Call) -> Response:
    """Delete one object: the object itself while it lives on, else a Status (or the object, for some kinds)."""
    options = read_options(call)
    written = await _delete(call, call.info.name, options)
    if not written.deleted or call.resource.strategy.delete_returns_object:
        if options.dry_run:
            return call.show(written.obj)
        return call.respond(written.entry)
    return call.finish(_success(call, written.obj))


async def delete_collection(call: Call) -> Response:
    """Delete everything the selectors find: the list of it."""
    options = read_options(call)
    query = list_options(call.request.query)
    match = matcher(call.resource, query)
    resource, info = call.resource, call.info
    prefix = resource.key(info.namespace, "") if info.namespace else resource.prefix
    page = await call.registry.reading.select(resource, Range(prefix), match, query.labels)
    gone: list[Object] = []
    for entry in page.entries:
        obj = codec.decode(resource, entry)
        try:
            await _delete(call, obj["metadata"]["name"], options, obj["metadata"].get("namespace", ""))
        except NotFound:
            continue
        gone.append(obj)
    for obj in gone if not resource.custom else ():
        obj.pop("kind", None)
        obj.pop("apiVersion", None)
    meta: Object = {"resourceVersion": str(page.revision)}
    if resource.custom:
        meta["continue"] = ""
    body = {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": meta, "items": gone}
    return call.finish(negotiation.render(body, pretty=negotiation.pretty(call.request)))


async def _delete(call: Call, name: str, options: DeleteOptions, namespace: str | None = None) -> Written:
    namespace = call.info.namespace if namespace is None else namespace
    attributes = Attributes(
        DELETE,
        call.resource,
        namespace,
        name,
        None,
        None,
        call.user,
        dry_run=options.dry_run,
        options={"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"},
        warnings=call.warnings,
    )

    async def validate(_new: Object, old: Object | None) -> None:
        attributes.old = old
        await call.admission.mutate(attributes)
        await call.admission.validate(attributes)

    strategy = call.resource.strategy
    if strategy.propagation_warning and not options.propagation:
        call.warnings.append(strategy.propagation_warning)
    return await call.registry.delete(call.resource, namespace, name, options, validate)


def _success(call: Call, obj: Object) -> Response:
    resource, meta = call.resource, obj["metadata"]
    details = {"name": meta["name"], "group": resource.group, "kind": resource.plural, "uid": meta["uid"]}
    return negotiation.render(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {key: value for key, value in details.items() if value},
        },
        pretty=negotiation.pretty(call.request),
    )


def read_options(call: Call) -> DeleteOptions:
    """DeleteOptions of the body, or of the query where there is no body. Raises BadRequest, Invalid."""
    request = call.request
    given: dict[str, Any] = {}
    if request.body:
        given = _body_options(request.body, request.headers.get("content-type") or "")
        dry = given.get("dryRun") or []
    else:
        write_options("DeleteOptions", call.query, "")
        dry = call.query.get("dryRun", [])
    query = call.query if not request.body else {}
    causes: list[FieldError] = []
    if any(one != "All" for one in dry):
        causes.append(FieldError("FieldValueNotSupported", "dryRun", 'supported values: "All"', list(dry)))
    policy = str(given.get("propagationPolicy") or first(query, "propagationPolicy"))
    orphan = given.get("orphanDependents")
    if orphan is None and "orphanDependents" in query:
        orphan = boolean(query, "orphanDependents")
    if orphan is not None and policy:
        said = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(FieldError("FieldValueInvalid", "propagationPolicy", said, policy))
    elif policy and policy not in _POLICIES:
        causes.append(
            not_supported("propagationPolicy", policy, ["Foreground", "Background", "Orphan", "nil"])
        )
    if causes:
        raise invalid("DeleteOptions", "meta.k8s.io", "", causes)
    if orphan is not None:
        policy = "Orphan" if orphan else "Background"
    grace = given.get("gracePeriodSeconds") if request.body else integer(query, "gracePeriodSeconds")
    if grace is not None and grace < 0:
        grace = 1
    conditions = given.get("preconditions") or {}
    return DeleteOptions(
        grace=grace,
        propagation=policy,
        uid=str(conditions.get("uid") or ""),
        version=str(conditions.get("resourceVersion") or ""),
        dry_run=bool(dry),
    )


def _body_options(body: bytes, content_type: str) -> dict[str, Any]:
    media = bodies.media_type(content_type)
    if media not in (bodies.JSON, bodies.YAML, bodies.PROTOBUF):
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: application/json, "
            "application/yaml, application/vnd.kubernetes.protobuf"
        )
    try:
        given = bodies.decode(body, content_type, "DeleteOptions")
    except BadRequest as bad:
        text = bad.message
        start = text.find("couldn't get version/kind")
        raise BadRequest(text[start : text.rfind(" (")] if start >= 0 else text) from None
    kind = given.get("kind") or "DeleteOptions"
    if kind != "DeleteOptions":
        raise BadRequest(
            f'no kind "{kind}" is registered for version "{given.get("apiVersion") or "v1"}" in scheme '
            '"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"'
        )
    try:
        typed.decode(given, "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")
    except BadRequest as bad:
        raise BadRequest(bad.message.partition("cannot be handled as a DeleteOptions: ")[2]) from None
    return given
