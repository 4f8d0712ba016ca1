"""`pods/eviction`: DELETE as far as disruption budgets allow, and their bookkeeping.

Origin: k8s: pkg/registry/core/pod/storage/eviction.go
"""

from typing import Any

from fakekube.api import bodies, negotiation
from fakekube.api.builtins.pod_subresources import SUCCESS, set_condition
from fakekube.api.registry import codec, deletion
from fakekube.api.registry.deletion import DeleteOptions
from fakekube.api.verbs.call import Call
from fakekube.api.verbs.create import admit_body
from fakekube.clock import rfc3339
from fakekube.machinery import selectors
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import ApiError, BadRequest, TooManyRequests, forbidden
from fakekube.machinery.objects import condition_is
from fakekube.machinery.wire import Object, Response

_VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
_BUDGETS = ("policy", "v1", "poddisruptionbudgets")
_UNGUARDED = ("Pending", "Succeeded", "Failed")
_MOST_DISRUPTED = 2000
_RETRY_SECONDS = 10


async def evict(call: Call) -> Response:
    """Mark the pod as disrupted and delete it, after its budget has given one disruption away."""
    request, info = call.request, call.info
    eviction = bodies.decode(request.body, request.headers.get("content-type") or "", "Eviction")
    _check_type(call, eviction)
    if (eviction["metadata"].get("name") or info.name) != info.name:
        raise BadRequest("name in URL does not match name in Eviction object")
    dry_run = call.options("CreateOptions").dry_run
    eviction = await admit_body(call, eviction, ("policy", "v1", "Eviction"), dry_run=dry_run)
    options = _delete_options(eviction, dry_run=dry_run)
    pod = codec.decode(call.resource, await call.registry.get(call.resource, info.namespace, info.name))
    guarded = pod["status"].get("phase") not in _UNGUARDED and "deletionTimestamp" not in pod["metadata"]
    if guarded:
        deletion.check_preconditions(call.resource, pod, options)
        await _ask_budget(call, pod, options)
        if not options.dry_run:
            await _mark(call)
    await call.registry.delete(call.resource, info.namespace, info.name, options)
    return call.finish(negotiation.render(SUCCESS, status=201))


def _check_type(call: Call, eviction: Object) -> None:
    """Both versions of Eviction will do, and nothing else."""
    kind, version = eviction.get("kind"), str(eviction.get("apiVersion") or "policy/v1")
    if kind not in (None, "", "Eviction"):
        short = version.rpartition("/")[2]
        raise BadRequest(
            f'{kind} in version "{short}" cannot be handled as a Eviction: converting ({short}.{kind}) to '
            "(policy.Eviction): unknown conversion"
        )
    if version == "policy/v1beta1":
        eviction["apiVersion"] = "policy/v1"
    bodies.check_type(call.resource, eviction, call.request.body, ("policy", "v1", "Eviction"))


def _delete_options(eviction: Object, *, dry_run: bool) -> DeleteOptions:
    given: dict[str, Any] = eviction.get("deleteOptions") or {}
    conditions = given.get("preconditions") or {}
    return DeleteOptions(
        grace=given.get("gracePeriodSeconds"),
        propagation=str(given.get("propagationPolicy") or ""),
        uid=str(conditions.get("uid") or ""),
        version=str(conditions.get("resourceVersion") or ""),
        dry_run=dry_run or bool(given.get("dryRun")),
    )


async def _ask_budget(call: Call, pod: Object, options: DeleteOptions) -> None:
    """Take one disruption from the pod's budget. Raises TooManyRequests where there is none to take."""
    budgets = await _budgets_of(call, pod)
    if len(budgets) > 1:
        raise ApiError(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    if not budgets or (not condition_is(pod, "Ready") and _spares_unready(budgets[0])):
        return
    resource = call.catalog.find(*_BUDGETS)
    assert resource is not None
    name, now = pod["metadata"]["name"], rfc3339(call.registry.clock.now())

    async def transform(old: Object) -> Object:
        new = copy_of(old)
        decrement(new, name, now)
        return new

    context = call.context(call.options("CreateOptions"), subresource="status")
    context.dry_run, context.recorded = options.dry_run, True
    await call.registry.update(
        resource, call.info.namespace, budgets[0]["metadata"]["name"], transform, context
    )


async def _budgets_of(call: Call, pod: Object) -> list[Object]:
    labels = pod["metadata"].get("labels")
    resource = call.catalog.find(*_BUDGETS)
    if not labels or resource is None:
        return []
    found = []
    for entry in (await call.registry.store.list(resource.key(call.info.namespace, ""))).entries:
        budget = codec.decode(resource, entry)
        try:
            if selectors.from_object(budget["spec"].get("selector")).matches(labels):
                found.append(budget)
        except selectors.SelectorError:
            continue  # upstream passes over a budget it cannot read
    return found


def _spares_unready(budget: Object) -> bool:
    """Whether a pod that is not ready may go without asking: its end makes nothing worse."""
    status = budget.get("status") or {}
    desired = status.get("desiredHealthy") or 0
    always = budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
    return always or (desired > 0 and (status.get("currentHealthy") or 0) >= desired)


def decrement(budget: Object, pod: str, now: str) -> None:
    """One disruption less, and the pod noted as its cause, in place. Raises TooManyRequests, Forbidden."""
    name, status = budget["metadata"]["name"], budget.setdefault("status", {})
    allowed = status.get("disruptionsAllowed") or 0
    if (status.get("observedGeneration") or 0) < budget["metadata"].get("generation", 0):
        raise _refusal(f"The disruption budget {name} is still being processed by the server.", retry=True)
    if allowed < 0:
        raise forbidden("poddisruptionbudget", "policy", name, "pdb disruptions allowed is negative")
    disrupted = status.setdefault("disruptedPods", {})
    if len(disrupted) > _MOST_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise forbidden("poddisruptionbudget", "policy", name, why)
    if allowed == 0:
        needs, has = status.get("desiredHealthy") or 0, status.get("currentHealthy") or 0
        raise _refusal(f"The disruption budget {name} needs {needs} healthy pods and has {has} currently")
    status["disruptionsAllowed"] = allowed - 1
    disrupted[pod] = now
    if allowed == 1:
        _exhausted(status, now)


def _refusal(why: str, *, retry: bool = False) -> TooManyRequests:
    details: dict[str, Any] = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry:
        details["retryAfterSeconds"] = _RETRY_SECONDS
    headers = [("Retry-After", str(_RETRY_SECONDS))] if retry else []
    return TooManyRequests(_VIOLATES, details=details, headers=headers)


def _exhausted(status: dict[str, Any], now: str) -> None:
    """The condition that says why nothing more may be disrupted, in place."""
    conditions = status.setdefault("conditions", [])
    known = next((one for one in conditions if one.get("type") == "DisruptionAllowed"), None)
    if known is None:
        known = {"type": "DisruptionAllowed", "status": "", "lastTransitionTime": now, "message": ""}
        conditions.append(known)
    if known.get("status") != "False":
        known["lastTransitionTime"] = now
    known.update(status="False", reason="InsufficientPods")
    if "observedGeneration" in status:
        known["observedGeneration"] = status["observedGeneration"]


async def _mark(call: Call) -> None:
    """Tell whoever looks at the pod that it goes because somebody evicts it."""
    now = rfc3339(call.registry.clock.now())

    async def transform(old: Object) -> Object:
        new = copy_of(old)
        set_condition(
            new,
            "DisruptionTarget",
            "True",
            now,
            reason="EvictionByEvictionAPI",
            message="Eviction API: evicting",
        )
        return new

    context = call.context(call.options("CreateOptions"), subresource="eviction")
    context.recorded = True
    await call.registry.update(call.resource, call.info.namespace, call.info.name, transform, context)
