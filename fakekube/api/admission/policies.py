"""Admission policies and their bindings, followed as objects, and what of them concerns a write: policies of both kinds,
those that validate and those that mutate, are found, bound and given parameters alike.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/generic
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fakekube.api.access.authorizer import Authorizer
from fakekube.api.admission import equivalents, params, reviews
from fakekube.api.admission.attributes import Attributes
from fakekube.api.admission.rules import Constraints, Index, labels_of
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.registry import Registry
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery.wire import Object

if TYPE_CHECKING:
    from fakekube.api.admission.mutations import Mutations
    from fakekube.api.admission.validations import Validations

Namespace = Callable[[str], Awaitable[Object | None]]


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
        """The expressions of a validating policy, compiled when the first write meets them."""
        from fakekube.api.admission.validations import Validations  # noqa: PLC0415 - most servers never need CEL

        return Validations(self.spec)

    @cached_property
    def mutations(self) -> "Mutations":
        """The expressions of a mutating policy, as above."""
        from fakekube.api.admission.mutations import Mutations  # noqa: PLC0415 - as above

        return Mutations(self.spec)


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


class Applicable:
    """What concerns one write, and what expressions get to see of it."""

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

    def any(self, attributes: Attributes) -> bool:
        """Whether a closer look is worth it."""
        return bool(self._configs.bound.find(attributes))

    async def find(self, attributes: Attributes) -> AsyncIterator[tuple[Policy, Binding, ServedResource]]:
        """Each policy with each binding that means this write, and the version of the resource the policy names."""
        for policy, targets in self._configs.bound.find(attributes):
            target = await policy.constraints.match(targets, attributes, self._labels)
            if target is None:
                continue
            for binding, places in policy.bindings.find(attributes):
                if await binding.constraints.match(places, attributes, self._labels) is not None:
                    yield policy, binding, target

    async def params(
        self, policy: Policy, binding: Binding, attributes: Attributes
    ) -> Sequence[Object | None]:
        """What to evaluate with, one after the other. Raises ParamError."""
        return await params.collect(
            policy.param_kind, binding.param_ref, attributes.namespace, self._catalog, self._registry
        )

    async def values(self, attributes: Attributes, target: ServedResource) -> dict[str, Any]:
        """The variables of expressions, `params` and `variables` excepted; objects are in the target's version."""
        from fakekube.api.admission import expressions  # noqa: PLC0415 - loaded with the first policy

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
        return values | {"namespaceObject": expressions.namespace_value(namespace)}

    async def _labels(self, name: str) -> Mapping[str, str]:
        return labels_of(await self._namespace(name))
