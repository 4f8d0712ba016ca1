"""Claims of DataVolumes that are there: they are taken over, and say how they are filled; and so do their DataVolumes.

Origin: cdi: pkg/controller/datavolume/controller-base.go
"""

from fakekube.client.client import Client
from fakekube.client.recorder import WARNING, Recorder
from fakekube.machinery.objects import (
    annotations,
    controller_of,
    dig,
    is_terminating,
    name,
    namespace,
    owners,
)
from fakekube.machinery.resources import DATA_VOLUMES, PERSISTENT_VOLUME_CLAIMS, Resource
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import claims, rules
from fakekube.virt.cdi.configuration import Configuration
from fakekube.virt.cdi.consuming import Consumers
from fakekube.virt.cdi.sources import CLONE_TYPE, transfer_of


class Upkeep:
    """See the module text."""

    def __init__(
        self, client: Client, recorder: Recorder, *, consumers: Consumers, configuration: Configuration
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._consumers = consumers
        self._configuration = configuration

    async def see_to(self, volume: Object, claim: Object) -> bool:
        """Do what there is to do; whether the claim is one to be filled."""
        if is_terminating(claim):
            text = f'Resource "{name(claim)}" marked for deletion'
            self._recorder.event(volume, WARNING, "ErrResourceMarkedForDeletion", text)
        elif not claims.is_owned(claim, volume):
            await self._adopt(volume, claim)
        elif claims.came_filled(claim, volume):
            if dig(claim, "status", "phase") == "Bound" and claims.PRE_POPULATED not in annotations(volume):
                await self._note(DATA_VOLUMES, volume, {claims.PRE_POPULATED: name(claim)})
        else:
            await self._consumers.stand_in(claim)
            if (way := annotations(claim).get(CLONE_TYPE)) is not None:
                await self._note(DATA_VOLUMES, volume, {CLONE_TYPE: way})
            told = claims.told(volume, claim, transfer_of(volume))
            await self._note(PERSISTENT_VOLUME_CLAIMS, claim, told)
            return True
        return False

    async def _adopt(self, volume: Object, claim: Object) -> None:
        """A claim that is there already is taken over, when it was made for that or the DataVolume allows it."""
        if controller_of(claim) is not None:
            return
        if rules.may_adopt(claim, volume, gate=self._configuration.has(rules.ADOPTION)):
            owned = {"ownerReferences": [*owners(claim), claims.owner(volume)]}
            await self._change(PERSISTENT_VOLUME_CLAIMS, claim, owned)
        else:
            text = f'Resource "{name(claim)}" already exists and is not managed by DataVolume'
            self._recorder.event(volume, WARNING, "ErrResourceExists", text)

    async def _note(self, resource: Resource, obj: Object, notes: dict[str, str]) -> None:
        """Have it say this, in annotations, unless it does."""
        if not notes.items() <= annotations(obj).items():
            await self._change(resource, obj, {"annotations": notes})

    async def _change(self, resource: Resource, obj: Object, meta: Object) -> None:
        await self._client.patch(resource, name(obj), namespace(obj), {"metadata": meta}, type="merge")
