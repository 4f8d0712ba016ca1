"""ValidatingAdmissionPolicies and their bindings, followed as objects, and the admission plugin that applies them.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/{generic,validating}
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fakekube.api.access.authorizer import Authorizer
from fakekube.api.admission import equivalents, params, reviews
from fakekube.api.admission.attributes import Attributes
from fakekube.api.admission.params import ParamError
from fakekube.api.admission.rules import Constraints, Index, NamespaceLabels, labels_of
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.registry import Registry
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery import errors
from fakekube.machinery.errors import ApiError
from fakekube.machinery.wire import Object

if TYPE_CHECKING:
    from fakekube.api.admission.validations import Decision, Validations

Namespace = Callable[[str], Awaitable[Object | None]]

# How upstream's policy_decision.go turns reasons into codes; anything else is a 422.
_CODES = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413}


class Binding:
    """Where a policy applies, and what happens when it is violated."""

    def __init__(self, raw: Object) -> None:
        spec = raw["spec"]
        self.name = str(raw["metadata"]["name"])
        self.policy = str(spec.get("policyName") or "")
        self.actions = tuple(spec.get("validationActions") or ())
        self.param_ref: Mapping[str, Any] | None = spec.get("paramRef")
        self.constraints = Constraints(spec.get("matchResources") or {}, open_=True)


class Policy:
    """One policy with its bindings."""

    def __init__(self, raw: Object, catalog: Catalog) -> None:
        self.spec = raw["spec"]
        self.name = str(raw["metadata"]["name"])
        self.fails_open = self.spec.get("failurePolicy") == "Ignore"
        self.param_kind: Mapping[str, str] | None = self.spec.get("paramKind")
        self.constraints = Constraints(self.spec.get("matchConstraints") or {})
        self.bindings: Index[Binding] = Index(catalog)

    @cached_property
    def validations(self) -> "Validations":
        """The expressions, compiled when the first write meets them."""
        from fakekube.api.admission.validations import Validations  # noqa: PLC0415 - most servers never need CEL

        return Validations(self.spec)


class PolicyConfigs:
    """All policies that are bound, by name."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._policies: dict[str, Policy] = {}
        self._bindings: dict[str, Binding] = {}
        self.bound: Index[Policy] = Index(catalog)

    def update(self, obj: Object, *, deleted: bool) -> None:
        """Follow a policy or a binding."""
        name = str(obj["metadata"]["name"])
        if obj["kind"].endswith("Binding"):
            self._bindings.pop(name, None)
            if not deleted:
                self._bindings[name] = Binding(obj)
        else:
            self._policies.pop(name, None)
            if not deleted:
                self._policies[name] = Policy(obj, self._catalog)
        bindings = [self._bindings[name] for name in sorted(self._bindings)]
        for policy in self._policies.values():
            policy.bindings.set((one, one.constraints) for one in bindings if one.policy == policy.name)
        bound = {one.policy for one in bindings}
        self.bound.set(
            (policy, policy.constraints) for name, policy in sorted(self._policies.items()) if name in bound
        )


class ValidatingPolicies:
    """The admission plugin."""

    def __init__(
        self,
        configs: PolicyConfigs,
        registry: Registry,
        catalog: Catalog,
        namespace: Namespace,
        authorizer: Authorizer,
    ) -> None:
        self._configs = configs
        self._registry = registry
        self._catalog = catalog
        self._namespace = namespace
        self._authorizer = authorizer
        self._labels: NamespaceLabels = self._namespace_labels

    async def mutate(self, attributes: Attributes) -> None:
        """Validating policies change nothing."""

    async def validate(self, attributes: Attributes) -> None:
        """Evaluate what is bound here; the first denial is told. Raises ApiError."""
        denials: list[str] = []
        reasons: list[str] = []
        for policy, targets in self._configs.bound.find(attributes):
            target = await policy.constraints.match(targets, attributes, self._labels)
            if target is None:
                continue
            for binding, places in policy.bindings.find(attributes):
                if await binding.constraints.match(places, attributes, self._labels) is None:
                    continue
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
        from fakekube.api.admission import expressions  # noqa: PLC0415 - loaded with the first policy
        from fakekube.api.admission.validations import Decision  # noqa: PLC0415 - as above

        try:
            found = await params.collect(
                policy.param_kind, binding.param_ref, attributes.namespace, self._catalog, self._registry
            )
        except ParamError as error:
            if policy.fails_open:
                return []
            return [Decision(f"failed to configure {error.part}: {error}", part=error.part)]
        obj, old = attributes.obj, attributes.old
        if attributes.operation == "DELETE":
            obj = None
        if attributes.kind is None:
            obj, old = [
                one and await equivalents.in_version(one, attributes.resource, target) for one in (obj, old)
            ]
        request = reviews.request_of(attributes, target)
        values = expressions.bindings(attributes, obj, old, request, self._authorizer)
        namespace = await self._namespace(attributes.namespace) if attributes.resource.namespaced else None
        values["namespaceObject"] = expressions.namespace_value(namespace)
        decisions: list[Decision] = []
        for one in found:
            decisions += policy.validations.evaluate(values | {"params": one})
        return decisions

    async def _namespace_labels(self, name: str) -> Mapping[str, str]:
        return labels_of(await self._namespace(name))


def _denied(attributes: Attributes, message: str, reason: str) -> ApiError:
    """A 403 in form, under the code and reason the policy asked for."""
    resource = attributes.resource
    error = errors.forbidden(resource.plural, resource.group, attributes.named, message)
    details = {**(error.details or {}), "causes": [{"message": message}]}
    return ApiError(error.message, code=_CODES.get(reason, 422), reason=reason, details=details)
