"""The admission plugin that applies ValidatingAdmissionPolicies.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/validating/dispatcher.go
"""

from typing import TYPE_CHECKING

from fakekube.api.admission.attributes import Attributes
from fakekube.api.admission.chain import Plugin
from fakekube.api.admission.params import ParamError
from fakekube.api.admission.policies import Applicable, Binding, Policy
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery import errors
from fakekube.machinery.errors import ApiError

if TYPE_CHECKING:
    from fakekube.api.admission.validations import Decision

# How upstream's policy_decision.go turns reasons into codes; anything else is a 422.
_CODES = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413}


class ValidatingPolicies(Plugin):
    """The admission plugin."""

    def __init__(self, applicable: Applicable) -> None:
        self._applicable = applicable

    async def validate(self, attributes: Attributes) -> None:
        """Evaluate what is bound here; the first denial is told. Raises ApiError."""
        if not self._applicable.any(attributes):
            return
        denials: list[str] = []
        reasons: list[str] = []
        async for policy, binding, target in self._applicable.find(attributes):
            for decision in await self._decide(policy, binding, target, attributes):
                where = f"ValidatingAdmissionPolicy '{policy.name}'"
                where += f" with binding '{binding.name}'" if decision.part != "policy" else ""
                if decision.part or "Deny" in binding.actions:
                    denials.append(f"{where} denied request: {decision.message}")
                    reasons.append(decision.reason)
                if not decision.part and "Warn" in binding.actions:
                    attributes.warnings.append(f"Validation failed for {where}: {decision.message}")
        if denials:
            raise _denied(attributes, denials[0], reasons[0])

    async def _decide(
        self, policy: Policy, binding: Binding, target: ServedResource, attributes: Attributes
    ) -> "list[Decision]":
        """What is wrong with this write in the eyes of one binding."""
        from fakekube.api.admission.validations import Decision  # noqa: PLC0415 - loaded with the first policy

        try:
            found = await self._applicable.params(policy, binding, attributes)
        except ParamError as error:
            if policy.fails_open:
                return []
            return [Decision(f"failed to configure {error.part}: {error}", part=error.part)]
        values = await self._applicable.values(attributes, target)
        decisions: list[Decision] = []
        for one in found:
            decisions += policy.validations.evaluate(values | {"params": one})
        return decisions


def _denied(attributes: Attributes, message: str, reason: str) -> ApiError:
    """A 403 in form, under the code and reason the policy asked for."""
    resource = attributes.resource
    error = errors.forbidden(resource.plural, resource.group, attributes.named, message)
    details = {**(error.details or {}), "causes": [{"message": message}]}
    return ApiError(error.message, code=_CODES.get(reason, 422), reason=reason, details=details)
