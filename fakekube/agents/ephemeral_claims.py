"""Claims for pods' ephemeral volumes: made from their templates, and gone with their pods, whose they are.

The scheduler has them made for the pods that wait for them: nobody else need look at all pods for that.
Left out: the event when one cannot be made; it is tried again, and the pod says what it waits for.
Upstream: k8s: pkg/controller/volume/ephemeral/controller.go
"""

from fakekube.agents.claims_used import claim_of
from fakekube.agents.identities import as_controller
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.machinery.errors import AlreadyExists
from fakekube.machinery.objects import Obj, dig, is_terminating, namespace, owner_reference, owners, uid
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS
from fakekube.machinery.wire import Object


def is_of(claim: Obj, pod: Obj) -> bool:
    """Whether a claim was made for a pod, and not for one before of the same name, or by somebody else."""
    return any(one.get("controller") and one.get("uid") == uid(pod) for one in owners(claim))


def claim(pod: Obj, volume: Obj) -> Object:
    template = dig(volume, "ephemeral", "volumeClaimTemplate", default={})
    said = template.get("metadata") or {}
    meta = {member: said[member] for member in ("annotations", "labels") if member in said}
    meta["name"] = claim_of(pod, volume)
    meta["ownerReferences"] = [owner_reference({"apiVersion": "v1", "kind": "Pod", **pod})]
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": template["spec"]}


async def make(client: Client, pod: Obj, claims: Informer) -> None:
    """Those that are not there."""
    own = as_controller(client, "ephemeral-volume-controller")
    for volume in () if is_terminating(pod) else dig(pod, "spec", "volumes", default=()):
        if volume.get("ephemeral") and claims.get(f"{namespace(pod)}/{claim_of(pod, volume)}") is None:
            try:
                await own.create(PERSISTENT_VOLUME_CLAIMS, claim(pod, volume), namespace(pod))
            except AlreadyExists:
                continue  # the cache will have it
