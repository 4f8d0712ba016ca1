"""Trackers of backups: a guest that has begun anew is told of the checkpoint the next backup starts at, or that is forgotten.

Origin: kubevirt: pkg/storage/cbt/backuptracker.go
"""

from fakekube.client.informer import Informer
from fakekube.client.recorder import WARNING
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.objects import dig, name, namespace
from fakekube.machinery.resources import BACKUP_TRACKERS, INSTANCE_ACTIONS
from fakekube.machinery.wire import Object
from fakekube.virt.controller.storage import backup_status
from fakekube.virt.controller.wiring import Wiring


class Trackers:
    """See the module text."""

    def __init__(self, wiring: Wiring, trackers: Informer) -> None:
        self._client = wiring.client
        self._recorder = wiring.recorder
        self._vmis = wiring.informers.vmis
        self._trackers = trackers
        self._writer = wiring.writer(trackers)
        self.controller = wiring.controller(
            "virtualmachinebackuptracker", self._reconcile, trackers, reads=(self._vmis,)
        )

    async def _reconcile(self, own: str) -> None:
        tracker = self._trackers.get(own)
        if tracker is None or self._writer.behind(own) or not backup_status.awaits_redefinition(tracker):
            return
        machine = dig(tracker, "spec", "source", "name", default="")
        space = namespace(tracker)
        if self._vmis.get(f"{space}/{machine}") is None:
            raise NotFound(f"VMI {space}/{machine} not found, will retry")
        known: Object = dig(tracker, "status", "latestCheckpoint")
        path = INSTANCE_ACTIONS.path(space, machine, "redefine-checkpoint")
        forgotten: Object = {"checkpointRedefinitionRequired": None}
        try:
            await self._client.request("PUT", path, body=dict(known))
        except ApiError as error:
            if "422 Unprocessable Entity" not in error.message:
                raise
            text = f"Failed to redefine checkpoint {known['name']}: {error.message}. Checkpoint cleared, next backup will be full."
            self._recorder.event(tracker, WARNING, "CheckpointRedefinitionFailed", text)
            forgotten["latestCheckpoint"] = None
        await self.tell(tracker, forgotten)

    async def tell(self, tracker: Object, changes: Object) -> None:
        """Change its status."""
        change: Object = {"status": changes}
        self._writer.wrote(
            await self._client.patch(
                BACKUP_TRACKERS,
                name(tracker),
                namespace(tracker),
                change,
                type="merge",
                subresource="status",
            )
        )
