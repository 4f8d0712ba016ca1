"""CustomResourceDefinitions as objects: defaults, what the server owns of them, and what becomes of their status.

`CrdRules` are the hooks of the kind, to be mixed into the strategy of built-in kinds. Validation has a module of its own.
k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition, pkg/apis/apiextensions/v1/defaults.go
"""

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from fakekube.api.extend import accepting
from fakekube.api.registry.deletion import DeleteOptions
from fakekube.api.registry.strategy import Strategy
from fakekube.machinery import objects
from fakekube.machinery.field_errors import FieldError
from fakekube.machinery.wire import Object

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
INSTANCE_DELETION = DeleteOptions()  # how instances go with their definition

# Upstream says InstanceDeletionPending for a moment first; here deletion begins within the request that asked for it.
DELETING: accepting.Condition = {
    "lastTransitionTime": None,
    "message": "CustomResource deletion is in progress",
    "reason": "InstanceDeletionInProgress",
    "status": "True",
    "type": "Terminating",
}

_WEBHOOK_PORT = 443


class CrdRules(Strategy):
    """The hooks of kind CustomResourceDefinition."""

    status_subresource = True
    has_generation = True

    def default(self, obj: Object) -> None:
        super().default(obj)
        default(obj)

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        spec = obj.get("spec") or {}
        obj["status"] = {
            "conditions": None,
            "acceptedNames": {"plural": "", "kind": ""},
            "storedVersions": _stored_versions(spec, []) or None,
        }

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        status = dict(old.get("status") or {})
        status["storedVersions"] = (
            _stored_versions(new.get("spec") or {}, status.get("storedVersions") or []) or None
        )
        new["status"] = status

    def validate_create(self, obj: Object) -> list[FieldError]:
        return [*super().validate_create(obj), *_validation().validate(obj)]

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        return [*super().validate_update(new, old), *_validation().validate_update(new, old)]

    def validate_status_update(self, new: Object, old: Object) -> list[FieldError]:
        return [*super().validate_status_update(new, old), *_validation().validate_status(new)]

    def blocks_deletion(self, obj: Object) -> bool:
        """A definition outlives its instances: the first delete only marks it."""
        return not objects.is_terminating(obj) or super().blocks_deletion(obj)

    def prepare_delete(self, obj: Object) -> None:
        super().prepare_delete(obj)
        if CLEANUP not in objects.finalizers(obj):
            obj["metadata"]["finalizers"] = [*objects.finalizers(obj), CLEANUP]
        now = str(obj["metadata"]["deletionTimestamp"])
        obj["status"] = accepting.with_conditions(obj.get("status") or {}, [DELETING], now)


def _validation() -> ModuleType:
    """The checks of definitions, with the schema walks and the regex reader behind them: an eighth of the start-up,
    and most servers are never given a definition."""
    from fakekube.api.extend import crd_validation  # noqa: PLC0415

    return crd_validation


def default(crd: Object) -> None:
    """Names that follow from others, conversion None, ports of webhooks. In place."""
    spec = crd.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind") or ""
    if kind:
        if not names.get("singular"):
            names["singular"] = kind.lower()
        if not names.get("listKind"):
            names["listKind"] = f"{kind}List"
    conversion = spec.setdefault("conversion", {"strategy": "None"})
    service = objects.dig(conversion, "webhook", "clientConfig", "service")
    if isinstance(service, dict):
        service.setdefault("port", _WEBHOOK_PORT)


def _stored_versions(spec: dict[str, Any], already: list[str]) -> list[str]:
    """The versions objects may be stored in: those before, and the storage version (the first, should there be two)."""
    stored = next((one.get("name") for one in spec.get("versions") or () if one.get("storage")), None)
    return already if stored is None or stored in already else [*already, stored]


def settled_status(crd: Object, others: Iterable[Object], now: str) -> dict[str, Any]:
    """The CRD's status once names are decided among its group: accepted names and conditions. `others` are the CRDs
    that were there before; the answer equals the present status when nothing changed."""
    names, names_accepted = accepting.accepted_names(crd, others)
    conditions = [names_accepted, accepting.established(crd, names_accepted)]
    if (approval := accepting.approval(crd)) is not None:
        conditions.append(approval)
    status = accepting.with_conditions(crd.get("status") or {}, conditions, now)
    return {**status, "acceptedNames": names}
