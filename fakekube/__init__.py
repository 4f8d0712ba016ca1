"""A Kubernetes API server with KubeVirt that is not a cluster."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["Cluster", "Fault", "FlowingClock", "ManualClock", "Server", "vm", "vmi", "vmpool"]

if TYPE_CHECKING:
    from fakekube.clock import FlowingClock, ManualClock
    from fakekube.cluster import Cluster
    from fakekube.testing.factories import vm, vmi, vmpool
    from fakekube.testing.threaded import Server
    from fakekube.traffic.faults import Fault

_HOMES = {
    "Cluster": "fakekube.cluster",
    "Fault": "fakekube.traffic.faults",
    "FlowingClock": "fakekube.clock",
    "ManualClock": "fakekube.clock",
    "Server": "fakekube.testing.threaded",
    "vm": "fakekube.testing.factories",
    "vmi": "fakekube.testing.factories",
    "vmpool": "fakekube.testing.factories",
}


def __getattr__(name: str) -> object:
    """What users import from here, found when asked for: `import fakekube` alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fakekube' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - see above

    return getattr(import_module(_HOMES[name]), name)
