"""Claims of classes that bind late: those that wait for their first consumer, and those CDI's own pods would consume at once,
which get a node as if there were such a pod.

Origin: cdi: pkg/controller/common/util.go (ImmediateBindingRequested), pkg/feature-gates
"""

from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.machinery.objects import Obj, annotations, condition_is, dig, name, namespace
from fakekube.machinery.resources import NODES, PERSISTENT_VOLUME_CLAIMS
from fakekube.virt.cdi.claims import BIND_NOW
from fakekube.virt.cdi.configuration import Configuration

_SELECTED = "volume.kubernetes.io/selected-node"
_GATE = "HonorWaitForFirstConsumer"


class Consumers:
    """See the module text. `classes`: a cache somebody else has, too."""

    def __init__(self, client: Client, *, classes: Informer, configuration: Configuration) -> None:
        self._client = client
        self._classes = classes
        self._configuration = configuration

    def awaited(self, claim: Obj) -> bool:
        """Whether the claim waits for somebody else's pod."""
        asked = BIND_NOW in annotations(claim) or not self._configuration.has(_GATE, default=True)
        return self._is_late(claim) and not asked

    async def stand_in(self, claim: Obj) -> None:
        """Have the claim bound, if it waits for nobody else, and for a node."""
        if dig(claim, "status", "phase") == "Bound" or _SELECTED in annotations(claim):
            return
        if not self._is_late(claim) or self.awaited(claim):
            return
        for node in (await self._client.list(NODES)).items:
            if condition_is(node, "Ready") and not dig(node, "spec", "unschedulable"):
                chosen = {"metadata": {"annotations": {_SELECTED: name(node)}}}
                await self._client.patch(
                    PERSISTENT_VOLUME_CLAIMS, name(claim), namespace(claim), chosen, type="merge"
                )
                return

    def _is_late(self, claim: Obj) -> bool:
        chosen = self._classes.get(dig(claim, "spec", "storageClassName", default=""))
        return bool(dig(chosen, "volumeBindingMode") == "WaitForFirstConsumer")
