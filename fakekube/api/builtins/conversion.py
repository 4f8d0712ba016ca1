"""Between versions of built-in kinds: events of both groups, and autoscalers of both versions.

k8s: pkg/apis/core/v1 and pkg/apis/events/v1 (conversion.go), pkg/apis/autoscaling/v1/conversion.go
"""

from collections.abc import Mapping
from typing import Any

import orjson

from fakekube.machinery.wire import Object

# core/v1 name → events.k8s.io/v1 name
_EVENT_FIELDS = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_CORE_FIELDS = {new: old for old, new in _EVENT_FIELDS.items()}
_CORE_PLAIN = ("reportingComponent", "reportingInstance")  # core prints these even when empty


def event_to_core(obj: Object) -> Object:
    """An events.k8s.io Event as core stores it."""
    core = {_CORE_FIELDS.get(name, name): value for name, value in obj.items()}
    for name in _CORE_PLAIN:
        core.setdefault(name, "")
    return core


def event_from_core(obj: Object) -> Object:
    """A stored core Event as events.k8s.io shows it."""
    shown = {_EVENT_FIELDS.get(name, name): value for name, value in obj.items()}
    for name in ("reportingController", "reportingInstance"):
        if shown.get(name) == "":
            del shown[name]
    return shown


_PREFIX = "autoscaling.alpha.kubernetes.io/"
_METRICS, _CURRENT = f"{_PREFIX}metrics", f"{_PREFIX}current-metrics"
_CONDITIONS, _BEHAVIOR = f"{_PREFIX}conditions", f"{_PREFIX}behavior"


def autoscaler_to_v2(obj: Object) -> Object:
    """autoscaling/v1 → v2: the CPU target becomes a metric, what v1 hides in annotations becomes fields."""
    meta, spec, status = dict(obj["metadata"]), dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    hidden = {
        name: text for name, text in (meta.get("annotations") or {}).items() if name.startswith(_PREFIX)
    }
    if hidden:
        meta["annotations"] = {name: text for name, text in meta["annotations"].items() if name not in hidden}
        if not meta["annotations"]:
            del meta["annotations"]
    metrics = [_metric_to_v2(one) for one in _read(hidden, _METRICS) or ()]
    target = spec.pop("targetCPUUtilizationPercentage", None)
    if target is not None:
        metrics.append(_cpu("target", {"type": "Utilization", "averageUtilization": target}))
    # What is stored is read as v2, where whoever names no metric means 80% of the CPU.
    spec["metrics"] = metrics or [_cpu("target", {"type": "Utilization", "averageUtilization": 80})]
    behavior = _read(hidden, _BEHAVIOR)
    if behavior:
        spec["behavior"] = _lowered(behavior)
    current = [_status_to_v2(one) for one in _read(hidden, _CURRENT) or ()]
    utilization = status.pop("currentCPUUtilizationPercentage", None)
    if utilization is not None:
        current.append(_cpu("current", {"averageUtilization": utilization}))
    status["currentMetrics"] = current or None
    conditions = _read(hidden, _CONDITIONS)
    if conditions:
        status["conditions"] = conditions
    if not status.get("currentReplicas"):
        status.pop("currentReplicas", None)
    return {**obj, "metadata": meta, "spec": spec, "status": status}


def autoscaler_from_v2(obj: Object) -> Object:
    """autoscaling/v2 → v1: the first CPU utilization target is a field, everything else hides in annotations."""
    meta, spec, status = dict(obj["metadata"]), dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    hidden: dict[str, str] = {}
    others = []
    for metric in spec.pop("metrics", None) or ():
        target = _cpu_value(metric, "target")
        if target is not None and "targetCPUUtilizationPercentage" not in spec:
            spec["targetCPUUtilizationPercentage"] = target
        else:
            others.append(_metric_to_v1(metric))
    if others:
        hidden[_METRICS] = _write(others)
    behavior = spec.pop("behavior", None)
    if behavior:
        hidden[_BEHAVIOR] = _write(_raised(behavior))
    rest = []
    for metric in status.pop("currentMetrics", None) or ():
        current = _cpu_value(metric, "current")
        if current is not None and "currentCPUUtilizationPercentage" not in status:
            status["currentCPUUtilizationPercentage"] = current
        rest.append(_status_to_v1(metric))
    if rest:
        hidden[_CURRENT] = _write(rest)
    conditions = status.pop("conditions", None)
    if conditions:
        hidden[_CONDITIONS] = _write(conditions)
    status = {"currentReplicas": 0, "desiredReplicas": 0} | status
    if hidden:
        meta["annotations"] = {**(meta.get("annotations") or {}), **hidden}
    return {**obj, "metadata": meta, "spec": spec, "status": status}


def _read(annotations: Mapping[str, str], name: str) -> Any:
    """What an annotation holds; a text that is no JSON counts as absent, as upstream has it."""
    try:
        return orjson.loads(annotations.get(name) or "null")
    except orjson.JSONDecodeError:
        return None


def _write(value: Any) -> str:
    return orjson.dumps(value).decode()


def _cpu(side: str, value: Object) -> Object:
    return {"type": "Resource", "resource": {"name": "cpu", side: value}}


def _cpu_value(metric: Object, side: str) -> int | None:
    resource = metric.get("resource") or {}
    if metric.get("type") != "Resource" or resource.get("name") != "cpu":
        return None
    found: int | None = (resource.get(side) or {}).get("averageUtilization")
    return found


# How v1's annotations call the values of a metric's `target` and `current`, by the metric's member.
_TARGETS: Mapping[str, Mapping[str, str]] = {
    "resource": {"averageUtilization": "targetAverageUtilization", "averageValue": "targetAverageValue"},
    "containerResource": {
        "averageUtilization": "targetAverageUtilization",
        "averageValue": "targetAverageValue",
    },
    "pods": {"averageValue": "targetAverageValue"},
    "object": {"value": "targetValue", "averageValue": "averageValue"},
    "external": {"value": "targetValue", "averageValue": "targetAverageValue"},
}
_CURRENTS: Mapping[str, Mapping[str, str]] = {
    "resource": {"averageUtilization": "currentAverageUtilization", "averageValue": "currentAverageValue"},
    "containerResource": {
        "averageUtilization": "currentAverageUtilization",
        "averageValue": "currentAverageValue",
    },
    "pods": {"averageValue": "currentAverageValue"},
    "object": {"value": "currentValue", "averageValue": "averageValue"},
    "external": {"value": "currentValue", "averageValue": "currentAverageValue"},
}
_TYPES = {"averageUtilization": "Utilization", "averageValue": "AverageValue", "value": "Value"}
_MAX = {"object": "target"}  # v1 calls the described object of an Object metric its target


def _flat(metric: Object, side: str, names: Mapping[str, Mapping[str, str]]) -> Object:
    out: Object = {"type": metric.get("type")}
    for member, renamed in names.items():
        source = metric.get(member)
        if not source:
            continue
        flat = {
            name: value for name, value in source.items() if name not in (side, "metric", "describedObject")
        }
        if "describedObject" in source:
            flat[_MAX[member]] = source["describedObject"]
        if "metric" in source:
            flat["metricName"] = source["metric"].get("name")
            selector = source["metric"].get("selector")
            if selector:
                flat["metricSelector" if member == "external" else "selector"] = selector
        values = source.get(side) or {}
        flat |= {renamed[name]: value for name, value in values.items() if name in renamed}
        out[member] = flat
    return out


def _deep(metric: Object, side: str, names: Mapping[str, Mapping[str, str]]) -> Object:
    out: Object = {"type": metric.get("type")}
    for member, renamed in names.items():
        source = metric.get(member)
        if not source:
            continue
        back = {new: old for old, new in renamed.items()}
        values = {back[name]: value for name, value in source.items() if name in back}
        if side == "target":
            values = {"type": next((_TYPES[name] for name in _TYPES if name in values), "Value"), **values}
        deep = {"name": source["name"]} if "name" in source else {}
        deep |= {"container": source["container"]} if "container" in source else {}
        if "metricName" in source:
            metric_id: Object = {"name": source["metricName"]}
            selector = source.get("metricSelector") or source.get("selector")
            deep["metric"] = metric_id | ({"selector": selector} if selector else {})
        if member in _MAX and _MAX[member] in source:
            deep["describedObject"] = source[_MAX[member]]
        out[member] = {**deep, side: values}
    return out


def _metric_to_v1(metric: Object) -> Object:
    return _flat(metric, "target", _TARGETS)


def _metric_to_v2(metric: Object) -> Object:
    return _deep(metric, "target", _TARGETS)


def _status_to_v1(metric: Object) -> Object:
    return _flat(metric, "current", _CURRENTS)


def _status_to_v2(metric: Object) -> Object:
    return _deep(metric, "current", _CURRENTS)


_RULES = ("StabilizationWindowSeconds", "SelectPolicy", "Policies", "Tolerance")
_POLICY = ("Type", "Value", "PeriodSeconds")


def _raised(behavior: Object) -> Object:
    """The annotation holds the internal type, whose members begin with capitals and are all present."""
    out: Object = {}
    for side in ("scaleUp", "scaleDown"):
        rules = behavior.get(side)
        shown = rules and {name: rules.get(name[0].lower() + name[1:]) for name in _RULES}
        if shown and shown["Policies"]:
            shown["Policies"] = [
                {name: policy.get(name[0].lower() + name[1:]) for name in _POLICY}
                for policy in shown["Policies"]
            ]
        out[side[0].upper() + side[1:]] = shown or None
    return out


def _lowered(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name[0].lower() + name[1:]: _lowered(member)
            for name, member in value.items()
            if member is not None
        }
    return [_lowered(one) for one in value] if isinstance(value, list) else value
