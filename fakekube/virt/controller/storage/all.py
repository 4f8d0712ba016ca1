"""Snapshots, restores, clones and exports together, as virt-controller runs them."""

from fakekube.client.client import Client
from fakekube.client.controller import Controller
from fakekube.client.recorder import Recorder
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.virt.controller.informers import Informers
from fakekube.virt.controller.storage.clone import Clones
from fakekube.virt.controller.storage.export import Exports
from fakekube.virt.controller.storage.restore import Restores
from fakekube.virt.controller.storage.snapshot import Snapshots


class Storage:
    """What is to run: `controllers` and `recorders`."""

    def __init__(self, client: Client, informers: Informers, *, clock: Clock, ids: Ids) -> None:
        voices = [
            Recorder(client, f"{part}-controller", clock=clock, ids=ids)
            for part in ("snapshot", "restore", "clone", "export")
        ]
        snapshots = Snapshots(client, informers, voices[0], clock=clock)
        restores = Restores(client, informers, voices[1], clock=clock)
        clones = Clones(client, informers, voices[2], clock=clock, ids=ids)
        exports = Exports(client, informers, voices[3], clock=clock, ids=ids)
        clones.follow(snapshots, restores)
        restores.follow(snapshots)
        self.recorders: list[Recorder] = voices
        self.controllers: list[Controller] = [
            part.controller for part in (snapshots, restores, clones, exports)
        ]
