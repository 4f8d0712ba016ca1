"""PodDisruptionBudgets.

Origin: k8s: pkg/apis/policy/validation/validation.go
"""

from typing import Any

from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks
from fakekube.machinery.field_errors import invalid
from fakekube.machinery.wire import Object

_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


class DisruptionBudgetStrategy(BuiltinStrategy):
    """Either so many stay, or so many may go."""

    status_metadata = checks.STATUS_METADATA

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = dict(self.empty_members["status"])

    def validate_create(self, obj: Object) -> Causes:
        spec = obj["spec"]
        found: Causes = []
        if "minAvailable" in spec and "maxUnavailable" in spec:
            said = "minAvailable and maxUnavailable cannot be both set"
            found.append(invalid("spec", _internal(spec), said))
        for member in ("minAvailable", "maxUnavailable"):
            if member in spec:
                found += checks.count_or_percent(spec[member], f"spec.{member}")
                found += checks.at_most_100_percent(spec[member], f"spec.{member}")
        found += field_checks.label_selector(spec.get("selector"), "spec.selector")
        policy = spec.get("unhealthyPodEvictionPolicy")
        return found + field_checks.one_of(policy, "spec.unhealthyPodEvictionPolicy", _POLICIES, missing=None)

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        status = new["status"]
        return [
            error
            for member in _COUNTS
            for error in checks.not_negative(status.get(member), f"status.{member}")
        ]


def _internal(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec as Go's internal struct prints."""
    return {
        "MinAvailable": spec.get("minAvailable"),
        "Selector": spec.get("selector"),
        "MaxUnavailable": spec.get("maxUnavailable"),
        "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
    }
