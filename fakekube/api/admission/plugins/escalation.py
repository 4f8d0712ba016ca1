"""Refuses roles and bindings that grant more than their writer holds. Only where RBAC is enforced.

Upstream the storage of the RBAC objects asks this; here it is the first question of admission's second half.

Origin: k8s: pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased/storage.go
"""

from collections.abc import Iterable
from typing import Any

from fakekube.api.access.authorizer import Deed
from fakekube.api.access.escalation import FULL_AUTHORITY, refusal
from fakekube.api.access.rbac import MASTERS, Rbac
from fakekube.api.admission.attributes import CREATE, UPDATE, Attributes
from fakekube.api.admission.plugins.concerned import Concern
from fakekube.machinery.errors import forbidden, not_found
from fakekube.machinery.wire import Object

_GROUP = "rbac.authorization.k8s.io"
_ROLES, _BINDINGS = ("roles", "clusterroles"), ("rolebindings", "clusterrolebindings")


class Escalation(Concern):
    """Who may `escalate` roles or `bind` a role is not asked what they hold."""

    concerns = frozenset((_GROUP, plural) for plural in (*_ROLES, *_BINDINGS))

    def __init__(self, rbac: Rbac) -> None:
        self._rbac = rbac

    async def validate(self, attributes: Attributes) -> None:
        """Raises Forbidden, and NotFound for a binding to no role."""
        obj, plural = attributes.obj, attributes.resource.plural
        if attributes.operation not in (CREATE, UPDATE) or obj is None or MASTERS in attributes.user.groups:
            return
        members = ("rules", "aggregationRule") if plural in _ROLES else ("subjects", "roleRef")
        if attributes.old is not None and all(obj.get(one) == attributes.old.get(one) for one in members):
            return
        why = self._role(attributes, obj) if plural in _ROLES else self._binding(attributes, obj)
        if why:
            raise forbidden(plural, _GROUP, attributes.named, why)

    def _role(self, attributes: Attributes, obj: Object) -> str:
        deed = Deed(
            "escalate", _GROUP, attributes.resource.plural, "", attributes.namespace, attributes.named
        )
        if self._rbac.authorize(attributes.user, deed)[0]:
            return ""
        if obj.get("aggregationRule") and self._excess(attributes, FULL_AUTHORITY):
            return "must have cluster-admin privileges to use the aggregationRule"
        return self._excess(attributes, obj.get("rules") or ())

    def _binding(self, attributes: Attributes, obj: Object) -> str:
        reference = obj.get("roleRef") or {}
        plural, name = f"{str(reference.get('kind')).lower()}s", str(reference.get("name"))
        namespace = attributes.namespace
        deed = Deed("bind", _GROUP, plural, "", namespace, name)
        if self._rbac.authorize(attributes.user, deed)[0]:
            return ""
        if not self._rbac.has_role(reference, namespace):
            raise not_found(plural, _GROUP, name)
        return self._excess(attributes, self._rbac.rules_behind(obj))

    def _excess(self, attributes: Attributes, wanted: Iterable[Any]) -> str:
        held = self._rbac.rules_of(attributes.user, attributes.namespace)
        return refusal(attributes.user, held, wanted)
