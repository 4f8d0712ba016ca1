"""What a pod says about where it may run, beside affinity and spreading (`machinery.placing`): tolerations and gates; and the labels
its own terms name.

Origin: k8s: pkg/apis/core/validation/validation.go, pkg/registry/core/pod/strategy.go (mutatePodAffinity and its neighbours)
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes
from fakekube.machinery import names
from fakekube.machinery.field_checks import qualified
from fakekube.machinery.field_errors import duplicate, invalid, not_supported

Member = Mapping[str, Any]

_REQUIRED, _PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def tolerations(items: Sequence[Member], path: str) -> Causes:
    """`tolerations`."""
    found: Causes = []
    for index, one in enumerate(items):
        at, key, operator = f"{path}[{index}]", one.get("key") or "", one.get("operator") or ""
        effect, value = one.get("effect") or "", one.get("value") or ""
        if key:
            found += qualified(key, f"{at}.key")
        elif operator != "Exists":
            said = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            found.append(invalid(f"{at}.operator", operator, said))
        if "tolerationSeconds" in one and effect != "NoExecute":
            said = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            found.append(invalid(f"{at}.effect", effect, said))
        found += _toleration_value(operator, value, at)
        if effect and effect not in _EFFECTS:
            found.append(not_supported(f"{at}.effect", effect, list(_EFFECTS)))
    return found


def _toleration_value(operator: str, value: str, path: str) -> Causes:
    at = f"{path}.operator"
    if operator in ("", "Equal"):
        said = names.label_value(value)
        return [invalid(at, value, ";".join(said))] if said else []
    if operator == "Exists":
        return [invalid(at, value, "value must be empty when `operator` is 'Exists'")] if value else []
    known = ["Equal", "Exists"]  # and two more that a feature gate keeps back
    return [not_supported(at, operator, [*known, "Lt", "Gt"] if operator in ("Lt", "Gt") else known)]


def gates(items: Sequence[Member], path: str) -> Causes:
    """`schedulingGates`."""
    found: Causes = []
    seen: set[str] = set()
    for index, one in enumerate(items):
        name = one.get("name") or ""
        found += qualified(name, f"{path}[{index}]")
        if name in seen:
            found.append(duplicate(f"{path}[{index}]", name))
        seen.add(name)
    return found


def resolve_label_keys(spec: dict[str, Any], labels: Mapping[str, str]) -> None:
    """Turn `matchLabelKeys` and `mismatchLabelKeys` into expressions with the pod's own values, in place."""
    for kind in ("podAffinity", "podAntiAffinity"):
        pods = (spec.get("affinity") or {}).get(kind) or {}
        for term in pods.get(_REQUIRED) or ():
            _resolve(term, labels)
        for weighted in pods.get(_PREFERRED) or ():
            _resolve(weighted.get("podAffinityTerm") or {}, labels)
    for constraint in spec.get("topologySpreadConstraints") or ():
        _resolve(constraint, labels)


def _resolve(term: dict[str, Any], labels: Mapping[str, str]) -> None:
    selector = term.get("labelSelector")
    if selector is None:
        return
    for member, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        for key in term.get(member) or ():
            if key in labels:
                expression = {"key": key, "operator": operator, "values": [labels[key]]}
                selector.setdefault("matchExpressions", []).append(expression)
