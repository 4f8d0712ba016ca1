"""DefaultStorageClass: a claim that names no class gets the default one, if there is one.

Origin: k8s: plugin/pkg/admission/storage/storageclass/setdefault/admission.go
"""

from fakekube.api.admission.attributes import CREATE, Attributes
from fakekube.api.admission.plugins.concerned import Concern
from fakekube.api.admission.plugins.following import Followed
from fakekube.machinery.objects import annotations, name

_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_LEGACY = "volume.beta.kubernetes.io/storage-class"


class DefaultStorageClass(Concern):
    """Of several defaults the newest counts, and of equally old ones the first by name."""

    concerns = frozenset({("", "persistentvolumeclaims")})

    def __init__(self, classes: Followed) -> None:
        self._classes = classes

    async def mutate(self, attributes: Attributes) -> None:
        claim = attributes.obj
        if attributes.operation != CREATE or attributes.subresource or claim is None:
            return
        if "storageClassName" in claim["spec"] or _LEGACY in annotations(claim):
            return
        defaults = sorted(
            (one for one in self._classes.of() if annotations(one).get(_DEFAULT) == "true"), key=name
        )
        if defaults:
            newest = max(defaults, key=lambda one: str(one["metadata"]["creationTimestamp"]))
            claim["spec"]["storageClassName"] = name(newest)
