"""PriorityClasses and RuntimeClasses.

Origin: k8s: pkg/apis/scheduling/validation/validation.go, pkg/apis/node/validation/validation.go
"""

from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks
from fakekube.machinery.field_errors import forbidden, required
from fakekube.machinery.wire import Object

HIGHEST = 1_000_000_000
SYSTEM = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
_PREEMPTION = ("Never", "PreemptLowerPriority")
_RESERVED = "priority class names with 'system-' prefix are reserved for system use only. error: "


class PriorityClassStrategy(BuiltinStrategy):
    """The value and the preemption policy are fixed; the system's names and values are the system's."""

    def default(self, obj: Object) -> None:
        super().default(obj)
        obj.setdefault("preemptionPolicy", "PreemptLowerPriority")

    def validate_create(self, obj: Object) -> Causes:
        name, value = obj["metadata"].get("name") or "", obj.get("value") or 0
        found: Causes = []
        if name.startswith("system-"):
            if name not in SYSTEM:
                said = f"{_RESERVED}{name} is not a known system priority class"
                found.append(forbidden("metadata.name", said))
            elif value != SYSTEM[name]:
                said = f"{_RESERVED}value of {name} PriorityClass must be {SYSTEM[name]}"
                found.append(forbidden("metadata.name", said))
        elif value > HIGHEST:
            said = f"maximum allowed value of a user defined priority is {HIGHEST}"
            found.append(forbidden("value", said))
        return found + field_checks.one_of(
            obj.get("preemptionPolicy"), "preemptionPolicy", _PREEMPTION, missing=None
        )

    def validate_update(self, new: Object, old: Object) -> Causes:
        found: Causes = []
        if new.get("value") != old.get("value"):
            found.append(forbidden("value", "may not be changed in an update."))
        policy = new.get("preemptionPolicy")
        return found + checks.immutable(policy, old.get("preemptionPolicy"), "preemptionPolicy")


class RuntimeClassStrategy(BuiltinStrategy):
    """How containers are run; the handler is fixed."""

    def validate_create(self, obj: Object) -> Causes:
        handler = obj.get("handler") or ""
        found = checks.dns_label(handler, "handler")
        for name, amount in ((obj.get("overhead") or {}).get("podFixed") or {}).items():
            found += checks.quantity_not_negative(amount, f"overhead.podFixed[{name}]")
        for index, toleration in enumerate((obj.get("scheduling") or {}).get("tolerations") or ()):
            if toleration.get("operator") == "Equal" and not toleration.get("key"):
                said = (
                    'operator must be Exists when `key` is empty, which means "match all values and all keys"'
                )
                found.append(required(f"scheduling.tolerations[{index}].operator", said))
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        return checks.immutable(new.get("handler"), old.get("handler"), "handler")
