"""Where pods may run: affinity and spreading, as the real server judges them; KubeVirt's webhooks judge guests by the same rules. Pure.

Origin: k8s: pkg/apis/core/validation/validation.go
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fakekube.machinery import names
from fakekube.machinery.field_checks import (
    Causes,
    dns_subdomain,
    label_selector,
    one_of,
    qualified,
    texts,
)
from fakekube.machinery.field_errors import duplicate, forbidden, invalid, not_supported, required

Member = Mapping[str, Any]

_REQUIRED, _PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
_EMPTY = "can not be empty"
_NOT_OPERATOR = "not a valid selector operator"


def affinity(one: Member, path: str, *, strict: bool = True) -> Causes:
    """`affinity` of a pod, or of a guest; KubeVirt is not `strict`: it does not look at what labels are compared with."""
    found: Causes = []
    node: Member = one.get("nodeAffinity") or {}
    if _REQUIRED in node:
        found += node_selector(node[_REQUIRED], f"{path}.nodeAffinity.{_REQUIRED}", strict=strict)
    for index, term in enumerate(node.get(_PREFERRED) or ()):
        at = f"{path}.nodeAffinity.{_PREFERRED}[{index}]"
        found += _weight(term, at) + _node_term(
            term.get("preference") or {}, f"{at}.preference", strict=False
        )
    for kind in ("podAffinity", "podAntiAffinity"):
        pods: Member = one.get(kind) or {}
        for index, term in enumerate(pods.get(_REQUIRED) or ()):
            found += _pod_term(term, f"{path}.{kind}.{_REQUIRED}[{index}]")
        for index, term in enumerate(pods.get(_PREFERRED) or ()):
            at = f"{path}.{kind}.{_PREFERRED}[{index}]"
            found += _weight(term, at) + _pod_term(term.get("podAffinityTerm") or {}, f"{at}.podAffinityTerm")
    return found


def _weight(term: Member, path: str) -> Causes:
    weight = term.get("weight") or 0
    return [] if 1 <= weight <= 100 else [invalid(f"{path}.weight", weight, "must be in the range 1-100")]


def node_selector(selector: Member, path: str, *, strict: bool = True) -> Causes:
    """A NodeSelector: at least one term."""
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        return [required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")]
    found: Causes = []
    for index, term in enumerate(terms):
        found += _node_term(term, f"{path}.nodeSelectorTerms[{index}]", strict=strict)
    return found


def _node_term(term: Member, path: str, *, strict: bool) -> Causes:
    """`strict` looks at the values too; upstream spares preferences."""
    found: Causes = []
    for index, one in enumerate(term.get("matchExpressions") or ()):
        at, values = f"{path}.matchExpressions[{index}]", one.get("values") or ()
        found += _operator(one, at, values) + qualified(one.get("key") or "", f"{at}.key")
        for position, value in enumerate(values if strict else ()):
            found += texts(f"{at}.values[{position}]", value, names.label_value(value))
    for index, one in enumerate(term.get("matchFields") or ()):
        at, values, key = f"{path}.matchFields[{index}]", one.get("values") or (), one.get("key") or ""
        if one.get("operator") not in ("In", "NotIn"):
            found.append(invalid(f"{at}.operator", one.get("operator") or "", _NOT_OPERATOR))
        elif len(values) != 1:
            said = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            found.append(required(f"{at}.values", said))
        if key != "metadata.name":
            found.append(invalid(f"{at}.key", key, "not a valid field selector key"))
        else:
            for position, value in enumerate(values):
                found += dns_subdomain(value, f"{at}.values[{position}]")
    return found


def _operator(one: Member, path: str, values: Sequence[str]) -> Causes:
    operator, at = one.get("operator") or "", f"{path}.values"
    if operator in ("In", "NotIn"):
        return [] if values else [required(at, "must be specified when `operator` is 'In' or 'NotIn'")]
    if operator in ("Exists", "DoesNotExist"):
        said = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        return [forbidden(at, said)] if values else []
    if operator in ("Gt", "Lt"):
        said = "must be specified single value when `operator` is 'Lt' or 'Gt'"
        return [] if len(values) == 1 else [required(at, said)]
    return [invalid(f"{path}.operator", operator, _NOT_OPERATOR)]


def _pod_term(term: Member, path: str) -> Causes:
    found = label_selector(term.get("labelSelector"), f"{path}.labelSelector")
    found += label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for name in term.get("namespaces") or ():
        found += texts(f"{path}.namespace", name, names.label(name))
    found += _label_keys(term, path)
    key = term.get("topologyKey") or ""
    if not key:
        found.append(required(f"{path}.topologyKey", _EMPTY))
    return found + qualified(key, f"{path}.topologyKey")


def _label_keys(term: Member, path: str) -> Causes:
    """`matchLabelKeys` and `mismatchLabelKeys`: names of labels the selector does not ask for itself."""
    found: Causes = []
    wanted, unwanted = term.get("matchLabelKeys") or (), term.get("mismatchLabelKeys") or ()
    selector = term.get("labelSelector")
    for member, keys in (("matchLabelKeys", wanted), ("mismatchLabelKeys", unwanted)):
        if keys and selector is None:
            found.append(forbidden(f"{path}.{member}", "must not be specified when labelSelector is not set"))
        elif keys:
            for index, key in enumerate(keys):
                found += qualified(key, f"{path}.{member}[{index}]")
    if wanted and selector is not None:
        # By now the server has added an expression per key: one that comes second says the client had one, too.
        seen = set(selector.get("matchLabels") or ())
        for expression in selector.get("matchExpressions") or ():
            key = expression.get("key") or ""
            if key in wanted and key in seen:
                said = "exists in both matchLabelKeys and labelSelector"
                found.append(invalid(f"{path}[{list(wanted).index(key)}]", key, said))
            seen.add(key)
    said = "exists in both matchLabelKeys and mismatchLabelKeys"
    return found + [
        invalid(f"{path}.matchLabelKeys[{index}]", key, said)
        for index, key in enumerate(wanted)
        if key in unwanted
    ]


def spread(items: Sequence[Member], path: str, *, strict: bool = True) -> Causes:
    """`topologySpreadConstraints`; KubeVirt is not `strict`: it looks at the key's form, and names no item's selector."""
    found: Causes = []
    for index, one in enumerate(items):
        at, key, action = f"{path}[{index}]", one.get("topologyKey") or "", one.get("whenUnsatisfiable") or ""
        if (one.get("maxSkew") or 0) <= 0:
            found.append(invalid(f"{at}.maxSkew", one.get("maxSkew") or 0, "must be greater than zero"))
        if not key:
            found.append(required(f"{at}.topologyKey", _EMPTY))
        elif not strict:
            found += qualified(key, f"{at}.topologyKey")
        if action not in ("DoNotSchedule", "ScheduleAnyway"):
            found.append(
                not_supported(f"{at}.whenUnsatisfiable", action, ["DoNotSchedule", "ScheduleAnyway"])
            )
        if any(
            (other.get("topologyKey"), other.get("whenUnsatisfiable")) == (key, action)
            for other in items[index + 1 :]
        ):
            found.append(duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}"))
        fewest = one.get("minDomains")
        if fewest is not None:
            if fewest <= 0:
                found.append(invalid(f"{at}.minDomains", fewest, "must be greater than zero"))
            if action != "DoNotSchedule":
                said = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                found.append(invalid(f"{at}.minDomains", fewest, said))
        for member in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            found += one_of(one.get(member), f"{at}.{member}", ("Honor", "Ignore"), missing=None)
        selected = at if strict else path
        found += _label_keys(one, at) + label_selector(one.get("labelSelector"), f"{selected}.labelSelector")
    return found
