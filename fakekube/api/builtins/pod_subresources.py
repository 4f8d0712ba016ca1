"""`pods/binding`: the one write that gives a pod its node.

Origin: k8s: pkg/registry/core/pod/storage/storage.go
"""

from typing import Any

from fakekube.api import bodies, negotiation
from fakekube.api.verbs.call import Call
from fakekube.api.verbs.create import admit_body
from fakekube.clock import rfc3339
from fakekube.machinery.errors import ApiError, BadRequest, conflict
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object, Response

SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def bind(call: Call) -> Response:
    """Assign a pod to a node: spec.nodeName and PodScheduled=True, once."""
    request, info = call.request, call.info
    binding = bodies.decode(request.body, request.headers.get("content-type") or "", "Binding")
    bodies.check_type(call.resource, binding, request.body, ("", "v1", "Binding"))
    options = call.options("CreateOptions")
    given = str(binding["metadata"].get("name") or "")
    if info.name and given and given != info.name:
        raise BadRequest("name in URL does not match name in Binding object")
    name = info.name or given
    binding = await admit_body(call, binding, ("", "v1", "Binding"), dry_run=options.dry_run)
    target: dict[str, Any] = binding.get("target") or {}
    if target.get("kind") not in (None, "", "Node"):
        raise ApiError(
            f'target.kind: Unsupported value: "{target["kind"]}": supported values: "Node", "<empty>"'
        )
    if not target.get("name"):
        raise ApiError("target.name: Required value")
    pods = call.catalog.find("", "v1", "pods")
    assert pods is not None
    now = rfc3339(call.registry.clock.now())

    async def transform(old: Object) -> Object:
        bound = dig(old, "spec", "nodeName")
        uid = binding["metadata"].get("uid")
        why = ""
        if uid and uid != old["metadata"]["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
        elif old["metadata"].get("deletionTimestamp"):
            why = f"pod {name} is being deleted, cannot be assigned to a host"
        elif bound:
            why = f'pod {name} is already assigned to node "{bound}"'
        elif dig(old, "spec", "schedulingGates"):
            why = f"pod {name} has non-empty .spec.schedulingGates"
        if why:
            raise conflict("pods/binding", "", name, why)
        meta, status = dict(old["metadata"]), dict(old.get("status") or {})
        for member in ("annotations", "labels"):
            if given := binding["metadata"].get(member):
                meta[member] = {**(meta.get(member) or {}), **given}
        status.pop("nominatedNodeName", None)
        status["conditions"] = [dict(one) for one in status.get("conditions") or ()]
        spec = {**old["spec"], "nodeName": target["name"]}
        new = {**old, "metadata": meta, "spec": spec, "status": status}
        set_condition(new, "PodScheduled", "True", now)
        return new

    context = call.context(options, subresource="binding")
    context.recorded = True  # written past the strategies: nobody is credited, no generation counted
    await call.registry.update(pods, info.namespace, name, transform, context)
    return call.finish(negotiation.render(SUCCESS, status=201))


def set_condition(
    pod: Object, type_: str, status: str, now: str, *, reason: str = "", message: str = ""
) -> None:
    """Set a pod condition, keeping its transition time while the status stays. In place."""
    said = {member: text for member, text in (("reason", reason), ("message", message)) if text}
    conditions = pod.setdefault("status", {}).setdefault("conditions", [])
    for one in conditions:
        if one.get("type") == type_:
            if one.get("status") != status:
                one["lastTransitionTime"] = now
            one["status"] = status
            for member in ("reason", "message"):
                one.pop(member, None)
            one.update(said)
            return
    conditions.append(
        {"type": type_, "status": status, "lastProbeTime": None, "lastTransitionTime": now, **said}
    )
