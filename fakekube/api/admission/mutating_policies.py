"""The admission plugin that applies MutatingAdmissionPolicies, before any mutating webhook is asked.

Each policy sees the object as the one before left it. In a second round those run again that asked to see later changes.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/mutating/dispatcher.go
"""

from typing import Any

import orjson
from msgspec import Struct

from fakekube.api.admission import equivalents, reviews
from fakekube.api.admission.attributes import Attributes, Invoked
from fakekube.api.admission.chain import Plugin
from fakekube.api.admission.params import ParamError
from fakekube.api.admission.policies import Applicable, Binding, Policy
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery import errors
from fakekube.machinery.errors import ApiError, BadRequest
from fakekube.machinery.wire import Object


class _Failure(Struct, frozen=True):
    """What went wrong with a policy; it counts unless the policy fails open."""

    message: str
    reason: str = ""  # empty: as any refusal of admission


class MutatingPolicies(Plugin):
    """The admission plugin."""

    def __init__(self, applicable: Applicable) -> None:
        self._applicable = applicable

    async def mutate(self, attributes: Attributes) -> None:
        """Run what is bound here, and refuse the write if any of it failed and may not. Raises ApiError."""
        if attributes.obj is None or not self._applicable.any(attributes):
            return
        if not attributes.second_round:
            invoked = attributes.memory[self] = Invoked()
        else:
            invoked = attributes.memory.setdefault(self, Invoked())
            if orjson.dumps(attributes.obj) != invoked.output:
                invoked.object_changed()
        failures: list[_Failure] = []
        async for policy, binding, target in self._applicable.find(attributes):
            found = await self._run(policy, binding, target, attributes, invoked)
            failures += [] if policy.fails_open else found
        invoked.output = orjson.dumps(attributes.obj)
        if failures:
            raise _refused(attributes, failures)

    async def _run(
        self,
        policy: Policy,
        binding: Binding,
        target: ServedResource,
        attributes: Attributes,
        invoked: Invoked,
    ) -> list[_Failure]:
        """Run a policy with each of its binding's parameters."""
        where = f"policy '{policy.name}' with binding '{binding.name}' denied request"
        try:
            found = await self._applicable.params(policy, binding, attributes)
        except ParamError as error:
            if error.part == "policy":
                where = f'policy "{policy.name}" denied request'
            return [_Failure(f"{where}: failed to configure {error.part}: {error}")]
        failures: list[_Failure] = []
        for param in found:
            key = (policy.name, binding.name, _name_of(param))
            may = not attributes.second_round or key in invoked.again
            values = await self._applicable.values(attributes, target) | {"params": param}
            before = values["object"]
            done, said = _mutate(policy, values, target, attributes) if may else (False, [])
            failures += [_Failure(f"{where}: {text}", "Invalid") for text in said]
            if values["object"] != before:
                await _show(values["object"], target, attributes)
                invoked.object_changed()
                attributes.ask_again()
            if done and policy.spec.get("reinvocationPolicy") == "IfNeeded":
                invoked.before.add(key)
        return failures


def _mutate(
    policy: Policy, values: dict[str, Any], target: ServedResource, attributes: Attributes
) -> tuple[bool, list[str]]:
    """Put what the policy makes of `values["object"]` in its place. Whether its conditions held, and what failed."""
    from fakekube.api.admission.expressions import Failed  # noqa: PLC0415 - loaded with the first policy

    mutations = policy.mutations
    try:
        if not mutations.conditions.hold(values):
            return False, []
    except Failed as failed:
        return False, [str(failed)]
    failures: list[str] = []
    for index in range(len(mutations)):
        try:
            schema = target.strategy.schema if attributes.kind is None else None
            wanted = mutations.mutated(index, values, schema)
            if wanted is not values["object"]:
                values["object"] = _decoded(wanted, target, attributes)
        except Failed as failed:
            failures.append(str(failed))
    return True, failures


async def _show(obj: Object, target: ServedResource, attributes: Attributes) -> None:
    """Let the plugins after this one see the object, in the version that is written."""
    if attributes.kind is None:
        obj = await equivalents.in_version(obj, target, attributes.resource)
    attributes.obj = obj


def _decoded(obj: Object, target: ServedResource, attributes: Attributes) -> Object:
    """The object as its type reads it, with the type's defaults. Raises InternalError for what the type does not know."""
    if attributes.kind is not None:
        return obj
    try:
        unknown = target.strategy.prune(obj)
    except BadRequest as error:
        raise reviews.internal(error.message) from None
    if unknown and not target.custom:
        said = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise reviews.internal(f"strict decoding error: {said}")
    target.strategy.default(obj)
    return obj


def _name_of(param: Object | None) -> tuple[str, str]:
    meta = (param or {}).get("metadata") or {}
    return str(meta.get("namespace") or ""), str(meta.get("name") or "")


def _refused(attributes: Attributes, failures: list[_Failure]) -> ApiError:
    """A 403 that speaks in the first failure's words, and lists all."""
    resource, first = attributes.resource, failures[0]
    error = errors.forbidden(resource.plural, resource.group, attributes.named, first.message)
    details = {**(error.details or {}), "causes": [{"message": one.message} for one in failures]}
    return ApiError(first.message, code=403, reason=first.reason or "Forbidden", details=details)
