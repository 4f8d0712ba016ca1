"""One look at one VM: what was seen, what has been done, what came of it. The parts of a pass hand it to each other."""

from msgspec import Struct, field

from fakekube.machinery.wire import Object
from fakekube.virt.controller import instancetypes
from fakekube.virt.controller.conditions import Failure
from fakekube.virt.controller.tracking import NOTHING, Wish
from fakekube.virt.controller.wiring import Wiring
from fakekube.virt.controller.writer import Writer


class Pass(Struct):
    """See the module text."""

    key: str
    vm: Object
    vmi: Object | None
    tracked: Wish = NOTHING
    volumes: list[Object] = field(default_factory=list)
    claims: dict[str, Object] = field(default_factory=dict)
    creating: bool = False
    deleting: bool = False
    restart: str | None = None
    stuck: str = ""  # why volumes that are to be others wait for a restart
    sizes: instancetypes.Found = instancetypes.NONE
    failure: Failure | None = None
    error: Exception | None = None
    wait: float = 0.0

    def failed(self, reason: str, message: str, error: Exception) -> None:
        self.failure, self.error = Failure(reason, message), error


class Writers:
    """What a pass writes to, each with its memory of what the caches do not show yet."""

    def __init__(self, wiring: Wiring) -> None:
        self.vms: Writer = wiring.writer(wiring.informers.vms)
        self.vmis: Writer = wiring.writer(wiring.informers.vmis)
        self.volumes: Writer = wiring.writer(wiring.informers.data_volumes)
        self.claims: Writer = wiring.writer(wiring.informers.claims)
