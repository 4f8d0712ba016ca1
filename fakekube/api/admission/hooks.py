"""Webhooks as their configurations list them, read once: the order in which they are asked, and what each wants.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/configuration, plugin/webhook/accessors.go
"""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fakekube.api.admission.reviews import VERSIONS
from fakekube.api.admission.rules import Constraints, Index
from fakekube.api.calling import Endpoint
from fakekube.api.registry.catalog import Catalog
from fakekube.machinery.wire import Object

if TYPE_CHECKING:
    from fakekube.api.admission.expressions import Conditions

_SECONDS = 10


class Hook:
    """One webhook of one configuration."""

    def __init__(self, raw: Mapping[str, Any], *, mutating: bool) -> None:
        self.mutating = mutating
        self.name = str(raw["name"])
        self.constraints = Constraints(raw, "rules")
        self.fails_open = raw.get("failurePolicy") == "Ignore"
        self.may_dry_run = raw.get("sideEffects") in ("None", "NoneOnDryRun")
        self.reinvoked = raw.get("reinvocationPolicy") == "IfNeeded"
        self.seconds = float(raw.get("timeoutSeconds") or _SECONDS)
        self.endpoint = Endpoint.of(raw.get("clientConfig") or {})
        versions = raw.get("admissionReviewVersions") or ("v1",)
        self.version = next(
            (one for name in versions for one in VERSIONS if one.endswith(f"/{name}")), VERSIONS[0]
        )
        self._conditions = raw.get("matchConditions") or ()

    @cached_property
    def conditions(self) -> "Conditions | None":
        """The match conditions, compiled when a write first gets that far."""
        if not self._conditions:
            return None
        from fakekube.api.admission import expressions  # noqa: PLC0415 - most servers never need CEL

        return expressions.Conditions(self._conditions, expressions.variables())


class WebhookConfigs:
    """All webhooks: configurations by name, hooks as listed."""

    def __init__(self, catalog: Catalog) -> None:
        self._hooks: dict[tuple[bool, str], list[Hook]] = {}
        self.mutating: Index[Hook] = Index(catalog)
        self.validating: Index[Hook] = Index(catalog)

    def update(self, configuration: Object, *, deleted: bool) -> None:
        """Follow one Mutating- or ValidatingWebhookConfiguration."""
        mutating = configuration["kind"] == "MutatingWebhookConfiguration"
        key = (mutating, configuration["metadata"]["name"])
        self._hooks.pop(key, None)
        if not deleted:
            self._hooks[key] = [Hook(raw, mutating=mutating) for raw in configuration.get("webhooks") or ()]
        index = self.mutating if mutating else self.validating
        index.set(
            (hook, hook.constraints)
            for key, hooks in sorted(self._hooks.items(), key=lambda item: item[0])
            if key[0] == mutating
            for hook in hooks
        )
