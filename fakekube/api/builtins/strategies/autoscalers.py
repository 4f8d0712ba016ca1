"""HorizontalPodAutoscalers of both versions; autoscaling/v2 is what is stored.

Origin: k8s: pkg/apis/autoscaling/{v1,v2}/defaults.go, pkg/apis/autoscaling/validation/validation.go
"""

from typing import Any

from fakekube.api.builtins import conversion
from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks, names, quantities
from fakekube.machinery.field_errors import forbidden, invalid, required
from fakekube.machinery.wire import Object

_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_TARGETS = ("AverageValue", "Utilization", "Value")
_SELECT = ("Disabled", "Max", "Min")
_POLICIES = ("Percent", "Pods")
_HOUR, _HALF_HOUR = 3600, 1800


class AutoscalerStrategy(BuiltinStrategy):
    """Both versions: v1 is judged as the v2 object it stands for."""

    status_metadata = checks.STATUS_METADATA

    def default(self, obj: Object) -> None:
        super().default(obj)
        spec = obj["spec"]
        spec.setdefault("minReplicas", 1)
        if self.version == "v1":
            return
        if not spec.get("metrics"):
            target = {"type": "Utilization", "averageUtilization": 80}
            spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
        if spec.get("behavior"):
            _default_behavior(spec["behavior"])

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = dict(self.empty_members["status"])

    def validate_create(self, obj: Object) -> Causes:
        if self.version == "v1":
            obj = conversion.autoscaler_to_v2(obj)
        return _spec(obj["spec"])

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        return _status(new.get("status") or {})

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)


def _status(status: dict[str, Any]) -> Causes:
    return [
        error
        for member in ("currentReplicas", "desiredReplicas")
        for error in checks.not_negative(status.get(member), f"status.{member}")
    ]


def _default_behavior(behavior: dict[str, Any]) -> None:
    up = {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ],
    }
    down = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
    behavior["scaleUp"] = up | (behavior.get("scaleUp") or {})
    behavior["scaleDown"] = down | (behavior.get("scaleDown") or {})


def _spec(spec: dict[str, Any]) -> Causes:
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    found: Causes = []
    if least is not None and least < 1:
        found.append(invalid("spec.minReplicas", least, "must be greater than or equal to 1"))
    if most < 1:
        found.append(invalid("spec.maxReplicas", most, "must be greater than 0"))
    if least is not None and most < least:
        found.append(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    target = spec.get("scaleTargetRef") or {}
    for member in ("kind", "name"):
        value = target.get(member) or ""
        if not value:
            found.append(required(f"spec.scaleTargetRef.{member}"))
        found += field_checks.texts(f"spec.scaleTargetRef.{member}", value, names.path_segment(value))
    found += checks.each(spec.get("metrics"), "spec.metrics", _metric)
    for side in ("scaleUp", "scaleDown"):
        rules = (spec.get("behavior") or {}).get(side)
        if rules:
            found += _rules(rules, f"spec.behavior.{side}")
    return found


def _metric(metric: dict[str, Any], at: str) -> Causes:
    kind = metric.get("type") or ""
    found = field_checks.one_of(
        kind, f"{at}.type", tuple(_SOURCES), missing="must specify a metric source type"
    )
    if found:
        return found
    wanted = _SOURCES[kind]
    given = [member for member in _SOURCES.values() if metric.get(member) is not None]
    if wanted not in given:
        said = f"must populate information for the given metric source (only allowed for type {kind})"
        return [required(f"{at}.{wanted}", said)]
    found += [
        forbidden(f"{at}.{member}", "must populate the given metric source only")
        for member in given
        if member != wanted
    ]
    source = metric[wanted]
    if wanted in ("resource", "containerResource"):
        found += (
            [] if source.get("name") else [required(f"{at}.{wanted}.name", "must specify a resource name")]
        )
    if wanted == "containerResource" and not source.get("container"):
        found.append(required(f"{at}.{wanted}.container", "must specify a container"))
    return found + _target(source.get("target") or {}, wanted, f"{at}.{wanted}")


def _target(target: dict[str, Any], source: str, at: str) -> Causes:
    found = field_checks.one_of(
        target.get("type"), f"{at}.target.type", _TARGETS, missing="must specify a metric target type"
    )
    utilization, value, average = (
        target.get(member) for member in ("averageUtilization", "value", "averageValue")
    )
    if utilization is not None and utilization < 1:
        found.append(invalid(f"{at}.target.averageUtilization", utilization, "must be greater than 0"))
    for member, amount in (("value", value), ("averageValue", average)):
        if amount is not None and quantities.parse(amount)[0] <= 0:
            found.append(invalid(f"{at}.target.{member}", amount, "must be positive"))
    if source in ("resource", "containerResource"):
        if utilization is None and average is None:
            said = "must set either a target raw value or a target utilization"
            found.append(required(f"{at}.target.averageUtilization", said))
        elif utilization is not None and average is not None:
            said = "may not set both a target raw value and a target utilization"
            found.append(forbidden(f"{at}.target.averageValue", said))
    elif source == "pods":
        if average is None:
            found.append(required(f"{at}.target.averageValue", "must specify a positive target averageValue"))
    elif value is None and average is None:
        said = "must set either a target value for metric or a per-pod target"
        found.append(required(f"{at}.target.averageValue", said))
    return found


def _rules(rules: dict[str, Any], at: str) -> Causes:
    found: Causes = []
    window = rules.get("stabilizationWindowSeconds")
    if window is not None:
        place = f"{at}.stabilizationWindowSeconds"
        if window < 0:
            found.append(invalid(place, window, "must be greater than or equal to zero"))
        if window > _HOUR:
            found.append(invalid(place, window, f"must be less than or equal to {_HOUR}"))
    tolerance = rules.get("tolerance")
    if tolerance is not None and quantities.parse(str(tolerance))[0] < 0:
        found.append(invalid(f"{at}.tolerance", tolerance, "must be greater than or equal to 0"))
    found += field_checks.one_of(rules.get("selectPolicy"), f"{at}.selectPolicy", _SELECT, missing=None)
    policies = rules.get("policies") or ()
    if not policies:
        found.append(required(f"{at}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(policies):
        place = f"{at}.policies[{index}]"
        found += field_checks.one_of(policy.get("type"), f"{place}.type", _POLICIES, missing=None)
        for member in ("value", "periodSeconds"):
            amount = policy.get(member) or 0
            if amount <= 0:
                found.append(invalid(f"{place}.{member}", amount, "must be greater than zero"))
            elif member == "periodSeconds" and amount > _HALF_HOUR:
                said = f"must be less than or equal to {_HALF_HOUR}"
                found.append(invalid(f"{place}.{member}", amount, said))
    return found
