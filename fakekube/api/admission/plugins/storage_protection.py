"""StorageObjectInUseProtection: claims and volumes get the finalizer that keeps them while somebody uses them.

Taking it off again is the volume controller's business: where none runs, a deleted claim waits, as on a real cluster.

Origin: k8s: plugin/pkg/admission/storage/storageobjectinuseprotection/admission.go
"""

from fakekube.api.admission.attributes import CREATE, Attributes
from fakekube.api.admission.plugins.concerned import Concern

_FINALIZERS = {
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "persistentvolumes": "kubernetes.io/pv-protection",
}


class StorageProtection(Concern):
    """See the module text."""

    concerns = frozenset(("", plural) for plural in _FINALIZERS)

    async def mutate(self, attributes: Attributes) -> None:
        if attributes.operation != CREATE or attributes.subresource or attributes.obj is None:
            return
        meta, wanted = attributes.obj["metadata"], _FINALIZERS[attributes.resource.plural]
        if wanted not in (meta.get("finalizers") or ()):
            meta["finalizers"] = [*(meta.get("finalizers") or ()), wanted]
