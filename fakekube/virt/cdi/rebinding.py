"""A volume goes from the claim that was filled to the one it was filled for.

Origin: cdi: pkg/controller/common/util.go (Rebind)
"""

from collections.abc import Callable

from fakekube.agents.volume_objects import reference
from fakekube.client.client import Client
from fakekube.machinery.objects import Obj, dig, uid
from fakekube.machinery.resources import PERSISTENT_VOLUMES


async def rebind(client: Client, source: Obj, target: Obj, *, fill: Callable[[], None] | None = None) -> bool:
    """Give it, if it is still the source's; whether that was so. `fill`: what is done to it before, as nobody may write on it once
    it is the target's. Raises Conflict, NotFound."""
    own = dig(source, "spec", "volumeName")
    if not own:
        return False
    volume = await client.get(PERSISTENT_VOLUMES, own)
    if dig(volume, "spec", "claimRef", "uid") != uid(source):
        return False
    if fill is not None:
        fill()
    spec = {**volume["spec"], "claimRef": reference(target)}
    await client.update(PERSISTENT_VOLUMES, {**volume, "spec": spec})
    return True
