"""What a guest is given: its configuration, and what is on its disks. Read when somebody looks into it, and not kept."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from fakekube.agents.node_server import mounted
from fakekube.agents.volume_contents import VolumeContents
from fakekube.client.client import Client
from fakekube.machinery.objects import namespace
from fakekube.machinery.resources import DATA_VOLUMES
from fakekube.machinery.wire import Object
from fakekube.virt.handler import guest_config, guest_machine, guest_volumes, systems
from fakekube.virt.handler.guest_devices import RELEASE, Contents


async def to(
    client: Client, vmi: Object, volumes: VolumeContents, configuration: Mapping[str, Any]
) -> Contents:
    """`volumes`: what they hold; `configuration`: KubeVirt's."""
    behind, smbios = await guest_volumes.backings(client, vmi), configuration.get("smbios") or {}
    root = behind.get(guest_machine.root(vmi))
    said = volumes.read(root.volume, root.part).get(RELEASE) if root is not None else None
    given = Contents(said or await _origin(client, vmi))
    if guest_config.is_configured(vmi):
        found = await mounted.read(client, namespace(vmi), guest_config.wanted(vmi))
        given = guest_config.contents(vmi, given.origin, found)
    return replace(given, backings=behind, smbios=smbios)


async def _origin(client: Client, vmi: Object) -> str:
    """What the claim a guest boots from was filled with, where its disk says nothing and a DataVolume does."""
    claim = systems.boot_claim(vmi)
    volume = await client.find(DATA_VOLUMES, claim, namespace(vmi)) if claim else None
    return systems.origin(volume) if volume is not None else ""
