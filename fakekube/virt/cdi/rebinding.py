"""A volume goes from the claim that was filled to the one it was filled for.

Origin: cdi: pkg/controller/common/util.go (Rebind)
"""

from fakekube.agents.volume_objects import reference
from fakekube.client.client import Client
from fakekube.machinery.objects import Obj, dig, uid
from fakekube.machinery.resources import PERSISTENT_VOLUMES


async def rebind(client: Client, source: Obj, target: Obj) -> bool:
    """Give it, if it is still the source's; whether that was so. Raises Conflict, NotFound."""
    own = dig(source, "spec", "volumeName")
    if not own:
        return False
    volume = await client.get(PERSISTENT_VOLUMES, own)
    if dig(volume, "spec", "claimRef", "uid") != uid(source):
        return False
    spec = {**volume["spec"], "claimRef": reference(target)}
    await client.update(PERSISTENT_VOLUMES, {**volume, "spec": spec})
    return True
