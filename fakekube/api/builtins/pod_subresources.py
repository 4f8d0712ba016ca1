"""`pods/binding` and `pods/eviction`: writes on a pod that have a body of their own.

Origin: k8s: pkg/registry/core/pod/storage/{storage,eviction}.go
"""

from typing import Any

from fakekube.api import bodies, negotiation
from fakekube.api.registry.deletion import DeleteOptions
from fakekube.api.verbs.call import Call
from fakekube.clock import rfc3339
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import ApiError, conflict
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object, Response

_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def bind(call: Call) -> Response:
    """Assign a pod to a node: spec.nodeName and PodScheduled=True, once."""
    request, info = call.request, call.info
    binding = bodies.decode(request.body, request.headers.get("content-type") or "", "Binding")
    bodies.check_type(call.resource, binding, request.body, ("", "v1", "Binding"))
    options = call.options("CreateOptions")
    name = info.name or str(binding["metadata"].get("name") or "")
    target: dict[str, Any] = binding.get("target") or {}
    if not target.get("name"):
        raise ApiError("target.name: Required value")
    if target.get("kind") not in (None, "", "Node"):
        raise ApiError(
            f'target.kind: Unsupported value: "{target["kind"]}": supported values: "Node", "<empty>"'
        )
    pods = call.catalog.find("", "v1", "pods")
    assert pods is not None
    now = rfc3339(call.registry.clock.now())

    async def transform(old: Object) -> Object:
        bound = dig(old, "spec", "nodeName")
        why = ""
        if old["metadata"].get("deletionTimestamp"):
            why = f"pod {name} is being deleted, cannot be assigned to a host"
        elif bound:
            why = f'pod {name} is already assigned to node "{bound}"'
        elif dig(old, "spec", "schedulingGates"):
            why = f"pod {name} has non-empty .spec.schedulingGates"
        if why:
            raise conflict("pods/binding", "", name, why)
        new = copy_of(old)
        new["spec"]["nodeName"] = target["name"]
        for key, value in (binding["metadata"].get("annotations") or {}).items():
            new["metadata"].setdefault("annotations", {})[key] = value
        set_condition(new, "PodScheduled", "True", now)
        return new

    context = call.context(options, subresource="binding")
    await call.registry.update(pods, info.namespace, name, transform, context)
    return call.finish(negotiation.render(_SUCCESS, status=201))


def set_condition(pod: Object, type_: str, status: str, now: str) -> None:
    """Set a pod condition, keeping its transition time while the status stays. In place."""
    conditions = pod.setdefault("status", {}).setdefault("conditions", [])
    for one in conditions:
        if one.get("type") == type_:
            if one.get("status") != status:
                one["lastTransitionTime"] = now
            one["status"] = status
            one.pop("reason", None)
            one.pop("message", None)
            return
    conditions.append({"type": type_, "status": status, "lastProbeTime": None, "lastTransitionTime": now})


async def evict(call: Call) -> Response:
    """Delete a pod as far as its disruption budgets allow."""
    request, info = call.request, call.info
    eviction = bodies.decode(request.body, request.headers.get("content-type") or "", "Eviction")
    bodies.check_type(call.resource, eviction, request.body, ("policy", "v1", "Eviction"))
    options = call.options("CreateOptions")
    given: dict[str, Any] = eviction.get("deleteOptions") or {}
    conditions = given.get("preconditions") or {}
    delete = DeleteOptions(
        grace=given.get("gracePeriodSeconds"),
        propagation=str(given.get("propagationPolicy") or ""),
        uid=str(conditions.get("uid") or ""),
        version=str(conditions.get("resourceVersion") or ""),
        dry_run=options.dry_run or bool(given.get("dryRun")),
    )
    await call.registry.delete(call.resource, info.namespace, info.name, delete)
    return call.finish(negotiation.render(_SUCCESS, status=201))
