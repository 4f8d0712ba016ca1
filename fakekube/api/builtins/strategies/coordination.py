"""Leases.

Origin: k8s: pkg/apis/coordination/validation/validation.go
"""

from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks, names
from fakekube.machinery.field_errors import forbidden, invalid
from fakekube.machinery.wire import Object

_STRATEGIES = ("OldestEmulationVersion",)


class LeaseStrategy(BuiltinStrategy):
    """Who holds something, and since when."""

    def validate_create(self, obj: Object) -> Causes:
        spec = obj["spec"]
        found: Causes = []
        duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
        if duration is not None and duration <= 0:
            found.append(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
        if transitions is not None and transitions < 0:
            said = "must be greater than or equal to 0"
            found.append(invalid("spec.leaseTransitions", transitions, said))
        strategy = spec.get("strategy")
        if strategy and strategy not in _STRATEGIES:
            found += field_checks.texts("spec.strategy", strategy, names.qualified_name(strategy))
        if spec.get("preferredHolder") and not strategy:
            said = "may only be specified if `strategy` is defined"
            found.append(forbidden("spec.preferredHolder", said))
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)
