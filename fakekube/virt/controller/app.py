"""virt-controller as one actor: shared caches, one recorder per component, and the controllers that use them."""

import asyncio

from fakekube.client.client import Client
from fakekube.client.controller import Controller
from fakekube.client.recorder import Recorder
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.virt.controller.automatic_migration import AutomaticMigrations
from fakekube.virt.controller.disruption import OldBudgets
from fakekube.virt.controller.informers import Informers
from fakekube.virt.controller.launcher_facts import Settings
from fakekube.virt.controller.migration import MigrationController
from fakekube.virt.controller.node import NodeController
from fakekube.virt.controller.outdated import Outdated
from fakekube.virt.controller.replicaset import ReplicaSetController
from fakekube.virt.controller.storage.all import Storage
from fakekube.virt.controller.vm import VirtualMachineController
from fakekube.virt.controller.vmi import InstanceController
from fakekube.virt.controller.wiring import Wiring


class VirtController:
    """Everything virt-controller does."""

    name = "virt-controller"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, settings: Settings | None = None) -> None:
        self.informers = Informers(client, clock)
        first = Recorder(client, "virtualmachine-controller", clock=clock, ids=ids)
        wiring = Wiring(client, self.informers, first, clock, ids, settings or Settings())
        sets = wiring.speaking("virtualmachinereplicaset-controller")
        nodes = wiring.speaking("node-controller")
        drains = wiring.speaking("evacuation-controller")
        budgets = wiring.speaking("disruptionbudget-controller")
        updates = wiring.speaking("workload-update-controller")
        storage = Storage(wiring)
        speaking = (wiring, sets, nodes, drains, budgets, updates)
        self.recorders = [one.recorder for one in speaking] + storage.recorders
        self.controllers: list[Controller] = [
            VirtualMachineController(wiring).controller,
            InstanceController(wiring).controller,
            MigrationController(wiring).controller,
            ReplicaSetController(sets).controller,
            NodeController(nodes).controller,
            AutomaticMigrations(drains, updates=updates.recorder).controller,
            OldBudgets(budgets).controller,
            Outdated(updates).controller,
            *storage.controllers,
        ]

    @property
    def idle(self) -> bool:
        """Nothing is queued or being worked on, and every event has been sent."""
        return all(one.idle for one in self.controllers) and all(one.idle for one in self.recorders)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for recorder in self.recorders:
                tasks.create_task(recorder.run())
            for controller in self.controllers:
                tasks.create_task(controller.run())
