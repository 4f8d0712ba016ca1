"""What becomes of a volume: Available until it is claimed, Released or gone once its claim is. What has been written on it
goes with it.

Upstream: k8s: pkg/controller/volume/persistentvolume/pv_controller.go (syncVolume, reclaimVolume)
"""

from collections.abc import Iterable

from fakekube.agents.volume_contents import VolumeContents
from fakekube.client.client import Client
from fakekube.client.controller import Controller
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.errors import Conflict, NotFound
from fakekube.machinery.objects import dig, is_terminating, name, uid
from fakekube.machinery.resources import PERSISTENT_VOLUMES
from fakekube.machinery.wire import Object


class Release:
    """Looks at volumes, on the caches of the binder."""

    def __init__(
        self, client: Client, *, clock: Clock, claims: Informer, volumes: Informer, contents: VolumeContents
    ) -> None:
        self._client = client
        self._contents = contents
        self._claims = claims
        self._volumes = volumes
        self.controller = Controller("persistentvolume", self._reconcile, clock=clock)
        self.controller.source(volumes)
        self.controller.source(claims, _volume_of_lost)

    async def _reconcile(self, own: str) -> None:
        volume = self._volumes.get(own)
        if volume is None:
            self._contents.forget(own)
            return
        kept = dig(volume, "spec", "claimRef", default={})
        try:
            if not kept.get("uid"):
                await set_phase(self._client, volume, "Available")
                return
            claim = self._claims.get(f"{kept.get('namespace')}/{kept.get('name')}")
            if claim is not None and uid(claim) == kept["uid"]:
                return
            await set_phase(self._client, volume, "Released")
            if dig(volume, "spec", "persistentVolumeReclaimPolicy") == "Delete" and not is_terminating(
                volume
            ):
                await self._client.delete(PERSISTENT_VOLUMES, own, uid=uid(volume))
        except (NotFound, Conflict):
            return  # its next event will tell


async def set_phase(client: Client, volume: Object, phase: str) -> None:
    """Raises Conflict where the volume is not as it was: two look at it."""
    if dig(volume, "status", "phase") != phase:
        version = volume["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version}, "status": {"phase": phase}}
        await client.patch(PERSISTENT_VOLUMES, name(volume), None, patch, type="merge", subresource="status")


def _volume_of_lost(old: Object | None, new: Object | None) -> Iterable[str]:
    """The volume of a claim that has gone."""
    volume = dig(old, "spec", "volumeName") if new is None else None
    return (volume,) if volume else ()
