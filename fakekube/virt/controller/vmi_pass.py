"""One look at one VMI: what was seen, and what has come of it so far. The parts of a pass hand it to each other."""

from msgspec import Struct, field

from fakekube.machinery.wire import Object
from fakekube.virt.controller.conditions import Failure


class Pass(Struct):
    """See the module text."""

    vmi: Object
    owned: list[Object]
    pod: Object | None
    volumes: dict[str, Object] = field(default_factory=dict)
    claims: dict[str, Object] = field(default_factory=dict)
    state: Object | None = None  # the claim of `persistent_state`
    failure: Failure | None = None
    unschedulable: str = ""
    provisioning: bool = False
    attached: dict[str, Object] = field(default_factory=dict)
    error: Exception | None = None
