"""Which writes a webhook wants to see: rules, namespace and object selectors.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/predicates
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fakekube.api.admission.attributes import Attributes
from fakekube.machinery import selectors

NamespaceLabels = Callable[[str], Awaitable[Mapping[str, str]]]


async def matches(hook: Mapping[str, Any], attributes: Attributes, namespace_labels: NamespaceLabels) -> bool:
    """Whether this webhook is to be asked."""
    exact = hook.get("matchPolicy") == "Exact"
    if not any(_rule(rule, attributes, exact=exact) for rule in hook.get("rules") or ()):
        return False
    if not _object_selected(hook.get("objectSelector"), attributes):
        return False
    selector = hook.get("namespaceSelector")
    if not selector:
        return True
    return selectors.from_object(selector).matches(await _labels_of_namespace(attributes, namespace_labels))


def _rule(rule: Mapping[str, Any], attributes: Attributes, *, exact: bool) -> bool:
    resource = attributes.resource
    operations = rule.get("operations") or ()
    if "*" not in operations and attributes.operation not in operations:
        return False
    groups, versions = rule.get("apiGroups") or (), rule.get("apiVersions") or ()
    if "*" not in groups and resource.group not in groups:
        return False
    # By the default policy, Equivalent, a rule for another version of the same resource matches too.
    if exact and "*" not in versions and resource.version not in versions:
        return False
    scope = rule.get("scope") or "*"
    if scope not in ("*", "Namespaced" if resource.namespaced else "Cluster"):
        return False
    return any(
        _resource(pattern, resource.plural, attributes.subresource) for pattern in rule.get("resources") or ()
    )


def _resource(pattern: str, plural: str, subresource: str) -> bool:
    wanted, _, sub = pattern.partition("/")
    if wanted not in ("*", plural):
        return False
    return sub in (subresource, "*") or (pattern == "*" and not subresource)


def _object_selected(selector: Mapping[str, Any] | None, attributes: Attributes) -> bool:
    if not selector:
        return True
    wanted = selectors.from_object(selector)
    return any(
        wanted.matches((obj.get("metadata") or {}).get("labels") or {})
        for obj in (attributes.obj, attributes.old)
        if obj is not None
    )


async def _labels_of_namespace(
    attributes: Attributes, namespace_labels: NamespaceLabels
) -> Mapping[str, str]:
    if attributes.resource.namespaced:
        return await namespace_labels(attributes.namespace)
    if attributes.resource.plural == "namespaces" and not attributes.resource.group:
        obj = attributes.obj or attributes.old or {}
        return (obj.get("metadata") or {}).get("labels") or {}
    return {}
