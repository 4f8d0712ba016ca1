"""RBAC: roles and bindings → a decision. The objects are followed as they are written; deciding is pure.

Origin: k8s: plugin/pkg/auth/authorizer/rbac/rbac.go, pkg/apis/rbac/v1/evaluation_helpers.go
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fakekube.api.access.authorizer import Deed
from fakekube.machinery import objects, selectors
from fakekube.machinery.wire import Object, User

MASTERS = "system:masters"
KINDS = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


class Rbac:
    """An authorizer over the RBAC objects of one server."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, Object]] = {kind: {} for kind in KINDS}

    def update(self, obj: Object, *, deleted: bool) -> None:
        """Follow one Role, ClusterRole, RoleBinding or ClusterRoleBinding."""
        known = self._objects[obj["kind"]]
        if deleted:
            known.pop(objects.key(obj), None)
        else:
            known[objects.key(obj)] = obj

    def authorize(self, user: User, deed: Deed) -> tuple[bool, str]:
        """Members of system:masters may do everything; others what a binding grants them."""
        if MASTERS in user.groups:
            return True, ""
        for binding, subject, rules in self._granted(user, deed.namespace):
            if any(allows(rule, deed) for rule in rules):
                reference = binding["roleRef"]
                return True, (
                    f'RBAC: allowed by {binding["kind"]} "{_title(binding)}" of {reference["kind"]} "{reference["name"]}" '
                    f"to {_subject_text(subject)}"
                )
        return False, ""

    def rules_of(self, user: User, namespace: str) -> list[Mapping[str, Any]]:
        """Every rule that holds for a user in a namespace."""
        return [rule for _, _, rules in self._granted(user, namespace) for rule in rules]

    def rules_behind(self, binding: Object) -> Iterable[Mapping[str, Any]]:
        """What a binding grants."""
        return self._rules(binding)

    def has_role(self, reference: Mapping[str, Any], namespace: str) -> bool:
        """Whether there is the role a binding refers to."""
        kind, name = str(reference.get("kind")), str(reference.get("name"))
        return (f"{namespace}/{name}" if kind == "Role" else name) in self._objects.get(kind, ())

    def _granted(
        self, user: User, namespace: str
    ) -> Iterator[tuple[Object, Mapping[str, Any], Iterable[Any]]]:
        bindings = list(self._objects["ClusterRoleBinding"].values())
        if namespace:
            bindings += [
                one for one in self._objects["RoleBinding"].values() if objects.namespace(one) == namespace
            ]
        for binding in bindings:
            for subject in binding.get("subjects") or ():
                if applies(subject, user, objects.namespace(binding)):
                    yield binding, subject, self._rules(binding)

    def _rules(self, binding: Object) -> Iterable[Any]:
        reference = binding.get("roleRef") or {}
        if reference.get("kind") == "Role":
            role = self._objects["Role"].get(f"{objects.namespace(binding)}/{reference.get('name')}")
        else:
            role = self._objects["ClusterRole"].get(str(reference.get("name")))
        return self._with_aggregated(role) if role else ()

    def _with_aggregated(self, role: Object) -> list[Any]:
        """The rules of a role. Those of one that is gathered from others are theirs, whatever it says itself."""
        rule = role.get("aggregationRule")
        if not rule:
            return role.get("rules") or []
        rules: list[Any] = []
        for selector in rule.get("clusterRoleSelectors") or ():
            wanted = selectors.from_object(selector)
            for other in self._objects["ClusterRole"].values():
                if other is not role and wanted.matches(objects.labels(other)):
                    rules += [one for one in self._with_aggregated(other) if one not in rules]
        return rules


def applies(subject: Mapping[str, Any], user: User, namespace: str) -> bool:
    """Whether a binding's subject is this user."""
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "User":
        return name == user.name
    if kind == "Group":
        return name in user.groups
    return user.name == f"system:serviceaccount:{subject.get('namespace') or namespace}:{name}"


def allows(rule: Mapping[str, Any], deed: Deed) -> bool:
    """Whether one rule covers a deed."""
    verbs = rule.get("verbs") or ()
    if "*" not in verbs and deed.verb not in verbs:
        return False
    if deed.path:
        return any(_path(pattern, deed.path) for pattern in rule.get("nonResourceURLs") or ())
    groups, names = rule.get("apiGroups") or (), rule.get("resourceNames") or ()
    if "*" not in groups and deed.group not in groups:
        return False
    if names and deed.name not in names:
        return False
    wanted = {"*", deed.full_resource}
    if deed.subresource:
        wanted.add(f"*/{deed.subresource}")
    return any(one in wanted for one in rule.get("resources") or ())


def _path(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))


def _title(binding: Object) -> str:
    space = objects.namespace(binding)
    return f"{objects.name(binding)}/{space}" if space else objects.name(binding)


def _subject_text(subject: Mapping[str, Any]) -> str:
    if subject.get("kind") == "ServiceAccount":
        return f'ServiceAccount "{subject.get("name")}/{subject.get("namespace")}"'
    return f'{subject.get("kind")} "{subject.get("name")}"'
