"""One look at one VMI: what was seen, and what has come of it so far. The parts of a pass hand it to each other; in the end what it
saw is what the VMI's new state is made from.
"""

from collections.abc import Mapping, Sequence

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


class Seen(Struct, frozen=True):
    """What a pass saw, after it has acted."""

    vmi: Object
    now: str
    pod: Object | None = None  # the one the guest lives, or shall live, in
    owned: Sequence[Object] = ()  # all pods of the VMI
    volumes: Mapping[str, Object] | None = None  # DataVolumes by name, those that exist
    claims: Mapping[str, Object] | None = None
    state: Object | None = None  # the claim of `persistent_state`
    failure: Failure | None = None
    unschedulable: str = ""  # a reason to call the VMI unschedulable before it has a pod
    provisioning: bool = False  # waits for a first consumer
    has_vm: bool = False
    cdi_config: Object | None = None
    attached: Mapping[str, Object] | None = None  # attachment pods by the volume they bring
    cid: int | None = None  # a VSOCK address for the guest, where it is to have one
    overhead_ratio: str = ""  # how much more than a guest's memory is reckoned with, as configured
    launcher_image: str = ""  # what launchers are made from now; empty: it cannot be told
