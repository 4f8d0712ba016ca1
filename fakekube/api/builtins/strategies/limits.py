"""LimitRanges and ResourceQuotas as objects; what they do to others is admission's business.

Origin: k8s: pkg/apis/core/v1/defaults.go (SetDefaults_LimitRangeItem), pkg/apis/core/validation/validation.go
"""

from typing import Any

from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks, names, quantities
from fakekube.machinery.field_errors import FieldError, duplicate, forbidden, invalid, not_supported
from fakekube.machinery.wire import Object

_LIMIT_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_MEMBERS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_COUNTED = frozenset(
    {
        "pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps",
        "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
    }
)  # fmt: skip
_COMPUTE = frozenset({"cpu", "memory", "ephemeral-storage", "storage"})
_SCOPES = (
    "BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating",
    "VolumeAttributesClass",
)  # fmt: skip
_SAY_STANDARD = "must be a standard resource type or fully qualified"
_SAY_QUOTA = "must be a standard resource for quota"


class LimitRangeStrategy(BuiltinStrategy):
    """What is missing of a container's limits follows from what is there: default from max, request from default."""

    metadata_rechecks = 1

    def default(self, obj: Object) -> None:
        super().default(obj)
        for item in obj["spec"].get("limits") or ():
            if item.get("type") != "Container":
                continue
            limits = {**(item.get("max") or {}), **(item.get("default") or {})}
            requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
            if limits:
                item["default"] = limits
            if requests:
                item["defaultRequest"] = requests

    def validate_create(self, obj: Object) -> Causes:
        found: Causes = []
        seen: set[str] = set()
        for index, item in enumerate(obj["spec"].get("limits") or ()):
            kind, at = item.get("type") or "", f"spec.limits[{index}]"
            if "." in kind or "/" in kind or kind not in _LIMIT_TYPES:
                found += field_checks.texts(f"{at}.type", kind, names.qualified_name(kind))
                if kind not in _LIMIT_TYPES and "/" not in kind:
                    said = "must be a standard limit type or fully qualified"
                    found.append(invalid(f"{at}.type", kind, said))
            if kind in seen:
                found.append(duplicate(f"{at}.type", kind))
            seen.add(kind)
            found += _limits(item, kind, at)
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)


def _limits(item: dict[str, Any], kind: str, at: str) -> Causes:
    found: Causes = []
    for member in _MEMBERS:
        for name in item.get(member) or {}:
            found += _resource_name(name, f"{at}.{member}[{name}]")
    if kind == "Pod":
        found += [
            forbidden(f"{at}.{member}", "may not be specified when `type` is 'Pod'")
            for member in ("default", "defaultRequest")
            if item.get(member)
        ]
    if kind == "PersistentVolumeClaim" and not any(
        "storage" in (item.get(member) or {}) for member in ("min", "max")
    ):
        said = "either minimum or maximum storage value is required, but neither was provided"
        found.append(FieldError("FieldValueRequired", at, said))
    values = {member: item.get(member) or {} for member in _MEMBERS}
    for name in dict.fromkeys(name for member in values.values() for name in member):
        low, high = values["min"].get(name), values["max"].get(name)
        default, request = values["default"].get(name), values["defaultRequest"].get(name)
        for path, (small, what), (large, whose) in (
            ("min", (low, "min"), (high, "max")),
            ("defaultRequest", (low, "min"), (request, "default request")),
            ("defaultRequest", (request, "default request"), (high, "max")),
            ("defaultRequest", (request, "default request"), (default, "default")),
            ("default", (low, "min"), (default, "default")),
            ("default", (default, "default"), (high, "max")),
        ):
            if small is not None and large is not None and _value(small) > _value(large):
                shown, said = _comparison(path, small, what, large, whose)
                found.append(invalid(f"{at}.{path}[{name}]", shown, said))
        ratio = values["maxLimitRequestRatio"].get(name)
        if ratio is not None and _value(ratio) < 10**9:
            said = f"ratio {ratio} is less than 1"
            found.append(invalid(f"{at}.maxLimitRequestRatio[{name}]", ratio, said))
    return found


def _comparison(path: str, small: str, what: str, large: str, whose: str) -> tuple[str, str]:
    shown = small if path == "min" or what.startswith("default") else large
    return shown, f"{what} value {small} is greater than {whose} value {large}"


def _value(text: str) -> int:
    return quantities.parse(text)[0]


def _resource_name(name: str, at: str) -> Causes:
    found = field_checks.texts(at, name, names.qualified_name(name))
    if "/" not in name and name not in _COMPUTE and not name.startswith("hugepages-"):
        found.append(invalid(at, name, _SAY_STANDARD))
    return found


class ResourceQuotaStrategy(BuiltinStrategy):
    """Hard limits on what a namespace holds."""

    status_metadata = checks.STATUS_METADATA

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {}

    def validate_create(self, obj: Object) -> Causes:
        spec = obj["spec"]
        found = _amounts(spec.get("hard") or {}, "spec.hard")
        scopes = spec.get("scopes") or ()
        found += [not_supported("spec.scopes", one, list(_SCOPES)) for one in scopes if one not in _SCOPES]
        for first, second in (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")):
            if first in scopes and second in scopes:
                found.append(invalid("spec.scopes", list(scopes), "conflicting scopes"))
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        found = self.validate_create(new)
        was, now = old["spec"].get("scopes") or [], new["spec"].get("scopes") or []
        return found + ([] if sorted(was) == sorted(now) else checks.immutable(now, was, "spec.scopes"))

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        status = new["status"]
        found = _amounts(status.get("hard") or {}, "status.hard")
        return found + _amounts(status.get("used") or {}, "status.used")


def _amounts(amounts: dict[str, str], at: str) -> Causes:
    found: Causes = []
    for name, amount in amounts.items():
        place = f"{at}[{name}]"
        found += field_checks.texts(place, name, names.qualified_name(name))
        if "/" not in name and not _is_quota_name(name):
            found.append(invalid(place, name, _SAY_QUOTA))
        found += checks.quantity_not_negative(amount, place)
        if name in _COUNTED and _value(amount) % 10**9:
            found.append(invalid(place, amount, "must be an integer"))
    return found


def _is_quota_name(name: str) -> bool:
    plain = name.removeprefix("requests.").removeprefix("limits.")
    return (
        name in _COUNTED
        or plain in _COMPUTE
        or "hugepages-" in name
        or ".storageclass.storage.k8s.io" in name
    )
