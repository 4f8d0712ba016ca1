"""ObjectTransfers: a claim, or a DataVolume with its claim, goes to another namespace or gets another name, and keeps its volume.

    new ──► Pending, until it is there, full, and nobody uses it ──► Running ──► Complete, or Error

Transfers are followed once there is one; how they move things is `moving`'s.
Origin: cdi: pkg/controller/transfer
"""

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.late import WantedInformer
from fakekube.clock import Clock, rfc3339
from fakekube.machinery.errors import ApiError, Conflict, NotFound
from fakekube.machinery.objects import dig, finalizers, is_terminating, name, resource_version
from fakekube.machinery.resources import OBJECT_TRANSFERS
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import transfer_rules
from fakekube.virt.cdi.configuration import Configuration
from fakekube.virt.cdi.in_use import Users
from fakekube.virt.cdi.moving import Mover
from fakekube.virt.cdi.transfer_rules import Told

_FINALIZER = "cdi.kubevirt.io/objectTransfer"
_AGAIN = 2.0


class Transfers:
    """An actor, see the module text."""

    def __init__(self, client: Client, *, clock: Clock, users: Users, configuration: Configuration) -> None:
        self._client = client
        self._clock = clock
        self._mover = Mover(client, users=users, configuration=configuration)
        self._transfers = WantedInformer(client, OBJECT_TRANSFERS, clock=clock)
        self.controller = Controller("transfer-controller", self._reconcile, clock=clock)
        self.controller.source(self._transfers)

    def begin(self) -> None:
        """There is one now."""
        self._transfers.begin()

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            if (await self._client.metadata_only().list(OBJECT_TRANSFERS)).items:
                self.begin()
        except NotFound:
            pass  # they are not even defined
        await self.controller.run()

    async def _reconcile(self, own: str) -> Result | None:
        transfer = self._transfers.get(own)
        if transfer is None:
            return None
        phase = dig(transfer, "status", "phase", default="")
        try:
            if phase == "Complete" or (is_terminating(transfer) and phase != "Running"):
                await self._let_go(transfer)
                return None
            told = await self._told(transfer, phase)
            if told is not None:
                await self._tell(transfer, told)
        except (Conflict, NotFound):
            return Result(requeue_after=_AGAIN)  # something has changed meanwhile
        return Result(requeue_after=_AGAIN) if phase != "Error" else None

    async def _told(self, transfer: Object, phase: str) -> Told | None:
        """What there is to say after one step."""
        try:
            if phase == "":
                if _FINALIZER not in finalizers(transfer):
                    await self._finalized_by(transfer, [*finalizers(transfer), _FINALIZER])
                return Told("Initializing", phase="Pending")
            if phase == "Pending":
                return await self._mover.wait(transfer)
            if phase == "Running":
                return await self._mover.move(transfer)
        except (Conflict, NotFound):
            raise
        except ApiError as error:
            return Told("Error", error.message)
        return None

    async def _let_go(self, transfer: Object) -> None:
        if _FINALIZER in finalizers(transfer):
            await self._finalized_by(transfer, [one for one in finalizers(transfer) if one != _FINALIZER])

    async def _finalized_by(self, transfer: Object, those: list[str]) -> None:
        """What is there is replaced as a whole: only if nobody has changed it meanwhile."""
        meta = {"finalizers": those or None, "resourceVersion": resource_version(transfer)}
        change = {"metadata": meta}
        await self._client.patch(OBJECT_TRANSFERS, name(transfer), None, change, type="merge")

    async def _tell(self, transfer: Object, told: Told) -> None:
        status = transfer_rules.status(transfer, told, rfc3339(self._clock.now()))
        if status != transfer.get("status"):
            current = await self._client.get(OBJECT_TRANSFERS, name(transfer))
            await self._client.update(OBJECT_TRANSFERS, {**current, "status": status}, subresource="status")
