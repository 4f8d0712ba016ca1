"""What CDI's controllers are made from, and share."""

from msgspec import Struct

from fakekube.agents.volume_contents import VolumeContents
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.lifecycle.stage import Pace
from fakekube.virt.cdi.configuration import Configuration
from fakekube.virt.cdi.consuming import Consumers
from fakekube.virt.cdi.exported import Exports
from fakekube.virt.cdi.in_use import Users
from fakekube.virt.cdi.making import Maker


class Setting(Struct, frozen=True):
    """`classes` and `claims`: caches; `contents`: of volumes; `maker` knows what claims are to be like, and how clones are made."""

    client: Client
    clock: Clock
    ids: Ids
    contents: VolumeContents
    pace: Pace
    classes: Informer
    claims: Informer
    configuration: Configuration
    consumers: Consumers
    users: Users
    maker: Maker
    exports: Exports
