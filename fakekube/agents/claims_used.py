"""Which claims pods use: those their volumes name, and those that are made for their ephemeral ones. Pure.

Upstream: k8s: staging/src/k8s.io/component-helpers/storage/ephemeral
"""

from fakekube.machinery.objects import Obj, dig, name, namespace


def claim_of(pod: Obj, volume: Obj) -> str:
    """The name of the claim behind a volume, or empty."""
    if volume.get("ephemeral"):
        return f"{name(pod)}-{volume['name']}"
    return str(dig(volume, "persistentVolumeClaim", "claimName", default=""))


def claims_of(pod: Obj) -> list[str]:
    """The keys of the claims behind a pod's volumes, in their order."""
    space = namespace(pod)
    found = (claim_of(pod, one) for one in dig(pod, "spec", "volumes", default=()))
    return [f"{space}/{own}" for own in found if own]
