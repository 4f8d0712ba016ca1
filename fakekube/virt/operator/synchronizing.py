"""Where other sides of migrations reach this cluster: the pod of virt-synchronization-controller that leads.

Origin: kubevirt: pkg/virt-operator/kubevirt.go (updateSynchronizationAddress)
"""

from collections.abc import Iterable

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.errors import Conflict, NotFound
from fakekube.machinery.objects import dig, is_terminating, key, labels, name
from fakekube.machinery.resources import KUBEVIRTS
from fakekube.machinery.wire import Object
from fakekube.virt.operator.leading import COMPONENT, SYNCHRONIZATION, candidates_of

_PORT = "9185"
_ADDRESSES = "synchronizationAddresses"


class Addresses:
    """See the module text; `pods` are the candidates."""

    def __init__(self, client: Client, kubevirts: Informer, pods: Informer, *, clock: Clock) -> None:
        self._client = client
        self._kubevirts = kubevirts
        self._pods = pods
        self.controller = Controller("virt-operator: addresses", self._reconcile, clock=clock)
        self.controller.source(kubevirts)
        self.controller.source(pods, self._asking)

    def _asking(self, old: Object | None, new: Object | None) -> Iterable[str]:
        if labels(new or old or {}).get(COMPONENT) != SYNCHRONIZATION:
            return ()
        return map(key, self._kubevirts.objects())

    async def _reconcile(self, own: str) -> Result | None:
        obj = self._kubevirts.get(own)
        if obj is None or is_terminating(obj) or dig(obj, "status", "phase") != "Deployed":
            return None
        found, known = self._found(obj), dig(obj, "status", _ADDRESSES) or []
        if found != known:
            told = {key: value for key, value in obj["status"].items() if key != _ADDRESSES}
            if found:
                told[_ADDRESSES] = found
            try:
                await self._client.update(KUBEVIRTS, {**obj, "status": told}, subresource="status")
            except (Conflict, NotFound):
                return None  # what was changed meanwhile wakes us again
        return None

    def _found(self, obj: Object) -> list[str]:
        leader = next(iter(candidates_of(self._pods.objects(), SYNCHRONIZATION)), None)
        port = dig(obj, "spec", "synchronizationPort") or _PORT
        for pod in self._pods.objects():
            if name(pod) == leader:
                addresses = [one["ip"] for one in dig(pod, "status", "podIPs") or ()]
                return [f"[{one}]:{port}" if ":" in one else f"{one}:{port}" for one in addresses]
        return []
