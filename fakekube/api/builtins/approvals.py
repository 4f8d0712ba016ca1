"""`certificatesigningrequests/approval`: the conditions of a request, and nothing else of it.

Origin: k8s: pkg/registry/certificates/certificates/strategy.go (csrApprovalStrategy)
"""

import orjson

from fakekube.api import bodies
from fakekube.api.registry.registry import Transform
from fakekube.api.verbs import decoding
from fakekube.api.verbs.call import Call
from fakekube.api.verbs.create import check_namespace
from fakekube.api.verbs.patch import check_patched, patched, read_patch, strict_faults
from fakekube.api.verbs.update import admission_of, admit, check_name
from fakekube.machinery import errors
from fakekube.machinery.copying import copy_of
from fakekube.machinery.wire import Object, Response


async def update(call: Call) -> Response:
    """PUT: the request with the conditions its approver wants."""
    options = call.options("UpdateOptions")
    wanted = bodies.decode(
        call.request.body, call.request.headers.get("content-type") or "", call.resource.kind
    )
    bodies.check_type(call.resource, wanted, call.request.body)
    decoding.check_fields(call, wanted, call.request.body, options)
    check_name(wanted, call.info.name)
    check_namespace(call, wanted)

    async def change(_old: Object) -> Object:
        return copy_of(wanted)

    return await _write(call, change, "UpdateOptions")


async def patch(call: Call) -> Response:
    """JSON, merge and strategic merge patches."""
    options = call.options("PatchOptions")
    media = bodies.media_type(call.request.headers.get("content-type") or "")
    wanted = read_patch(call, media)
    faults = strict_faults(call, options, media, wanted)

    async def change(old: Object) -> Object:
        new = patched(call, media, old, wanted)
        check_patched(call, new, old, options, lambda: orjson.dumps(new).decode(), faults=faults)
        return new

    return await _write(call, change, "PatchOptions")


async def _write(call: Call, change: Transform, kind: str) -> Response:
    options = call.options(kind)
    attributes, context = admission_of(call, options, subresource="approval", kind=kind)

    async def transform(old: Object) -> Object:
        new = await change(old)
        kept = copy_of(old)
        conditions = (new.get("status") or {}).get("conditions")
        kept.setdefault("status", {}).pop("conditions", None)
        if conditions:
            kept["status"]["conditions"] = conditions
        if "resourceVersion" in new["metadata"]:
            kept["metadata"]["resourceVersion"] = new["metadata"]["resourceVersion"]
        strategy = call.resource.strategy
        strategy.prepare_status_update(kept, old)
        causes = strategy.validate_status_update(kept, old)
        if causes:
            raise errors.invalid(call.resource.kind, call.resource.group, call.info.name, causes)
        return await admit(call, attributes, context, kept, old)

    written = await call.registry.update(call.resource, "", call.info.name, transform, context)
    return call.written(written, dry_run=options.dry_run)
