"""How built-in kinds print: their columns and the row of an object. Loaded with the first table anybody asks for.

k8s: pkg/printers/internalversion/printers.go
"""

from collections.abc import Mapping

from fakekube.api.printers import access, core, network, platform, storage, workloads
from fakekube.api.printers.columns import Printer

PRINTERS: Mapping[tuple[str, str], Printer] = {
    **core.PRINTERS,
    **workloads.PRINTERS,
    **network.PRINTERS,
    **storage.PRINTERS,
    **access.PRINTERS,
    **platform.PRINTERS,
}
