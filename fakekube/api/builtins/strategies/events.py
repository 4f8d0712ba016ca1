"""Events of both groups: old ones are free in form, new ones say exactly who did what.

Both are one internal type upstream, and its error texts use core's names for the members of either.
Origin: k8s: pkg/apis/core/validation/events.go
"""

from typing import Any

from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks, names
from fakekube.machinery.field_errors import invalid, required
from fakekube.machinery.wire import Object

_TYPES = ("Normal", "Warning")
_MISMATCH = "does not match event.namespace"
_AT = "involvedObject.namespace"
# Member of the new group → what it is called in errors, for all that may only be set at the start.
_FIXED = {
    "regarding": "involvedObject",
    "reason": "reason",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "type": "type",
    "eventTime": "eventTime",
    "action": "action",
    "related": "related",
    "reportingController": "reportingController",
    "reportingInstance": "reportingInstance",
}
_OLD_STYLE = ("deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount", "deprecatedSource")


class CoreEventStrategy(BuiltinStrategy):
    """core/v1."""

    def validate_create(self, obj: Object) -> Causes:
        return _event(obj, obj.get("involvedObject") or {}, "reportingComponent", "message")

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)


class NewEventStrategy(BuiltinStrategy):
    """events.k8s.io/v1."""

    def validate_create(self, obj: Object) -> Causes:
        found = _event(obj, obj.get("regarding") or {}, "reportingController", "note")
        if not obj.get("eventTime"):
            found.append(required("eventTime"))
        series = obj.get("series")
        if series is not None and (series.get("count") or 0) < 2:
            found.append(invalid("series.count", "", "should be at least 2"))
        if obj.get("type") not in _TYPES:
            kind = obj.get("type") or ""
            found.append(invalid("type", "", f"has invalid value: {kind}"))
        return found + [
            invalid(_FIXED[member], "", "needs to be unset") for member in _OLD_STYLE if obj.get(member)
        ]

    def validate_update(self, new: Object, old: Object) -> Causes:
        return [
            error
            for member, shown in _FIXED.items()
            for error in checks.immutable(new.get(member) or None, old.get(member) or None, shown)
        ]


def _event(obj: Object, subject: dict[str, Any], controller: str, text: str) -> Causes:
    """An event lies where its subject does. If it tells its exact time, it has to tell the rest as well."""
    own, about = obj["metadata"].get("namespace") or "", subject.get("namespace") or ""
    exact = bool(obj.get("eventTime"))
    for_cluster = ("default", "kube-system") if exact else ("default",)
    found: Causes = []
    if about != own and (about or own not in for_cluster):
        found.append(invalid(_AT, about, _MISMATCH))
    if not exact:
        return found
    reporter = obj.get(controller) or ""
    if not reporter:
        found.append(required(controller))
    found += field_checks.texts(controller, reporter, names.qualified_name(reporter))
    for member in ("reportingInstance", "action", "reason"):
        value = obj.get(member) or ""
        if not value:
            found.append(required(member))
        if len(value) > 128:
            found.append(invalid(member, "", "can have at most 128 characters"))
    if len(obj.get(text) or "") > 1024:
        found.append(invalid("message", "", "can have at most 1024 characters"))
    return found
