"""virt-controller as one actor: shared caches, one recorder per component, and the controllers that use them."""

import asyncio

from fakekube.client.client import Client
from fakekube.client.controller import Controller
from fakekube.client.recorder import Recorder
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.virt.controller import launcher_pod
from fakekube.virt.controller.automatic_migration import AutomaticMigrations
from fakekube.virt.controller.informers import Informers
from fakekube.virt.controller.migration import MigrationController
from fakekube.virt.controller.node import NodeController
from fakekube.virt.controller.replicaset import ReplicaSetController
from fakekube.virt.controller.storage.all import Storage
from fakekube.virt.controller.vm import VirtualMachineController
from fakekube.virt.controller.vmi import InstanceController


class VirtController:
    """Everything virt-controller does."""

    name = "virt-controller"

    def __init__(
        self, client: Client, *, clock: Clock, ids: Ids, settings: launcher_pod.Settings | None = None
    ) -> None:
        settings = settings or launcher_pod.Settings()
        self.informers = Informers(client, clock)
        recorder = Recorder(client, "virtualmachine-controller", clock=clock, ids=ids)
        for_sets = Recorder(client, "virtualmachinereplicaset-controller", clock=clock, ids=ids)
        for_nodes = Recorder(client, "node-controller", clock=clock, ids=ids)
        for_drains = Recorder(client, "evacuation-controller", clock=clock, ids=ids)
        for_updates = Recorder(client, "workload-update-controller", clock=clock, ids=ids)
        self.recorders = [recorder, for_sets, for_nodes, for_drains, for_updates]
        self.controllers: list[Controller] = [
            VirtualMachineController(client, self.informers, recorder, clock=clock, ids=ids).controller,
            InstanceController(client, self.informers, recorder, clock=clock, settings=settings).controller,
            MigrationController(client, self.informers, recorder, clock=clock, settings=settings).controller,
            ReplicaSetController(client, self.informers, for_sets, clock=clock).controller,
            NodeController(client, self.informers, for_nodes, clock=clock).controller,
            AutomaticMigrations(
                client, self.informers, drains=for_drains, updates=for_updates, clock=clock
            ).controller,
        ]

        storage = Storage(client, self.informers, clock=clock, ids=ids)
        self.recorders += storage.recorders
        self.controllers += storage.controllers

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
