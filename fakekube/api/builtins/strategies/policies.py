"""Admission policies and their bindings as objects; evaluating them is admission's business.

Origin: k8s: pkg/apis/admissionregistration/{v1/defaults.go,validation/validation.go}
"""

from collections.abc import Callable, Iterator
from typing import Any

from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategies.webhooks import FAILURE, MATCH, default_match, rule_with_operations
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks, names
from fakekube.machinery.field_errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from fakekube.machinery.wire import Object

_ACTIONS = ("Audit", "Deny", "Warn")
_MUTABLE = ("*", "CONNECT", "CREATE", "UPDATE")  # there is nothing to change about a DELETE
_KIND_TEXT = "may have mixed case, but should otherwise match: "


class PolicyStrategy(BuiltinStrategy):
    """ValidatingAdmissionPolicies: what is asked of which writes."""

    def default(self, obj: Object) -> None:
        super().default(obj)
        spec = obj["spec"]
        spec.setdefault("failurePolicy", "Fail")
        _default_match_resources(spec.get("matchConstraints"))

    def validate_create(self, obj: Object) -> Causes:
        spec, match = obj["spec"], obj["spec"].get("matchConstraints")
        found = field_checks.one_of(spec.get("failurePolicy"), "spec.failurePolicy", FAILURE)
        if spec.get("paramKind") is not None:
            found += _param_kind(spec["paramKind"], "spec.paramKind")
        if match is None:
            found.append(required("spec.matchConstraints"))
        else:
            found += self._match(match, "spec.matchConstraints")
        return found + list(self._statements(obj))

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)

    def _match(self, match: dict[str, Any], at: str) -> Causes:
        found = _match_resources(match, at)
        return found if match.get("resourceRules") else [*found, required(f"{at}.resourceRules")]

    def _statements(self, obj: Object) -> Iterator[FieldError]:
        from fakekube.api.admission import expression_rules  # noqa: PLC0415 - most servers never need CEL

        return expression_rules.validating(obj["spec"], str(obj["metadata"].get("name") or ""))


class MutatingPolicyStrategy(PolicyStrategy):
    """MutatingAdmissionPolicies: what is changed about which writes."""

    def _match(self, match: dict[str, Any], at: str) -> Causes:
        return super()._match(match, at) + _mutable(match, at)

    def _statements(self, obj: Object) -> Iterator[FieldError]:
        from fakekube.api.admission import expression_rules  # noqa: PLC0415 - as above

        yield from expression_rules.mutating(obj["spec"])
        reinvocation = obj["spec"].get("reinvocationPolicy")
        yield from field_checks.one_of(reinvocation, "spec.reinvocationPolicy", ("Never", "IfNeeded"))


class PolicyBindingStrategy(BuiltinStrategy):
    """Where a policy applies and what it does there."""

    def default(self, obj: Object) -> None:
        super().default(obj)
        _default_match_resources(obj["spec"].get("matchResources"))

    def validate_create(self, obj: Object) -> Causes:
        spec = obj["spec"]
        name, match = spec.get("policyName") or "", spec.get("matchResources")
        found: Causes = (
            field_checks.dns_subdomain(name, "spec.policyName") if name else [required("spec.policyName")]
        )
        if spec.get("paramRef") is not None:
            found += _param_ref(spec["paramRef"], "spec.paramRef")
        mutating = self.kind == "MutatingAdmissionPolicyBinding"
        if match is not None:
            # The path of the elder kind lacks a letter upstream, too.
            at = "spec.matchResources" if mutating else "spec.matchResouces"
            found += _match_resources(match, at) + (_mutable(match, at) if mutating else [])
        return found if mutating else found + _actions(spec.get("validationActions") or [])

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)


def _actions(actions: list[str]) -> Causes:
    at = "spec.validationActions"
    found: Causes = []
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            found.append(not_supported(f"{at}[{index}]", action, list(_ACTIONS)))
        if action in actions[:index]:
            found.append(duplicate(f"{at}[{index}]", action))
    if "Deny" in actions and "Warn" in actions:
        said = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)"
        found.append(invalid(at, actions, said))
    return found if actions else [required(at, "at least one validation action is required")]


def _default_match_resources(match: dict[str, Any] | None) -> None:
    if match is None:
        return
    default_match(match)
    for member in ("resourceRules", "excludeResourceRules"):
        for rule in match.get(member) or ():
            rule.setdefault("scope", "*")


def _match_resources(match: dict[str, Any], at: str) -> Causes:
    found = field_checks.one_of(match.get("matchPolicy"), f"{at}.matchPolicy", MATCH)
    for member in ("namespaceSelector", "objectSelector"):
        found += field_checks.label_selector(match.get(member), f"{at}.{member}")
    for member in ("resourceRules", "excludeResourceRules"):
        found += checks.each(match.get(member), f"{at}.{member}", _named_rule)
    return found


def _named_rule(rule: dict[str, Any], at: str) -> Causes:
    found: Causes = []
    given = rule.get("resourceNames") or []
    for index, name in enumerate(given):
        found += field_checks.texts(f"{at}.resourceNames[{index}]", name, names.path_segment(name))
        if name in given[:index]:
            found.append(duplicate(f"{at}.resourceNames[{index}]", name))
    return found + rule_with_operations(rule, at)


def _mutable(match: dict[str, Any], at: str) -> Causes:
    return [
        not_supported(f"{at}.resourceRules.operations", operation, list(_MUTABLE))
        for rule in match.get("resourceRules") or ()
        for operation in rule.get("operations") or ()
        if operation not in _MUTABLE
    ]


def _param_kind(kind: dict[str, Any], at: str) -> Causes:
    api_version, name = kind.get("apiVersion") or "", kind.get("kind") or ""
    found = _api_version(api_version, f"{at}.apiVersion") if api_version else [required(f"{at}.apiVersion")]
    if not name:
        return [*found, required(f"{at}.kind")]
    return found + _joined(f"{at}.kind", name, name.lower(), names.label_1035, _KIND_TEXT)


def _api_version(api_version: str, at: str) -> Causes:
    if api_version == "/":
        return [invalid(at, api_version, "version must be specified")]
    if api_version.count("/") > 1:
        return [invalid(at, api_version, f"unexpected GroupVersion string: {api_version}")]
    group, _, version = api_version.rpartition("/")
    found = _joined(at, group, group, names.subdomain) if group else []
    if not version:
        return [*found, invalid(at, api_version, "version must be specified")]
    return found + _joined(at, version, version, names.label_1035)


def _joined(at: str, shown: str, value: str, rule: Callable[[str], list[str]], lead: str = "") -> Causes:
    said = rule(value)
    return [invalid(at, shown, lead + ",".join(said))] if said else []


def _param_ref(ref: dict[str, Any], at: str) -> Causes:
    name, selector = ref.get("name") or "", ref.get("selector")
    both = "name and selector are mutually exclusive"
    found: Causes = []
    if name:
        found += field_checks.texts(f"{at}.name", name, names.path_segment(name))
        if selector is not None:
            found.append(forbidden(f"{at}.name", both))
    if selector is not None:
        found += field_checks.label_selector(selector, f"{at}.selector")
        if name:
            found.append(forbidden(f"{at}.selector", both))
    elif not name:
        found.append(required(at, "one of name or selector must be specified"))
    return found + field_checks.one_of(
        ref.get("parameterNotFoundAction"), f"{at}.parameterNotFoundAction", ("Deny", "Allow")
    )
