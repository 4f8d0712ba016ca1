"""Namespaces live on after DELETE until their content is gone: `spec.finalizers` holds them, `/finalize` lets them go.

Origin: k8s: pkg/registry/core/namespace/strategy.go, storage/storage.go
"""

from fakekube.api.builtins.strategies.checks import STATUS_METADATA, Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import names
from fakekube.machinery.field_checks import qualified
from fakekube.machinery.field_errors import invalid
from fakekube.machinery.wire import Object

KUBERNETES = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"


class NamespaceStrategy(BuiltinStrategy):
    """Phase Active, the `kubernetes` finalizer, and the label that names the namespace."""

    status_metadata = STATUS_METADATA

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {"phase": "Active"}
        spec = obj.setdefault("spec", {})
        finalizers = spec.setdefault("finalizers", [])
        if KUBERNETES not in finalizers:
            finalizers.append(KUBERNETES)
        self._label(obj)

    def prepare_update(self, new: Object, old: Object) -> None:
        # Only `/finalize` may change the finalizers, and until a namespace is being deleted nobody empties them there.
        if "deletionTimestamp" not in old["metadata"] and not (new.get("spec") or {}).get("finalizers"):
            new["spec"] = old.get("spec") or {}
        self._label(new)

    def validate_update(self, new: Object, old: Object) -> Causes:
        found: Causes = []
        if (new.get("spec") or {}) != (old.get("spec") or {}):  # only `/finalize` gets here with another one
            for index, one in enumerate((new.get("spec") or {}).get("finalizers") or ()):
                at = f"spec.finalizers[{index}]"
                found += qualified(one, at) + names.unqualified_finalizer(one, at)
        return found

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        phase = (new.get("status") or {}).get("phase") or ""
        deleting = "deletionTimestamp" in new["metadata"]
        if phase == ("Terminating" if deleting else "Active"):
            return []
        said = (
            "may only be 'Terminating' if `deletionTimestamp` is not empty"
            if deleting
            else "may only be 'Active' if `deletionTimestamp` is empty"
        )
        return [invalid("status.Phase", phase, said)]

    def prepare_delete(self, obj: Object) -> None:
        obj["metadata"].pop("deletionGracePeriodSeconds", None)
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}

    def blocks_deletion(self, obj: Object) -> bool:
        return bool((obj.get("spec") or {}).get("finalizers"))

    @staticmethod
    def _label(obj: Object) -> None:
        meta = obj["metadata"]
        name = meta.get("name")
        if name:
            meta["labels"] = {**(meta.get("labels") or {}), NAME_LABEL: name}
