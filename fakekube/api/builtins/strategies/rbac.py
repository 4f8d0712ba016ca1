"""Roles and bindings as objects; whether they allow something is `access/rbac`.

Origin: k8s: pkg/apis/rbac/{v1/defaults.go,validation/validation.go}
"""

from typing import Any

from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks, names
from fakekube.machinery.field_errors import invalid, not_supported, required
from fakekube.machinery.wire import Object

_GROUP = "rbac.authorization.k8s.io"
_NO_URLS = "namespaced rules cannot apply to non-resource URLs"
_EITHER = "rules cannot apply to both regular resources and non-resource URLs"


class RoleStrategy(BuiltinStrategy):
    """Roles and, where `urls` are allowed, ClusterRoles."""

    metadata_rechecks = 1
    urls = False

    def validate_create(self, obj: Object) -> Causes:
        found: Causes = []
        for index, rule in enumerate(obj.get("rules") or ()):
            found += self._rule(rule, f"rules[{index}]")
        aggregation = obj.get("aggregationRule")
        if aggregation is not None:
            at = "aggregationRule.clusterRoleSelectors"
            selectors = aggregation.get("clusterRoleSelectors") or ()
            found += (
                []
                if selectors
                else [required(at, "at least one clusterRoleSelector required if aggregationRule is non-nil")]
            )
            found += checks.each(selectors, at, field_checks.label_selector)
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)

    def _rule(self, rule: dict[str, Any], at: str) -> Causes:
        found: Causes = []
        if not rule.get("verbs"):
            found.append(required(f"{at}.verbs", "verbs must contain at least one value"))
        if rule.get("nonResourceURLs"):
            if not self.urls:
                found.append(invalid(f"{at}.nonResourceURLs", rule["nonResourceURLs"], _NO_URLS))
            if any(rule.get(member) for member in ("apiGroups", "resources", "resourceNames")):
                found.append(invalid(f"{at}.nonResourceURLs", rule["nonResourceURLs"], _EITHER))
            return found
        if not rule.get("apiGroups"):
            said = "resource rules must supply at least one api group"
            found.append(required(f"{at}.apiGroups", said))
        if not rule.get("resources"):
            said = "resource rules must supply at least one resource"
            found.append(required(f"{at}.resources", said))
        return found


class ClusterRoleStrategy(RoleStrategy):
    urls = True


class BindingStrategy(BuiltinStrategy):
    """RoleBindings and ClusterRoleBindings: whom a role is given, and which for good."""

    metadata_rechecks = 1

    def default(self, obj: Object) -> None:
        super().default(obj)
        role = obj.setdefault("roleRef", {})
        role["apiGroup"] = role.get("apiGroup") or _GROUP
        for subject in obj.get("subjects") or ():
            if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
                subject["apiGroup"] = _GROUP

    def validate_create(self, obj: Object) -> Causes:
        role = obj["roleRef"]
        kinds = ["ClusterRole"] if self.kind == "ClusterRoleBinding" else ["Role", "ClusterRole"]
        found: Causes = []
        if role.get("apiGroup") != _GROUP:
            found.append(not_supported("roleRef.apiGroup", role.get("apiGroup"), [_GROUP]))
        if role.get("kind") not in kinds:
            found.append(not_supported("roleRef.kind", role.get("kind") or "", kinds))
        name = role.get("name") or ""
        if not name:
            found.append(required("roleRef.name"))
        found += field_checks.texts("roleRef.name", name, names.path_segment(name))
        for index, subject in enumerate(obj.get("subjects") or ()):
            found += self._subject(subject, f"subjects[{index}]")
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        found = self.validate_create(new)
        if new["roleRef"] != old["roleRef"]:
            found.append(invalid("roleRef", _internal(new["roleRef"]), "cannot change roleRef"))
        return found

    def _subject(self, subject: dict[str, Any], at: str) -> Causes:
        kind, name, group = (subject.get(member) or "" for member in ("kind", "name", "apiGroup"))
        found: Causes = [] if name else [required(f"{at}.name")]
        match kind:
            case "ServiceAccount":
                if name:
                    found += field_checks.texts(f"{at}.name", name, names.subdomain(name))
                if group:
                    found.append(not_supported(f"{at}.apiGroup", group, [""]))
                # A RoleBinding's own namespace could be meant; upstream asks only where there is none.
                if self.kind == "ClusterRoleBinding" and not subject.get("namespace"):
                    found.append(required(f"{at}.namespace"))
            case "User" | "Group":
                if group != _GROUP:
                    found.append(not_supported(f"{at}.apiGroup", group, [_GROUP]))
            case _:
                found.append(not_supported(f"{at}.kind", kind, ["ServiceAccount", "User", "Group"]))
        return found


def _internal(role: dict[str, Any]) -> dict[str, Any]:
    return {"APIGroup": role.get("apiGroup"), "Kind": role.get("kind"), "Name": role.get("name")}
