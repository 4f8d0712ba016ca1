"""What of a pod's claims keeps it from its node: they have to be there and bound, or to be bound once the node is known.

Upstream: k8s: pkg/scheduler/framework/plugins/volumebinding
"""

from collections.abc import Sequence

from fakekube.agents import ephemeral_claims, scheduling
from fakekube.agents.claims_used import claim_of
from fakekube.agents.volume_binding import LATE, SELECTED_NODE
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.machinery import objects
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS
from fakekube.machinery.wire import Object


def trouble(pod: Object, claims: Informer, classes: Informer) -> tuple[str, list[Object]]:
    """What is wrong with them, if anything, and those that are bound only once a node is chosen."""
    space, later = objects.namespace(pod), []
    for volume in pod["spec"].get("volumes") or ():
        if not (name := claim_of(pod, volume)):
            continue
        claim, made = claims.get(f"{space}/{name}"), "ephemeral" in volume
        if claim is None:
            awaited = "waiting for ephemeral volume controller to create the " if made else ""
            return f'{awaited}persistentvolumeclaim "{name}"{"" if made else " not found"}', []
        if made and not ephemeral_claims.is_of(claim, pod):
            text = f"PVC {space}/{name} was not created for pod {objects.key(pod)} (pod is not owner)"
            return text, []
        if objects.is_terminating(claim):
            return f'persistentvolumeclaim "{name}" is being deleted', []
        if claim["spec"].get("volumeName") or objects.dig(claim, "status", "phase") == "Bound":
            continue
        wanted = classes.get(claim["spec"].get("storageClassName") or "")
        if wanted is None or wanted.get("volumeBindingMode") != LATE:
            return scheduling.UNBOUND_CLAIMS, []
        later.append(claim)
    return "", later


async def provision(client: Client, claims: Sequence[Object], node: str) -> None:
    """Tell the provisioner where the pod will be; it is bound once its claims are."""
    for claim in claims:
        if objects.annotations(claim).get(SELECTED_NODE) is None:
            patch = {"metadata": {"annotations": {SELECTED_NODE: node}}}
            await client.patch(
                PERSISTENT_VOLUME_CLAIMS, objects.name(claim), objects.namespace(claim), patch, type="merge"
            )
