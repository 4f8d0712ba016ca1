"""Snapshots, restores, clones, exports and backups together, as virt-controller runs them."""

from fakekube.client.controller import Controller
from fakekube.client.recorder import Recorder
from fakekube.virt.controller.storage.backup import Backups
from fakekube.virt.controller.storage.clone import Clones
from fakekube.virt.controller.storage.content import Contents
from fakekube.virt.controller.storage.export import Exports
from fakekube.virt.controller.storage.restore import Restores
from fakekube.virt.controller.storage.snapshot import Snapshots
from fakekube.virt.controller.wiring import Wiring


class Storage:
    """What is to run: `controllers` and `recorders`."""

    def __init__(self, wiring: Wiring) -> None:
        spoken = ("snapshot", "restore", "clone", "export", "backup")
        parts = [wiring.speaking(f"{part}-controller") for part in spoken]
        snapshots, contents, restores = Snapshots(parts[0]), Contents(parts[0]), Restores(parts[1])
        clones, exports, backups = Clones(parts[2]), Exports(parts[3]), Backups(parts[4])
        snapshots.follow(contents)
        contents.follow(snapshots)
        clones.follow(snapshots, restores)
        restores.follow(snapshots)
        exports.follow(snapshots, backups)
        backups.follow(exports)
        self.recorders: list[Recorder] = [part.recorder for part in parts]
        self.controllers: list[Controller] = [
            part.controller
            for part in (snapshots, contents, restores, clones, exports, backups, backups.trackers)
        ]
