"""Flow schemas and priority levels: kept and shown; this server has no queues to govern.

Origin: k8s: pkg/apis/flowcontrol/{v1/defaults.go,validation/validation.go}
"""

from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks
from fakekube.machinery.field_errors import forbidden, invalid, required
from fakekube.machinery.wire import Object

_LEVELS = ("Exempt", "Limited")
_RESPONSES = ("Queue", "Reject")


class FlowSchemaStrategy(BuiltinStrategy):
    def default(self, obj: Object) -> None:
        super().default(obj)
        obj["spec"].setdefault("matchingPrecedence", 1000)

    def validate_create(self, obj: Object) -> Causes:
        spec = obj["spec"]
        found: Causes = []
        precedence = spec["matchingPrecedence"]
        if precedence <= 0:
            found.append(invalid("spec.matchingPrecedence", precedence, "must be a positive value"))
        elif precedence > 10000:
            said = "must not be greater than 10000"
            found.append(invalid("spec.matchingPrecedence", precedence, said))
        if precedence == 1 and obj["metadata"].get("name") != "exempt":
            said = "only the schema named 'exempt' may have matchingPrecedence 1"
            found.append(invalid("spec.matchingPrecedence", precedence, said))
        if not (spec.get("priorityLevelConfiguration") or {}).get("name"):
            said = "must reference a priority level"
            found.append(required("spec.priorityLevelConfiguration.name", said))
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)


class PriorityLevelStrategy(BuiltinStrategy):
    def default(self, obj: Object) -> None:
        super().default(obj)
        spec = obj["spec"]
        exempt, limited = spec.get("exempt"), spec.get("limited")
        if spec.get("type") == "Exempt" and exempt is not None:
            exempt.setdefault("nominalConcurrencyShares", 0)
            exempt.setdefault("lendablePercent", 0)
        if limited is not None:
            limited.setdefault("nominalConcurrencyShares", 30)
            limited.setdefault("lendablePercent", 0)
            queuing = (limited.get("limitResponse") or {}).get("queuing")
            if queuing is not None:
                for member, value in (("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)):
                    queuing.setdefault(member, value)

    def validate_create(self, obj: Object) -> Causes:
        spec = obj["spec"]
        kind = spec.get("type") or ""
        found = field_checks.one_of(kind, "spec.type", _LEVELS, missing="must be specified")
        if kind == "Exempt" and spec.get("limited"):
            found.append(forbidden("spec.limited", "must be nil if the type is not Limited"))
        if kind == "Limited":
            if not spec.get("limited"):
                found.append(required("spec.limited", "must not be empty when type is Limited"))
            else:
                response = (spec["limited"].get("limitResponse") or {}).get("type")
                found += field_checks.one_of(response, "spec.limited.limitResponse.type", _RESPONSES)
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)
