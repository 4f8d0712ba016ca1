"""Budgets that older releases made for every guest are deleted: evictions are judged by virt-api, one by one.

Origin: kubevirt: pkg/virt-controller/watch/drain/disruptionbudget/disruptionbudget.go
"""

from fakekube.client.informer import Informer
from fakekube.client.recorder import NORMAL
from fakekube.machinery.objects import controller_of, is_terminating, name, namespace
from fakekube.machinery.resources import BUDGETS, VIRTUAL_MACHINE_INSTANCES
from fakekube.virt.controller.wiring import Wiring


class OldBudgets:
    """See the module text. `controller` is what runs."""

    def __init__(self, wiring: Wiring) -> None:
        self._client = wiring.client
        self._recorder = wiring.recorder
        self._budgets = Informer(wiring.client.metadata_only(), BUDGETS, clock=wiring.clock)
        self.controller = wiring.controller("disruption budgets", self._reconcile, self._budgets)

    async def _reconcile(self, own: str) -> None:
        budget = self._budgets.get(own)
        owner = controller_of(budget) if budget else None
        if budget is None or owner is None or is_terminating(budget):
            return
        if owner["kind"] != VIRTUAL_MACHINE_INSTANCES.kind:
            return
        if await self._client.delete_if_present(BUDGETS, name(budget), namespace(budget)):
            meta = {"namespace": namespace(budget), "name": owner["name"], "uid": owner["uid"]}
            vmi = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "metadata": meta}
            text = f"Deleted PodDisruptionBudget {name(budget)}"
            self._recorder.event(vmi, NORMAL, "SuccessfulDelete", text)
